#include "ponder/tensor/gemm_int8.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ponder/tensor/half.h"
#include "ponder/tensor/simd.h"
#include "ponder/tensor/team.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ponder::tensor {
namespace {

// A panel is kColumns columns wide. For each block it has 8 steps of 4 depths: a word a column, its bytes in the order
// of the depth; then the block's scales.
constexpr int64_t kColumns = 16, kSteps = kBlockDepth / 4;
constexpr int64_t kBlockWords = kSteps * kColumns + kColumns / 2;

// The left side in blocks.
struct Left {
  const int8_t* values;  // [rows, blocks · 32]
  const float* scales;   // [rows, blocks]
  int64_t blocks;
};

// R rows by one panel: sums → out [R, kColumns].
using Tile = void (*)(const Left& left, const uint32_t* panel, float* out);

template <int R>
void tile_any(const Left& left, const uint32_t* panel, float* out) {
  std::fill_n(out, R * kColumns, 0.0f);
  for (int64_t b = 0; b < left.blocks; ++b, panel += kBlockWords) {
    const auto* w = reinterpret_cast<const int8_t*>(panel);
    uint16_t scales[kColumns];
    std::memcpy(scales, panel + kSteps * kColumns, sizeof scales);
    for (int r = 0; r < R; ++r) {
      const int8_t* x = left.values + (r * left.blocks + b) * kBlockDepth;
      int32_t sums[kColumns] = {};
      for (int64_t s = 0; s < kSteps; ++s)
        for (int64_t c = 0; c < kColumns; ++c)
          for (int64_t i = 0; i < 4; ++i) sums[c] += w[(s * kColumns + c) * 4 + i] * x[s * 4 + i];
      const float scale = left.scales[r * left.blocks + b];
      for (int64_t c = 0; c < kColumns; ++c)
        out[r * kColumns + c] += static_cast<float>(sums[c]) * (half_to_float(scales[c]) * scale);
    }
  }
}

#if defined(__x86_64__)
#define PONDER_AVX2 __attribute__((target("avx2,fma,f16c")))

// The processor multiplies unsigned by signed bytes: |w| by x with w's sign. Two such products fit into 16 bits
// (128 · 127 · 2), four into the 32 that follow.
template <int R>
PONDER_AVX2 void tile_avx2(const Left& left, const uint32_t* panel, float* out) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 totals[R][2];
  PONDER_UNROLL for (int r = 0; r < R; ++r) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (int64_t b = 0; b < left.blocks; ++b, panel += kBlockWords) {
    const int8_t* x = left.values + b * kBlockDepth;
    __m256i sums[R][2];
    PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
    for (int64_t s = 0; s < kSteps; ++s) {
      __m256i w[2], size[2];
      PONDER_UNROLL for (int c = 0; c < 2; ++c) {
        w[c] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(panel + s * kColumns + c * 8));
        size[c] = _mm256_abs_epi8(w[c]);
      }
      PONDER_UNROLL for (int r = 0; r < R; ++r) {
        int32_t four;
        std::memcpy(&four, x + r * left.blocks * kBlockDepth + s * 4, 4);
        const __m256i all = _mm256_set1_epi32(four);
        PONDER_UNROLL for (int c = 0; c < 2; ++c) {
          const __m256i pairs = _mm256_maddubs_epi16(size[c], _mm256_sign_epi8(all, w[c]));
          sums[r][c] = _mm256_add_epi32(sums[r][c], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
    const auto* halves = reinterpret_cast<const __m128i*>(panel + kSteps * kColumns);
    PONDER_UNROLL for (int c = 0; c < 2; ++c) {
      const __m256 scales = _mm256_cvtph_ps(_mm_loadu_si128(halves + c));
      PONDER_UNROLL for (int r = 0; r < R; ++r) {
        const __m256 scale = _mm256_mul_ps(scales, _mm256_set1_ps(left.scales[r * left.blocks + b]));
        totals[r][c] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r][c]), scale, totals[r][c]);
      }
    }
  }
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < 2; ++c)
      _mm256_storeu_ps(out + r * kColumns + c * 8, totals[r][c]);
}
template <int R>
Tile tile_for() {
  return simd::level() >= 3 ? tile_avx2<R> : tile_any<R>;
}
#else
template <int R>
Tile tile_for() {
  return tile_any<R>;
}
#endif

constexpr int64_t kMostRows = 4;
Tile tile_of(int64_t rows) { return rows >= 4 ? tile_for<4>() : rows >= 2 ? tile_for<2>() : tile_for<1>(); }

// A block of the left side: its scale stays f32.
float to_int8_block(const float* x, int64_t n, float scale_limit, int8_t* values) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::abs(x[i]));
  const float scale = largest / 127;
  float inverse = scale > scale_limit ? 1.0f / scale : 0.0f;
  if (!std::isfinite(inverse)) inverse = 0;
  for (int64_t i = 0; i < n; ++i) {
    const float v = x[i] * inverse;
    values[i] = static_cast<int8_t>(static_cast<int32_t>(v + (v < 0 ? -0.5f : 0.5f)));
  }
  for (int64_t i = n; i < kBlockDepth; ++i) values[i] = 0;
  return inverse == 0 ? 0.0f : scale;
}

}  // namespace

int64_t int8_words(int64_t depth, int64_t columns) {
  return (columns + kColumns - 1) / kColumns * blocks_of(depth) * kBlockWords;
}

void pack_int8(const ReadBlocks& read, int64_t n, int64_t k, uint32_t* words) {
  const int64_t blocks = blocks_of(k);
  std::vector<int8_t> values(static_cast<size_t>(kColumns * blocks * kBlockDepth));
  std::vector<uint16_t> scales(static_cast<size_t>(kColumns * blocks));
  for (int64_t first = 0; first < n; first += kColumns, words += blocks * kBlockWords) {
    std::fill(values.begin(), values.end(), int8_t{0});
    std::fill(scales.begin(), scales.end(), uint16_t{0});
    for (int64_t c = 0; c < std::min(kColumns, n - first); ++c)
      read(first + c, values.data() + c * blocks * kBlockDepth, scales.data() + c * blocks);
    for (int64_t b = 0; b < blocks; ++b) {
      uint32_t* block = words + b * kBlockWords;
      auto* halves = reinterpret_cast<char*>(block + kSteps * kColumns);
      for (int64_t c = 0; c < kColumns; ++c) {
        const int8_t* from = values.data() + (c * blocks + b) * kBlockDepth;
        for (int64_t s = 0; s < kSteps; ++s) std::memcpy(block + s * kColumns + c, from + s * 4, 4);
        std::memcpy(halves + 2 * c, &scales[static_cast<size_t>(c * blocks + b)], 2);
      }
    }
  }
}

void to_int8(const float* x, int64_t n, int8_t* values, uint16_t* scales) {
  for (int64_t i = 0; i < n; i += kBlockDepth, values += kBlockDepth)
    *scales++ = float_to_half(to_int8_block(x + i, std::min(kBlockDepth, n - i), 0, values));
}

void gemm_int8(const float* x, int64_t rows, const uint32_t* words, int64_t depth, int64_t columns,
               const float* residual, float* y) {
  thread_local std::vector<int8_t> values;
  thread_local std::vector<float> scales;
  const int64_t blocks = blocks_of(depth);
  values.resize(static_cast<size_t>(rows * blocks * kBlockDepth));
  scales.resize(static_cast<size_t>(rows * blocks));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t b = 0; b < blocks; ++b)
      scales[static_cast<size_t>(r * blocks + b)] =
          to_int8_block(x + r * depth + b * kBlockDepth, std::min(kBlockDepth, depth - b * kBlockDepth), 0,
                        values.data() + (r * blocks + b) * kBlockDepth);
  const int8_t* left = values.data();  // of this thread, whoever multiplies
  const float* left_scales = scales.data();
  share_large(rows * depth * columns, columns, 4 * kColumns, [=](int64_t from, int64_t to) {
    float out[kMostRows * kColumns];
    for (int64_t first = from; first < to; first += kColumns) {
      const uint32_t* panel = words + first / kColumns * blocks * kBlockWords;
      const int64_t width = std::min(kColumns, columns - first);
      for (int64_t row = 0, n; row < rows; row += n) {
        n = rows - row >= 4 ? 4 : rows - row >= 2 ? 2 : 1;
        tile_of(n)({left + row * blocks * kBlockDepth, left_scales + row * blocks, blocks}, panel, out);
        for (int64_t r = 0; r < n; ++r) {
          const int64_t at = (row + r) * columns + first;
          for (int64_t c = 0; c < width; ++c)
            y[at + c] = residual ? residual[at + c] + out[r * kColumns + c] : out[r * kColumns + c];
        }
      }
    }
  });
}

}  // namespace ponder::tensor
