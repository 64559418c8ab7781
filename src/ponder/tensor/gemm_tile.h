// The inner loops of gemm.cc: what one step of depth is in each kind of product, how rows are packed for it, and the
// block of outputs whose sums stay in registers.
#pragma once
#include <cstdint>
#include <cstring>

#include "ponder/tensor/simd.h"

namespace ponder::tensor::gemm_tile {

constexpr int64_t kGroup = 16;  // rows of the left side that lie together; panels are multiples of it wide
constexpr int64_t kPanel = 48;  // columns of a panel

typedef float AliasedFloat __attribute__((may_alias));

// The kinds. Sums of kRows rows by kVectors vectors of columns stay in registers: 24 of AVX-512's 32, 12 of AVX2's 16,
// whose products of more than two rows are in gemm_blocks.h. A step is kDepth depths: one word (4 bytes)
// of the left side for each row, a vector of words of the right side. It is taken in kParts parts, one operand of the
// right side after the other, so that no more than one vector of each column waits in a register. pack() makes the
// words of kLanes columns out of a step's kDepth rows.
template <class V>
struct F32 : V {
  using F = typename V::F;
  using I = typename V::I;
  using Right = F;
  static constexpr int kDepth = 1, kParts = 1;
  static constexpr int kRows = V::kLanes == 16 ? 8 : 2, kVectors = V::kLanes == 16 ? 3 : 6;
  template <int>
  PONDER_INLINE Right right(const uint32_t* words) {
    return *reinterpret_cast<const F*>(words);
  }
  template <int>
  PONDER_INLINE F step(F sum, const uint32_t* left, const Right& right) {
    return sum + *reinterpret_cast<const AliasedFloat*>(left) * right;
  }
  PONDER_INLINE I pack(F row, F) { return reinterpret_cast<const I&>(row); }
};

// The nearest bf16, in the upper half of each lane. As the processor's own conversion: ties to even, subnormal numbers
// become 0, NaN stays NaN.
template <class V>
PONDER_INLINE typename V::I round_to_bf16(typename V::F x) {
  using I = typename V::I;
  const I bits = reinterpret_cast<const I&>(x), magnitude = bits & 0x7FFFFFFF;
  I rounded = bits + 0x7FFF + ((bits >> 16) & 1);
  rounded = magnitude < 0x00800000 ? bits & INT32_MIN : rounded;
  rounded = magnitude > 0x7F800000 ? bits | 0x00400000 : rounded;
  return rounded & static_cast<int32_t>(0xFFFF0000);
}

// Two bf16 a word, the even depth in the lower half. Products of two bf16 are exact in f32, so two multiply-adds give
// the bits of VDPBF16PS, which adds the odd product first.
template <class V>
struct Bf16 : V {
  using F = typename V::F;
  using I = typename V::I;
  struct Right {
    F even, odd;
  };
  static constexpr int kDepth = 2, kParts = 1;
  static constexpr int kRows = V::kLanes == 16 ? 8 : 2, kVectors = V::kLanes == 16 ? 3 : 6;
  // One of each pair, with 0 in the lower half.
  PONDER_INLINE F half(const uint32_t* words, bool odd) {
    const I pairs = *reinterpret_cast<const I*>(words);
    const I bits = odd ? pairs & static_cast<int32_t>(0xFFFF0000) : pairs << 16;
    return reinterpret_cast<const F&>(bits);
  }
  template <int>
  PONDER_INLINE Right right(const uint32_t* words) {
    return {half(words, false), half(words, true)};
  }
  template <int>
  PONDER_INLINE F step(F sum, const uint32_t* left, const Right& right) {
    const uint32_t even = *left << 16, odd = *left & 0xFFFF0000;
    sum += reinterpret_cast<const AliasedFloat&>(odd) * right.odd;
    return sum + reinterpret_cast<const AliasedFloat&>(even) * right.even;
  }
  PONDER_INLINE I pack(F even, F odd) {
    const I low = round_to_bf16<V>(even), high = round_to_bf16<V>(odd);
    return ((low >> 16) & 0xFFFF) | high;
  }
  // A row of n floats, n a multiple of 2·kLanes, into words.
  PONDER_INLINE void pack_row(const float* x, int64_t n, uint32_t* words) {
    typedef uint16_t Halves __attribute__((vector_size(V::kLanes * 2), aligned(2), may_alias));
    auto* out = reinterpret_cast<uint16_t*>(words);
    for (int64_t i = 0; i < n; i += V::kLanes) {
      const I rounded = round_to_bf16<V>(simd::load<V>(x + i)) >> 16;
      *reinterpret_cast<Halves*>(out + i) = __builtin_convertvector(rounded, Halves);
    }
  }
};

// Floats on the left, bf16 pairs on the right: two steps of F32 in its order.
template <class V>
struct F32ByBf16 : Bf16<V> {
  using F = typename V::F;
  using Right = F;
  static constexpr int kParts = 2;
  template <int kPart>
  PONDER_INLINE F right(const uint32_t* words) {
    return Bf16<V>::half(words, kPart == 1);
  }
  template <int kPart>
  PONDER_INLINE F step(F sum, const uint32_t* left, const F& right) {
    return sum + reinterpret_cast<const AliasedFloat*>(left)[kPart] * right;
  }
};

// The processor's own instructions. Written as assembly because their intrinsics cannot be inlined into templates that
// are compiled for other processors too; clang cannot compile that either, and does without.
#if defined(__x86_64__) && !defined(__clang__)
#define PONDER_NATIVE_BF16 1
struct NativeBf16 : simd::Wide {
  using Right = I;
  static constexpr int kDepth = 2, kParts = 1, kRows = 8, kVectors = 3;
  template <int>
  PONDER_INLINE Right right(const uint32_t* words) {
    return *reinterpret_cast<const I*>(words);
  }
  template <int>
  PONDER_INLINE F step(F sum, const uint32_t* left, const Right& right) {
    const I pair = I{} + static_cast<int32_t>(*left);
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(pair), "v"(right));
    return sum;
  }
  // 16 bf16 of low, then 16 of high.
  PONDER_INLINE I convert(F low, F high) {
    I halves;
    asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(halves) : "v"(high), "v"(low));
    return halves;
  }
  PONDER_INLINE I pack(F even, F odd) {
    typedef uint16_t Halves __attribute__((vector_size(64), may_alias));
    const I halves = convert(even, odd);
    const auto h = reinterpret_cast<const Halves&>(halves);
    const Halves pairs = __builtin_shufflevector(h, h, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9,
                                                 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return reinterpret_cast<const I&>(pairs);
  }
  PONDER_INLINE void pack_row(const float* x, int64_t n, uint32_t* words) {
    for (int64_t i = 0; i < n; i += 2 * kLanes)
      *reinterpret_cast<I*>(words + i / 2) = convert(simd::load<Wide>(x + i), simd::load<Wide>(x + i + kLanes));
  }
};
#endif

// left [rows, steps] · right [steps, columns] (+ residual) → y [rows, columns]. Word (r, s) of the left side is
// left[(r / 16) · left_group + (r % 16) · left_row + s · left_step].
struct Product {
  const uint32_t* left;
  int64_t left_group, left_row, left_step, rows, steps;
  const uint32_t* right;  // panels
  int64_t columns;
  const float* residual;
  float* y;
  int64_t from, to;  // of the columns, which are computed; from is a multiple of kPanel
  float* scratch;    // gemm_blocks.h
};

template <class S, int R, int C, int kPart>
PONDER_INLINE void add_part(typename S::F (&sums)[R][C], const uint32_t* left, int64_t left_row,
                            const uint32_t* right) {
  if constexpr (C > 3) {  // operands of the right side one at a time: there are no registers for more
    PONDER_UNROLL for (int c = 0; c < C; ++c) {
      const typename S::Right operand = S::template right<kPart>(right + c * S::kLanes);
      PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r][c] =
          S::template step<kPart>(sums[r][c], left + r * left_row, operand);
    }
    return;
  }
  typename S::Right operands[C];
  PONDER_UNROLL for (int c = 0; c < C; ++c) operands[c] = S::template right<kPart>(right + c * S::kLanes);
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < C; ++c) sums[r][c] =
      S::template step<kPart>(sums[r][c], left + r * left_row, operands[c]);
}

// R rows from `row` on by C vectors of columns from `column` on, whose words begin at `right`, `width` a step.
template <class S, int R, int C>
PONDER_INLINE void tile(const Product& p, int64_t row, int64_t column, const uint32_t* right, int64_t width) {
  using F = typename S::F;
  constexpr int64_t L = S::kLanes;
  F sums[R][C];
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < C; ++c) sums[r][c] = F{};
  const uint32_t* left = p.left + row / kGroup * p.left_group + row % kGroup * p.left_row;
  for (int64_t s = 0; s < p.steps; ++s, left += p.left_step, right += width) {
    add_part<S, R, C, 0>(sums, left, p.left_row, right);
    if constexpr (S::kParts == 2) {
      const uint32_t* again = right;
      asm("" : "+r"(again));  // reads the words anew: kept in registers, they would push out sums
      add_part<S, R, C, 1>(sums, left, p.left_row, again);
    }
  }
  const int64_t at = row * p.columns + column, left_over = p.columns - column;
  if (left_over >= C * L) {
    PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < C; ++c) {
      const int64_t i = at + r * p.columns + c * L;
      simd::store<S>(p.y + i, p.residual ? simd::load<S>(p.residual + i) + sums[r][c] : sums[r][c]);
    }
    return;
  }
  float rest[R][C * L];
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < C; ++c)
      simd::store<S>(rest[r] + c * L, sums[r][c]);
  for (int r = 0; r < R; ++r)
    for (int64_t c = 0; c < left_over; ++c) {
      const int64_t i = at + r * p.columns + c;
      p.y[i] = p.residual ? p.residual[i] + rest[r][c] : rest[r][c];
    }
}

// A group at a time: the left side is contiguous in no more.
template <class S, int C>
PONDER_INLINE void all_rows(const Product& p, int64_t column, const uint32_t* right, int64_t width) {
  constexpr int kMost = S::kRows;
  for (int64_t first = 0; first < p.rows; first += kGroup) {
    int64_t row = first;
    const int64_t end = first + kGroup < p.rows ? first + kGroup : p.rows;
    for (; row + kMost <= end; row += kMost) tile<S, kMost, C>(p, row, column, right, width);
    if constexpr (kMost > 4)
      for (; row + 4 <= end; row += 4) tile<S, 4, C>(p, row, column, right, width);
    for (; row + 2 <= end; row += 2) tile<S, 2, C>(p, row, column, right, width);
    if (row < end) tile<S, 1, C>(p, row, column, right, width);
  }
}

// Columns first … of a side cut into panels of `panel` columns: how many there are, up to a multiple of 16.
inline int64_t panel_width(int64_t columns, int64_t first, int64_t panel) {
  const int64_t left = (columns - first + kGroup - 1) / kGroup * kGroup;
  return left < panel ? left : panel;
}

// A panel stays in the nearest cache while the rows stream past it.
template <class S>
PONDER_INLINE void multiply_panels(const Product& p) {
  constexpr int64_t L = S::kLanes;
  for (int64_t first = p.from; first < p.to; first += kPanel) {
    const int64_t width = panel_width(p.columns, first, kPanel);
    const uint32_t* panel = p.right + first * p.steps;
    int64_t c = 0;
    constexpr int64_t C = S::kVectors;
    for (; c + C * L <= width; c += C * L) all_rows<S, C>(p, first + c, panel + c, width);
    for (; c + 2 * L <= width; c += 2 * L) all_rows<S, 2>(p, first + c, panel + c, width);
    if (c < width) all_rows<S, 1>(p, first + c, panel + c, width);
  }
}

// kLanes floats of a row, 0 behind its end or when there is no such row.
template <class S>
PONDER_INLINE typename S::F load_columns(const float* x, bool exists, int64_t columns) {
  if (!exists || columns <= 0) return typename S::F{};
  return columns >= S::kLanes ? simd::load<S>(x) : simd::load_part<S>(x, columns, 0);
}

// The panels of x [rows, columns], row for row: memory is read faster in its own order than panel for panel. What is
// read next is asked for early, since the processor does not foresee the jump between rows.
template <class S>
PONDER_INLINE void pack_panels_body(const float* x, int64_t rows, int64_t stride, int64_t columns, int64_t panel,
                                    uint32_t* words) {
  constexpr int64_t kAhead = 16;  // rows
  const int64_t steps = (rows + S::kDepth - 1) / S::kDepth;
  for (int64_t s = 0; s < steps; ++s)
    for (int64_t first = 0; first < columns; first += panel) {
      const int64_t width = panel_width(columns, first, panel);
      const float* from = x + s * S::kDepth * stride + first;
      uint32_t* to = words + first * steps + s * width;
      const bool second = S::kDepth == 2 && s * 2 + 1 < rows;
      for (int64_t i = 0; i < width; i += S::kLanes) {
        const int64_t left = columns - first - i;
        __builtin_prefetch(from + kAhead * stride + i);
        if (S::kDepth == 2) __builtin_prefetch(from + (kAhead + 1) * stride + i);
        *reinterpret_cast<typename S::I*>(to + i) =
            S::pack(load_columns<S>(from + i, true, left), load_columns<S>(from + stride + i, second, left));
      }
    }
}

}  // namespace ponder::tensor::gemm_tile
