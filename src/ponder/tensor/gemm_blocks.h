// Products with vectors of 8 lanes (AVX2) and more than two rows: the depth is cut into blocks, so that what a tile
// reads of the right side stays in the nearest cache, and pairs of bf16 are parted once for all rows where there are
// more than a few. A block's sums go on where those of the block before ended: the bits are those of gemm_tile.h.
#pragma once
#include "ponder/tensor/gemm_tile.h"

namespace ponder::tensor::gemm_tile {

constexpr int64_t kBlockDepths = 256;
constexpr int64_t kStripe = 16;  // columns of a tile, two vectors

// What Product::scratch must hold, whatever the kind: a block of a panel, a panel's sums, and the left side as floats.
inline int64_t scratch_floats(int64_t rows, int64_t steps) {
  const int64_t whole = (rows + kGroup - 1) / kGroup * kGroup;
  return kPanel * kBlockDepths + whole * kPanel + whole * 2 * steps;
}

// The left side as floats: (r, d) is at[(r / 16) · group + (r % 16) · row + d · step].
struct LeftFloats {
  const float* at;
  int64_t group, row, step;
};

// Which of a pair comes first in a sum.
template <class S>
constexpr bool kOddFirst = false;
template <class V>
constexpr bool kOddFirst<Bf16<V>> = true;

// Pairs along a row, or 16 rows beside each other.
template <class V>
PONDER_INLINE LeftFloats part_left(const Product& p, float* floats) {
  constexpr int64_t L = V::kLanes;
  const int64_t rows = (p.rows + kGroup - 1) / kGroup * kGroup;
  if (p.left_step != 1) {
    const int64_t words = rows * p.steps;
    for (int64_t i = 0; i < words; i += kGroup, floats += 2 * kGroup)
      for (int64_t j = 0; j < kGroup; j += L) {
        simd::store<V>(floats + j, Bf16<V>::half(p.left + i + j, true));
        simd::store<V>(floats + kGroup + j, Bf16<V>::half(p.left + i + j, false));
      }
    return {floats - 2 * words, 2 * kGroup * p.steps, 1, kGroup};
  }
  for (int64_t r = 0; r < p.rows; ++r) {
    const uint32_t* words = p.left + r * p.left_row;
    float* out = floats + r * 2 * p.steps;
    for (int64_t s = 0; s < p.steps; ++s) {
      const uint32_t odd = words[s] & 0xFFFF0000, even = words[s] << 16;
      std::memcpy(out + 2 * s, &odd, sizeof odd);
      std::memcpy(out + 2 * s + 1, &even, sizeof even);
    }
  }
  return {floats, kGroup * 2 * p.steps, 2 * p.steps, 1};
}

template <class S>
PONDER_INLINE LeftFloats left_floats(const Product& p, float* floats) {
  if constexpr (kOddFirst<S>) {
    return part_left<simd::Narrow>(p, floats);
  } else {  // floats already: a step has kDepth of them
    const int64_t step = p.left_step / S::kDepth;
    return {reinterpret_cast<const float*>(p.left), p.left_group, p.left_row, step};
  }
}

// A block of the right side: stripe c begins at at + c · stripe, its depths `step` apart.
struct RightFloats {
  const float* at;
  int64_t stripe, step;
};

// Floats are copied where many rows read them: they lie closer together then.
template <class S>
PONDER_INLINE RightFloats right_floats(const uint32_t* words, int64_t steps, int64_t width, int64_t rows,
                                       float* floats) {
  if constexpr (S::kDepth == 1) {
    constexpr int64_t kManyRows = 48;
    const float* in = reinterpret_cast<const float*>(words);
    if (rows < kManyRows) return {in, kStripe, width};
    const int64_t stripe = steps * kStripe;
    for (int64_t s = 0; s < steps; ++s, in += width)
      for (int64_t i = 0; i < width; i += S::kLanes)
        simd::store<S>(floats + i / kStripe * stripe + s * kStripe + i % kStripe, simd::load<S>(in + i));
    return {floats, stripe, kStripe};
  } else {
    constexpr int64_t L = S::kLanes;
    const int64_t stripe = 2 * steps * kStripe;
    for (int64_t s = 0; s < steps; ++s, words += width)
      for (int64_t i = 0; i < width; i += L) {
        float* out = floats + i / kStripe * stripe + 2 * s * kStripe + i % kStripe;
        simd::store<S>(out, Bf16<simd::Narrow>::half(words + i, kOddFirst<S>));
        simd::store<S>(out + kStripe, Bf16<simd::Narrow>::half(words + i, !kOddFirst<S>));
      }
    return {floats, stripe, kStripe};
  }
}

// R rows of a stripe over one block.
struct BlockTile {
  const float *left, *right;
  int64_t left_row, left_step, right_step, depths;
  float* sums;  // [R, kStripe]
  bool first, last;
  const char* ahead;  // what is asked for meanwhile, a line a depth or two; the step is 0 where there is nothing
  int64_t ahead_step;
};

// Two vectors, a stripe, of R rows: the sums of the block before, and where they go behind this one.
template <int R>
using Sums = simd::Narrow::F[R][2];

template <int R>
PONDER_INLINE void begin_tile(const BlockTile& t, const Product& p, int64_t row, int64_t column, Sums<R>& sums) {
  using V = simd::Narrow;
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < 2; ++c) sums[r][c] =
      t.first ? V::F{} : simd::load<V>(t.sums + r * kStripe + c * V::kLanes);
  if (t.last && p.residual)  // rows far apart, which nothing else asks for in time
    PONDER_UNROLL for (int r = 0; r < R; ++r) __builtin_prefetch(p.residual + (row + r) * p.columns + column);
}

template <int R>
PONDER_INLINE void end_tile(const BlockTile& t, const Product& p, int64_t row, int64_t column, const Sums<R>& sums) {
  using V = simd::Narrow;
  constexpr int64_t L = V::kLanes;
  const int64_t at = row * p.columns + column, left_over = p.columns - column;
  if (t.last && left_over >= kStripe) {
    PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < 2; ++c) {
      const int64_t i = at + r * p.columns + c * L;
      simd::store<V>(p.y + i, p.residual ? simd::load<V>(p.residual + i) + sums[r][c] : sums[r][c]);
    }
    return;
  }
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < 2; ++c)
      simd::store<V>(t.sums + r * kStripe + c * L, sums[r][c]);
  if (!t.last) return;
  for (int r = 0; r < R; ++r)
    for (int64_t c = 0; c < left_over; ++c) {
      const int64_t i = at + r * p.columns + c;
      p.y[i] = p.residual ? p.residual[i] + t.sums[r * kStripe + c] : t.sums[r * kStripe + c];
    }
}

// Of a stripe, out of floats.
template <int R>
PONDER_INLINE void block_tile(const BlockTile& t, const Product& p, int64_t row, int64_t column) {
  using V = simd::Narrow;
  using F = V::F;
  constexpr int64_t L = V::kLanes;
  Sums<R> sums;
  begin_tile<R>(t, p, row, column, sums);
  const float *left = t.left, *right = t.right;
  const char* ahead = t.ahead;
  for (int64_t d = 0; d < t.depths; ++d, left += t.left_step, right += t.right_step, ahead += t.ahead_step) {
    const F a = simd::load<V>(right), b = simd::load<V>(right + L);
    __builtin_prefetch(ahead, 0, 2);  // into the second cache: the first one is full
    PONDER_UNROLL for (int r = 0; r < R; ++r) {
      const float x = left[r * t.left_row];
      sums[r][0] += x * a;
      sums[r][1] += x * b;
    }
  }
  end_tile<R>(t, p, row, column, sums);
}

PONDER_INLINE void block_rows(int64_t rows, const BlockTile& t, const Product& p, int64_t row, int64_t column) {
  switch (rows) {
    case 1:
      return block_tile<1>(t, p, row, column);
    case 2:
      return block_tile<2>(t, p, row, column);
    case 3:
      return block_tile<3>(t, p, row, column);
    case 4:
      return block_tile<4>(t, p, row, column);
    case 5:
      return block_tile<5>(t, p, row, column);
    default:
      return block_tile<6>(t, p, row, column);
  }
}

// Rows of the next tile, of `left` of them that lie together: as even as can be, since small tiles have too few sums to
// keep the processor busy.
inline int64_t tile_rows_of(int64_t left) { return left >= 12 || left == 6 ? 6 : left > 6 ? (left + 1) / 2 : left; }

template <class S>
PONDER_INLINE void multiply_blocks(const Product& p) {
  constexpr int64_t kSteps = kBlockDepths / S::kDepth;
  float* const panel_floats = p.scratch;
  float* const sums = panel_floats + kPanel * kBlockDepths;
  const int64_t whole = (p.rows + kGroup - 1) / kGroup * kGroup;
  const LeftFloats left = left_floats<S>(p, sums + whole * kPanel);
  const bool together = left.group == kGroup * left.row;  // rows lie the same way across groups
  for (int64_t first = p.from; first < p.to; first += kPanel) {
    const int64_t width = panel_width(p.columns, first, kPanel);
    for (int64_t s = 0; s < p.steps; s += kSteps) {
      const int64_t steps = p.steps - s < kSteps ? p.steps - s : kSteps, depths = steps * S::kDepth;
      const uint32_t* words = p.right + first * p.steps + s * width;
      const RightFloats right = right_floats<S>(words, steps, width, p.rows, panel_floats);
      const char* ahead = reinterpret_cast<const char*>(words + steps * width);  // panels lie one behind the other
      BlockTile t{};
      t.left_row = left.row, t.left_step = left.step, t.right_step = right.step, t.depths = depths;
      t.first = s == 0, t.last = s + steps == p.steps;
      for (int64_t c = 0; c < width; c += kStripe) {
        t.right = right.at + c / kStripe * right.stripe;
        t.ahead = ahead + c * steps * 4, t.ahead_step = 64 / S::kDepth;
        for (int64_t row = 0, n; row < p.rows; row += n) {
          const int64_t end =
              together || row / kGroup == (p.rows - 1) / kGroup ? p.rows : row / kGroup * kGroup + kGroup;
          n = tile_rows_of(end - row);
          t.left = left.at + row / kGroup * left.group + row % kGroup * left.row + s * S::kDepth * left.step;
          t.sums = sums + c * whole + row * kStripe;
          block_rows(n, t, p, row, first + c);
          t.ahead = reinterpret_cast<const char*>(t.right), t.ahead_step = 0;
        }
      }
    }
  }
}

// The same straight out of pairs of bf16, which are parted in registers: where few rows read them, that is cheaper than
// writing them down as floats.
template <class S, int R>
PONDER_INLINE void word_tile(const BlockTile& t, const uint32_t* words, const Product& p, int64_t row, int64_t column) {
  using V = simd::Narrow;
  using F = V::F;
  Sums<R> sums;
  begin_tile<R>(t, p, row, column, sums);
  const float* left = t.left;
  const char* ahead = t.ahead;
  for (int64_t d = 0; d < t.depths; d += 2, words += t.right_step, ahead += t.ahead_step) {
    __builtin_prefetch(ahead, 0, 2);
    PONDER_UNROLL for (int half = 0; half < 2; ++half, left += t.left_step) {
      const bool odd = kOddFirst<S> == (half == 0);
      const F a = Bf16<V>::half(words, odd), b = Bf16<V>::half(words + V::kLanes, odd);
      PONDER_UNROLL for (int r = 0; r < R; ++r) {
        const float x = left[r * t.left_row];
        sums[r][0] += x * a;
        sums[r][1] += x * b;
      }
    }
  }
  end_tile<R>(t, p, row, column, sums);
}

template <class S>
PONDER_INLINE void word_rows(int64_t rows, const BlockTile& t, const uint32_t* words, const Product& p, int64_t row,
                             int64_t column) {
  switch (rows) {
    case 1:
      return word_tile<S, 1>(t, words, p, row, column);
    case 2:
      return word_tile<S, 2>(t, words, p, row, column);
    case 3:
      return word_tile<S, 3>(t, words, p, row, column);
    case 4:
      return word_tile<S, 4>(t, words, p, row, column);
    default:
      return word_tile<S, 5>(t, words, p, row, column);
  }
}

constexpr int64_t kFewRows = 12;
// Six rows would leave no register for the parted pairs.
inline int64_t few_rows_of(int64_t left) {
  return left <= 5 ? left : left < 8 ? (left + 1) / 2 : left == 9 || left == 10 ? 5 : 4;
}

// A few rows, less than a group of the left side.
template <class S>
PONDER_INLINE void multiply_words(const Product& p) {
  constexpr int64_t kSteps = kBlockDepths / 2;
  float* const sums = p.scratch;
  const LeftFloats left = left_floats<S>(p, sums + kGroup * kPanel);
  for (int64_t first = p.from; first < p.to; first += kPanel) {
    const int64_t width = panel_width(p.columns, first, kPanel);
    for (int64_t s = 0; s < p.steps; s += kSteps) {
      const int64_t steps = p.steps - s < kSteps ? p.steps - s : kSteps;
      const uint32_t* words = p.right + first * p.steps + s * width;
      BlockTile t{};
      t.left_row = left.row, t.left_step = left.step, t.right_step = width, t.depths = 2 * steps;
      t.first = s == 0, t.last = s + steps == p.steps;
      for (int64_t c = 0; c < width; c += kStripe) {
        t.ahead = reinterpret_cast<const char*>(words + steps * (width + c)), t.ahead_step = 64;
        for (int64_t row = 0, n; row < p.rows; row += n) {
          n = few_rows_of(p.rows - row);
          t.left = left.at + row * left.row + 2 * s * left.step;
          t.sums = sums + c * kGroup + row * kStripe;
          word_rows<S>(n, t, words + c, p, row, first + c);
          t.ahead = reinterpret_cast<const char*>(words), t.ahead_step = 0;
        }
      }
    }
  }
}

// One or two rows of AVX2 take all columns of a panel at once: what counts there is to read the panel in its order.
template <class S>
PONDER_INLINE void multiply_body(const Product& p) {
  if constexpr (S::kLanes == 8) {
    if constexpr (S::kDepth == 2)
      if (p.rows > 2 && p.rows <= kFewRows) return multiply_words<S>(p);
    if (p.rows > 2) return multiply_blocks<S>(p);
  }
  multiply_panels<S>(p);
}

}  // namespace ponder::tensor::gemm_tile
