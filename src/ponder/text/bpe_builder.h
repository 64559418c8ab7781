// Vocabulary and merges of a file, checked one by one, to a model. Used by the readers of tokenizer.json and of GGUF
// vocabularies.
#pragma once
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ponder/text/bpe.h"

namespace ponder::text {

class BpeBuilder {
 public:
  // Byte-level: tokens are spelled in the byte alphabet. `tokens`, `merges`: how many will come.
  BpeBuilder(bool byte_level, size_t tokens, size_t merges);
  // Error(kInput) without a place: a token or an id that is there already, an id that is negative or far too large.
  void add_token(std::string_view spelled, int64_t id);
  // The next merge in the order of ranks. Error(kInput): a part, or both together, is not in the vocabulary.
  void add_merge(std::string_view left, std::string_view right);
  void add_merge(core::Token left, core::Token right, uint32_t rank, core::Token to);
  core::Token find(std::string_view spelled) const;  // Vocabulary::kNone
  bool has_id(core::Token id) const { return vocabulary_.has(id) || unreachable_.has(id); }
  const Vocabulary& vocabulary() const { return vocabulary_; }

  Bpe build(BpeOptions options);
  Vocabulary take_unreachable() { return std::move(unreachable_); }

 private:
  void note_join(std::string_view left, std::string_view right);

  bool byte_level_;
  size_t tokens_;
  uint32_t rank_ = 0;
  Vocabulary vocabulary_, unreachable_;
  MergeTable merges_;
  std::unordered_set<char32_t> joins_mark_;
  bool merges_fallback_ = false;  // a merge has a byte token on one side
};

}  // namespace ponder::text
