#include "ponder/text/stop_strings.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/base/rng.h"
#include "ponder/text/tokenizer_json.h"
#include "ponder/text/unicode.h"
#include "ponder/text/word_tokenizer.h"

namespace ponder::text {
namespace {

std::unique_ptr<Tokenizer> fixture(const std::string& name) {
  const std::string path = base::cat("tests/data/tokenizers/", name, ".json");
  return read_tokenizer_json(base::Json::parse(base::read_file(path), path).at("tokenizer").dump(), path);
}

// Tokens up to the one that ends the completion; all of them when none does.
core::Tokens until_ended(const StopTexts& stop, const core::Tokens& ids) {
  for (size_t n = 1; n <= ids.size(); ++n)
    if (stop.ended(core::TokenSpan(ids).first(n))) return {ids.begin(), ids.begin() + static_cast<int64_t>(n)};
  return ids;
}

class StopTextsOf : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Tokenizer> tokenizer_ = fixture(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Fixtures, StopTextsOf,
                         testing::Values("qwen2", "llama2", "gemma", "llama3", "gpt2", "tekken"));

TEST_P(StopTextsOf, EndWithTheTokenThatCompletesThem) {
  const core::Tokens ids = tokenizer_->encode("say: hello world\n\nQuestion: more é日本 of it", {.add_special = false});
  for (const char* text : {"hello", "o w", "\n\nQ", "é日", "日本", ": more", "it", "ion:"}) {
    const StopTexts stop(*tokenizer_, {text});
    const core::Tokens kept = until_ended(stop, ids);
    const std::string all = tokenizer_->decode(kept),
                      before = tokenizer_->decode(core::TokenSpan(kept).first(kept.size() - 1));
    EXPECT_NE(all.find(text), std::string::npos) << text;
    EXPECT_EQ(before.find(text), std::string::npos) << text;
    EXPECT_EQ(stop.text_before(kept), all.substr(0, all.find(text))) << text;
    EXPECT_EQ(stop.text_before(ids), all.substr(0, all.find(text))) << "a text that went on: " << text;
  }
  const StopTexts none(*tokenizer_, {"xyzzy"});
  EXPECT_EQ(until_ended(none, ids), ids);
  EXPECT_EQ(none.text_before(ids), tokenizer_->decode_text(ids));
}

TEST_P(StopTextsOf, TheFirstToCompleteEndsIt) {
  const core::Tokens ids = tokenizer_->encode("one two three four", {.add_special = false});
  const StopTexts stop(*tokenizer_, {"four", "two", "two three"});
  const core::Tokens kept = until_ended(stop, ids);
  EXPECT_EQ(stop.text_before(kept), "one ");
  EXPECT_EQ(tokenizer_->decode(kept).find("three"), std::string::npos);
}

// Random bytes as single tokens, in every order that a model might write: a plain search over the bytes says the same.
TEST_P(StopTextsOf, AgreeWithASearchOverTheBytes) {
  base::Rng rng(base::RngKey(3).child(GetParam()));
  std::vector<core::Token> vocabulary;
  for (size_t id = 0; id < tokenizer_->size(); ++id) vocabulary.push_back(static_cast<core::Token>(id));
  for (int trial = 0; trial < 400; ++trial) {
    core::Tokens ids(static_cast<size_t>(rng.between(1, 12)));
    for (core::Token& id : ids) id = rng.pick(vocabulary);
    const core::Tokens other = {rng.pick(ids), rng.pick(vocabulary), rng.pick(ids)};
    std::string bytes, shown;
    for (const core::Token id : ids) {
      bytes += tokenizer_->token_bytes(id);
      if (!tokenizer_->is_special(id)) shown += tokenizer_->token_bytes(id);
    }
    std::vector<std::string> texts;
    for (const std::string& from : {bytes, shown}) {
      const size_t begin = from.empty() ? 0 : static_cast<size_t>(rng.below(static_cast<int64_t>(from.size())));
      const std::string text = from.substr(begin, static_cast<size_t>(rng.between(1, 6)));
      if (!text.empty() && valid_utf8_prefix(text) == text.size()) texts.push_back(text);
    }
    if (texts.empty()) continue;
    const StopTexts stop(*tokenizer_, texts);
    bytes.clear(), shown.clear();
    size_t expected = ids.size();
    for (size_t i = 0; i < ids.size() && expected == ids.size(); ++i) {
      bytes += tokenizer_->token_bytes(ids[i]);
      if (!tokenizer_->is_special(ids[i])) shown += tokenizer_->token_bytes(ids[i]);
      for (const std::string& text : texts)
        if (bytes.find(text) != std::string::npos || shown.find(text) != std::string::npos) expected = i + 1;
    }
    ASSERT_EQ(until_ended(stop, ids).size(), expected) << trial;
  }
}

TEST(StopTexts, SpecialTokensCountAsTheirSpellingAndAsNothing) {
  const auto tokenizer = fixture("qwen2");
  const core::Token end = *tokenizer->find("<|im_end|>");
  core::Tokens ids = tokenizer->encode("hello wor", {.add_special = false});
  const core::Tokens rest = tokenizer->encode("ld", {.add_special = false});
  ids.push_back(end);
  ids.insert(ids.end(), rest.begin(), rest.end());
  EXPECT_EQ(until_ended(StopTexts(*tokenizer, {"<|im_end|>"}), ids).back(), end);
  EXPECT_EQ(until_ended(StopTexts(*tokenizer, {"im_e"}), ids).back(), end);
  EXPECT_EQ(StopTexts(*tokenizer, {"im_e"}).text_before(ids), "hello wor") << "no part of a special token is shown";
  const StopTexts over(*tokenizer, {"world"});
  EXPECT_EQ(until_ended(over, ids), ids) << "the text that is shown says it";
  EXPECT_EQ(over.text_before(ids), "hello ");
}

TEST(StopTexts, CharactersMayBeCutIntoTokens) {
  const auto tokenizer = fixture("llama2");  // falls back to bytes
  const core::Tokens ids = tokenizer->encode("ab\U0001F9EAcd", {.add_special = false});
  const StopTexts stop(*tokenizer, {"\U0001F9EA"});
  const core::Tokens kept = until_ended(stop, ids);
  EXPECT_EQ(tokenizer->decode(kept), "ab\U0001F9EA");
  EXPECT_EQ(stop.text_before(kept), "ab");
}

TEST(StopTexts, WordsOfTheTasksAreTextToo) {
  const WordTokenizer words({"13", "-", "8", "=", "5", ";", "*", "2", "10", "ans"});
  const core::Tokens ids = words.encode("13 - 8 = 5 ; 5 * 2 = 10 ; ans");
  EXPECT_EQ(StopTexts(words, {";"}).text_before(ids), "13 - 8 = 5 ");
  EXPECT_EQ(until_ended(StopTexts(words, {"; 5"}), ids), words.encode("13 - 8 = 5 ; 5"));
  EXPECT_EQ(StopTexts(words, {"3"}).text_before(ids), "1") << "in the first token, which has no space before it";
}

TEST(StopTexts, RefuseWhatCannotBeLookedFor) {
  const auto tokenizer = fixture("qwen2");
  for (const std::string& text : {std::string(), std::string("\xFF"), std::string(StopTexts::kMaxBytes + 1, 'a')})
    EXPECT_THROW(StopTexts(*tokenizer, {"a", text}), Error);
  EXPECT_FALSE(StopTexts(*tokenizer, {}).ended(core::Tokens{1, 2}));
  EXPECT_FALSE(StopTexts(*tokenizer, {"a"}).ended({}));
}

}  // namespace
}  // namespace ponder::text
