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

// A panel is kColumns columns wide. A block of it has `bits` steps of a word a column, then the block's scales. With 8
// bits a word holds 4 depths, in their order. With 4 bits step s holds depths 4·s … 4·s+3 in the lower halves of its
// bytes and those 16 further on in the upper ones, each 8 more than the number that is meant.
constexpr int64_t kColumns = 16, kGroups = kBlockDepth / 4;
constexpr int64_t words_of(int bits) { return bits * kColumns + kColumns / 2; }

int bits_of(Compute compute) { return compute == Compute::kInt4 ? 4 : 8; }

// The left side in blocks.
struct Left {
  const int8_t* values;  // [rows, blocks · 32], −127 … 127
  const float* scales;   // [rows, blocks]
  const int32_t* sums;   // [rows, blocks], of the values
  int64_t blocks;
};

// R rows by one panel: sums → out [R, kColumns].
using Tile = void (*)(const Left& left, const uint32_t* panel, float* out);

template <int kBits>
int weight_at(const uint32_t* block, int64_t depth, int64_t column) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(block);
  if (kBits == 8) return static_cast<int8_t>(bytes[(depth / 4 * kColumns + column) * 4 + depth % 4]);
  const int pair = bytes[(depth % 16 / 4 * kColumns + column) * 4 + depth % 4];
  return (depth < 16 ? pair & 15 : pair >> 4) - 8;
}

// Multiplies and adds in one rounding, as the vectors do.
template <int kBits, int R>
void tile_any(const Left& left, const uint32_t* panel, float* out) {
  std::fill_n(out, R * kColumns, 0.0f);
  for (int64_t b = 0; b < left.blocks; ++b, panel += words_of(kBits)) {
    uint16_t scales[kColumns];
    std::memcpy(scales, panel + kBits * kColumns, sizeof scales);
    for (int r = 0; r < R; ++r) {
      const int8_t* x = left.values + (r * left.blocks + b) * kBlockDepth;
      const float scale = left.scales[r * left.blocks + b];
      for (int64_t c = 0; c < kColumns; ++c) {
        int32_t sum = 0;
        for (int64_t i = 0; i < kBlockDepth; ++i) sum += weight_at<kBits>(panel, i, c) * x[i];
        float& total = out[r * kColumns + c];
        total = std::fma(static_cast<float>(sum), half_to_float(scales[c]) * scale, total);
      }
    }
  }
}

#if defined(__x86_64__)
#define PONDER_AVX2 __attribute__((target("avx2,fma,f16c")))
#define PONDER_VNNI __attribute__((target("arch=x86-64-v4,avx512vnni")))

PONDER_INLINE int32_t four(const int8_t* x) {
  int32_t word;
  std::memcpy(&word, x, sizeof word);
  return word;
}

// The words of a later block are on their way while those of this one are used: the processor's own looking ahead ends
// with each page. Behind the last panel this asks for nothing.
template <int kBits>
PONDER_INLINE void ask_ahead(const uint32_t* block) {
  constexpr int64_t kAhead = 1024;  // words
  for (int64_t word = 0; word < words_of(kBits); word += kColumns) __builtin_prefetch(block + kAhead + word);
}

// A block's products. The processor multiplies unsigned by signed bytes: |w| by x with w's sign. Two such products fit
// into 16 bits (128 · 127 · 2), four into the 32 that follow.
template <int R>
PONDER_AVX2 inline __attribute__((always_inline)) void block_avx2_8(const Left& left, const int8_t* x, int64_t,
                                                                    const uint32_t* block, __m256i (&sums)[R][2]) {
  const __m256i ones = _mm256_set1_epi16(1);
  PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
  for (int64_t s = 0; s < kGroups; ++s) {
    __m256i w[2], size[2];
    PONDER_UNROLL for (int c = 0; c < 2; ++c) {
      w[c] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + s * kColumns + c * 8));
      size[c] = _mm256_abs_epi8(w[c]);
    }
    PONDER_UNROLL for (int r = 0; r < R; ++r) {
      const __m256i all = _mm256_set1_epi32(four(x + r * left.blocks * kBlockDepth + s * 4));
      PONDER_UNROLL for (int c = 0; c < 2; ++c) {
        const __m256i pairs = _mm256_maddubs_epi16(size[c], _mm256_sign_epi8(all, w[c]));
        sums[r][c] = _mm256_add_epi32(sums[r][c], _mm256_madd_epi16(pairs, ones));
      }
    }
  }
}

// q is unsigned already, and Σ (q − 8)·x = Σ q·x − 8·Σ x. All of a block fits into 16 bits: a lane adds up two products
// a group, of 8 groups, each at most 15 · 127 in magnitude: 30480 < 2¹⁵.
template <int R>
PONDER_AVX2 inline __attribute__((always_inline)) void block_avx2_4(const Left& left, const int8_t* x, int64_t b,
                                                                    const uint32_t* block, __m256i (&sums)[R][2]) {
  const __m256i ones = _mm256_set1_epi16(1), low_half = _mm256_set1_epi8(15);
  PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
  for (int64_t s = 0; s < kGroups / 2; ++s) {
    __m256i low[2], high[2];
    PONDER_UNROLL for (int c = 0; c < 2; ++c) {
      const __m256i w = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + s * kColumns + c * 8));
      low[c] = _mm256_and_si256(w, low_half);
      high[c] = _mm256_and_si256(_mm256_srli_epi16(w, 4), low_half);
    }
    PONDER_UNROLL for (int r = 0; r < R; ++r) {
      const int8_t* from = x + r * left.blocks * kBlockDepth + s * 4;
      const __m256i first = _mm256_set1_epi32(four(from)), second = _mm256_set1_epi32(four(from + kBlockDepth / 2));
      PONDER_UNROLL for (int c = 0; c < 2; ++c) {
        sums[r][c] = _mm256_add_epi16(sums[r][c], _mm256_maddubs_epi16(low[c], first));
        sums[r][c] = _mm256_add_epi16(sums[r][c], _mm256_maddubs_epi16(high[c], second));
      }
    }
  }
  PONDER_UNROLL for (int r = 0; r < R; ++r) {
    const __m256i eights = _mm256_set1_epi32(8 * left.sums[r * left.blocks + b]);
    PONDER_UNROLL for (int c = 0; c < 2; ++c) sums[r][c] =
        _mm256_sub_epi32(_mm256_madd_epi16(sums[r][c], ones), eights);
  }
}

template <int kBits, int R>
PONDER_AVX2 void tile_avx2(const Left& left, const uint32_t* panel, float* out) {
  __m256 totals[R][2];
  PONDER_UNROLL for (int r = 0; r < R; ++r) totals[r][0] = totals[r][1] = _mm256_setzero_ps();
  for (int64_t b = 0; b < left.blocks; ++b, panel += words_of(kBits)) {
    ask_ahead<kBits>(panel);
    const int8_t* x = left.values + b * kBlockDepth;
    __m256i sums[R][2];
    if constexpr (kBits == 8)
      block_avx2_8<R>(left, x, b, panel, sums);
    else
      block_avx2_4<R>(left, x, b, panel, sums);
    const auto* halves = reinterpret_cast<const __m128i*>(panel + kBits * kColumns);
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

// Four products of unsigned by signed bytes are added to 32 bits at once. Signed weights become unsigned by adding 128,
// which is turning their highest bit.
template <int kBits, int R>
PONDER_VNNI void tile_vnni(const Left& left, const uint32_t* panel, float* out) {
  constexpr int32_t kMore = kBits == 8 ? 128 : 8;  // that a weight is too large by
  const __m512i top_bit = _mm512_set1_epi8(-128), low_half = _mm512_set1_epi8(15);
  __m512 totals[R];
  PONDER_UNROLL for (int r = 0; r < R; ++r) totals[r] = _mm512_setzero_ps();
  for (int64_t b = 0; b < left.blocks; ++b, panel += words_of(kBits)) {
    ask_ahead<kBits>(panel);
    const int8_t* x = left.values + b * kBlockDepth;
    __m512i sums[R];
    PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r] = _mm512_set1_epi32(-kMore * left.sums[r * left.blocks + b]);
    PONDER_UNROLL for (int s = 0; s < kBits; ++s) {
      const __m512i w = _mm512_loadu_si512(panel + s * kColumns);
      if constexpr (kBits == 8) {
        const __m512i bytes = _mm512_xor_si512(w, top_bit);
        PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r] =
            _mm512_dpbusd_epi32(sums[r], bytes, _mm512_set1_epi32(four(x + r * left.blocks * kBlockDepth + s * 4)));
      } else {
        const __m512i low = _mm512_and_si512(w, low_half), high = _mm512_and_si512(_mm512_srli_epi16(w, 4), low_half);
        PONDER_UNROLL for (int r = 0; r < R; ++r) {
          const int8_t* from = x + r * left.blocks * kBlockDepth + s * 4;
          sums[r] = _mm512_dpbusd_epi32(sums[r], low, _mm512_set1_epi32(four(from)));
          sums[r] = _mm512_dpbusd_epi32(sums[r], high, _mm512_set1_epi32(four(from + kBlockDepth / 2)));
        }
      }
    }
    const auto* halves = reinterpret_cast<const __m256i*>(panel + kBits * kColumns);
    const __m512 scales = _mm512_cvtph_ps(_mm256_loadu_si256(halves));
    PONDER_UNROLL for (int r = 0; r < R; ++r) {
      const __m512 scale = _mm512_mul_ps(scales, _mm512_set1_ps(left.scales[r * left.blocks + b]));
      totals[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r]), scale, totals[r]);
    }
  }
  PONDER_UNROLL for (int r = 0; r < R; ++r) _mm512_storeu_ps(out + r * kColumns, totals[r]);
}

template <int kBits, int R>
Tile tile_for() {
  if (simd::has_vnni()) return tile_vnni<kBits, R>;
  return simd::level() >= 3 ? tile_avx2<kBits, R> : tile_any<kBits, R>;
}
#else
template <int kBits, int R>
Tile tile_for() {
  return tile_any<kBits, R>;
}
#endif

constexpr int64_t kMostRows = 4;
struct Tiles {
  Tile one, two, four;
  Tile of(int64_t rows) const { return rows >= 4 ? four : rows >= 2 ? two : one; }
};
template <int kBits>
Tiles tiles_for() {
  return {tile_for<kBits, 1>(), tile_for<kBits, 2>(), tile_for<kBits, 4>()};
}

// The scale of a block and what its numbers are multiplied with; both 0 where there is no such number.
struct Scale {
  explicit Scale(float scale) : back(scale), forth(1.0f / scale) {
    if (!std::isfinite(forth)) back *= 0, forth = 0;
  }
  float back, forth;
};

// Blocks of the left side; their scales stay f32. Rounds half away from 0: on magnitudes, so that no instruction set
// can multiply and add in one rounding.
template <class S>
PONDER_INLINE void left_blocks_body(const float* x, int64_t n, int8_t* values, float* scales, int32_t* sums) {
  using F = typename S::F;
  using I = typename S::I;
  typedef int8_t Bytes __attribute__((vector_size(S::kLanes), aligned(1), may_alias));
  constexpr int kParts = kBlockDepth / S::kLanes;
  for (int64_t from = 0; from < n; from += kBlockDepth, values += kBlockDepth) {
    float broken[kBlockDepth] = {};
    const float* block = x + from;
    if (n - from < kBlockDepth) {
      std::memcpy(broken, block, static_cast<size_t>(n - from) * sizeof(float));
      block = broken;
    }
    F part[kParts], largest = {};
    PONDER_UNROLL for (int i = 0; i < kParts; ++i) {
      part[i] = simd::load<S>(block + i * S::kLanes);
      const I size = reinterpret_cast<const I&>(part[i]) & 0x7FFFFFFF;
      largest = simd::max<S>(largest, reinterpret_cast<const F&>(size));
    }
    const Scale scale(simd::max_lane<S>(largest) / 127);
    I total = {};
    PONDER_UNROLL for (int i = 0; i < kParts; ++i) {
      const F v = part[i] * scale.forth;
      const I size = reinterpret_cast<const I&>(v) & 0x7FFFFFFF;
      const I rounded = __builtin_convertvector(reinterpret_cast<const F&>(size) + 0.5f, I);
      const I q = v < 0 ? -rounded : rounded;
      total += q;
      *reinterpret_cast<Bytes*>(values + i * S::kLanes) = __builtin_convertvector(q, Bytes);
    }
    *scales++ = scale.back;
    int32_t sum = 0;
    PONDER_UNROLL for (int i = 0; i < S::kLanes; ++i) sum += total[i];
    *sums++ = sum;
  }
}
PONDER_DISPATCH(left_blocks, (const float* x, int64_t n, int8_t* values, float* scales, int32_t* sums),
                (x, n, values, scales, sums))

}  // namespace

int64_t block_words(int64_t depth, int64_t columns, Compute compute) {
  return (columns + kColumns - 1) / kColumns * blocks_of(depth) * words_of(bits_of(compute));
}

void pack_blocks(const ReadBlocks& read, int64_t n, int64_t k, Compute compute, uint32_t* words) {
  const int64_t blocks = blocks_of(k);
  const int bits = bits_of(compute);
  std::vector<int8_t> values(static_cast<size_t>(kColumns * blocks * kBlockDepth));
  std::vector<uint16_t> scales(static_cast<size_t>(kColumns * blocks));
  for (int64_t first = 0; first < n; first += kColumns) {
    std::fill(values.begin(), values.end(), int8_t{0});
    std::fill(scales.begin(), scales.end(), uint16_t{0});
    for (int64_t c = 0; c < std::min(kColumns, n - first); ++c)
      read(first + c, values.data() + c * blocks * kBlockDepth, scales.data() + c * blocks);
    for (int64_t b = 0; b < blocks; ++b, words += words_of(bits)) {
      auto* halves = reinterpret_cast<char*>(words + bits * kColumns);
      for (int64_t c = 0; c < kColumns; ++c) {
        int8_t* bytes = values.data() + (c * blocks + b) * kBlockDepth;
        if (bits == 4)
          for (int64_t i = 0; i < kBlockDepth / 2; ++i)
            bytes[i] = static_cast<int8_t>(((bytes[i] + 8) & 15) | (bytes[i + kBlockDepth / 2] + 8) << 4);
        for (int64_t s = 0; s < bits; ++s) std::memcpy(words + s * kColumns + c, bytes + s * 4, 4);
        std::memcpy(halves + 2 * c, &scales[static_cast<size_t>(c * blocks + b)], 2);
      }
    }
  }
}

void to_int8(const float* x, int64_t n, int8_t* values, uint16_t* scales) {
  for (int64_t i = 0; i < n; i += kBlockDepth, values += kBlockDepth) {
    float scale = 0;
    int32_t sum = 0;
    left_blocks(x + i, std::min(kBlockDepth, n - i), values, &scale, &sum);
    *scales++ = float_to_half(scale);
  }
}

void to_int4(const float* x, int64_t n, int8_t* values, uint16_t* scales) {
  for (int64_t from = 0; from < n; from += kBlockDepth, x += kBlockDepth, values += kBlockDepth) {
    const int64_t count = std::min(kBlockDepth, n - from);
    float largest = 0;  // of either sign; the first where several are
    for (int64_t i = 0; i < count; ++i)
      if (std::abs(largest) < std::abs(x[i])) largest = x[i];
    const Scale scale(largest / -8);
    for (int64_t i = 0; i < count; ++i) {
      // Rounded before 8.5 is added, wherever this is compiled.
      const auto v = static_cast<float>(static_cast<double>(x[i]) * static_cast<double>(scale.forth));
      values[i] = static_cast<int8_t>(std::min(15, static_cast<int>(v + 8.5f)) - 8);
    }
    std::fill(values + count, values + kBlockDepth, int8_t{0});
    *scales++ = float_to_half(scale.back);
  }
}

void gemm_int8(const float* x, int64_t rows, const PackedView& packed, const float* residual, float* y) {
  thread_local std::vector<int8_t> values;
  thread_local std::vector<float> scales;
  thread_local std::vector<int32_t> sums;
  const int64_t depth = packed.depth, columns = packed.columns, blocks = blocks_of(depth);
  values.resize(static_cast<size_t>(rows * blocks * kBlockDepth));
  scales.resize(static_cast<size_t>(rows * blocks));
  sums.resize(static_cast<size_t>(rows * blocks));
  const Left left{values.data(), scales.data(), sums.data(), blocks};  // of this thread, whoever multiplies
  for (int64_t r = 0; r < rows; ++r)
    left_blocks(x + r * depth, depth, values.data() + r * blocks * kBlockDepth, scales.data() + r * blocks,
                sums.data() + r * blocks);
  const int64_t panel_words = blocks * words_of(bits_of(packed.compute));
  const Tiles tiles = packed.compute == Compute::kInt4 ? tiles_for<4>() : tiles_for<8>();
  share_large(rows * depth * columns, columns, 4 * kColumns, [=, words = packed.words](int64_t from, int64_t to) {
    float out[kMostRows * kColumns];
    for (int64_t first = from; first < to; first += kColumns) {
      const uint32_t* panel = words + first / kColumns * panel_words;
      const int64_t width = std::min(kColumns, columns - first);
      for (int64_t row = 0, n; row < rows; row += n) {
        n = rows - row >= 4 ? 4 : rows - row >= 2 ? 2 : 1;
        const int64_t block = row * blocks;
        tiles.of(n)({left.values + block * kBlockDepth, left.scales + block, left.sums + block, blocks}, panel, out);
        for (int64_t r = 0; r < n; ++r) {
          const int64_t at = (row + r) * columns + first;
          const float* sum = out + r * kColumns;
          if (!residual && width == kColumns)
            std::memcpy(y + at, sum, kColumns * sizeof(float));
          else
            for (int64_t c = 0; c < width; ++c) y[at + c] = residual ? residual[at + c] + sum[c] : sum[c];
        }
      }
    }
  });
}

}  // namespace ponder::tensor
