// Vectors of floats for the CPU kernels (kernels_*.cc only) and the choice of instruction set at run time: a kernel's
// body is a template over the vector, compiled for AVX-512, for AVX2 and for the compiler's default, and dispatched
// once a call.
#pragma once
#include <cstdint>
#include <cstring>

// Bodies and helpers are inlined into their dispatched wrappers, so no vector ever crosses a call.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace ponder::tensor::simd {

#define PONDER_INLINE static inline __attribute__((always_inline))

// For short loops over a constant, so that their arrays live in registers at -O2.
#define PONDER_UNROLL _Pragma("GCC unroll 16")

// 6 = level 5 with matrix tiles for bf16 (AMX), 5 = AVX-512 with bf16 products, 4 = AVX-512 (x86-64-v4), 3 = AVX2 and
// FMA (x86-64-v3), 1 = the compiler's default. limit_level lowers it, for tests.
int level();
// Level 4 with integer products of bytes (AVX-512 VNNI), which not all of these processors have.
bool has_vnni();
void limit_level(int highest);

struct Wide {
  static constexpr int kLanes = 16;
  typedef float F __attribute__((vector_size(64), aligned(4), may_alias));
  typedef int32_t I __attribute__((vector_size(64), aligned(4), may_alias));
};
struct Narrow {
  static constexpr int kLanes = 8;
  typedef float F __attribute__((vector_size(32), aligned(4), may_alias));
  typedef int32_t I __attribute__((vector_size(32), aligned(4), may_alias));
};

// PONDER_DISPATCH(name, (parameters), (arguments)) makes void name(parameters) out of template <class S> void
// name_body.
#if defined(__x86_64__)
#define PONDER_DISPATCH(name, parameters, arguments)                                                                  \
  __attribute__((target("arch=x86-64-v4"))) static void name##_v4 parameters { name##_body<simd::Wide> arguments; }   \
  __attribute__((target("arch=x86-64-v3"))) static void name##_v3 parameters { name##_body<simd::Narrow> arguments; } \
  static void name##_any parameters { name##_body<simd::Narrow> arguments; }                                          \
  void name parameters {                                                                                              \
    const int level = simd::level();                                                                                  \
    if (level >= 4) return name##_v4 arguments;                                                                       \
    if (level >= 3) return name##_v3 arguments;                                                                       \
    name##_any arguments;                                                                                             \
  }
#else
#define PONDER_DISPATCH(name, parameters, arguments) \
  void name parameters { name##_body<simd::Narrow> arguments; }
#endif

template <class S>
PONDER_INLINE typename S::F load(const float* p) {
  return *reinterpret_cast<const typename S::F*>(p);
}
template <class S>
PONDER_INLINE void store(float* p, typename S::F v) {
  *reinterpret_cast<typename S::F*>(p) = v;
}
template <class S>
PONDER_INLINE typename S::F splat(float x) {
  return typename S::F{} + x;
}
// The first n < kLanes floats; the other lanes hold fill.
template <class S>
PONDER_INLINE typename S::F load_part(const float* p, int64_t n, float fill) {
  typename S::F v = splat<S>(fill);
  std::memcpy(&v, p, static_cast<size_t>(n) * sizeof(float));
  return v;
}
template <class S>
PONDER_INLINE void store_part(float* p, int64_t n, typename S::F v) {
  std::memcpy(p, &v, static_cast<size_t>(n) * sizeof(float));
}
template <class S>
PONDER_INLINE typename S::F max(typename S::F a, typename S::F b) {
  return a < b ? b : a;
}

// To bf16, to nearest and ties to even, as an f32 whose low half is 0. NaN stays.
template <class S>
PONDER_INLINE typename S::F round_bf16(typename S::F x) {
  using F = typename S::F;
  using I = typename S::I;
  const I bits = reinterpret_cast<const I&>(x);
  const I rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & -0x10000;
  return x == x ? reinterpret_cast<const F&>(rounded) : x;
}

// The lanes above `half` folded onto those below, in registers: lane i gets lane i + half.
template <class S, int half>
PONDER_INLINE typename S::F upper(typename S::F v) {
  typename S::I from;
  PONDER_UNROLL for (int i = 0; i < S::kLanes; ++i) from[i] = (i + half) % S::kLanes;
  return __builtin_shuffle(v, from);
}

// Sums and maxima over lanes in a fixed order (halves folded onto each other).
template <class S>
PONDER_INLINE float sum(typename S::F v) {
  if constexpr (S::kLanes == 16) v += upper<S, 8>(v);
  v += upper<S, 4>(v);
  v += upper<S, 2>(v);
  v += upper<S, 1>(v);
  return v[0];
}
template <class S>
PONDER_INLINE float max_lane(typename S::F v) {
  if constexpr (S::kLanes == 16) v = max<S>(v, upper<S, 8>(v));
  v = max<S>(v, upper<S, 4>(v));
  v = max<S>(v, upper<S, 2>(v));
  v = max<S>(v, upper<S, 1>(v));
  return v[0];
}

// e^x to 2 units in the last place; 0 below −87.3 (where f32 leaves its normal range), x is taken as at most 88; NaN
// stays. 2^n · e^r with n = round(x / ln 2), |r| ≤ ln 2 / 2, and e^r by its series.
template <class S>
PONDER_INLINE typename S::F exp(typename S::F x) {
  using F = typename S::F;
  using I = typename S::I;
  constexpr float kLowest = -87.3f, kRound = 12582912.0f;  // 1.5·2²³: adding it rounds to an integer in the low bits
  const F high = x > splat<S>(88.0f) ? splat<S>(88.0f) : x;
  const F clamped = high < splat<S>(kLowest) ? splat<S>(kLowest) : high;
  const F shifted = clamped * 1.44269504f + kRound;
  const F n = shifted - kRound;
  F r = clamped - n * 0.693359375f;  // ln 2 in two parts, the first exact in few bits
  r = r + n * 2.12194440e-4f;
  F p = r * (1.0f / 5040) + (1.0f / 720);
  p = p * r + (1.0f / 120);
  p = p * r + (1.0f / 24);
  p = p * r + (1.0f / 6);
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  const I bits = (reinterpret_cast<const I&>(shifted) - 0x4B400000 + 127) << 23;
  p = p * reinterpret_cast<const F&>(bits);
  return x < splat<S>(kLowest) ? F{} : p;
}

}  // namespace ponder::tensor::simd
