#include "ponder/store/safetensors.h"

#include <cstring>

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
