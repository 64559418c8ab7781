#include "ponder/text/word_tokenizer.h"

#include <algorithm>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";
// Words that transformers must treat as special: padding, and the end token that stops generation.
constexpr std::string_view kSpecial[] = {"<pad>", "end"};

base::Json special_token(core::Token id, std::string_view content) {
  base::Json token;
  token["id"] = id;
  token["content"] = content;
  token["single_word"] = true;
  token["lstrip"] = false;
  token["rstrip"] = false;
  token["normalized"] = false;
  token["special"] = true;
  return token;
}

void expect_type(const base::Json& part, const char* name, const char* type, const std::string& where) {
  const base::Json* section = part.find(name);
  const base::Json* found = section ? section->find("type") : nullptr;
  if (!found || !found->is_string() || found->as_string() != type)
    throw Error(ErrorCode::kInput,
                base::cat(name, ".type must be \"", type, "\"; this tokenizer is not a closed list of words"), where);
}

}  // namespace

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin = text.find_first_not_of(kWhiteSpace); begin != std::string_view::npos;) {
    size_t end = std::min(text.find_first_of(kWhiteSpace, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kWhiteSpace, end);
  }
  return words;
}

WordTokenizer::WordTokenizer(std::vector<std::string> words) : words_(std::move(words)) {
  for (size_t i = 0; i < words_.size(); ++i) {
    const std::string& word = words_[i];
    if (word.empty() || word.find_first_of(kWhiteSpace) != std::string::npos)
      throw Error(ErrorCode::kInput, base::cat("word ", i, " of the vocabulary is \"", word,
                                               "\"; words must not be empty or hold white space"));
    if (!ids_.emplace(word, static_cast<core::Token>(i)).second)
      throw Error(ErrorCode::kInput,
                  base::cat("\"", word, "\" stands twice in the vocabulary; words must be distinct"));
  }
  if (has(kSpecial[0])) special_ids_.pad = id(kSpecial[0]);
  if (has(kSpecial[1])) special_ids_.eos = id(kSpecial[1]);
}

WordTokenizer WordTokenizer::from_json(const std::string& tokenizer_json, const std::string& where) {
  base::Json file = base::Json::parse(tokenizer_json, where);
  expect_type(file, "model", "WordLevel", where);
  expect_type(file, "pre_tokenizer", "WhitespaceSplit", where);
  if (const base::Json* n = file.find("normalizer"); n && !n->is_null())
    throw Error(ErrorCode::kInput, "normalizer must be null; words are matched as they are", where);
  const auto& vocab = file.at("model").at("vocab").as_object();
  std::vector<std::string> words(vocab.size());
  for (const auto& [word, id] : vocab) {
    int64_t i = id.as_int();
    if (i < 0 || i >= static_cast<int64_t>(words.size()) || !words[i].empty())
      throw Error(ErrorCode::kInput,
                  base::cat("\"", word, "\" has id ", i, "; ids must be 0 … ", words.size() - 1, ", each once"), where);
    words[i] = word;
  }
  return WordTokenizer(std::move(words));
}

std::string WordTokenizer::to_json() const {
  base::Json vocab = base::Json::object();
  for (size_t i = 0; i < words_.size(); ++i) vocab.as_object().emplace_back(words_[i], static_cast<int64_t>(i));
  base::Json added = base::Json::array();
  for (std::string_view word : kSpecial)
    if (has(word)) added.push_back(special_token(id(word), word));
  base::Json model;
  model["type"] = "WordLevel";
  model["vocab"] = std::move(vocab);
  model["unk_token"] = "<unk>";  // not in the vocabulary on purpose: an unknown word is an error there too
  base::Json file;
  file["version"] = "1.0";
  file["truncation"] = nullptr;
  file["padding"] = nullptr;
  file["added_tokens"] = std::move(added);
  file["normalizer"] = nullptr;
  file["pre_tokenizer"]["type"] = "WhitespaceSplit";
  file["post_processor"] = nullptr;
  file["decoder"] = nullptr;
  file["model"] = std::move(model);
  return file.dump(2);
}

core::Tokens WordTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return encode_with_ranges(text, options).ids;
}

Encoding WordTokenizer::encode_with_ranges(std::string_view text, const EncodeOptions&) const {
  Encoding encoding;
  for (std::string_view word : split_words(text)) {
    auto it = ids_.find(word);
    if (it == ids_.end())
      throw Error(ErrorCode::kInput, base::cat("word ", encoding.ids.size() + 1, " of the text, \"", word.substr(0, 40),
                                               "\", is not one of the ", size(), " words that this model knows"));
    encoding.ids.push_back(it->second);
    const auto begin = static_cast<size_t>(word.data() - text.data());
    encoding.ranges.push_back({begin, begin + word.size()});
  }
  return encoding;
}

std::string WordTokenizer::decode(core::TokenSpan tokens, bool skip_special) const {
  std::string text;
  bool is_first = true;
  for (core::Token t : tokens) {
    if (skip_special && is_special(t)) continue;
    if (!is_first) text += ' ';
    text += word(t);
    is_first = false;
  }
  return text;
}

std::string WordTokenizer::decode_text(core::TokenSpan tokens, bool skip_special) const {
  return replace_invalid_utf8(decode(tokens, skip_special));
}

std::string WordTokenizer::token_bytes(core::Token id, bool is_first) const {
  return base::cat(is_first ? "" : " ", word(id));
}

std::optional<core::Token> WordTokenizer::find(std::string_view word) const {
  auto it = ids_.find(word);
  return it == ids_.end() ? std::nullopt : std::optional(it->second);
}

core::Token WordTokenizer::id(std::string_view word) const {
  auto it = ids_.find(word);
  if (it == ids_.end())
    throw Error(ErrorCode::kInput,
                base::cat("\"", word.substr(0, 40), "\" is not one of the ", size(), " words that this model knows"));
  return it->second;
}

const std::string& WordTokenizer::word(core::Token id) const {
  PONDER_CHECK(id >= 0 && static_cast<size_t>(id) < words_.size(), "token ", id, " must be 0 … ", size() - 1);
  return words_[id];
}

bool WordTokenizer::is_special(core::Token id) const { return std::ranges::count(kSpecial, word(id)) > 0; }

}  // namespace ponder::text
