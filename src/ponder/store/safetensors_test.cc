#include "ponder/store/safetensors.h"

#include <cstring>
#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/store/test_dir.h"

namespace ponder::store {
namespace {

class Safetensors : public TestDir {
 protected:
  // A file of a given header and so many bytes of data; the length field can be forged.
  std::string make(std::string_view header, size_t data_bytes, int64_t length = -1) {
    const uint64_t n = length >= 0 ? static_cast<uint64_t>(length) : header.size();
    std::string file(reinterpret_cast<const char*>(&n), sizeof n);
    file += header;
    file.append(data_bytes, 'd');
    return write(file);
  }
  std::string write(std::string_view bytes) {
    const std::string file = path("t.safetensors");
    base::write_file_atomic(file, bytes);
    return file;
  }
  // What is wrong with a file, "" when nothing.
  std::string error_of(const std::string& file) {
    try {
      SafetensorsFile opened(file);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_EQ(std::string(e.what()).find(file), 0u) << e.what();
      return e.message();
    }
    return "";
  }
};

TEST_F(Safetensors, ReadsAFileMadeByHand) {
  const SafetensorsFile file(make(
      R"({"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]},)"
      R"("a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"s":{"dtype":"BF16","shape":[],"data_offsets":[11,13]},)"
      R"("none":{"dtype":"F32","shape":[0,4],"data_offsets":[8,8]}}   )",
      13));
  ASSERT_EQ(file.entries().size(), 4u);
  EXPECT_EQ(file.entries()[0].name, "a");
  EXPECT_EQ(file.entries()[1].name, "none");
  EXPECT_EQ(file.entries()[2].name, "b");
  EXPECT_EQ(file.at("a").shape, (std::vector<int64_t>{2, 1}));
  EXPECT_EQ(file.bytes(file.at("b")), "ddd");
  EXPECT_EQ(file.bytes(file.at("none")), "");
  EXPECT_TRUE(file.at("s").shape.empty());
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_THROW(file.at("c"), Error);
}

TEST_F(Safetensors, AnEmptyHeaderIsAFileWithoutTensors) {
  EXPECT_TRUE(SafetensorsFile(make("{}", 0)).entries().empty());
}

TEST_F(Safetensors, WeightsAreReadByTheirTypeAndHeldAgainstNan) {
  const float f32[6] = {1, 2, 3, 4, 5, -6};
  const uint16_t bf16[6] = {0x3F80, 0x4000, 0x7F80, 0x4080, 0x40A0, 0x40C0}, f16[3] = {0x3C00, 0x0001, 0x7E00};
  const float lone[1] = {-std::numeric_limits<float>::infinity()};
  write_safetensors(path("t.safetensors"), {{"f32", "F32", {2, 3}, f32},
                                            {"bf16", "BF16", {2, 1, 3}, bf16},
                                            {"f16", "F16", {3}, f16},
                                            {"lone", "F32", {}, lone},
                                            {"u8", "U8", {4}, f32}});
  const SafetensorsFile file(path("t.safetensors"));
  const auto error_of_reading = [&](const char* name, int64_t first, int64_t n, bool halves = false) -> std::string {
    std::vector<float> out(static_cast<size_t>(n));
    try {
      halves ? file.read_bf16(file.at(name), first, n, out.data()) : file.read(file.at(name), first, n, out.data());
    } catch (const Error& e) {
      EXPECT_EQ(e.code() == ErrorCode::kInput, e.where() == file.path()) << e.what();
      return e.message();
    }
    return "";
  };
  float out[6];
  file.read(file.at("f32"), 0, 6, out);
  EXPECT_EQ(std::vector<float>(out, out + 6), std::vector<float>(f32, f32 + 6));
  file.read(file.at("f16"), 0, 2, out);
  EXPECT_EQ(std::vector<float>(out, out + 2), (std::vector<float>{1, 0x1p-24f}));
  file.read(file.at("bf16"), 3, 3, out);
  EXPECT_EQ(std::vector<float>(out, out + 3), (std::vector<float>{4, 5, 6}));
  uint16_t halves[2];
  file.read_bf16(file.at("bf16"), 4, 2, halves);
  EXPECT_EQ(halves[0], 0x40A0);
  EXPECT_EQ(halves[1], 0x40C0);
  EXPECT_EQ(file.weight_type(file.at("bf16")), GgmlType::kBf16);
  for (const bool as_halves : {false, true})
    EXPECT_EQ(error_of_reading("bf16", 1, 4, as_halves),
              "tensor \"bf16\" holds a weight that is NaN or infinite at [0,0,2]");
  EXPECT_EQ(error_of_reading("f16", 1, 2), "tensor \"f16\" holds a weight that is NaN or infinite at [2]");
  EXPECT_EQ(error_of_reading("lone", 0, 1), "tensor \"lone\" holds a weight that is NaN or infinite");
  EXPECT_EQ(error_of_reading("u8", 0, 1), "tensor \"u8\" has dtype U8; F32, F16 and BF16 can be read");
  EXPECT_NE(error_of_reading("f32", 4, 3), "") << "behind the tensor's end";
  EXPECT_NE(error_of_reading("f32", 0, 1, true), "") << "not BF16";
}

struct Malformed {
  const char* header;
  size_t data_bytes;
  const char* message;  // part of it
};

TEST_F(Safetensors, MalformedHeadersAreNamed) {
  const Malformed kCases[] = {
      {"", 0, "must start with '{'"},
      {"[]", 0, "must start with '{'"},
      {" {}", 0, "must start with '{'"},
      {"{", 0, "not valid JSON"},
      {"{} x", 0, "not valid JSON"},
      {"{\"a\":\xFF}", 0, "not valid JSON"},
      {R"({"a":1})", 0, R"(has no "dtype")"},
      {R"({"a":{"shape":[1],"data_offsets":[0,4]}})", 4, R"(has no "dtype")"},
      {R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4, R"(has no "shape")"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, R"(has no "data_offsets")"},
      {R"({"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", 4, R"(unknown dtype "F33")"},
      {R"({"a":{"dtype":32,"shape":[1],"data_offsets":[0,4]}})", 4, "unknown dtype 32"},
      {R"({"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}})", 4, R"(list of whole numbers as "shape")"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, R"(list of whole numbers as "shape")"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, R"(list of whole numbers as "shape")"},
      {R"({"a":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}})", 4, R"(list of whole numbers as "shape")"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "begin <= end"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, "begin <= end"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "begin <= end"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", 4, R"(whole numbers as "data_offsets")"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,1e3]}})", 4, R"(whole numbers as "data_offsets")"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "needs 8"},
      {R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,8]}})", 8, "needs 4"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "a hole before it"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, "tensors overlap"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})",
       4, "tensors overlap"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
       5, "a hole before it"},
      {R"({"a":{"dtype":"U8","shape":[9],"data_offsets":[0,9]}})", 8, "the file is cut off"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", 5, "1 bytes behind the last tensor"},
      {"{}", 7, "7 bytes behind the last tensor"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, "stands twice"},
      {R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1, "stands twice"},
      {R"({"a":{"dtype":"F64","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "impossible shape"},
      {R"({"a":{"dtype":"F64","shape":[2305843009213693952,2],"data_offsets":[0,0]}})", 0, "impossible shape"},
      {R"({"a":{"dtype":"F64","shape":[9223372036854775807],"data_offsets":[0,8]}})", 8, "impossible shape"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,0]}})", 0, R"(whole numbers as "shape")"},
      {R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})", 8, "impossible"},
      {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}})", 2, "impossible shape"},
      {R"({"__metadata__":{"a":1}})", 0, "must be a string, found integer"},
      {R"({"__metadata__":["a"]})", 0, "must be an object of strings"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "stands twice"},
  };
  for (const Malformed& c : kCases) {
    const std::string error = error_of(make(c.header, c.data_bytes));
    EXPECT_NE(error.find(c.message), std::string::npos) << c.header << "\n  gave: " << error;
  }
}

TEST_F(Safetensors, BadLengthsAreNamed) {
  EXPECT_NE(error_of(write("")).find("the file has 0 bytes"), std::string::npos);
  EXPECT_NE(error_of(write("1234567")).find("the file has 7 bytes"), std::string::npos);
  EXPECT_NE(error_of(make("{}", 0, 3)).find("claims 3 bytes, but 2 follow"), std::string::npos);
  EXPECT_NE(error_of(make("{}", 0, 100'000'001)).find("the format allows 100000000"), std::string::npos);
  EXPECT_NE(error_of(make("{}", 0, INT64_MAX)).find("the format allows"), std::string::npos);
  EXPECT_NE(error_of(write(std::string(16, '\xFF'))).find("the format allows"), std::string::npos);
  EXPECT_NE(error_of(make("{}", 0, 0)).find("must start with '{'"), std::string::npos);
  const std::string deep = R"({"a":)" + std::string(100'000, '[');
  EXPECT_NE(error_of(make(deep, 0)).find("nested deeper"), std::string::npos);
}

TEST_F(Safetensors, WritesWhatItReads) {
  base::Rng rng(base::RngKey(1).child("safetensors"));
  const std::vector<std::string> dtypes = {"F32", "F16", "BF16", "I64", "U8", "F64", "BOOL"};
  for (int round = 0; round < 30; ++round) {
    std::vector<std::string> data;
    std::vector<TensorView> tensors;
    for (int64_t n = rng.below(8); n > 0; --n) {
      TensorView tensor{base::cat("layer.", n, ".w\"\n"), rng.pick(dtypes), {}, nullptr};
      int64_t bytes = dtype_bits(tensor.dtype) / 8;
      for (int64_t dims = rng.below(4); dims > 0; --dims) {
        tensor.shape.push_back(rng.below(5));
        bytes *= tensor.shape.back();
      }
      std::string& content = data.emplace_back();
      for (int64_t i = 0; i < bytes; ++i) content += static_cast<char>(rng.below(256));
      tensors.push_back(tensor);
    }
    for (size_t i = 0; i < tensors.size(); ++i) tensors[i].data = data[i].data();
    const SafetensorsMetadata metadata = round % 2 ? SafetensorsMetadata{{"format", "pt"}} : SafetensorsMetadata{};
    write_safetensors(path("a"), tensors, metadata);

    const SafetensorsFile file(path("a"));
    EXPECT_EQ(file.metadata(), metadata);
    ASSERT_EQ(file.entries().size(), tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      const TensorEntry& entry = file.at(tensors[i].name);
      EXPECT_EQ(entry.dtype, tensors[i].dtype);
      EXPECT_EQ(entry.shape, tensors[i].shape);
      EXPECT_EQ(file.bytes(entry), data[i]);
      const auto address = reinterpret_cast<uintptr_t>(file.bytes(entry).data());
      EXPECT_EQ(address % (dtype_bits(entry.dtype) / 8), 0u) << entry.dtype << " is not aligned";
    }
    rng.shuffle(tensors);
    write_safetensors(path("b"), tensors, metadata);
    EXPECT_EQ(base::read_file(path("a")), base::read_file(path("b")));  // the order of the caller leaves no trace
  }
}

TEST_F(Safetensors, ChangedFilesNeverCrash) {
  const std::vector<float> w(12, 1.5f);
  write_safetensors(path("good"), {{"w", "F32", {3, 4}, w.data()}, {"b", "F32", {2}, w.data()}}, {{"k", "v"}});
  const std::string good = base::read_file(path("good"));
  base::Rng rng(base::RngKey(2).child("mutate"));
  int refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int64_t n = rng.between(1, 3); n > 0; --n) {
      const int64_t at = rng.below(static_cast<int64_t>(bytes.size()));
      switch (rng.below(3)) {
        case 0:
          bytes[at] = static_cast<char>(rng.below(256));
          break;
        case 1:
          bytes[at] = static_cast<char>('0' + rng.below(10));
          break;
        default:
          bytes.resize(at + 1);
      }
    }
    try {
      const SafetensorsLayout layout = read_safetensors_layout(bytes, "f");
      int64_t end = 0;
      for (const TensorEntry& entry : layout.entries) {
        EXPECT_EQ(entry.offset, end);
        end += entry.bytes;
      }
      EXPECT_EQ(end, static_cast<int64_t>(layout.data.size()));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 5000);
}

TEST_F(Safetensors, TheWriterHoldsTheCallerToItsPlan) {
  const float data[4] = {};
  SafetensorsWriter writer(path("w"), {{"b", "F32", {2}}, {"a", "F32", {2}}, {"big", "F64", {0}}});
  ASSERT_EQ(writer.entries().size(), 3u);
  EXPECT_EQ(writer.entries()[0].name, "big");
  EXPECT_EQ(writer.entries()[1].name, "a");
  EXPECT_THROW(writer.write(writer.entries()[1], data, 8), Error);
  writer.write(writer.entries()[0], nullptr, 0);
  EXPECT_THROW(writer.write(writer.entries()[1], data, 4), Error);
  writer.write(writer.entries()[1], data, 8);
  EXPECT_THROW(writer.close(), Error);
  EXPECT_FALSE(base::file_exists(path("w")));
  EXPECT_THROW(SafetensorsWriter(path("x"), {{"a", "F31", {1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(path("x"), {{"a", "F32", {-1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(path("x"), {{"a", "F32", {1}}, {"a", "F32", {1}}}), Error);
  EXPECT_THROW(SafetensorsWriter(path("x"), {{"__metadata__", "F32", {1}}}), Error);
  EXPECT_EQ(base::list_directory(dir()), (std::vector<std::string>{"w.tmp"}));
}

TEST_F(Safetensors, AnAbandonedWriterLeavesNothing) {
  { SafetensorsWriter writer(path("w"), {{"a", "F32", {1}}}); }
  EXPECT_TRUE(base::list_directory(dir()).empty());
}

}  // namespace
}  // namespace ponder::store
