#include "ponder/store/shards.h"

#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/store/quant.h"
#include "ponder/store/test_dir.h"

namespace ponder::store {
namespace {

using base::Json;

class Shards : public TestDir {
 protected:
  void write(std::string_view name, std::string_view bytes) { base::write_file_atomic(path(name), bytes); }
  // A shard of tensors of two floats each.
  void shard(std::string_view name, const std::vector<std::string>& tensors) {
    const float data[2] = {1.5f, -2};
    std::vector<TensorView> views;
    for (const std::string& tensor : tensors) views.push_back({tensor, "F32", {2}, data});
    write_safetensors(path(name), views);
  }
  void index(std::string_view weight_map) {
    write("model.safetensors.index.json", base::cat(R"({"metadata":{"total_size":16},"weight_map":)", weight_map, "}"));
  }
  // Two right shards and their index.
  void right() {
    shard("model-00001-of-00002.safetensors", {"a", "b"});
    shard("model-00002-of-00002.safetensors", {"c"});
    index(kRight);
  }
  std::string error() {
    try {
      const SafetensorsDirectory opened(dir());
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      EXPECT_EQ(std::string(e.what()).find(dir()), 0u) << e.what();
      return e.message();
    }
    return "";
  }
  static constexpr const char* kRight =
      R"({"a":"model-00001-of-00002.safetensors","c":"model-00002-of-00002.safetensors",)"
      R"("b":"model-00001-of-00002.safetensors"})";
};

TEST_F(Shards, AreOneTable) {
  right();
  const SafetensorsDirectory model(dir());
  ASSERT_EQ(model.tensors().size(), 3u);
  EXPECT_EQ(model.paths(), (std::vector<std::string>{path("model-00001-of-00002.safetensors"),
                                                     path("model-00002-of-00002.safetensors")}));
  EXPECT_EQ(model.read(model.at("c")), (std::vector<float>{1.5f, -2}));
  EXPECT_EQ(model.at("b").weights, 2);
  EXPECT_EQ(model.find("d"), nullptr);
  EXPECT_THROW(model.at("d"), Error);
}

TEST_F(Shards, OneFileNeedsNoIndex) {
  right();
  shard("model.safetensors", {"x"});
  const SafetensorsDirectory model(dir());
  ASSERT_EQ(model.tensors().size(), 1u);
  EXPECT_EQ(model.tensors()[0].entry->name, "x");
}

TEST_F(Shards, TheTotalSizeIsNotLookedAt) {
  right();
  for (const char* metadata : {R"({"total_size":1})", R"({"total_size":-1e300})", "{}", R"("odd")"}) {
    write("model.safetensors.index.json", base::cat(R"({"metadata":)", metadata, R"(,"weight_map":)", kRight, "}"));
    EXPECT_EQ(error(), "");
  }
}

TEST_F(Shards, HalvesAreReadAsF32) {
  const uint16_t f16[3] = {f32_to_f16(0.1f), 1, 0x8000}, bf16[1] = {f32_to_bf16(0.1f)};
  const double f64[1] = {1};
  const int64_t i64[1] = {1};
  const float nan[2] = {1, std::numeric_limits<float>::quiet_NaN()};
  write_safetensors(path("model.safetensors"), {{"f16", "F16", {3, 1}, f16},
                                                {"bf16", "BF16", {}, bf16},
                                                {"f64", "F64", {1}, f64},
                                                {"i64", "I64", {1}, i64},
                                                {"nan", "F32", {2}, nan},
                                                {"empty", "F16", {0, 3}, f16}});
  const SafetensorsDirectory model(dir());
  EXPECT_EQ(model.read(model.at("f16")), (std::vector<float>{f16_to_f32(f16[0]), 0x1p-24f, -0.0f}));
  EXPECT_EQ(model.read(model.at("bf16")), std::vector<float>{bf16_to_f32(bf16[0])});
  EXPECT_TRUE(model.read(model.at("empty")).empty());
  float one;
  model.read(model.at("f16"), 1, 1, &one);
  EXPECT_EQ(one, 0x1p-24f);
  model.read(model.at("nan"), 0, 1, &one);
  const std::pair<const char*, const char*> kBad[] = {{"f64", "tensor \"f64\" has dtype F64; F32, F16 and BF16"},
                                                      {"i64", "tensor \"i64\" has dtype I64"},
                                                      {"nan", "tensor \"nan\" holds a weight that is NaN"}};
  for (const auto& [name, message] : kBad) {
    try {
      model.read(model.at(name));
      ADD_FAILURE() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.where(), path("model.safetensors"));
      EXPECT_NE(e.message().find(message), std::string::npos) << e.message();
    }
  }
}

TEST_F(Shards, ABadIndexIsNamed) {
  right();
  const std::pair<const char*, const char*> kCases[] = {
      {"1", "needs an object \"weight_map\""},
      {"null", "needs an object \"weight_map\""},
      {"[]", "needs an object \"weight_map\""},
      {"\"model.safetensors\"", "needs an object \"weight_map\""},
      {"{}", "names no tensor"},
      {R"({"a":1})", "tensor \"a\" needs a file's name, found integer"},
      {R"({"a":null})", "needs a file's name, found null"},
      {R"({"a":["model-00001-of-00002.safetensors"]})", "needs a file's name, found array"},
      {R"({"a":""})", "names the file \"\"; a plain NAME.safetensors"},
      {R"({"a":".safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"..safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"../model-00001-of-00002.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"/etc/model.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"sub/model.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"sub\\model.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"c:model.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"./model-00001-of-00002.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":".hidden.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"model 1.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"model\u0000.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"model\n.safetensors"})", "a plain NAME.safetensors"},
      {R"({"a":"pytorch_model.bin"})", "a plain NAME.safetensors"},
      {R"({"a":"model.safetensors.index.json"})", "a plain NAME.safetensors"},
      {R"({"a":"model-00003-of-00003.safetensors"})",
       "names the file model-00003-of-00003.safetensors, which is not in"},
      {R"({"d":"model-00001-of-00002.safetensors"})", "holds the tensor \"d\"; it does not"},
      {R"({"c":"model-00001-of-00002.safetensors","a":"model-00002-of-00002.safetensors"})", "it does not"},
      {R"({"a":"model-00001-of-00002.safetensors","a":"model-00001-of-00002.safetensors"})", "stands twice"},
      {R"({"a":"model-00001-of-00002.safetensors")", "not valid JSON"},
  };
  for (const auto& [map, message] : kCases) {
    index(map);
    const std::string found = error();
    EXPECT_NE(found.find(message), std::string::npos) << map << "\n  gave: " << found;
  }
  for (const char* whole : {"", "null", "[]", "{}", R"({"weight_map":null})", "{\"weight_map\":{\"\xFF\":1}}"}) {
    write("model.safetensors.index.json", whole);
    EXPECT_NE(error(), "") << whole;
  }
  write("model.safetensors.index.json", std::string(1'000'000, '['));
  EXPECT_NE(error().find("nested deeper"), std::string::npos);
  std::string bomb = R"({"weight_map":{"t":"0.safetensors")";
  for (size_t i = 1; i <= kMaxShards; ++i) bomb += base::cat(",\"", i, "\":\"", i, ".safetensors\"");
  write("model.safetensors.index.json", bomb + "}}");
  EXPECT_NE(error().find("names more than 10000 files"), std::string::npos);
  write("model.safetensors.index.json", std::string(kMaxIndexBytes + 1, ' '));
  EXPECT_NE(error().find("an index of at most 50000000 is read"), std::string::npos);
}

TEST_F(Shards, BadShardsAreNamed) {
  right();
  shard("model-00002-of-00002.safetensors", {"c", "a"});
  EXPECT_NE(error().find("tensor \"a\" stands in model-00001-of-00002.safetensors too"), std::string::npos);
  shard("model-00002-of-00002.safetensors", {"e"});
  EXPECT_NE(error().find("holds the tensor \"c\"; it does not"), std::string::npos);
  write("model-00002-of-00002.safetensors", "");
  EXPECT_NE(error().find("the file has 0 bytes"), std::string::npos);
  write("model-00002-of-00002.safetensors", "version https://git-lfs.github.com/spec/v1\n");
  EXPECT_NE(error().find("is this a safetensors file?"), std::string::npos);
  base::remove_all(path("model-00002-of-00002.safetensors"));
  base::make_directories(path("model-00002-of-00002.safetensors"));
  EXPECT_NE(error().find("is not a regular file"), std::string::npos);
}

TEST_F(Shards, ADirectoryWithoutSafetensorsSaysWhatItHas) {
  EXPECT_NE(error().find("holds neither model.safetensors nor model.safetensors.index.json"), std::string::npos);
  for (const char* pickle : {"pytorch_model.bin", "consolidated.00.pth", "model.pt", "pytorch_model.bin.index.json"}) {
    write(pickle, "PK");
    const std::string found = error();
    EXPECT_NE(found.find(base::cat("as pickles (", pickle, ")")), std::string::npos) << found;
    EXPECT_NE(found.find("save_pretrained"), std::string::npos);
    base::remove_all(path(pickle));
  }
  write("m.gguf", "GGUF");
  EXPECT_NE(error().find("name its file m.gguf instead"), std::string::npos);
  EXPECT_THROW(SafetensorsDirectory(path("m.gguf")), Error);
  EXPECT_THROW(SafetensorsDirectory(path("absent")), Error);
}

}  // namespace
}  // namespace ponder::store
