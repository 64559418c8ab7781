// A directory with all that belongs to a model, as one GGUF file and back.
#include <gtest/gtest.h>
#include <unistd.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/model/load.h"
#include "ponder/model/test_families.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/recipes/start.h"

namespace ponder::recipes {
namespace {

constexpr const char* kTokenizer = R"({"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"Ġa":4},
    "merges":["a b",["Ġ","a"]]},"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
    "added_tokens":[{"id":5,"content":"<s>","special":true},{"id":6,"content":"</s>","special":true},
      {"id":7,"content":"<|im_end|>","special":true}]})";

class ConvertCommand : public testing::Test {
 protected:
  ConvertCommand() {
    base::make_directories(path("from/additional_chat_templates"));
    model::DecoderConfig config = model::test::family_model("llama").config;
    config.bos_id = 5, config.eos_ids = {6}, config.pad_id = 6;
    model::save_hf(path("from"), model::test::formula_parameters(config), kTokenizer);
  }
  ~ConvertCommand() override { base::remove_all(folder_); }
  std::string path(const char* name) const { return base::join_path(folder_, name); }
  void write(const char* name, const char* text) const { base::write_file_atomic(path(name), text); }
  std::string read(const char* name) const { return base::read_file(path(name)); }
  void convert(const char* from, const char* to) const {
    ConvertArgs args;
    args.from = path(from), args.to = path(to), args.json = true;
    EXPECT_EQ(command_convert(args), 0);
  }
  std::string folder_ = base::cat(testing::TempDir(), "ponder_convert_", static_cast<int64_t>(getpid()));
};

TEST_F(ConvertCommand, ThereAndBackKeepsTokensAndTemplates) {
  write("from/chat_template.jinja", "{{ messages }}");
  write("from/additional_chat_templates/rag.jinja", "{{ documents }}");
  convert("from", "m.gguf");
  convert("m.gguf", "back");
  EXPECT_EQ(read("back/chat_template.jinja"), "{{ messages }}");
  EXPECT_EQ(read("back/additional_chat_templates/rag.jinja"), "{{ documents }}");
  const model::DecoderConfig config = model::read_hf_config(path("back"));
  EXPECT_EQ(config.bos_id, 5);
  EXPECT_EQ(config.pad_id, 6);
  EXPECT_EQ(config.eos_ids, (std::vector<int64_t>{6, 7})) << "a chat's turn ends with <|im_end|>";
  EXPECT_EQ(read_model_config(path("m.gguf")), config);
  for (const char* model : {"m.gguf", "back"})
    EXPECT_EQ(open_tokenizer(path(model))->encode("ab a"), open_tokenizer(path("from"))->encode("ab a")) << model;
  EXPECT_EQ(base::read_file(path("back/model.safetensors")).size(), read("from/model.safetensors").size());
}

TEST_F(ConvertCommand, WhatStandsAroundATextIsOfThePostProcessor) {
  base::Json tokenizer = base::Json::parse(kTokenizer);
  tokenizer["post_processor"] = base::Json::parse(R"({"type":"TemplateProcessing",
      "single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],
      "special_tokens":{"<s>":{"id":"<s>","ids":[7],"tokens":["<s>"]},"</s>":{"id":"</s>","ids":[6],"tokens":["</s>"]}}})");
  write("from/tokenizer.json", tokenizer.dump().c_str());
  convert("from", "m.gguf");
  convert("m.gguf", "back");
  for (const char* model : {"from", "m.gguf", "back"})
    EXPECT_EQ(open_tokenizer(path(model))->encode("ab"), (core::Tokens{7, 2, 6})) << model;
}

// What the keys do not give away is found by what the two tokenizers do.
TEST_F(ConvertCommand, ATokenizerThatWouldGiveOtherIdsIsRefused) {
  const auto refusal = [&](const auto& change) -> std::string {
    base::Json tokenizer = base::Json::parse(kTokenizer);
    change(tokenizer);
    write("from/tokenizer.json", tokenizer.dump().c_str());
    try {
      convert("from", "m.gguf");
    } catch (const Error& e) {
      EXPECT_EQ(e.where(), path("from/tokenizer.json"));
      EXPECT_FALSE(base::file_exists(path("m.gguf")));
      return e.message();
    }
    base::remove_all(path("m.gguf"));
    return "";
  };
  EXPECT_EQ(refusal([](base::Json&) {}), "");
  const auto holds = [&](const auto& change, const char* part) {
    const std::string message = refusal(change);
    EXPECT_NE(message.find(part), std::string::npos) << message;
  };
  holds([](base::Json& t) { t["normalizer"]["type"] = "NFC"; }, "normalizer is {\"type\":\"NFC\"}");
  holds([](base::Json& t) { t["normalizer"]["type"] = "Lowercase"; }, "normalizer");
  // A token that no merges lead to: with ignore_merges it is found, without it is not.
  holds([](base::Json& t) { t["model"]["vocab"]["ba"] = 8, t["model"]["ignore_merges"] = true; },
        "gives \"ba\" the ids [8], as a GGUF file it would give [1, 0]");
  for (const char* key : {"lstrip", "rstrip", "single_word"})
    holds([&](base::Json& t) { t["added_tokens"].as_array()[2][key] = true; }, key);
  const auto around = [](base::Json& t, const char* single) {
    t["post_processor"]["type"] = "TemplateProcessing";
    t["post_processor"]["single"] = base::Json::parse(single);
    t["post_processor"]["special_tokens"] = base::Json::parse(R"({"<s>":{"ids":[5]},"x":{"ids":[2]}})");
  };
  constexpr const char* kBegin = R"({"SpecialToken":{"id":"<s>"}})";
  constexpr const char* kText = R"({"Sequence":{"id":"A"}})";
  holds([&](base::Json& t) { around(t, base::cat("[", kBegin, ",", kBegin, ",", kText, "]").c_str()); },
        "2 tokens before");
  holds([&](base::Json& t) { around(t, base::cat("[", kText, R"(,{"SpecialToken":{"id":"x"}}])").c_str()); },
        "puts the token 2 behind a text");
}

TEST_F(ConvertCommand, WhatAFileCannotSayIsNamedAndNothingIsLeft) {
  base::Json config = base::Json::parse(read("from/config.json"));
  config["rope_scaling"] = base::Json::parse(R"({"rope_type":"yarn","factor":4,"beta_fast":16})");
  write("from/config.json", config.dump().c_str());
  try {
    convert("from", "m.gguf");
    ADD_FAILURE() << "was written";
  } catch (const Error& e) {
    EXPECT_EQ(e.where(), path("from/config.json"));
    EXPECT_NE(e.message().find("beta_fast is 16"), std::string::npos) << e.message();
  }
  EXPECT_FALSE(base::file_exists(path("m.gguf")));
}

}  // namespace
}  // namespace ponder::recipes
