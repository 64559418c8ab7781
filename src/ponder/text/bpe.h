// Byte-pair encoding of one word: merges in the order of their ranks (Sennrich et al. 2016, arXiv:1508.07909, as the
// reference runs it). Used by BpeTokenizer, which cuts the text into words.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/text/vocabulary.h"

namespace ponder::text {

// (left id, right id) → what they merge to; open addressing.
class MergeTable {
 public:
  struct Merge {
    uint32_t rank = UINT32_MAX;  // UINT32_MAX: they do not merge
    core::Token to = -1;
  };
  void reserve(size_t merges);
  void set(core::Token left, core::Token right, Merge merge);  // the last of several wins
  Merge find(core::Token left, core::Token right) const;
  size_t size() const { return count_; }

 private:
  struct Slot {
    uint64_t key = UINT64_MAX;
    Merge merge;
  };
  Slot& slot_of(uint64_t key);

  std::vector<Slot> slots_;
  size_t count_ = 0;
};

// Words that were encoded before, and the buffers of encoding. One a thread at a time.
class BpeScratch {
 public:
  struct Symbol {
    core::Token id;
    uint32_t bytes;  // of the word that it stands for
  };
  // Null when the word is not known.
  const Symbol* find(std::string_view word, uint64_t hash, size_t& count) const;
  void remember(std::string_view word, uint64_t hash, const std::vector<Symbol>& symbols);

  std::vector<Symbol> symbols;
  std::vector<uint32_t> ranks, previous, next;
  std::vector<uint64_t> heap;

 private:
  struct Entry {
    uint64_t hash = 0;
    uint32_t word = 0, word_bytes = 0, symbols = 0, count = 0;  // word_bytes 0: free
  };
  std::vector<Entry> entries_;
  size_t used_ = 0;
  std::string words_;
  std::vector<Symbol> all_symbols_;
};

struct BpeOptions {
  bool byte_level = false;     // the first symbols are bytes, and the vocabulary holds raw bytes; else code points
  bool byte_fallback = false;  // code points that the vocabulary lacks become "<0xE2>" tokens
  bool ignore_merges = false;  // a word that is a token is that token
  bool fuse_unk = false;
  core::Token unk = -1;
  std::string unk_name;  // said in the error when a text needs it and the vocabulary has none
};

class Bpe {
 public:
  Bpe(Vocabulary vocabulary, MergeTable merges, const BpeOptions& options);
  const Vocabulary& vocabulary() const { return vocabulary_; }
  // Promises that no merge joins a left side that ends in another character than these with a right side that starts
  // with a word's mark: the text may then be cut before such marks, and words are short and known from before.
  void allow_cuts(const std::vector<char32_t>& joins_mark);
  // Appends the symbols of a piece of text (valid UTF-8).
  void encode(std::string_view text, BpeScratch& scratch, std::vector<BpeScratch::Symbol>& out) const;

 private:
  void encode_word(std::string_view word, BpeScratch& scratch, std::vector<BpeScratch::Symbol>& out) const;
  void split_into_symbols(std::string_view word, std::vector<BpeScratch::Symbol>& symbols) const;
  void merge_short(BpeScratch& scratch) const;
  void merge_long(BpeScratch& scratch) const;
  core::Token unknown() const;

  Vocabulary vocabulary_;
  MergeTable merges_;
  BpeOptions options_;
  std::array<core::Token, 256> byte_ids_;  // byte_level: of the bytes; else of ASCII
  std::array<core::Token, 256> fallback_ids_;
  bool cuts_at_mark_ = false;
  std::vector<char32_t> joins_mark_;  // sorted
};

// SentencePiece's mark of a word's start.
inline constexpr std::string_view kWordMark = "\xE2\x96\x81";  // U+2581

}  // namespace ponder::text
