#include "ponder/tensor/gemm.h"

#include <algorithm>
#include <memory>
#include <new>

#include "ponder/tensor/gemm_amx.h"
#include "ponder/tensor/gemm_tile.h"

namespace ponder::tensor {
namespace {

using namespace gemm_tile;

// Vectors that do not cross cache lines load at twice the speed.
constexpr std::align_val_t kLine{64};

// Grows and is kept, one a thread and use: a product must not allocate.
class Scratch {
 public:
  uint32_t* words(int64_t count) {
    if (count > size_) {
      memory_.reset(static_cast<uint32_t*>(::operator new(static_cast<size_t>(count) * sizeof(uint32_t), kLine)));
      size_ = count;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(uint32_t* p) const { ::operator delete(p, kLine); }
  };
  std::unique_ptr<uint32_t, Free> memory_;
  int64_t size_ = 0;
};

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
  if (tiles()) return multiply_tiles(p);
  native_bf16() ? multiply_native(p) : multiply_bf16(p);
}

void pack_panels(const float* x, int64_t rows, int64_t stride, int64_t columns, int64_t panel, Compute compute,
                 uint32_t* words) {
  if (compute == Compute::kF32) return pack_panels_f32 PONDER_PANELS_ARGUMENTS;
  native_bf16() ? pack_panels_native PONDER_PANELS_ARGUMENTS : pack_panels_bf16 PONDER_PANELS_ARGUMENTS;
}

int64_t steps_of(int64_t depth, Compute compute) { return compute == Compute::kF32 ? depth : (depth + 1) / 2; }

// A row as the left side of a product: pairs of neighbours, 0 behind an odd end. Not for f32, which is used as it is.
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

}  // namespace

bool has_fast_bf16() { return native_bf16(); }

int64_t packed_words(int64_t depth, int64_t columns, Compute compute) {
  return steps_of(depth, compute) * ((columns + kGroup - 1) / kGroup * kGroup);
}

void pack_transposed(const float* w, int64_t n, int64_t k, Compute compute, uint32_t* words) {
  const int64_t steps = steps_of(k, compute);
  thread_local Scratch scratch;
  uint32_t* row = scratch.words(steps);
  for (int64_t first = 0; first < n; first += kPanel) {
    const int64_t width = panel_width(n, first, kPanel);
    uint32_t* panel = words + first * steps;
    for (int64_t c = 0; c < width; ++c) {
      if (first + c >= n)
        std::fill_n(row, steps, 0);
      else if (compute == Compute::kF32)
        std::memcpy(row, w + (first + c) * k, static_cast<size_t>(k) * sizeof(float));
      else
        pack_row(w + (first + c) * k, k, row);
      for (int64_t s = 0; s < steps; ++s) panel[s * width + c] = row[s];
    }
  }
}

void pack_straight(const float* w, int64_t n, int64_t k, Compute compute, uint32_t* words) {
  pack_panels(w, n, k, k, kPanel, compute, words);
}

void gemm(const float* x, int64_t rows, const PackedView& packed, const float* residual, float* y) {
  constexpr int64_t kLeftWords = 32768;  // 128 KiB of the left side beside a panel in the second cache
  const int64_t depth = packed.depth, columns = packed.columns, steps = steps_of(depth, packed.compute);
  const int64_t block = std::max(kGroup, kLeftWords / steps / kGroup * kGroup);
  thread_local Scratch scratch;
  for (int64_t from = 0; from < rows; from += block) {
    const int64_t n = std::min(block, rows - from);
    Product p{reinterpret_cast<const uint32_t*>(x + from * depth),
              steps,
              1,
              n,
              steps,
              packed.words,
              columns,
              residual ? residual + from * columns : nullptr,
              y + from * columns};
    if (packed.compute == Compute::kBf16) {
      const int64_t stride = tiles() ? tile_stride(steps) : steps;
      uint32_t* words = scratch.words((tiles() ? tile_rows(block) : block) * stride);
      for (int64_t i = 0; i < n; ++i) {
        pack_row(x + (from + i) * depth, depth, words + i * stride);
        std::fill_n(words + i * stride + steps, stride - steps, 0);
      }
      p.left = words, p.left_row = stride;
    }
    multiply(p, packed.compute);
  }
}

// The depth is cut into pieces and N into blocks, so that what is packed stays in the second cache.
void gemm_transposed_add(const float* g, const float* x, int64_t rows, int64_t n, int64_t k, Compute compute,
                         float* y) {
  constexpr int64_t kRows = 512, kColumns = 512;
  thread_local Scratch left_scratch, right_scratch, turned_scratch;
  for (int64_t from = 0; from < rows; from += kRows) {
    const int64_t count = std::min(kRows, rows - from), steps = steps_of(count, compute);
    uint32_t* right = right_scratch.words(packed_words(count, k, compute));
    pack_straight(x + from * k, count, k, compute, right);
    for (int64_t first = 0; first < n; first += kColumns) {
      const int64_t block = std::min(kColumns, n - first);
      uint32_t* left = left_scratch.words(packed_words(count, block, compute));
      pack_panels(g + from * n + first, count, n, block, kGroup, compute, left);
      float* part = y + first * k;
      Product p{left, 1, kGroup, block, steps, right, k, part, part};
      if (compute == Compute::kBf16 && tiles()) {
        uint32_t* turned = turned_scratch.words(tile_rows(block) * tile_stride(steps));
        rows_of_groups(left, block, steps, turned);
        p.left = turned, p.left_row = tile_stride(steps), p.left_step = 1;
      }
      multiply(p, compute);
    }
  }
}

}  // namespace ponder::tensor
