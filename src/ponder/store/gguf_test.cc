#include "ponder/store/gguf.h"

#include <cmath>
#include <cstdlib>
#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/store/gguf_write.h"
#include "ponder/store/test_dir.h"
#include "ponder/store/test_gguf.h"

namespace ponder::store {
namespace {

class Gguf : public TestDir {
 protected:
  std::string write(std::string_view bytes, std::string_view name = "t.gguf") {
    const std::string file = path(name);
    base::write_file_atomic(file, bytes);
    return file;
  }
};

TEST_F(Gguf, ReadsAFileMadeByHand) {
  const GgufFile file(write(right_gguf().bytes()));
  EXPECT_EQ(file.version(), 3u);
  const GgufMetadata& m = file.metadata();
  EXPECT_EQ(m.entries().size(), 18u);
  EXPECT_EQ(m.entries()[0].first, "general.architecture");
  EXPECT_EQ(m.string_at("general.architecture"), "tiny");
  EXPECT_EQ(m.int_at("a.u8"), 200);
  EXPECT_EQ(m.int_at("a.i8"), -100);
  EXPECT_EQ(m.int_at("a.u16"), 60000);
  EXPECT_EQ(m.int_at("a.i16"), -30000);
  EXPECT_EQ(m.int_at("a.u32"), 4000000000);
  EXPECT_EQ(m.int_at("a.i32"), -2000000000);
  EXPECT_EQ(m.int_at("a.i64"), INT64_MIN);
  EXPECT_EQ(m.double_at("a.f32"), 0.5);
  EXPECT_EQ(m.double_at("a.f64"), 0.1);
  EXPECT_EQ(m.double_at("a.u8"), 200);
  EXPECT_TRUE(m.bool_at("a.bool"));
  EXPECT_EQ(m.strings_at("tokens"), (std::vector<std::string_view>{"<s>", "", "it"}));
  EXPECT_EQ(m.floats_at("scores"), (std::vector<float>{-1, 2.5f}));
  EXPECT_EQ(m.ints_at("types"), (std::vector<int64_t>{3, -1}));
  EXPECT_EQ(m.bools_at("flags"), (std::vector<bool>{true, false}));
  EXPECT_TRUE(m.strings_at("none").empty());
  EXPECT_EQ(m.at("lists").count, 2u);
  EXPECT_EQ(m.int_or("absent", 7), 7);
  EXPECT_EQ(m.double_or("absent", 0.25), 0.25);
  EXPECT_EQ(m.string_or("absent", "x"), "x");
  EXPECT_TRUE(m.bool_or("absent", true));
  EXPECT_EQ(m.int_or("a.u8", 7), 200);

  ASSERT_EQ(file.tensors().size(), 4u);
  const GgufTensor& w = file.at("w");
  EXPECT_EQ(w.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.read(w), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  std::vector<float> q(64, 2.0f);
  std::fill(q.begin() + 32, q.end(), 2.0f);  // -2 · -1
  EXPECT_EQ(file.read(file.at("q")), q);
  EXPECT_EQ(file.read(file.at("h")), std::vector<float>(5, 1.0f));
  EXPECT_EQ(file.read(file.at("k")), std::vector<float>(256, 0.0f));
  float row[32];
  file.read(file.at("q"), 32, 32, row);
  EXPECT_EQ(row[31], 2.0f);
  EXPECT_EQ(file.find("v"), nullptr);
  EXPECT_THROW(file.at("v"), Error);
}

TEST_F(Gguf, VersionTwoHasTheSameShape) {
  RawGguf raw = right_gguf();
  raw.version = 2;
  EXPECT_EQ(GgufFile(write(raw.bytes())).version(), 2u);
}

TEST_F(Gguf, TensorsMayLieInAnyOrderAndLeaveHoles) {
  RawGguf file;
  file.tensors = {raw_tensor("b", {4}, 0, 96), raw_tensor("a", {1}, 0, 0)};
  file.data.assign(112, '\0');
  const GgufLayout layout = read_gguf_layout(file.bytes(), "f");
  EXPECT_EQ(layout.tensors[0].name, "b");
  EXPECT_EQ(layout.data.size(), 112u);
}

TEST_F(Gguf, AnAlignmentOfItsOwnIsKept) {
  RawGguf file = right_gguf();
  file.pairs.push_back(raw_pair("general.alignment", 4, raw(uint32_t{256})));
  file.alignment = 256;
  file.tensors = {raw_tensor("w", {1}, 0, 256)};
  file.data.resize(260);
  const std::string bytes = file.bytes();
  const GgufLayout layout = read_gguf_layout(bytes, "f");
  EXPECT_EQ(layout.alignment, 256u);
  EXPECT_EQ((layout.data.data() - bytes.data()) % 256, 0);
}

TEST_F(Gguf, AFileOfMetadataAloneMayEndWithIt) {
  RawGguf file = right_gguf();
  file.tensors.clear();
  EXPECT_TRUE(read_gguf_layout(file.table(), "f").data.empty());
}

TEST_F(Gguf, WritesWhatItReads) {
  base::Rng rng(base::RngKey(4).child("gguf"));
  const std::vector<GgmlType> types = {GgmlType::kF32, GgmlType::kF16, GgmlType::kBf16, GgmlType::kQ8_0,
                                       GgmlType::kQ6K};
  for (int round = 0; round < 20; ++round) {
    GgufPairs pairs;
    pairs.add_string("general.architecture", "tiny");
    const int64_t number = rng.below(int64_t{1} << 32);
    pairs.add_u32("n", number);
    pairs.add_f32("x", 0.75);
    pairs.add_bool("b", round % 2);
    pairs.add_strings("s", std::vector<std::string>{"a", "", std::string("\0ü", 3)});
    pairs.add_i32s("i", {-1, 2});
    pairs.add_f32s("f", {1.5f});
    pairs.add_bools("bs", {true, false, true});
    std::vector<GgufTensor> tensors;
    for (int64_t n = rng.below(6); n > 0; --n) {
      GgufTensor& tensor = tensors.emplace_back();
      tensor.name = base::cat("blk.", n, ".w");
      tensor.type = &info_of(rng.pick(types));
      for (int64_t dims = rng.below(4); dims > 0; --dims) tensor.shape.push_back(rng.between(1, 4));
      tensor.shape.push_back(rng.between(1, 3) * tensor.type->block_weights);
    }
    GgufWriter writer(path("a"), pairs, tensors);
    std::vector<std::string> data;
    for (const GgufTensor& tensor : writer.tensors()) {
      std::string& bytes = data.emplace_back();
      for (int64_t i = 0; i < tensor.bytes; ++i) bytes += static_cast<char>(rng.below(256));
      const auto cut = static_cast<size_t>(rng.below(tensor.bytes));
      writer.write(tensor, bytes.data(), cut);
      writer.write(tensor, bytes.data() + cut, bytes.size() - cut);
    }
    writer.close();

    const GgufFile file(path("a"));
    EXPECT_EQ(file.metadata().int_at("n"), number);
    EXPECT_EQ(file.metadata().bool_at("b"), round % 2 == 1);
    EXPECT_EQ(file.metadata().strings_at("s")[2], std::string_view("\0ü", 3));
    ASSERT_EQ(file.tensors().size(), tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) {
      EXPECT_EQ(file.tensors()[i].name, tensors[i].name);
      EXPECT_EQ(file.tensors()[i].shape, tensors[i].shape);
      EXPECT_EQ(file.tensors()[i].type, tensors[i].type);
      EXPECT_EQ(file.bytes(file.tensors()[i]), data[i]);
    }
    GgufPairs copied;  // what another file says, taken over as it is
    for (const auto& [key, value] : file.metadata().entries()) copied.copy(key, value);
    EXPECT_EQ(copied.bytes(), pairs.bytes());
  }
}

TEST_F(Gguf, TheWriterHoldsTheCallerToItsPlan) {
  const float data[4] = {};
  const GgmlTypeInfo* f32 = &info_of(GgmlType::kF32);
  const auto tensor = [&](std::string name, std::vector<int64_t> shape, const GgmlTypeInfo* type) {
    GgufTensor made;
    made.name = std::move(name);
    made.shape = std::move(shape);
    made.type = type;
    return made;
  };
  GgufPairs pairs;
  pairs.add_bool("b", true);
  EXPECT_THROW(pairs.add_u32("b", 1), Error);
  EXPECT_THROW(pairs.add_u32("c", -1), Error);
  EXPECT_THROW(pairs.add_u32("general.alignment", 64), Error);
  {
    GgufWriter writer(path("w"), pairs, {tensor("a", {2}, f32), tensor("b", {2}, f32)});
    EXPECT_THROW(writer.write(writer.tensors()[1], data, 8), Error);
    EXPECT_THROW(writer.write(writer.tensors()[0], data, 9), Error);
    writer.write(writer.tensors()[0], data, 8);
    EXPECT_THROW(writer.close(), Error);
    EXPECT_FALSE(base::file_exists(path("w")));
  }
  EXPECT_TRUE(base::list_directory(dir()).empty());
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor("a", {2}, f32), tensor("a", {2}, f32)}), Error);
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor("", {2}, f32)}), Error);
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor(std::string(64, 'n'), {2}, f32)}), Error);
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor("a", {}, f32)}), Error);
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor("a", {0}, f32)}), Error);
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor("a", {1, 1, 1, 1, 1}, f32)}), Error);
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor("a", {33}, &info_of(GgmlType::kQ8_0))}), Error);
  EXPECT_THROW(GgufWriter(path("x"), {}, {tensor("a", {INT64_MAX, 2}, f32)}), Error);
  EXPECT_TRUE(base::list_directory(dir()).empty());
}

// A model of two parts, as llama.cpp's gguf-split names and marks them.
class GgufParts : public Gguf {
 protected:
  RawGguf part(uint16_t number, uint16_t parts, int32_t tensors, std::string_view tensor) {
    RawGguf file;
    file.pairs = {raw_pair("split.no", 2, raw(number)), raw_pair("split.count", 2, raw(parts)),
                  raw_pair("split.tensors.count", 5, raw(tensors))};
    if (number == 0) file.pairs.push_back(raw_pair("general.architecture", 8, raw_string("tiny")));
    if (!tensor.empty()) file.tensors = {raw_tensor(tensor, {1}, 0, 0)};
    file.data = raw(static_cast<float>(number));
    return file;
  }
  std::string error_of(const std::string& file) {
    try {
      GgufFile opened(file);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return e.what();
    }
    return "";
  }
  void expect_error(const std::string& file, const std::string& message) {
    const std::string error = error_of(file);
    EXPECT_NE(error.find(message), std::string::npos) << error << "\nlacks " << message;
  }
};

TEST_F(GgufParts, OpenAsOneFromAnyOfThem) {
  write(part(0, 2, 2, "a").bytes(), "m-00001-of-00002.gguf");
  write(part(1, 2, 2, "b").bytes(), "m-00002-of-00002.gguf");
  for (const char* name : {"m-00001-of-00002.gguf", "m-00002-of-00002.gguf"}) {
    const GgufFile file(path(name));
    EXPECT_EQ(file.parts(), 2);
    EXPECT_EQ(file.path(), path("m-00001-of-00002.gguf"));
    EXPECT_EQ(file.metadata().string_at("general.architecture"), "tiny");
    EXPECT_EQ(file.read(file.at("a")), std::vector<float>{0.0f});
    EXPECT_EQ(file.read(file.at("b")), std::vector<float>{1.0f});
  }
}

TEST_F(GgufParts, WhatDoesNotBelongTogetherIsNamed) {
  const std::string first = "m-00001-of-00002.gguf", second = "m-00002-of-00002.gguf";
  write(part(0, 2, 2, "a").bytes(), first);
  expect_error(path(first), second);  // missing
  write(part(1, 3, 2, "b").bytes(), second);
  expect_error(path(first), "does not say that it is part 2 of 2");
  write(part(0, 2, 2, "b").bytes(), second);
  expect_error(path(first), "does not say that it is part 2 of 2");
  write(part(1, 2, 2, "a").bytes(), second);
  expect_error(path(first), "tensor \"a\" stands in another part too");
  write(part(1, 2, 2, "").bytes(), second);
  expect_error(path(first), "\"split.tensors.count\" is 2, but the parts hold 1");
  write(right_gguf().bytes(), second);
  expect_error(path(first), "does not say");
  write("GGUF", second);
  expect_error(path(first), second);
  write(part(0, 2, 2, "a").bytes(), "alone.gguf");
  expect_error(path("alone.gguf"), "must be named …-00001-of-00002.gguf");
  write(part(2, 2, 2, "a").bytes(), "alone.gguf");
  expect_error(path("alone.gguf"), "\"split.no\" is 2, but there are 2 parts");
  write(part(0, 60000, 2, "a").bytes(), "alone.gguf");
  expect_error(path("alone.gguf"), "1 to 1000 parts are read");
  RawGguf odd = part(0, 2, 2, "a");
  odd.pairs[1] = raw_pair("split.count", 8, raw_string("2"));
  write(odd.bytes(), "alone.gguf");
  expect_error(path("alone.gguf"), "\"split.count\" must be an integer");
  odd.pairs[1] = raw_pair("split.count", 5, raw(int32_t{-2}));
  write(odd.bytes(), "alone.gguf");
  expect_error(path("alone.gguf"), "is -2; 1 to 1000");
  odd = part(0, 2, 2, "a");
  odd.pairs.erase(odd.pairs.begin());
  write(odd.bytes(), "alone.gguf");
  expect_error(path("alone.gguf"), "\"split.no\" is missing");
}

TEST_F(Gguf, ReadsARealModel) {
  const char* path = std::getenv("PONDER_TEST_GEMMA");
  if (!path) GTEST_SKIP() << "PONDER_TEST_GEMMA names no GGUF file of Gemma 3 270M";
  const GgufFile file(path);
  EXPECT_EQ(file.metadata().string_at("general.architecture"), "gemma3");
  EXPECT_EQ(file.metadata().strings_at("tokenizer.ggml.tokens").size(), 262'144u);
  EXPECT_EQ(file.metadata().floats_at("tokenizer.ggml.scores").size(), 262'144u);
  EXPECT_EQ(file.tensors().size(), 236u);
  EXPECT_EQ(file.at("token_embd.weight").shape, (std::vector<int64_t>{262'144, 640}));
}

}  // namespace
}  // namespace ponder::store
