#include "ponder/tensor/team.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "ponder/base/error.h"

namespace ponder::tensor {
namespace {

thread_local Team* t_team = nullptr;

// state_: what a thread must know to take a part, in one word, so that a late one cannot take a part of a run that is
// over: 24 bits of generation, 20 of parts, 20 of the next part.
constexpr int kBits = 20;
constexpr uint64_t kMask = (uint64_t{1} << kBits) - 1;
uint64_t next_of(uint64_t state) { return state & kMask; }
uint64_t parts_of(uint64_t state) { return state >> kBits & kMask; }
uint64_t generation_of(uint64_t state) { return state >> 2 * kBits; }

// Products follow each other within microseconds: looking for the next one is worth some of them, sleeping is not.
constexpr int kLooks = 2000;
void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

template <class T, class Ready>
void wait_until(const std::atomic<T>& value, Ready ready) {
  for (int i = 0; i < kLooks; ++i) {
    if (ready(value.load(std::memory_order_acquire))) return;
    pause();
  }
  for (T seen = value.load(std::memory_order_acquire); !ready(seen); seen = value.load(std::memory_order_acquire))
    value.wait(seen, std::memory_order_acquire);
}

}  // namespace

Team::Team(int threads) {
  PONDER_CHECK(threads >= 1, "a team needs at least one thread, got ", threads);
  try {
    for (int i = 1; i < threads; ++i) threads_.emplace_back([this] { serve(); });
  } catch (const std::system_error& e) {
    const size_t started = threads_.size() + 1;
    stop();
    throw Error(ErrorCode::kResource, base::cat("could start only ", started, " of ", threads, " threads (", e.what(),
                                                "); ask for fewer threads"));
  }
}

Team::~Team() { stop(); }

void Team::stop() {
  ends_.store(true);
  state_.fetch_add(uint64_t{1} << 2 * kBits);
  state_.notify_all();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

// The work is read after a part has been taken: it stays until that part is done.
bool Team::take_part() {
  uint64_t state = state_.load(std::memory_order_acquire);
  do {
    if (next_of(state) >= parts_of(state)) return false;
  } while (!state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire));
  try {
    (*work_)(static_cast<int64_t>(next_of(state)));
  } catch (...) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::current_exception();
  }
  if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_all();
  return true;
}

void Team::serve() {
  for (uint64_t seen = 0;;) {
    wait_until(state_, [seen](uint64_t state) { return generation_of(state) != seen; });
    if (ends_.load()) return;
    seen = generation_of(state_.load(std::memory_order_acquire));
    while (take_part()) {
    }
  }
}

void Team::run(int64_t parts, const std::function<void(int64_t part)>& work) {
  PONDER_CHECK(parts >= 0 && static_cast<uint64_t>(parts) <= kMask, "a run of ", parts, " parts is too long");
  if (parts == 0) return;
  const TeamScope alone(nullptr);
  work_ = &work;
  left_.store(parts, std::memory_order_relaxed);
  const uint64_t generation = generation_of(state_.load(std::memory_order_relaxed)) + 1;
  state_.store(generation << 2 * kBits | static_cast<uint64_t>(parts) << kBits, std::memory_order_release);
  if (!threads_.empty()) state_.notify_all();
  while (take_part()) {
  }
  wait_until(left_, [](int64_t left) { return left == 0; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

TeamScope::TeamScope(Team* team) : before_(t_team) { t_team = team; }
TeamScope::~TeamScope() { t_team = before_; }

int team_threads() { return t_team ? t_team->threads() : 1; }

void share_work(int64_t parts, const std::function<void(int64_t part)>& work) {
  if (t_team && parts > 1) return t_team->run(parts, work);
  for (int64_t part = 0; part < parts; ++part) work(part);
}

void share_range(int64_t n, int64_t grain, const std::function<void(int64_t from, int64_t to)>& work) {
  constexpr int64_t kPartsEach = 4;  // threads may be disturbed: who is free takes the next piece
  const int64_t grains = (n + grain - 1) / grain;
  const int64_t parts = std::min<int64_t>(grains, team_threads() > 1 ? team_threads() * kPartsEach : 1);
  if (parts <= 1) {
    if (n > 0) work(0, n);
    return;
  }
  share_work(parts, [&](int64_t part) {
    work(grains * part / parts * grain, std::min(n, grains * (part + 1) / parts * grain));
  });
}

}  // namespace ponder::tensor
