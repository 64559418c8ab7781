#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "ponder/tensor/kernels.h"
#include "ponder/tensor/simd.h"

namespace ponder::tensor {

using simd::load;
using simd::load_part;
using simd::splat;
using simd::store;
using simd::store_part;

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// A vocabulary is no multiple of a vector: the lanes behind its end count as −∞, that is probability 0.
// kept: null, or where e^(x − top) goes, which may be x.
template <class S, bool kKeeps = false>
PONDER_INLINE RunningLogsumexp block_logsumexp(const float* x, int64_t n, bool with_entropy, float* kept = nullptr) {
  using F = typename S::F;
  constexpr int64_t L = S::kLanes;
  const int64_t whole = n / L * L;
  const F tail = whole < n ? load_part<S>(x + whole, n - whole, kMinusInfinity) : splat<S>(kMinusInfinity);
  F highest = tail;
  for (int64_t i = 0; i < whole; i += L) highest = simd::max<S>(highest, load<S>(x + i));
  const float highest_lane = simd::max_lane<S>(highest), top = highest_lane == kMinusInfinity ? 0.0f : highest_lane;
  F total = simd::exp<S>(tail - top);
  if (kKeeps && !with_entropy && whole < n) store_part<S>(kept + whole, n - whole, total);
  if (!with_entropy) {
    for (int64_t i = 0; i < whole; i += L) {
      const F e = simd::exp<S>(load<S>(x + i) - top);
      if constexpr (kKeeps) store<S>(kept + i, e);
      total += e;
    }
    return {top, simd::sum<S>(total), 0};
  }
  F weighted{};
  if (whole < n) weighted = total * (load_part<S>(x + whole, n - whole, top) - top);  // 0 · 0, where 0 · −∞ is none
  if (kKeeps && whole < n) store_part<S>(kept + whole, n - whole, total);
  for (int64_t i = 0; i < whole; i += L) {
    const F below = load<S>(x + i) - top, e = simd::exp<S>(below);
    if constexpr (kKeeps) store<S>(kept + i, e);
    total += e;
    weighted += e * below;
  }
  return {top, simd::sum<S>(total), simd::sum<S>(weighted)};
}

// The higher of two tops stands; what belongs to the other one is brought to it.
PONDER_INLINE void add_block(RunningLogsumexp& sum, RunningLogsumexp block) {
  if (block.total == 0) return;  // nothing but −∞
  if (sum.total == 0) {
    sum = block;
    return;
  }
  if (block.top > sum.top) std::swap(sum, block);
  const float lower = block.top - sum.top, factor = std::exp(lower);
  sum.weighted += factor * (block.weighted + lower * block.total);
  sum.total += factor * block.total;
}

template <class S>
PONDER_INLINE void row_logsumexp_add_body(const float* x, int64_t n, bool with_entropy, RunningLogsumexp* running) {
  for (int64_t from = 0; from < n; from += kLogsumexpBlock)
    add_block(*running, block_logsumexp<S>(x + from, std::min(kLogsumexpBlock, n - from), with_entropy));
}

template <class S>
PONDER_INLINE void row_exp_and_add_body(float* x, int64_t n, bool with_entropy, RunningLogsumexp* running, float* top) {
  const RunningLogsumexp block = block_logsumexp<S, true>(x, n, with_entropy, x);
  *top = block.top;
  add_block(*running, block);
}

template <class S>
PONDER_INLINE void row_entropy_body(const float* x, int64_t n, float logsumexp, float* entropy) {
  using F = typename S::F;
  constexpr int64_t L = S::kLanes;
  const int64_t whole = n / L * L;
  F total{};
  for (int64_t i = 0; i < whole; i += L) {
    const F logp = load<S>(x + i) - logsumexp;
    total -= simd::exp<S>(logp) * logp;
  }
  if (whole < n) {
    // e^−1000 is 0 here, and 0 · −1000 is 0 where 0 · −∞ would not be.
    const F logp = load_part<S>(x + whole, n - whole, logsumexp - 1000.0f) - logsumexp;
    total -= simd::exp<S>(logp) * logp;
  }
  *entropy = simd::sum<S>(total);
}

// x → factor · e^(x − shift)
template <class S>
PONDER_INLINE void row_exp_body(float* x, int64_t n, float shift, float factor) {
  constexpr int64_t L = S::kLanes;
  const int64_t whole = n / L * L;
  for (int64_t i = 0; i < whole; i += L) store<S>(x + i, simd::exp<S>(load<S>(x + i) - shift) * factor);
  if (whole < n)
    store_part<S>(x + whole, n - whole, simd::exp<S>(load_part<S>(x + whole, n - whole, shift) - shift) * factor);
}

template <class S>
PONDER_INLINE void row_scale_body(const float* x, int64_t n, float factor, float* y) {
  const int64_t whole = n / S::kLanes * S::kLanes;
  for (int64_t i = 0; i < whole; i += S::kLanes) store<S>(y + i, load<S>(x + i) * factor);
  for (int64_t i = whole; i < n; ++i) y[i] = x[i] * factor;
}

template <class S>
PONDER_INLINE void row_scale_bf16_body(const uint32_t* pairs, int64_t n, float factor, float* y) {
  using I = typename S::I;
  typedef uint16_t Halves __attribute__((vector_size(S::kLanes * 2), aligned(2), may_alias));
  const auto* halves = reinterpret_cast<const uint16_t*>(pairs);
  const int64_t whole = n / S::kLanes * S::kLanes;
  const auto scale = [&](const uint16_t* at) __attribute__((always_inline)) {
    const I bits = __builtin_convertvector(*reinterpret_cast<const Halves*>(at), I) << 16;
    return reinterpret_cast<const typename S::F&>(bits) * factor;
  };
  for (int64_t i = 0; i < whole; i += S::kLanes) store<S>(y + i, scale(halves + i));
  if (whole == n) return;
  uint16_t rest[S::kLanes] = {};
  std::memcpy(rest, halves + whole, static_cast<size_t>(n - whole) * sizeof *halves);
  store_part<S>(y + whole, n - whole, scale(rest));
}

// By blocks: the first block whose highest is above all before it holds the first of the highest.
template <class S>
PONDER_INLINE void row_argmax_body(const float* x, int64_t n, int64_t* index) {
  using F = typename S::F;
  constexpr int64_t kBlock = 1024;
  float highest = kMinusInfinity;
  int64_t block = 0;
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t end = first + kBlock < n ? first + kBlock : n, whole = first + (end - first) / S::kLanes * S::kLanes;
    F top = splat<S>(kMinusInfinity);
    for (int64_t i = first; i < whole; i += S::kLanes) top = simd::max<S>(top, load<S>(x + i));
    if (whole < end) top = simd::max<S>(top, load_part<S>(x + whole, end - whole, kMinusInfinity));
    const float best = simd::max_lane<S>(top);
    if (best > highest) highest = best, block = first;
  }
  while (block + 1 < n && x[block] != highest) ++block;
  *index = block;
}

}  // namespace

PONDER_DISPATCH(row_scale, (const float* x, int64_t n, float factor, float* y), (x, n, factor, y))
PONDER_DISPATCH(row_argmax, (const float* x, int64_t n, int64_t* index), (x, n, index))
PONDER_DISPATCH(row_logsumexp_add, (const float* x, int64_t n, bool with_entropy, RunningLogsumexp* running),
                (x, n, with_entropy, running))
PONDER_DISPATCH(row_exp_and_add, (float* x, int64_t n, bool with_entropy, RunningLogsumexp* running, float* top),
                (x, n, with_entropy, running, top))
PONDER_DISPATCH(row_scale_bf16, (const uint32_t* pairs, int64_t n, float factor, float* y), (pairs, n, factor, y))
PONDER_DISPATCH(row_entropy, (const float* x, int64_t n, float logsumexp, float* entropy), (x, n, logsumexp, entropy))
PONDER_DISPATCH(row_exp, (float* x, int64_t n, float shift, float factor), (x, n, shift, factor))

float RunningLogsumexp::logsumexp() const { return top + std::log(total); }
float RunningLogsumexp::entropy() const { return std::log(total) - weighted / total; }

void row_logsumexp(const float* x, int64_t n, float* logsumexp) {
  RunningLogsumexp running;
  row_logsumexp_add(x, n, false, &running);
  *logsumexp = running.logsumexp();
}

}  // namespace ponder::tensor
