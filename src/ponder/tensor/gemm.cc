#include "ponder/tensor/gemm.h"

#include <algorithm>
#include <vector>

#include "ponder/tensor/gemm_amx.h"
#include "ponder/tensor/gemm_blocks.h"
#include "ponder/tensor/gemm_int8.h"
#include "ponder/tensor/gemm_tile.h"
#include "ponder/tensor/team.h"
#include "ponder/tensor/words.h"

namespace ponder::tensor {
namespace {

using namespace gemm_tile;

#define PONDER_PANELS_PARAMETERS \
  (const float* x, int64_t rows, int64_t stride, int64_t columns, int64_t panel, uint32_t* words)
#define PONDER_PANELS_ARGUMENTS (x, rows, stride, columns, panel, words)

template <class V>
PONDER_INLINE void multiply_f32_body(const Product& p) {
  multiply_body<F32<V>>(p);
}
template <class V>
PONDER_INLINE void multiply_bf16_body(const Product& p) {
  multiply_body<Bf16<V>>(p);
}
template <class V>
PONDER_INLINE void multiply_f32_by_bf16_body(const Product& p) {
  multiply_body<F32ByBf16<V>>(p);
}
template <class V>
PONDER_INLINE void pack_panels_f32_body PONDER_PANELS_PARAMETERS {
  pack_panels_body<F32<V>> PONDER_PANELS_ARGUMENTS;
}
template <class V>
PONDER_INLINE void pack_panels_bf16_body PONDER_PANELS_PARAMETERS {
  pack_panels_body<Bf16<V>> PONDER_PANELS_ARGUMENTS;
}
template <class V>
PONDER_INLINE void pack_row_bf16_body(const float* x, int64_t n, uint32_t* words) {
  Bf16<V>::pack_row(x, n, words);
}
PONDER_DISPATCH(multiply_f32, (const Product& p), (p))
PONDER_DISPATCH(multiply_f32_by_bf16, (const Product& p), (p))
PONDER_DISPATCH(multiply_bf16, (const Product& p), (p))
PONDER_DISPATCH(pack_panels_f32, PONDER_PANELS_PARAMETERS, PONDER_PANELS_ARGUMENTS)
PONDER_DISPATCH(pack_panels_bf16, PONDER_PANELS_PARAMETERS, PONDER_PANELS_ARGUMENTS)
PONDER_DISPATCH(pack_row_bf16, (const float* x, int64_t n, uint32_t* words), (x, n, words))

#ifdef PONDER_NATIVE_BF16
#define PONDER_NATIVE __attribute__((target("arch=x86-64-v4,avx512bf16"))) void
PONDER_NATIVE multiply_native(const Product& p) { multiply_body<NativeBf16>(p); }
PONDER_NATIVE pack_panels_native PONDER_PANELS_PARAMETERS { pack_panels_body<NativeBf16> PONDER_PANELS_ARGUMENTS; }
PONDER_NATIVE pack_row_native(const float* x, int64_t n, uint32_t* words) { NativeBf16::pack_row(x, n, words); }
bool native_bf16() { return simd::level() >= 5; }
#else
void multiply_native(const Product& p) { multiply_bf16(p); }
void pack_panels_native PONDER_PANELS_PARAMETERS { pack_panels_bf16 PONDER_PANELS_ARGUMENTS; }
void pack_row_native(const float* x, int64_t n, uint32_t* words) { pack_row_bf16(x, n, words); }
bool native_bf16() { return false; }
#endif

bool tiles() { return simd::level() >= 6; }

void multiply(const Product& p, Compute compute) {
  if (compute == Compute::kF32) return multiply_f32(p);
  if (compute == Compute::kF32ByBf16) return multiply_f32_by_bf16(p);
  if (tiles()) return multiply_tiles(p);
  native_bf16() ? multiply_native(p) : multiply_bf16(p);
}

void pack_panels(const float* x, int64_t rows, int64_t stride, int64_t columns, int64_t panel, Compute compute,
                 uint32_t* words) {
  if (compute == Compute::kF32) return pack_panels_f32 PONDER_PANELS_ARGUMENTS;
  native_bf16() ? pack_panels_native PONDER_PANELS_ARGUMENTS : pack_panels_bf16 PONDER_PANELS_ARGUMENTS;
}

int64_t steps_of(int64_t depth, Compute compute) { return compute == Compute::kF32 ? depth : (depth + 1) / 2; }

// Panels of n columns out of the rows of a weight: row_words(row, out) writes the words of one, `steps` of them.
template <class RowWords>
void pack_by_row(int64_t n, int64_t steps, uint32_t* words, RowWords&& row_words) {
  thread_local Words scratch;
  uint32_t* rows = scratch.words(kGroup * steps);
  for (int64_t first = 0; first < n; first += kPanel) {
    const int64_t width = panel_width(n, first, kPanel);
    uint32_t* panel = words + first * steps;
    for (int64_t c = 0; c < width; c += kGroup, panel += kGroup) {
      for (int64_t i = 0; i < kGroup; ++i) {
        if (first + c + i < n)
          row_words(first + c + i, rows + i * steps);
        else
          std::fill_n(rows + i * steps, steps, 0);
      }
      for (int64_t s = 0; s < steps; ++s)
        for (int64_t i = 0; i < kGroup; ++i) panel[s * width + i] = rows[i * steps + s];
    }
  }
}

}  // namespace

bool has_fast_bf16() { return native_bf16(); }

void pack_row(const float* x, int64_t n, uint32_t* words) {
  constexpr int64_t kWhole = 32;  // a multiple of every kind's vectors
  const int64_t whole = n / kWhole * kWhole;
  const auto pack = native_bf16() ? pack_row_native : pack_row_bf16;
  if (whole > 0) pack(x, whole, words);
  if (whole == n) return;
  float tail[kWhole] = {};
  uint32_t packed[kWhole / 2];
  std::copy(x + whole, x + n, tail);
  pack(tail, kWhole, packed);
  std::copy_n(packed, steps_of(n - whole, Compute::kBf16), words + whole / 2);
}

int64_t packed_words(int64_t depth, int64_t columns, Compute compute) {
  if (in_blocks(compute)) return block_words(depth, columns, compute);
  return steps_of(depth, compute) * ((columns + kGroup - 1) / kGroup * kGroup);
}

void pack_transposed(const float* w, int64_t n, int64_t k, Compute compute, uint32_t* words) {
  const int64_t steps = steps_of(k, compute);
  share_large(n * k, n, kPanel, [&](int64_t from, int64_t to) {
    pack_by_row(to - from, steps, words + from * steps, [&](int64_t row, uint32_t* out) {
      const float* x = w + (from + row) * k;
      if (compute == Compute::kF32)
        std::memcpy(out, x, static_cast<size_t>(k) * sizeof(float));
      else
        pack_row(x, k, out);
    });
  });
}

void unpack_transposed(const uint32_t* words, int64_t n, int64_t k, Compute compute, int64_t first, int64_t count,
                       float* rows) {
  const int64_t steps = steps_of(k, compute), halves = compute == Compute::kF32 ? 1 : 2;
  share_large(count * k, count, kGroup, [&](int64_t from, int64_t to) {
    for (int64_t row = first + from; row < first + to; ++row) {
      const int64_t panel = row / kPanel * kPanel, width = panel_width(n, panel, kPanel);
      const uint32_t* word = words + panel * steps + row - panel;
      float* out = rows + (row - first) * k;
      for (int64_t i = 0; i < k; ++i) {
        const uint32_t pair = word[i / halves * width];
        const uint32_t bits = halves == 1 ? pair : i % 2 == 0 ? pair << 16 : pair & 0xFFFF0000;
        std::memcpy(out + i, &bits, sizeof bits);
      }
    }
  });
}

void pack_rows(const ReadRow& read, RowType type, int64_t n, int64_t k, Compute compute, uint32_t* words) {
  std::vector<float> floats(static_cast<size_t>(k));
  std::vector<uint16_t> halves(static_cast<size_t>(k));
  const int64_t steps = steps_of(k, compute);
  pack_by_row(n, steps, words, [&](int64_t row, uint32_t* out) {
    if (type == RowType::kF32 && compute == Compute::kF32) return read(row, out);
    if (type == RowType::kF32) {
      read(row, floats.data());
      return pack_row(floats.data(), k, out);
    }
    if (compute != Compute::kF32) {
      out[steps - 1] = 0;  // the other half of an odd end
      return read(row, out);
    }
    read(row, halves.data());
    for (int64_t i = 0; i < k; ++i) out[i] = static_cast<uint32_t>(halves[static_cast<size_t>(i)]) << 16;
  });
}

void pack_straight(const float* w, int64_t n, int64_t k, Compute compute, uint32_t* words) {
  const int64_t steps = steps_of(n, compute);
  share_large(n * k, k, kPanel, [&](int64_t from, int64_t to) {
    pack_panels(w + from, n, k, to - from, kPanel, compute, words + from * steps);
  });
}

namespace {

// Columns first … end of a product.
void gemm_columns(const LeftView& left, int64_t rows, const PackedView& packed, const float* residual, float* y,
                  int64_t first, int64_t end) {
  // Of the left side, 256 KiB lie beside a panel in the second cache, 512 KiB in the larger ones of processors with
  // tiles; where panels are cut into blocks (gemm_blocks.h), 1 MiB in the cache behind it.
  const bool in_tiles = packed.compute == Compute::kBf16 && tiles();
  const int64_t left_words = in_tiles ? 131072 : simd::level() >= 4 ? 65536 : 262144;
  const int64_t columns = packed.columns, steps = steps_of(packed.depth, packed.compute);
  const int64_t block = std::max(2 * kGroup, left_words / left.row / (2 * kGroup) * (2 * kGroup));
  thread_local Words block_scratch;
  float* const floats = block_scratch.floats(scratch_floats(std::min(block, rows), steps));
  for (int64_t from = 0; from < rows; from += block) {
    const int64_t n = std::min(block, rows - from);
    multiply({left.words + from * left.row, kGroup * left.row, left.row, left.step, n, steps, packed.words, columns,
              residual ? residual + from * columns : nullptr, y + from * columns, first, end, floats},
             packed.compute);
  }
}

// Rows of floats as rows of bf16 pairs, packed by all threads for all.
LeftView pack_left(const float* x, int64_t rows, int64_t depth, Words& memory) {
  const int64_t steps = steps_of(depth, Compute::kBf16), stride = tiles() ? tile_stride(steps) : steps;
  uint32_t* words = memory.words((tiles() ? tile_rows(rows) : rows) * stride);
  share_large(rows * depth, rows, kGroup, [&](int64_t from, int64_t to) {
    for (int64_t i = from; i < to; ++i) {
      pack_row(x + i * depth, depth, words + i * stride);
      std::fill_n(words + i * stride + steps, stride - steps, 0);
    }
  });
  return {words, stride, 1};
}

// Floats are used as they are; a step of bf16 pairs on the right takes two of them.
LeftView view_left(const float* x, int64_t depth, Compute compute) {
  return {reinterpret_cast<const uint32_t*>(x), depth, depth / steps_of(depth, compute)};
}

void gemm_left(const LeftView& left, int64_t rows, const PackedView& packed, const float* residual, float* y) {
  share_large(rows * packed.depth * packed.columns, packed.columns, kPanel,
              [&](int64_t first, int64_t end) { gemm_columns(left, rows, packed, residual, y, first, end); });
}

// Rows begin … end of y += gᵀ · right, for some of the rows of g and of what is packed.
struct TransposedAdd {
  const float* g;  // [count, n]
  int64_t count, n;
  const uint32_t* right;  // straight, of [count, k]
  int64_t k;
  Compute compute;
  float* y;
};

// N is cut into blocks, so that what is packed stays in the second cache.
void transposed_add_rows(const TransposedAdd& t, int64_t begin, int64_t end) {
  constexpr int64_t kColumns = 512;
  thread_local Words left_scratch, turned_scratch, block_scratch;
  const int64_t steps = steps_of(t.count, t.compute), k = t.k;
  float* const floats = block_scratch.floats(scratch_floats(std::min(kColumns, end - begin), steps));
  for (int64_t first = begin; first < end; first += kColumns) {
    const int64_t block = std::min(kColumns, end - first);
    uint32_t* left = left_scratch.words(packed_words(t.count, block, t.compute));
    pack_panels(t.g + first, t.count, t.n, block, kGroup, t.compute, left);
    float* part = t.y + first * k;
    Product p{left, kGroup * steps, 1, kGroup, block, steps, t.right, k, part, part, 0, k, floats};
    if (t.compute == Compute::kBf16 && tiles()) {
      uint32_t* turned = turned_scratch.words(tile_rows(block) * tile_stride(steps));
      rows_of_groups(left, block, steps, turned);
      p.left = turned, p.left_row = tile_stride(steps), p.left_step = 1;
    }
    multiply(p, t.compute);
  }
}

}  // namespace

void gemm(const float* x, int64_t rows, const PackedView& packed, const float* residual, float* y) {
  if (in_blocks(packed.compute)) return gemm_int8(x, rows, packed, residual, y);
  const int64_t depth = packed.depth, columns = packed.columns;
  if (packed.compute != Compute::kBf16)
    return gemm_left(view_left(x, depth, packed.compute), rows, packed, residual, y);
  constexpr int64_t kMostWords = int64_t{1} << 22, kLeastRows = 512;  // of the left side at a time
  const int64_t most = std::max(kLeastRows, kMostWords / depth * 2 / kLeastRows * kLeastRows);
  thread_local Words memory;
  for (int64_t from = 0; from < rows; from += most) {
    const int64_t n = std::min(most, rows - from);
    gemm_left(pack_left(x + from * depth, n, depth, memory), n, packed, residual ? residual + from * columns : nullptr,
              y + from * columns);
  }
}

LeftSide::LeftSide(const float* x, int64_t rows, int64_t depth, Compute compute)
    : rows_(rows),
      view_(compute == Compute::kBf16 ? pack_left(x, rows, depth, memory_) : view_left(x, depth, compute)) {}

void gemm(const LeftSide& x, const PackedView& packed, float* y) { gemm_left(x.view(), x.rows(), packed, nullptr, y); }

int64_t transposed_rows(Compute compute) { return compute == Compute::kF32 ? 512 : 1024; }

void gemm_transposed_add(const float* g, const PackedView& x, int64_t n, float* y) {
  constexpr int64_t kGrain = 64;  // of y
  const TransposedAdd whole{g, x.depth, n, x.words, x.columns, x.compute, y};
  share_large(x.depth * n * x.columns, n, kGrain,
              [&](int64_t begin, int64_t end) { transposed_add_rows(whole, begin, end); });
}

void gemm_transposed_add(const float* g, const float* x, int64_t rows, int64_t n, int64_t k, Compute compute,
                         float* y) {
  thread_local Words memory;
  const int64_t most = transposed_rows(compute);
  for (int64_t from = 0; from < rows; from += most) {
    const int64_t count = std::min(most, rows - from);
    uint32_t* right = memory.words(packed_words(count, k, compute));
    pack_straight(x + from * k, count, k, compute, right);
    gemm_transposed_add(g + from * n, {right, count, k, compute}, n, y);
  }
}

}  // namespace ponder::tensor
