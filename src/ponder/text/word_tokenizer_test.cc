#include "ponder/text/word_tokenizer.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/text/format.h"

namespace ponder::text {
namespace {

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

TEST(WordTokenizer, EncodesAndDecodesEveryWord) {
  const WordTokenizer& t = task_tokenizer();
  for (size_t i = 0; i < t.size(); ++i) {
    core::Token id = static_cast<core::Token>(i);
    EXPECT_EQ(t.encode(t.word(id)), core::Tokens{id});
    EXPECT_EQ(t.id(t.word(id)), id);
  }
  EXPECT_EQ(t.decode(t.encode("  try 13 + 2\t=\n15 ")), "try 13 + 2 = 15");
  EXPECT_EQ(t.encode(""), core::Tokens{});
  EXPECT_EQ(t.decode({}), "");
}

TEST(WordTokenizer, UnknownWordIsNamedWithItsPosition) {
  std::string message = error_of([] { task_tokenizer().encode("1 + banana"); });
  EXPECT_NE(message.find("word 3"), std::string::npos) << message;
  EXPECT_NE(message.find("banana"), std::string::npos) << message;
  for (const char* text : {"100", "-1", "07", "１", "Q:", "END"})
    EXPECT_THROW(task_tokenizer().encode(text), Error) << text;
  EXPECT_THROW(task_tokenizer().decode(core::Tokens{kWordCount}), Error);
  EXPECT_THROW(task_tokenizer().decode(core::Tokens{-1}), Error);
}

TEST(WordTokenizer, VocabularyMustBeDistinctWords) {
  EXPECT_THROW(WordTokenizer({"a", "b", "a"}), Error);
  EXPECT_THROW(WordTokenizer({"a", ""}), Error);
  EXPECT_THROW(WordTokenizer({"a b"}), Error);
}

TEST(WordTokenizer, JsonReadsBackTheSameIds) {
  const WordTokenizer& t = task_tokenizer();
  WordTokenizer back = WordTokenizer::from_json(t.to_json(), "tokenizer.json");
  ASSERT_EQ(back.size(), t.size());
  for (size_t i = 0; i < t.size(); ++i)
    EXPECT_EQ(back.word(static_cast<core::Token>(i)), t.word(static_cast<core::Token>(i)));
  EXPECT_EQ(back.to_json(), t.to_json());
}

TEST(WordTokenizer, JsonHasWhatTransformersNeeds) {
  base::Json file = base::Json::parse(task_tokenizer().to_json());
  EXPECT_EQ(file.at("model").at("type").as_string(), "WordLevel");
  EXPECT_EQ(file.at("model").at("vocab").at("99").as_int(), 99);
  EXPECT_EQ(file.at("model").at("vocab").find(file.at("model").at("unk_token").as_string()), nullptr);
  EXPECT_EQ(file.at("pre_tokenizer").at("type").as_string(), "WhitespaceSplit");
  const auto& added = file.at("added_tokens").as_array();
  ASSERT_EQ(added.size(), 2u);
  EXPECT_EQ(added[0].at("id").as_int(), kPad);
  EXPECT_EQ(added[1].at("content").as_string(), "end");
  EXPECT_EQ(added[1].at("id").as_int(), kEnd);
  EXPECT_TRUE(added[1].at("special").as_bool());
}

TEST(WordTokenizer, OtherTokenizersAreRefused) {
  auto refuse = [](const std::string& json) { return error_of([&] { WordTokenizer::from_json(json, "x.json"); }); };
  EXPECT_NE(
      refuse(R"({"model":{"type":"BPE","vocab":{}},"pre_tokenizer":{"type":"WhitespaceSplit"}})").find("WordLevel"),
      std::string::npos);
  EXPECT_NE(refuse(R"({"model":{"type":"WordLevel","vocab":{"a":0}},"pre_tokenizer":null})").find("WhitespaceSplit"),
            std::string::npos);
  for (const char* vocab : {R"({"a":0,"b":2})", R"({"a":0,"b":0})", R"({"a":-1})", R"({"a":0,"b":99999999999})"})
    EXPECT_NE(refuse(base::cat(R"({"model":{"type":"WordLevel","vocab":)", vocab,
                               R"(},"pre_tokenizer":{"type":"WhitespaceSplit"}})"))
                  .find("each once"),
              std::string::npos)
        << vocab;
  EXPECT_NE(refuse("{").find("x.json"), std::string::npos);
}

}  // namespace
}  // namespace ponder::text
