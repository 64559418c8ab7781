#include <cmath>
#include <limits>

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
template <class S>
PONDER_INLINE void row_logsumexp_body(const float* x, int64_t n, float* logsumexp) {
  using F = typename S::F;
  constexpr int64_t L = S::kLanes;
  const int64_t whole = n / L * L;
  const F tail = whole < n ? load_part<S>(x + whole, n - whole, kMinusInfinity) : splat<S>(kMinusInfinity);
  F highest = tail;
  for (int64_t i = 0; i < whole; i += L) highest = simd::max<S>(highest, load<S>(x + i));
  const float top = simd::max_lane<S>(highest);
  F total = simd::exp<S>(tail - top);
  for (int64_t i = 0; i < whole; i += L) total += simd::exp<S>(load<S>(x + i) - top);
  *logsumexp = top + std::log(simd::sum<S>(total));
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
PONDER_DISPATCH(row_logsumexp, (const float* x, int64_t n, float* logsumexp), (x, n, logsumexp))
PONDER_DISPATCH(row_entropy, (const float* x, int64_t n, float logsumexp, float* entropy), (x, n, logsumexp, entropy))
PONDER_DISPATCH(row_exp, (float* x, int64_t n, float shift, float factor), (x, n, shift, factor))

}  // namespace ponder::tensor
