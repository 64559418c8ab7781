// Keys and values of everything that was read, in pages of 16 positions, found again by prefix: full pages are shared
// by reference, of a page that agrees in part that part is copied. Sequences that ended stay until their pages are
// needed, least recently used first. Used by Batcher; single-threaded.
//
// A page's entry in the prefix tree says what the page will hold once the forward pass that is being put together has
// run, so requests admitted together share too: in each layer keys and values of all new rows are stored, then the
// copies are made, then attention reads.
#pragma once
#include <array>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "ponder/core/token.h"
#include "ponder/tensor/kernels.h"

namespace ponder::engine {

inline constexpr int64_t kPageTokens = tensor::kPageTokens;

class KvCache {
 public:
  // One sequence's way through the tree; belongs to one row, opened and closed by the cache.
  struct Sequence {
    std::vector<int32_t> pages;     // in order; the last one may be partly filled and is this sequence's own
    std::vector<int32_t> reserved;  // promised by reserve(), not yet in use
    int64_t length = 0;             // positions held
  };
  struct Copy {
    int32_t from = 0, to = 0;
    int64_t slots = 0;
  };

  KvCache(int64_t layers, const tensor::HeadShape& shape, int64_t pages, bool share);
  KvCache(const KvCache&) = delete;
  KvCache& operator=(const KvCache&) = delete;

  // Starts a sequence with the longest cached prefix of tokens. Needs pages_for(tokens.size()) + 1 available pages.
  void open(Sequence& sequence, core::TokenSpan tokens);
  // Makes sure that `more` tokens can be appended; false, and nothing changed, when too few pages are available.
  bool reserve(Sequence& sequence, int64_t more);
  void append(Sequence& sequence, core::Token token);  // reserved before
  // The same for a token that may turn out wrong: nobody else finds it before settle() has kept it.
  void append_guess(Sequence& sequence, core::Token token);
  // Keeps the first `length` positions; those behind them, which must be guesses, are taken back.
  void settle(Sequence& sequence, int64_t length);
  // Lets others find the partly filled last page as far as it is now; full pages are found without this.
  void publish(const Sequence& sequence);
  void close(Sequence& sequence);  // what it held stays cached
  void clear();                    // forgets everything; no sequence may be open

  // Copies that open() decided on and that no forward pass has made yet, in order.
  const std::vector<Copy>& copies() const { return copies_; }
  void copies_done();

  int64_t available() const { return static_cast<int64_t>(free_.size()) + idle_; }  // free, or held by no open sequence
  int64_t page_count() const { return static_cast<int64_t>(entries_.size()) - 1; }
  int64_t bytes() const { return page_count() * page_bytes_; }  // of the memory that pages take when all are in use
  // Of the pages that held something at one time, the most since clear(). What no sequence needs any more is held too,
  // until its page is taken.
  int64_t peak_bytes() const { return peak_pages_ * page_bytes_; }
  static int64_t pages_for(int64_t tokens) { return (tokens + kPageTokens - 1) / kPageTokens; }
  tensor::Pages layer(int64_t l) const { return {memory_.bytes() + l * layer_bytes_, page_bytes_}; }

  // Reads the tree and throws Error(kInternal) when it contradicts itself; for tests.
  void check() const;

 private:
  struct Order {  // of the children of one page: by their findable tokens, then by page
    using is_transparent = void;
    const KvCache* cache;
    bool operator()(int32_t a, int32_t b) const;
    bool operator()(int32_t a, core::TokenSpan b) const;
  };
  struct Entry {
    std::array<core::Token, kPageTokens> tokens{};
    int64_t filled = 0;    // tokens that the page holds
    int64_t findable = 0;  // of these, those under which it stands in its parent's children; 0 = not there
    int32_t parent = -1;
    int64_t holders = 0;  // open sequences that it is part of, and copies to be made from it
    int64_t below = 0;    // pages whose parent it is, findable or not
    uint64_t last_use = 0;
    std::set<int32_t, Order> children;  // findable ones
  };
  struct Match {
    int32_t page = -1;
    int64_t tokens = 0;
  };
  // Address space for all pages, of which the system backs what was used; large pages where it has them.
  class Memory {
   public:
    explicit Memory(size_t bytes);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;
    std::byte* bytes() const { return static_cast<std::byte*>(data_); }

   private:
    void* data_;
    size_t size_;
  };

  core::TokenSpan key(int32_t page) const;
  int32_t root() const { return static_cast<int32_t>(page_count()); }
  int32_t last_page(const Sequence& sequence) const;
  Match best_child(int32_t parent, core::TokenSpan tokens) const;
  void put_token(Sequence& sequence, core::Token token);
  int32_t take_page();  // out of the free ones, or one that is evicted
  void put_below(int32_t page, int32_t parent);
  void hold(int32_t page);
  void release(int32_t page);
  void forget(int32_t page);
  void set_findable(int32_t page, int64_t tokens);

  int64_t layer_bytes_, page_bytes_;  // of one page in one layer, and in all
  bool share_;
  Memory memory_;
  std::vector<Entry> entries_;  // by page; behind them the root of the tree, which has no page
  std::vector<int32_t> free_;
  std::set<std::pair<uint64_t, int32_t>> evictable_;  // (last use, page): cached, held by none and nothing below
  std::vector<Copy> copies_;
  int64_t idle_ = 0;  // cached pages that no sequence holds
  int64_t peak_pages_ = 0;
  uint64_t clock_ = 0;
};

}  // namespace ponder::engine
