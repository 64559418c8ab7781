#include "ponder/text/gguf_vocabulary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/text/gguf_tokenizer_json.h"
#include "ponder/text/tokenizer_json.h"

namespace ponder::text {
namespace {

using base::Json;

std::string error_of(const GgufVocabulary& vocabulary) {
  try {
    make_gguf_tokenizer(vocabulary, "x.gguf");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    return e.what();
  }
  return "no error";
}

// A byte-level fixture's tokenizer.json as the keys that a converter would write.
GgufVocabulary byte_level(const Json& tokenizer, const char* pre) {
  GgufVocabulary v;
  v.model = "gpt2", v.pre = pre;
  const auto put = [&](const std::string& token, int64_t id, int32_t type) {
    if (static_cast<size_t>(id) >= v.tokens.size()) v.tokens.resize(id + 1), v.types.resize(id + 1, 1);
    v.tokens[id] = token, v.types[id] = type;
  };
  for (const auto& [token, id] : tokenizer.at("model").at("vocab").as_object()) put(token, id.as_int(), 1);
  for (const Json& token : tokenizer.at("added_tokens").as_array())
    put(token.string_at("content"), token.int_at("id"), token.at("special").as_bool() ? 3 : 4);
  for (const Json& merge : tokenizer.at("model").at("merges").as_array())
    v.merges.push_back(merge.is_string()
                           ? merge.as_string()
                           : base::cat(merge.as_array()[0].as_string(), " ", merge.as_array()[1].as_string()));
  return v;
}

TEST(GgufVocabulary, ByteLevelKindsGiveTheIdsOfTheirTokenizerJson) {
  const std::pair<const char*, const char*> kinds[] = {{"gpt2", "gpt-2"},    {"llama3", "llama-bpe"},
                                                       {"qwen2", "qwen2"},   {"gpt4o", "gpt-4o"},
                                                       {"tekken", "tekken"}, {"deepseek", "deepseek-v3"}};
  for (const auto& [fixture, pre] : kinds) {
    const std::string path = base::cat("tests/data/tokenizers/", fixture, ".json");
    const Json file = Json::parse(base::read_file(path), path);
    const auto tokenizer = make_gguf_tokenizer(byte_level(file.at("tokenizer"), pre), "x.gguf");
    for (const Json& row : file.at("cases").as_array()) {
      const std::vector<int64_t> plain = row.ints_at("plain");
      EXPECT_EQ(tokenizer->encode(row.string_at("text"), {false, false}), core::Tokens(plain.begin(), plain.end()))
          << fixture << ": " << row.string_at("text");
      EXPECT_EQ(tokenizer->decode_text({}), "");
    }
  }
}

// <unk> <s> </s>, 256 bytes, then pieces with falling scores.
GgufVocabulary sentence_piece() {
  GgufVocabulary v;
  v.model = "llama";
  v.tokens = {"<unk>", "<s>", "</s>"};
  v.types = {2, 3, 3};
  for (int b = 0; b < 256; ++b) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    v.tokens.push_back({'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'});
    v.types.push_back(6);
  }
  v.scores.assign(v.tokens.size(), 0);
  float score = 0;
  for (const char* piece : {"▁a", "ab", "▁ab", "bc", "abc", "▁", "a", "b", "c"}) {
    v.tokens.push_back(piece), v.types.push_back(1), v.scores.push_back(--score);
  }
  v.bos = 1, v.eos = 2, v.unk = 0;
  return v;
}

TEST(GgufVocabulary, SentencePieceMergesTheBestScoreFirst) {
  const GgufVocabulary v = sentence_piece();
  const auto tokenizer = make_gguf_tokenizer(v, "x.gguf");
  const auto spelled = [&](const std::string& text, EncodeOptions options = {false, false}) {
    std::vector<std::string> pieces;
    for (const core::Token id : tokenizer->encode(text, options)) pieces.push_back(v.tokens[id]);
    return pieces;
  };
  using Pieces = std::vector<std::string>;
  EXPECT_EQ(spelled("ab"), (Pieces{"▁ab"}));        // "▁a" is better than "ab", then "▁ab"
  EXPECT_EQ(spelled("abc"), (Pieces{"▁ab", "c"}));  // … and better than "bc"
  EXPECT_EQ(spelled("xabc"), (Pieces{"▁", "<0x78>", "abc"}));
  EXPECT_EQ(spelled("a é"), (Pieces{"▁a", "▁", "<0xC3>", "<0xA9>"}));
  EXPECT_EQ(spelled("<s>", {true, false}).front(), "<s>");
  EXPECT_EQ(spelled("<s>", {false, false}).size(), 4u);  // text: the mark and three bytes
  EXPECT_EQ(spelled("<s>", {false, true}), (Pieces{"<s>"}));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("ab é"), true), "ab é");
  EXPECT_EQ(tokenizer->special_ids().eos, 2);
}

TEST(GgufVocabulary, EqualScoresMergeFromTheLeft) {
  GgufVocabulary v = sentence_piece();
  v.add_space_prefix = false;
  std::fill(v.scores.begin(), v.scores.end(), -1.f);
  const auto tokenizer = make_gguf_tokenizer(v, "x.gguf");
  const core::Tokens ids = tokenizer->encode("abc", {false, false});
  ASSERT_EQ(ids.size(), 1u);  // "ab" before "bc", then "abc"
  EXPECT_EQ(v.tokens[ids[0]], "abc");
  EXPECT_EQ(v.tokens[tokenizer->encode("bcbc", {false, false})[0]], "bc");
}

TEST(GgufVocabulary, UserDefinedTokensAreFoundInEveryText) {
  GgufVocabulary v = sentence_piece();
  v.add_space_prefix = false;
  for (const char* piece : {"  ", "   ", "<tag>"})
    v.tokens.push_back(piece), v.types.push_back(4), v.scores.push_back(-1000);
  const auto tokenizer = make_gguf_tokenizer(v, "x.gguf");
  const auto size = static_cast<core::Token>(v.tokens.size());
  EXPECT_EQ(tokenizer->encode("<tag>", {false, false}), core::Tokens{size - 1});
  EXPECT_EQ(tokenizer->encode("   ", {false, false}), core::Tokens{size - 2});
  EXPECT_EQ(tokenizer->decode(core::Tokens{size - 2}), "   ");
}

// Ids and texts of the vocabulary and of the tokenizer.json that is made of it.
void expect_same_as_json(const GgufVocabulary& v, const std::vector<std::string>& texts) {
  const auto direct = make_gguf_tokenizer(v, "x.gguf");
  const auto by_json =
      read_tokenizer_json(gguf_tokenizer_json(v, "x.gguf"), "x.json", gguf_tokenizer_config(v, ""), "config");
  for (const std::string& text : texts)
    for (const EncodeOptions& options : {EncodeOptions{true, true}, EncodeOptions{false, false}}) {
      const core::Tokens ids = direct->encode(text, options);
      EXPECT_EQ(by_json->encode(text, options), ids) << text;
      EXPECT_EQ(by_json->decode(ids), direct->decode(ids)) << text;
      EXPECT_EQ(by_json->decode(ids, true), direct->decode(ids, true)) << text;
    }
  EXPECT_EQ(by_json->special_ids().eos, direct->special_ids().eos);
  EXPECT_EQ(by_json->special_ids().bos, direct->special_ids().bos);
}

TEST(GgufVocabulary, ItsTokenizerJsonGivesTheSameIds) {
  for (const auto& [fixture, pre] : {std::pair{"gpt2", "gpt-2"}, std::pair{"llama3", "llama-bpe"},
                                     std::pair{"qwen2", "qwen2"}, std::pair{"deepseek", "deepseek-v3"}}) {
    const std::string path = base::cat("tests/data/tokenizers/", fixture, ".json");
    const Json file = Json::parse(base::read_file(path), path);
    std::vector<std::string> texts;
    for (const Json& row : file.at("cases").as_array()) texts.push_back(row.string_at("text"));
    expect_same_as_json(byte_level(file.at("tokenizer"), pre), texts);
  }
  const std::vector<std::string> texts = {
      "", "ab", "abc xabc", " a  b   c", "\"quoted\" \\ \n\t é 🙂", "<s>ab</s>", "<tag>  <tag>", "bcbc", "▁ab"};
  for (const bool prefix : {true, false}) {
    GgufVocabulary v = sentence_piece();
    v.add_space_prefix = prefix;
    for (const char* piece : {"  ", "   ", "<tag>"})
      v.tokens.push_back(piece), v.types.push_back(4), v.scores.push_back(-1000);
    expect_same_as_json(v, texts);
    v.add_bos = false, v.add_eos = true;
    expect_same_as_json(v, texts);
  }
}

TEST(GgufVocabulary, WhatPadsAVocabularyStandsForNothing) {
  const auto both = [](GgufVocabulary v) {
    const auto id = static_cast<core::Token>(v.tokens.size());
    v.tokens.push_back(base::cat("[PAD", id, "]")), v.tokens.push_back("[PAD0]");
    if (!v.scores.empty()) v.scores.insert(v.scores.end(), {0, 0});
    v.types.insert(v.types.end(), {5, 5});
    const auto tokenizer = make_gguf_tokenizer(v, "x.gguf");
    const auto again = read_tokenizer_json(gguf_tokenizer_json(v, "x.gguf"), "x.json");
    for (const Tokenizer* t : {tokenizer.get(), again.get()}) {
      EXPECT_FALSE(t->has(id));
      EXPECT_EQ(t->decode(core::Tokens{id}), "");
      EXPECT_TRUE(t->has(id + 1)) << "a name of its own";
    }
  };
  both({.model = "gpt2", .pre = "gpt-2", .tokens = {"a", "b", "[", "P"}, .types = {1, 1, 1, 1}});
  both({.model = "llama",
        .tokens = {"<unk>", "a", "[PAD", "5]"},
        .scores = {0, -1, -2, -3},
        .types = {2, 1, 1, 1},
        .unk = 0});
}

TEST(GgufVocabulary, ListsThatDoNotFitAreNamed) {
  using V = GgufVocabulary;
  struct Case {
    void (*change)(V&);
    const char* message;
  };
  static constexpr auto byte_level = [](V& v) { v.model = "gpt2", v.pre = "gpt-2", v.merges = {"a b"}; };
  const Case cases[] = {
      {[](V& v) { v.model = ""; }, "tokenizer.ggml.model: \"\" is not supported; known are llama and gpt2"},
      {[](V& v) { v.model = "LLAMA"; }, "tokenizer.ggml.model"},
      {[](V& v) { v.model = "gpt2", v.pre = std::string(1 << 20, 'x'); }, "tokenizer.ggml.pre: \"xxx"},
      {[](V& v) { v.tokens.push_back("new"); }, "tokenizer.ggml.token_type: has 268 items for 269 tokens"},
      {[](V& v) { v.types.push_back(1); }, "tokenizer.ggml.token_type: has 269 items for 268 tokens"},
      {[](V& v) { v.types.resize(1); }, "tokenizer.ggml.token_type: has 1 items for 268 tokens"},
      {[](V& v) { v.types[3] = -1; }, "tokenizer.ggml.token_type: token 3 is of type -1"},
      {[](V& v) { v.types[3] = INT32_MAX; }, "tokenizer.ggml.token_type: token 3 is of type 2147483647"},
      {[](V& v) { v.types[3] = INT32_MIN; }, "tokenizer.ggml.token_type: token 3"},
      {[](V& v) { v.scores.clear(); }, "tokenizer.ggml.scores: has 0 items for 268 tokens"},
      {[](V& v) { v.scores.push_back(0); }, "tokenizer.ggml.scores: has 269 items for 268 tokens"},
      {[](V& v) { v.scores[0] = NAN; }, "tokenizer.ggml.scores: token 0 has no number as its score"},
      {[](V& v) { v.tokens[4] = v.tokens[3]; }, "stands twice"},
      {[](V& v) { v.tokens[260] = "\xC3"; }, "tokenizer.ggml.tokens: token 260 is not valid UTF-8"},
      {[](V& v) { v.tokens[260] = "\xED\xA0\x80"; }, "tokenizer.ggml.tokens: token 260 is not valid UTF-8"},
      {[](V& v) { v.bos = 268; }, "tokenizer.ggml.bos_token_id: is 268; ids are 0 … 267"},
      {[](V& v) { v.bos = INT64_MIN; }, "tokenizer.ggml.bos_token_id: is -9223372036854775808"},
      {[](V& v) { v.eos = INT64_MAX; }, "tokenizer.ggml.eos_token_id: is 9223372036854775807"},
      {[](V& v) { v.eos = (int64_t{1} << 32) + 1; }, "tokenizer.ggml.eos_token_id: is 4294967297"},
      {[](V& v) { v.unk = 268; }, "tokenizer.ggml.unknown_token_id: is 268"},
      {[](V& v) { v.pad = 100000; }, "tokenizer.ggml.padding_token_id: is 100000"},
      {[](V& v) { byte_level(v), v.merges.push_back(""); }, "tokenizer.ggml.merges: each merge must be \"left right\""},
      {[](V& v) { byte_level(v), v.merges.push_back(" "); }, "tokenizer.ggml.merges: each merge"},
      {[](V& v) { byte_level(v), v.merges.push_back("ab"); }, "tokenizer.ggml.merges: each merge"},
      {[](V& v) { byte_level(v), v.merges.push_back("a \xFF"); }, "tokenizer.ggml.merges: each merge"},
      {[](V& v) { byte_level(v), v.merges.push_back("a b c"); }, "tokenizer.ggml.merges: merge 1 (\"a\" and \"b c\")"},
      {[](V& v) { byte_level(v), v.merges.push_back("a "); }, "tokenizer.ggml.merges: merge 1"},
      {[](V& v) { byte_level(v), v.merges.push_back("b a"); }, "needs \"ba\", which is not in the vocabulary"},
      {[](V& v) { byte_level(v), v.merges.push_back("q a"); }, "needs \"q\", which is not in the vocabulary"},
      {[](V& v) { byte_level(v), v.merges.push_back("a " + std::string(1 << 20, 'q')); },
       "which is not in the vocabulary"},
      {[](V& v) { byte_level(v), v.tokens.back() = "a"; }, "\"a\" stands twice in the vocabulary"}};
  EXPECT_EQ(sentence_piece().tokens.size(), 268u);
  for (const Case& c : cases) {
    GgufVocabulary v = sentence_piece();
    c.change(v);
    const std::string said = error_of(v);
    EXPECT_TRUE(said.starts_with("x.gguf: tokenizer.ggml.")) << said.substr(0, 300);
    EXPECT_NE(said.find(c.message), std::string::npos) << said.substr(0, 300) << "\nwanted: " << c.message;
    EXPECT_LT(said.size(), 2000u);
  }
}

TEST(GgufVocabulary, MergesInACircleAndScoresWithoutBoundEnd) {
  GgufVocabulary v = sentence_piece();
  v.model = "gpt2", v.pre = "gpt-2";
  v.tokens[260] = "aa", v.tokens[261] = "aaa";
  v.merges = {"a aa", "aa a", "a a", "a aa"};
  const core::Tokens ids = make_gguf_tokenizer(v, "x.gguf")->encode(std::string(3000, 'a'), {false, false});
  EXPECT_EQ(ids.size(), 1000u);
  v = sentence_piece();
  for (size_t i = 259; i < v.scores.size(); ++i) v.scores[i] = i % 2 ? INFINITY : -INFINITY;
  EXPECT_EQ(make_gguf_tokenizer(v, "x.gguf")->decode(make_gguf_tokenizer(v, "x.gguf")->encode("abc ab"), true),
            "abc ab");
}

TEST(GgufVocabulary, WhatCannotBeReadIsNamed) {
  const auto with = [](const std::function<void(GgufVocabulary&)>& change) {
    GgufVocabulary v = sentence_piece();
    change(v);
    return error_of(v);
  };
  const auto holds = [](const std::string& message, const char* what) {
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  holds(with([](auto& v) { v.model = "bert"; }), "tokenizer.ggml.model");
  holds(with([](auto& v) { v.model = "gpt2", v.pre = "qwen9"; }), "\"qwen9\" is not supported");
  holds(with([](auto& v) { v.tokens.clear(); }), "tokenizer.ggml.tokens");
  holds(with([](auto& v) { v.types.pop_back(); }), "tokenizer.ggml.token_type");
  holds(with([](auto& v) { v.scores.pop_back(); }), "tokenizer.ggml.scores");
  holds(with([](auto& v) { v.scores.back() = NAN; }), "tokenizer.ggml.scores");
  holds(with([](auto& v) { v.types.back() = 7; }), "tokenizer.ggml.token_type");
  holds(with([](auto& v) { v.tokens.back() = "a"; }), "stands twice");
  holds(with([](auto& v) { v.tokens.back() = "\xFF"; }), "not valid UTF-8");
  holds(with([](auto& v) { v.bos = 100000; }), "tokenizer.ggml.bos_token_id");
  holds(with([](auto& v) { v.eos = -2; }), "tokenizer.ggml.eos_token_id");
  holds(with([](auto& v) { v.model = "gpt2", v.pre = "gpt-2", v.merges = {"a"}; }), "tokenizer.ggml.merges");
  holds(with([](auto& v) { v.model = "gpt2", v.pre = "gpt-2", v.merges = {"a q"}; }), "not in the vocabulary");
}

}  // namespace
}  // namespace ponder::text
