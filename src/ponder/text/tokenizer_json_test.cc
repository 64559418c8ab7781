#include "ponder/text/tokenizer_json.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

using base::Json;

core::Tokens ids_at(const Json& row, const char* key) {
  const std::vector<int64_t> ids = row.ints_at(key);
  return {ids.begin(), ids.end()};
}

// Small tokenizers of every family's structure with what the reference makes of texts, written by
// tests/reference/make_tokenizer_fixtures.py.
class Fixtures : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const std::string path = base::cat("tests/data/tokenizers/", GetParam(), ".json");
    file_ = Json::parse(base::read_file(path), path);
    tokenizer_ = read_tokenizer_json(file_.at("tokenizer").dump(), path);
  }
  Json file_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(Fixtures, IdsAndTextsAreThoseOfTheReference) {
  ASSERT_GT(file_.at("cases").size(), 100u);
  for (const Json& row : file_.at("cases").as_array()) {
    const std::string& text = row.string_at("text");
    const core::Tokens ids = tokenizer_->encode(text, {true, true});
    EXPECT_EQ(ids, ids_at(row, "ids")) << text;
    EXPECT_EQ(tokenizer_->encode(text, {false, false}), ids_at(row, "plain")) << text;
    EXPECT_EQ(tokenizer_->encode(text, {false, false}), ids_at(row, "plain")) << text << " (known words)";
    EXPECT_EQ(tokenizer_->decode_text(ids), row.string_at("decoded")) << text;
  }
  for (const Json& row : file_.at("decodes").as_array()) {
    EXPECT_EQ(tokenizer_->decode_text(ids_at(row, "ids")), row.string_at("text"));
    EXPECT_EQ(tokenizer_->decode_text(ids_at(row, "ids"), true), row.string_at("skipped"));
  }
}

TEST_P(Fixtures, RangesCoverTheText) {
  for (const Json& row : file_.at("cases").as_array()) {
    const std::string& text = row.string_at("text");
    const Encoding encoding = tokenizer_->encode_with_ranges(text, {true, true});
    EXPECT_EQ(encoding.ids, ids_at(row, "ids")) << text;
    ASSERT_EQ(encoding.ranges.size(), encoding.ids.size());
    for (const ByteRange& range : encoding.ranges) {
      EXPECT_LE(range.begin, range.end) << text;
      EXPECT_LE(range.end, text.size()) << text;
    }
  }
}

TEST_P(Fixtures, StreamGivesWholeCharactersAndTheSameText) {
  for (const char* key : {"cases", "decodes"})
    for (const Json& row : file_.at(key).as_array())
      for (const bool skip : {false, true}) {
        const core::Tokens ids = ids_at(row, "ids");
        StreamDecoder stream(*tokenizer_, skip);
        std::string all;
        for (const core::Token id : ids) {
          const std::string piece = stream.push(id);
          EXPECT_EQ(valid_utf8_prefix(piece), piece.size());
          all += piece;
        }
        all += stream.finish();
        EXPECT_EQ(all, replace_invalid_utf8(tokenizer_->decode(ids, skip)));
      }
}

INSTANTIATE_TEST_SUITE_P(Families, Fixtures,
                         testing::Values("gpt2", "gpt2_prefix", "llama3", "qwen2", "gpt4o", "tekken", "deepseek",
                                         "llama2", "gemma", "metaspace", "metaspace_first", "odd"),
                         [](const auto& info) { return std::string(info.param); });

std::unique_ptr<Tokenizer> open_fixture(const char* name) {
  const std::string path = base::cat("tests/data/tokenizers/", name, ".json");
  return read_tokenizer_json(Json::parse(base::read_file(path), path).at("tokenizer").dump(), path);
}

TEST(TokenizerJson, SpecialTokensInTextAreTextUnlessAsked) {
  const auto tokenizer = open_fixture("qwen2");
  const core::Token end = tokenizer->find("<|im_end|>").value();
  EXPECT_TRUE(tokenizer->is_special(end));
  const core::Tokens asked = tokenizer->encode("a<|im_end|>", {true, true});
  const core::Tokens plain = tokenizer->encode("a<|im_end|>");
  EXPECT_EQ(asked.back(), end);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), end), 0);
  EXPECT_EQ(tokenizer->decode(plain), "a<|im_end|>");
  EXPECT_EQ(tokenizer->decode(asked, true), "a");
}

TEST(TokenizerJson, RangesAreExactBytes) {
  const auto qwen = open_fixture("qwen2");
  const std::string text = "na\xC3\xAFve e\xCC\x81 <|im_end|>!";  // the e and its mark become one character
  const Encoding encoding = qwen->encode_with_ranges(text, {true, true});
  size_t end = 0;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    EXPECT_LE(encoding.ranges[i].begin, end);
    end = std::max(end, encoding.ranges[i].end);
    const ByteRange range = encoding.ranges[i];
    const bool is_end = encoding.ids[i] == qwen->find("<|im_end|>");
    EXPECT_EQ(text.substr(range.begin, range.end - range.begin) == "<|im_end|>", is_end);
  }
  EXPECT_EQ(end, text.size());

  const auto llama = open_fixture("llama2");
  const Encoding first = llama->encode_with_ranges("ab", {true, true});
  EXPECT_EQ(first.ranges.front(), (ByteRange{0, 0}));  // <s>
  EXPECT_EQ(first.ranges.back().end, 2u);
}

TEST(TokenizerJson, BrokenUtf8IsReadAsReplacementCharacters) {
  for (const char* name : {"qwen2", "llama2", "gemma", "gpt2"}) {
    const auto tokenizer = open_fixture(name);
    for (const std::string text : {"a\xFF"
                                   "b",
                                   "\xC3", "\xE2\x82", "\xED\xA0\x80", "ok \xF0\x9F\x98", "\xC0\x80", "\x80\x80x"}) {
      EXPECT_EQ(tokenizer->encode(text), tokenizer->encode(replace_invalid_utf8(text))) << name;
      const Encoding encoding = tokenizer->encode_with_ranges(text);
      for (const ByteRange& range : encoding.ranges) EXPECT_LE(range.end, text.size());
    }
  }
  EXPECT_EQ(replace_invalid_utf8("\xE2\x82"
                                 "a\xF0\x9F\x98\xC0"),
            "\xEF\xBF\xBD"
            "a\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST(TokenizerJson, StreamHoldsBackUnfinishedCharacters) {
  const auto tokenizer = open_fixture("gpt2");
  const core::Tokens ids = tokenizer->encode("x\U00010FA0y");  // the small vocabulary has this character's bytes only
  ASSERT_EQ(ids.size(), 6u);
  StreamDecoder stream(*tokenizer);
  std::vector<std::string> pieces;
  for (const core::Token id : ids) pieces.push_back(stream.push(id));
  EXPECT_EQ(pieces, (std::vector<std::string>{"x", "", "", "", "\U00010FA0", "y"}));
  StreamDecoder cut(*tokenizer);
  cut.push(ids[1]);
  EXPECT_EQ(cut.finish(), kReplacement);
}

TEST(TokenizerJson, UnknownIdsStandForNothing) {
  for (const char* name : {"qwen2", "llama2"}) {
    const auto tokenizer = open_fixture(name);
    const auto size = static_cast<core::Token>(tokenizer->size());
    EXPECT_EQ(tokenizer->decode(core::Tokens{-1, size, INT32_MAX, INT32_MIN}), "");
    EXPECT_EQ(tokenizer->token_bytes(size), "");
    EXPECT_FALSE(tokenizer->is_special(-1));
    EXPECT_FALSE(tokenizer->has(size));
  }
}

TEST(TokenizerJson, ConfigNamesTheSpecialTokens) {
  const std::string path = "tests/data/tokenizers/qwen2.json";
  const std::string json = Json::parse(base::read_file(path), path).at("tokenizer").dump();
  const auto tokenizer = read_tokenizer_json(
      json, path, R"({"bos_token": null, "eos_token": "<|im_end|>", "pad_token": {"content": "<|endoftext|>"},
          "model_max_length": 1000000000000000019884624838656})",
      "config");
  EXPECT_EQ(tokenizer->special_ids().bos, -1);
  EXPECT_EQ(tokenizer->special_ids().eos, tokenizer->find("<|im_end|>"));
  EXPECT_EQ(tokenizer->special_ids().pad, tokenizer->find("<|endoftext|>"));
  for (const char* bad : {R"({"eos_token": "<nope>"})", R"({"eos_token": 3})", R"([])", R"({"eos_token": {}})", "{"}) {
    try {
      read_tokenizer_json(json, path, bad, "config");
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_TRUE(e.where().starts_with("config")) << bad;
    }
  }
}

TEST(TokenizerJson, LongTextsTakeLinearTime) {  // a quadratic merge loop would take minutes here
  for (const char* name : {"llama2", "gemma", "qwen2"}) {
    const auto tokenizer = open_fixture(name);
    for (const std::string& text : {std::string(400'000, 'a'), std::string(400'000, ' '), std::string(300'000, '\n')}) {
      const core::Tokens ids = tokenizer->encode(text);
      EXPECT_EQ(tokenizer->decode(ids, true), text) << name;
    }
  }
}

// PONDER_TEST_TOKENIZERS: a folder of folders with real tokenizer.json files.
TEST(TokenizerJson, RealFilesRoundTrip) {
  const char* folder = std::getenv("PONDER_TEST_TOKENIZERS");
  if (!folder) GTEST_SKIP() << "set PONDER_TEST_TOKENIZERS to a folder whose folders hold real tokenizer.json files";
  const std::string text = base::read_file("README.md") + "日本語 русский 😀 \t\n   x";
  for (const std::string& name : base::list_directory(folder)) {
    const std::string path = base::join_path(base::join_path(folder, name), "tokenizer.json");
    const auto tokenizer = read_tokenizer_json(base::read_file(path), path);
    const core::Tokens ids = tokenizer->encode(text, {false, false});
    EXPECT_EQ(tokenizer->decode(ids), text) << path;
    EXPECT_LT(ids.size(), text.size() / 2) << path;
  }
}

}  // namespace
}  // namespace ponder::text
