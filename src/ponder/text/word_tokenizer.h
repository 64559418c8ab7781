// The laptop model's tokenizer: a closed vocabulary of words separated by spaces, one id a word. Saved as a Hugging
// Face tokenizer.json (WordLevel model, WhitespaceSplit pre-tokenizer), so transformers reads the same ids.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ponder/text/tokenizer.h"

namespace ponder::text {

class WordTokenizer : public Tokenizer {
 public:
  // Words must be distinct, not empty and without white space; Error(kInput) names the first that is not.
  explicit WordTokenizer(std::vector<std::string> words);
  static WordTokenizer from_json(const std::string& tokenizer_json, const std::string& where);
  std::string to_json() const;  // tokenizer.json

  // Error(kInput) names the unknown word and its position. No special tokens are added or left out.
  core::Tokens encode(std::string_view text, const EncodeOptions& options = {}) const override;
  Encoding encode_with_ranges(std::string_view text, const EncodeOptions& options = {}) const override;
  // Words joined by single spaces.
  std::string decode(core::TokenSpan tokens, bool skip_special = false) const override;
  std::string decode_text(core::TokenSpan tokens, bool skip_special = false) const override;
  std::string token_bytes(core::Token id, bool is_first = false) const override;
  std::optional<core::Token> find(std::string_view word) const override;
  core::Token id(std::string_view word) const;  // Error(kInput) when unknown
  bool has(std::string_view word) const { return ids_.contains(word); }
  bool has(core::Token id) const override { return id >= 0 && static_cast<size_t>(id) < words_.size(); }
  const std::string& word(core::Token id) const;
  bool is_special(core::Token id) const override;  // padding or the end token, as tokenizer.json marks them
  size_t size() const override { return words_.size(); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;  // look up string_views without a copy
  };
  std::vector<std::string> words_;
  std::unordered_map<std::string, core::Token, Hash, std::equal_to<>> ids_;
};

// The words of a text, split at ASCII white space.
std::vector<std::string_view> split_words(std::string_view text);

}  // namespace ponder::text
