#include "ponder/store/convert.h"

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/store/shards.h"
#include "ponder/store/test_dir.h"
#include "ponder/store/test_gguf.h"

namespace ponder::store {
namespace {

class Convert : public TestDir {};

TEST_F(Convert, GgufToEveryTypeThatIsWritten) {
  base::write_file_atomic(path("from.gguf"), right_gguf().bytes());
  const GgufFile from(path("from.gguf"));
  EXPECT_EQ(main_type(from), "F32");  // most weights are Q4_K, which is not written
  for (const bool as_gguf : {false, true}) {
    EXPECT_TRUE(keeps_weights(from, info_of(GgmlType::kF32), as_gguf));
    EXPECT_FALSE(keeps_weights(from, info_of(GgmlType::kBf16), as_gguf));
  }
  for (const GgmlType type : {GgmlType::kF32, GgmlType::kF16, GgmlType::kBf16, GgmlType::kQ8_0}) {
    convert_gguf(from, path("to.gguf"), type);
    const GgufFile to(path("to.gguf"));
    EXPECT_EQ(to.metadata().string_at("general.architecture"), "tiny");
    EXPECT_EQ(to.metadata().at("lists").bytes, from.metadata().at("lists").bytes);
    EXPECT_EQ(to.at("q").type->type, type);
    EXPECT_EQ(to.at("h").type->type, GgmlType::kF32);  // a vector
    if (type == GgmlType::kQ8_0) {
      EXPECT_EQ(to.at("w").type->type, GgmlType::kF16);  // rows of three
    }
    for (const GgufTensor& tensor : from.tensors()) {
      EXPECT_EQ(to.at(tensor.name).shape, tensor.shape);
      const std::vector<float> found = to.read(to.at(tensor.name)), wanted = from.read(tensor);
      ASSERT_EQ(found.size(), wanted.size());
      for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(found[i], wanted[i], type == GgmlType::kQ8_0 ? 1e-3 : 0);
    }
  }
  convert_gguf(GgufFile(path("to.gguf")), path("again.gguf"), GgmlType::kQ8_0);
  EXPECT_EQ(base::read_file(path("again.gguf")), base::read_file(path("to.gguf")));
}

TEST_F(Convert, DirectoriesWithTheirShards) {
  const float a[2] = {1.5f, -2}, big[1] = {1e30f};
  base::make_directories(path("from"));
  base::make_directories(path("to"));
  const auto in = [&](const char* name) { return base::join_path(path("from"), name); };
  const auto out = [&](const char* name) { return base::join_path(path("to"), name); };
  write_safetensors(in("1.safetensors"), {{"a", "F32", {1, 2}, a}});
  write_safetensors(in("2.safetensors"), {{"b", "F32", {1}, big}});
  base::write_file_atomic(in("model.safetensors.index.json"),
                          R"({"weight_map":{"a":"1.safetensors","b":"2.safetensors"}})");
  base::write_file_atomic(in("config.json"), R"({"torch_dtype":"float32","x":1})");
  base::write_file_atomic(in("tokenizer.json"), "{ }");
  base::write_file_atomic(in("chat_template.json"), R"({"chat_template":"{{ x }}"})");
  base::make_directories(in("additional_chat_templates"));
  base::write_file_atomic(in("additional_chat_templates/rag.jinja"), "{{ y }}");
  EXPECT_EQ(main_type(path("from")), "F32");
  EXPECT_TRUE(keeps_weights(path("from"), info_of(GgmlType::kF32), false));
  EXPECT_FALSE(keeps_weights(path("from"), info_of(GgmlType::kBf16), true)) << "a is a matrix";
  convert_directory(path("from"), path("to"), "BF16");
  const SafetensorsDirectory to(path("to"));
  EXPECT_EQ(to.at("a").entry->dtype, "BF16");
  EXPECT_EQ(to.read(to.at("a")), (std::vector<float>{1.5f, -2}));
  EXPECT_EQ(base::Json::parse(base::read_file(out("config.json"))).string_at("torch_dtype"), "bfloat16");
  EXPECT_EQ(base::read_file(out("tokenizer.json")), "{ }");
  EXPECT_EQ(base::read_file(out("chat_template.json")), R"({"chat_template":"{{ x }}"})");
  EXPECT_EQ(base::read_file(out("additional_chat_templates/rag.jinja")), "{{ y }}");
  base::remove_all(out("model.safetensors"));
  try {
    convert_directory(path("from"), path("to"), "F16");
    ADD_FAILURE() << "1e30 fits F16";
  } catch (const Error& e) {
    EXPECT_EQ(e.where(), in("2.safetensors"));
    EXPECT_NE(e.message().find("tensor \"b\" holds a weight beyond what F16 can hold"), std::string::npos);
  }
  EXPECT_FALSE(base::file_exists(out("model.safetensors")));
}

}  // namespace
}  // namespace ponder::store
