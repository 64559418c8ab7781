#include "ponder/engine/kv_cache.h"

#include <sys/mman.h>

#include <algorithm>

#include "ponder/base/error.h"

namespace ponder::engine {
namespace {

int64_t common_prefix(core::TokenSpan a, core::TokenSpan b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return end - a.begin();
}

bool less(core::TokenSpan a, core::TokenSpan b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

}  // namespace

bool KvCache::Order::operator()(int32_t a, int32_t b) const {
  const core::TokenSpan x = cache->key(a), y = cache->key(b);
  return less(x, y) || (!less(y, x) && a < b);
}
bool KvCache::Order::operator()(int32_t a, core::TokenSpan b) const { return less(cache->key(a), b); }

KvCache::Memory::Memory(size_t bytes) : size_(bytes) {
  data_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (data_ == MAP_FAILED)
    throw Error(ErrorCode::kResource, base::cat("no memory for a cache of ", bytes >> 20, " MiB; lower kv_mib"));
  // Attention streams through it, and fewer address translations are worth a sixth of its time. Advice may be refused.
  madvise(data_, bytes, MADV_HUGEPAGE);
}

KvCache::Memory::~Memory() { munmap(data_, size_); }

KvCache::KvCache(int64_t layers, const tensor::HeadShape& shape, int64_t pages, bool share)
    : layer_bytes_(tensor::page_bytes(shape)),
      page_bytes_(layers * layer_bytes_),
      share_(share),
      memory_(static_cast<size_t>(pages * page_bytes_)) {
  entries_.reserve(static_cast<size_t>(pages) + 1);
  for (int64_t p = 0; p <= pages; ++p) entries_.push_back({.children = std::set<int32_t, Order>(Order{this})});
  for (int64_t p = pages; p-- > 0;) free_.push_back(static_cast<int32_t>(p));
}

core::TokenSpan KvCache::key(int32_t page) const {
  const Entry& e = entries_[page];
  return {e.tokens.data(), static_cast<size_t>(e.findable)};
}

int32_t KvCache::last_page(const Sequence& sequence) const {
  return sequence.pages.empty() ? root() : sequence.pages.back();
}

// Of keys in sorted order, one beside the place where `tokens` belongs has the longest prefix in common with it.
KvCache::Match KvCache::best_child(int32_t parent, core::TokenSpan tokens) const {
  const auto& children = entries_[parent].children;
  Match best;
  const auto consider = [&](int32_t page) {
    const int64_t n = common_prefix(key(page), tokens);
    if (n > best.tokens) best = {page, n};
  };
  const auto place = children.lower_bound(tokens);
  if (place != children.end()) consider(*place);
  if (place != children.begin()) consider(*std::prev(place));
  return best;
}

void KvCache::open(Sequence& sequence, core::TokenSpan tokens) {
  PONDER_CHECK(sequence.pages.empty() && sequence.length == 0, "this sequence is open already");
  if (!share_) return;
  while (!tokens.empty()) {
    const int32_t parent = last_page(sequence);
    const Match match = best_child(parent, tokens.first(std::min<size_t>(tokens.size(), kPageTokens)));
    if (match.tokens == 0) return;
    Entry& found = entries_[match.page];
    const bool whole = match.tokens == kPageTokens;
    // A partly filled page that nobody holds and that agrees to its end is simply continued.
    if (whole || (found.holders == 0 && found.filled == match.tokens)) {
      hold(match.page);
      if (!whole) set_findable(match.page, 0);
      sequence.pages.push_back(match.page);
    } else {
      hold(match.page);  // until copies_done()
      const int32_t page = take_page();
      put_below(page, parent);
      Entry& copy = entries_[page];
      copy.filled = match.tokens;
      std::copy_n(found.tokens.begin(), match.tokens, copy.tokens.begin());
      hold(page);
      copies_.push_back({match.page, page, match.tokens});
      sequence.pages.push_back(page);
    }
    sequence.length += match.tokens;
    if (!whole) return;
    tokens = tokens.subspan(kPageTokens);
  }
}

bool KvCache::reserve(Sequence& sequence, int64_t more) {
  const int64_t have = static_cast<int64_t>(sequence.pages.size() + sequence.reserved.size());
  const int64_t missing = pages_for(sequence.length + more) - have;
  if (missing > available()) return false;
  for (int64_t i = 0; i < missing; ++i) sequence.reserved.push_back(take_page());
  return true;
}

void KvCache::append(Sequence& sequence, core::Token token) {
  put_token(sequence, token);
  const int32_t page = sequence.pages.back();
  if (share_ && entries_[page].filled == kPageTokens) set_findable(page, kPageTokens);
}

void KvCache::append_guess(Sequence& sequence, core::Token token) { put_token(sequence, token); }

void KvCache::put_token(Sequence& sequence, core::Token token) {
  const int64_t slot = sequence.length % kPageTokens;
  if (slot == 0) {
    PONDER_CHECK(!sequence.reserved.empty(), "append() without reserve()");
    const int32_t page = sequence.reserved.back();
    sequence.reserved.pop_back();
    put_below(page, last_page(sequence));
    hold(page);
    sequence.pages.push_back(page);
  }
  Entry& entry = entries_[sequence.pages.back()];
  entry.tokens[static_cast<size_t>(slot)] = token;
  entry.filled = slot + 1;
  ++sequence.length;
}

// Pages that hold guesses are this sequence's own and nobody has found them, so what is kept of them may be written
// behind again.
void KvCache::settle(Sequence& sequence, int64_t length) {
  PONDER_CHECK(length <= sequence.length, "a sequence of ", sequence.length, " positions has no ", length, " to keep");
  while (static_cast<int64_t>(sequence.pages.size()) > pages_for(length)) {
    PONDER_CHECK(entries_[sequence.pages.back()].findable == 0, "a page that others may have found is taken back");
    release(sequence.pages.back());
    sequence.pages.pop_back();
  }
  sequence.length = length;
  if (sequence.pages.empty()) return;
  Entry& last = entries_[sequence.pages.back()];
  last.filled = length - (static_cast<int64_t>(sequence.pages.size()) - 1) * kPageTokens;
  PONDER_CHECK(last.findable <= last.filled, "a position that others may have found is taken back");
  if (!share_) return;
  for (auto page = sequence.pages.rbegin(); page != sequence.pages.rend(); ++page) {
    const Entry& entry = entries_[*page];
    if (entry.filled < kPageTokens) continue;   // the last one
    if (entry.findable == kPageTokens) return;  // and so are those before it
    set_findable(*page, kPageTokens);
  }
}

void KvCache::publish(const Sequence& sequence) {
  if (!share_ || sequence.pages.empty()) return;
  const int32_t page = sequence.pages.back();
  if (entries_[page].findable < entries_[page].filled) set_findable(page, entries_[page].filled);
}

void KvCache::close(Sequence& sequence) {
  publish(sequence);
  ++clock_;
  for (auto page = sequence.pages.rbegin(); page != sequence.pages.rend(); ++page) release(*page);
  free_.insert(free_.end(), sequence.reserved.rbegin(), sequence.reserved.rend());
  sequence = {};
}

void KvCache::clear() {
  PONDER_CHECK(idle_ + static_cast<int64_t>(free_.size()) == page_count(), "clear() while sequences are open");
  while (!evictable_.empty()) forget(evictable_.begin()->second);
  peak_pages_ = 0;
}

void KvCache::copies_done() {
  for (const Copy& copy : copies_) release(copy.from);
  copies_.clear();
}

int32_t KvCache::take_page() {
  if (free_.empty()) {
    PONDER_CHECK(!evictable_.empty(), "the cache was asked for more pages than it has");
    forget(evictable_.begin()->second);
  }
  // Not cleared. Slots behind a sequence's end are read with weight 0 and hold zeros of the system's or finite numbers
  // of an earlier sequence: where a model's numbers overflow, sampling ends with an error.
  const int32_t page = free_.back();
  free_.pop_back();
  peak_pages_ = std::max(peak_pages_, page_count() - static_cast<int64_t>(free_.size()));
  return page;
}

void KvCache::put_below(int32_t page, int32_t parent) {
  Entry& entry = entries_[page];
  entry.parent = parent;
  entry.filled = entry.findable = entry.holders = 0;
  ++idle_;  // until it is held
  if (entries_[parent].below++ == 0) evictable_.erase({entries_[parent].last_use, parent});
}

void KvCache::hold(int32_t page) {
  Entry& entry = entries_[page];
  if (entry.holders++ > 0) return;
  --idle_;
  evictable_.erase({entry.last_use, page});
}

void KvCache::release(int32_t page) {
  Entry& entry = entries_[page];
  entry.last_use = clock_;
  if (--entry.holders > 0) return;
  ++idle_;
  if (entry.below > 0) return;
  evictable_.insert({entry.last_use, page});
  if (entry.findable == 0) forget(page);  // nobody could find it
}

// Takes a page that is held by none and has none below it out of the tree.
void KvCache::forget(int32_t page) {
  Entry& entry = entries_[page];
  set_findable(page, 0);
  evictable_.erase({entry.last_use, page});
  --idle_;
  free_.push_back(page);
  const int32_t above = std::exchange(entry.parent, -1);
  Entry& parent = entries_[above];
  if (--parent.below > 0 || above == root() || parent.holders > 0) return;
  // Whoever used the child used its parent.
  parent.last_use = std::max(parent.last_use, entry.last_use);
  evictable_.insert({parent.last_use, above});
}

void KvCache::set_findable(int32_t page, int64_t tokens) {
  Entry& entry = entries_[page];
  auto& siblings = entries_[entry.parent].children;
  if (entry.findable > 0) siblings.erase(page);
  entry.findable = tokens;
  if (tokens > 0) siblings.insert(page);
}

void KvCache::check() const {
  int64_t idle = 0, evictable = 0;
  std::vector<int64_t> below(entries_.size(), 0);
  std::vector<bool> is_free(entries_.size(), false);
  for (const int32_t page : free_) is_free[page] = true;
  for (int32_t page = 0; page < root(); ++page) {
    const Entry& e = entries_[page];
    if (is_free[page] || e.parent < 0) continue;
    ++below[e.parent];
    PONDER_CHECK(e.findable <= e.filled && e.filled <= kPageTokens, "page ", page,
                 " is findable by more than it holds");
    PONDER_CHECK((entries_[e.parent].children.count(page) > 0) == (e.findable > 0), "page ", page, " is misplaced");
    idle += e.holders == 0;
    evictable += evictable_.contains({e.last_use, page});
  }
  PONDER_CHECK(idle == idle_, "idle pages: ", idle, " counted, ", idle_, " known");
  PONDER_CHECK(evictable == static_cast<int64_t>(evictable_.size()), "a page that is not cached can be evicted");
  for (int32_t page = 0; page <= root(); ++page)
    if (!is_free[page]) PONDER_CHECK(below[page] == entries_[page].below, "page ", page, " miscounts those below it");
}

}  // namespace ponder::engine
