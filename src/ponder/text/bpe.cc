#include "ponder/text/bpe.h"

#include <algorithm>
#include <bit>

#include "ponder/base/error.h"
#include "ponder/text/hash.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

using Symbol = BpeScratch::Symbol;
constexpr uint32_t kNoRank = UINT32_MAX;
constexpr size_t kLongestKnownWord = 64;  // bytes; longer ones hardly come again
constexpr size_t kMaxKnownWords = 1 << 15;
constexpr size_t kShortWord = 32;  // symbols up to which looking through all ranks is quicker than a heap

uint64_t pair_key(core::Token left, core::Token right) {
  return uint64_t{static_cast<uint32_t>(left)} << 32 | static_cast<uint32_t>(right);
}

// Three fifths full at most: half as much memory for the half million merges of a large vocabulary as half full.
bool is_full(size_t count, size_t slots) { return 5 * count > 3 * slots; }

}  // namespace

void MergeTable::reserve(size_t merges) {
  if (!slots_.empty()) return;
  size_t slots = 16;
  while (is_full(merges, slots)) slots *= 2;
  slots_.resize(slots);
}

MergeTable::Slot& MergeTable::slot_of(uint64_t key) {
  size_t at = hash_mix(key, 0) & (slots_.size() - 1);
  while (slots_[at].key != key && slots_[at].key != UINT64_MAX) at = (at + 1) & (slots_.size() - 1);
  return slots_[at];
}

void MergeTable::set(core::Token left, core::Token right, Merge merge) {
  if (is_full(count_ + 1, slots_.size())) {
    std::vector<Slot> old(std::max<size_t>(16, 2 * slots_.size()));
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.key != UINT64_MAX) slot_of(slot.key) = slot;
  }
  Slot& slot = slot_of(pair_key(left, right));
  count_ += slot.key == UINT64_MAX;
  slot = {pair_key(left, right), merge};
}

MergeTable::Merge MergeTable::find(core::Token left, core::Token right) const {
  if (slots_.empty()) return {};
  const uint64_t key = pair_key(left, right);
  for (size_t at = hash_mix(key, 0) & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].key == key) return slots_[at].merge;
    if (slots_[at].key == UINT64_MAX) return {};
  }
}

const Symbol* BpeScratch::find(std::string_view word, uint64_t hash, size_t& count) const {
  if (entries_.empty()) return nullptr;
  for (size_t at = hash & (entries_.size() - 1); entries_[at].word_bytes; at = (at + 1) & (entries_.size() - 1)) {
    const Entry& entry = entries_[at];
    if (entry.hash != hash || std::string_view(words_).substr(entry.word, entry.word_bytes) != word) continue;
    count = entry.count;
    return all_symbols_.data() + entry.symbols;
  }
  return nullptr;
}

void BpeScratch::remember(std::string_view word, uint64_t hash, const std::vector<Symbol>& symbols) {
  if (used_ == kMaxKnownWords || entries_.empty()) {
    entries_.assign(2 * kMaxKnownWords, {});
    words_.clear();
    all_symbols_.clear();
    used_ = 0;
  }
  size_t at = hash & (entries_.size() - 1);
  while (entries_[at].word_bytes) at = (at + 1) & (entries_.size() - 1);
  entries_[at] = {hash, static_cast<uint32_t>(words_.size()), static_cast<uint32_t>(word.size()),
                  static_cast<uint32_t>(all_symbols_.size()), static_cast<uint32_t>(symbols.size())};
  words_ += word;
  all_symbols_.insert(all_symbols_.end(), symbols.begin(), symbols.end());
  ++used_;
}

Bpe::Bpe(Vocabulary vocabulary, MergeTable merges, const BpeOptions& options)
    : vocabulary_(std::move(vocabulary)), merges_(std::move(merges)), options_(options) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    byte_ids_[b] = options_.byte_level || b < 0x80 ? vocabulary_.find({&byte, 1}) : -1;
    const char name[] = {'<', '0', 'x', kHex[b >> 4], kHex[b & 15], '>'};
    fallback_ids_[b] = options_.byte_fallback ? vocabulary_.find({name, sizeof name}) : -1;
  }
}

void Bpe::allow_cuts(const std::vector<char32_t>& joins_mark) {
  const bool never_unknown = options_.byte_fallback && std::count(fallback_ids_.begin(), fallback_ids_.end(), -1) == 0;
  if (options_.byte_level || options_.ignore_merges || !never_unknown) return;
  cuts_at_mark_ = true;
  joins_mark_ = joins_mark;
  std::sort(joins_mark_.begin(), joins_mark_.end());
}

core::Token Bpe::unknown() const {
  if (options_.unk >= 0) return options_.unk;
  throw Error(ErrorCode::kInput,
              base::cat("the text has a character that the vocabulary lacks, and its unknown token \"",
                        options_.unk_name, "\" is not in the vocabulary either"));
}

void Bpe::split_into_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  uint32_t unknown_bytes = 0;  // of an unknown symbol that is still growing
  const bool has_unk = options_.unk >= 0 || !options_.unk_name.empty();
  const auto flush = [&] {
    if (unknown_bytes) symbols.push_back({unknown(), unknown_bytes});
    unknown_bytes = 0;
  };
  for (size_t at = 0; at < word.size();) {
    const auto byte = static_cast<unsigned char>(word[at]);
    const uint32_t length = options_.byte_level || byte < 0x80 ? 1 : code_point_at(word, at).length;
    const std::string_view piece = word.substr(at, length);
    at += length;
    const core::Token id = length == 1 ? byte_ids_[byte] : vocabulary_.find(piece);
    if (id >= 0) {
      flush();
      symbols.push_back({id, length});
      continue;
    }
    const auto has_fallback = [&](char b) { return fallback_ids_[static_cast<unsigned char>(b)] >= 0; };
    if (options_.byte_fallback && std::all_of(piece.begin(), piece.end(), has_fallback)) {
      // As the reference does: a pending unknown symbol is not written before the bytes but behind them.
      for (char b : piece) symbols.push_back({fallback_ids_[static_cast<unsigned char>(b)], 1});
      continue;
    }
    if (!has_unk) continue;  // as the reference: such a character is dropped
    if (!options_.fuse_unk) flush();
    unknown();  // throws when there is none
    unknown_bytes += length;
  }
  flush();
}

// Ranks of all pairs in an array; each merge is the leftmost of the lowest rank.
void Bpe::merge_short(BpeScratch& s) const {
  auto& symbols = s.symbols;
  auto& ranks = s.ranks;
  size_t n = symbols.size();
  ranks.resize(n);
  const auto rank_at = [&](size_t i) { return merges_.find(symbols[i].id, symbols[i + 1].id).rank; };
  for (size_t i = 0; i + 1 < n; ++i) ranks[i] = rank_at(i);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNoRank) break;
    symbols[best] = {merges_.find(symbols[best].id, symbols[best + 1].id).to,
                     symbols[best].bytes + symbols[best + 1].bytes};
    symbols.erase(symbols.begin() + static_cast<ptrdiff_t>(best) + 1);
    ranks.erase(ranks.begin() + static_cast<ptrdiff_t>(best) + 1);
    --n;
    if (best + 1 < n) ranks[best] = rank_at(best);
    if (best > 0) ranks[best - 1] = rank_at(best - 1);
  }
}

// The same with a heap of (rank, position) over a linked list; entries whose pair has changed are passed over.
void Bpe::merge_long(BpeScratch& s) const {
  auto& symbols = s.symbols;
  const auto n = static_cast<uint32_t>(symbols.size());
  s.previous.resize(n);
  s.next.resize(n);
  s.ranks.assign(n, kNoRank);
  s.heap.clear();
  const auto later = std::greater<uint64_t>();
  const auto offer = [&](uint32_t left, bool sift) {
    const uint32_t right = s.next[left];
    s.ranks[left] = right < n ? merges_.find(symbols[left].id, symbols[right].id).rank : kNoRank;
    if (s.ranks[left] == kNoRank) return;
    s.heap.push_back(uint64_t{s.ranks[left]} << 32 | left);
    if (sift) std::push_heap(s.heap.begin(), s.heap.end(), later);
  };
  for (uint32_t i = 0; i < n; ++i) s.previous[i] = i - 1, s.next[i] = i + 1;  // i − 1 of 0 is beyond n
  for (uint32_t i = 0; i < n; ++i) offer(i, false);
  std::make_heap(s.heap.begin(), s.heap.end(), later);
  while (!s.heap.empty()) {
    std::pop_heap(s.heap.begin(), s.heap.end(), later);
    const uint64_t top = s.heap.back();
    s.heap.pop_back();
    const auto left = static_cast<uint32_t>(top);
    if (s.ranks[left] != top >> 32) continue;
    const uint32_t right = s.next[left];
    symbols[left] = {merges_.find(symbols[left].id, symbols[right].id).to, symbols[left].bytes + symbols[right].bytes};
    symbols[right].bytes = 0;  // gone
    s.ranks[right] = kNoRank;
    s.next[left] = s.next[right];
    if (s.next[left] < n) s.previous[s.next[left]] = left;
    if (s.previous[left] < n) offer(s.previous[left], true);
    offer(left, true);
  }
  std::erase_if(symbols, [](const Symbol& symbol) { return symbol.bytes == 0; });
}

void Bpe::encode_word(std::string_view word, BpeScratch& scratch, std::vector<Symbol>& out) const {
  if (options_.ignore_merges)
    if (const core::Token id = vocabulary_.find(word); id >= 0)
      return out.push_back({id, static_cast<uint32_t>(word.size())});
  const bool may_know = word.size() <= kLongestKnownWord;
  const uint64_t hash = may_know ? hash_bytes(word) : 0;
  if (may_know) {
    size_t count;
    if (const Symbol* known = scratch.find(word, hash, count)) {
      out.insert(out.end(), known, known + count);
      return;
    }
  }
  split_into_symbols(word, scratch.symbols);
  scratch.symbols.size() <= kShortWord ? merge_short(scratch) : merge_long(scratch);
  if (may_know) scratch.remember(word, hash, scratch.symbols);
  out.insert(out.end(), scratch.symbols.begin(), scratch.symbols.end());
}

void Bpe::encode(std::string_view text, BpeScratch& scratch, std::vector<Symbol>& out) const {
  if (cuts_at_mark_) {
    for (size_t from = 1; from < text.size();) {
      const size_t mark = text.find(kWordMark, from);
      if (mark == std::string_view::npos) break;
      if (!std::binary_search(joins_mark_.begin(), joins_mark_.end(), code_point_before(text, mark).value)) {
        encode_word(text.substr(0, mark), scratch, out);
        text.remove_prefix(mark);
        from = 1;
      } else {
        from = mark + 1;
      }
    }
  }
  if (!text.empty()) encode_word(text, scratch, out);
}

}  // namespace ponder::text
