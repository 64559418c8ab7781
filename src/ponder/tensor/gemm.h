// Matrix products on the CPU against weights that were packed beforehand, in f32 or with both inputs rounded to bf16
// (to nearest, ties to even) and summed in f32. Each output is one sum over the depth in a fixed order, so a row's bits
// depend neither on the other rows nor on how many there are; bf16 gives the same bits with and without the processor's
// own bf16 instructions, above the smallest normal float. Processors with matrix tiles (AMX) sum bf16 products in an
// order of their own (gemm_amx.h). Called by ops.cc and matrix.cc.
#pragma once
#include <cstdint>
#include <functional>

#include "ponder/tensor/words.h"

namespace ponder::tensor {

// kF32ByBf16: weights that are bf16 numbers anyway, kept as such, against f32 inputs: the bits of kF32 from half the
// memory. kInt8, kInt4: blocks of 8 or 4 bits against rows in blocks of 8 (gemm_int8.h). All three for weights that are
// only read.
enum class Compute : uint8_t { kF32, kBf16, kF32ByBf16, kInt8, kInt4 };
inline bool in_blocks(Compute compute) { return compute == Compute::kInt8 || compute == Compute::kInt4; }

// Does this machine multiply bf16 faster than f32?
bool has_fast_bf16();

// A right-hand side [depth, columns], not in blocks: 4-byte words, a float or two bf16 of neighbouring depths (even for
// kF32ByBf16: then depth is), in panels of 48 columns
// [depth or depth/2, 48]; the last panel is as narrow as multiples of 16 allow.
struct PackedView {
  const uint32_t* words = nullptr;
  int64_t depth = 0, columns = 0;
  Compute compute = Compute::kF32;
};
int64_t packed_words(int64_t depth, int64_t columns, Compute compute);

// A row as bf16 pairs of neighbours, 0 behind an odd end: what the left side of a product is made of.
void pack_row(const float* x, int64_t n, uint32_t* words);

// w [N,K] as the right-hand side of x · wᵀ (depth K), and of g · w (depth N).
void pack_transposed(const float* w, int64_t n, int64_t k, Compute compute, uint32_t* words);
void pack_straight(const float* w, int64_t n, int64_t k, Compute compute, uint32_t* words);
// Rows first … first + count of w [n,k] out of pack_transposed's words, as they were packed.
void unpack_transposed(const uint32_t* words, int64_t n, int64_t k, Compute compute, int64_t first, int64_t count,
                       float* rows);
// pack_transposed of a weight whose rows are somewhere else, for example in a file: read(row, out) writes the k numbers
// of a row, as floats or as bf16. The words are the same, but bf16 rows keep numbers below the smallest normal float.
enum class RowType : uint8_t { kF32, kBf16 };
using ReadRow = std::function<void(int64_t row, void* out)>;
void pack_rows(const ReadRow& read, RowType type, int64_t n, int64_t k, Compute compute, uint32_t* words);

// x [rows, depth] · packed (+ residual [rows, columns], when it is not null) → y [rows, columns].
void gemm(const float* x, int64_t rows, const PackedView& packed, const float* residual, float* y);

// Rows x [rows, depth] as the left side of several products without a residual: packed once. Floats are not copied. Not
// for weights in blocks.
struct LeftView {
  const uint32_t* words;
  int64_t row, step;  // distances, in words
};
class LeftSide {
 public:
  LeftSide(const float* x, int64_t rows, int64_t depth, Compute compute);
  LeftSide(const LeftSide&) = delete;
  LeftSide& operator=(const LeftSide&) = delete;
  int64_t rows() const { return rows_; }
  const LeftView& view() const { return view_; }

 private:
  Words memory_;
  int64_t rows_;
  LeftView view_;
};
void gemm(const LeftSide& x, const PackedView& packed, float* y);

// y [N,K] += gᵀ · x, g [rows, N], x [rows, K]. Of f32 or kBf16.
void gemm_transposed_add(const float* g, const float* x, int64_t rows, int64_t n, int64_t k, Compute compute, float* y);
// The same with x packed by pack_straight(): at most transposed_rows() rows of it, which lie in the second cache.
int64_t transposed_rows(Compute compute);
void gemm_transposed_add(const float* g, const PackedView& x, int64_t n, float* y);

}  // namespace ponder::tensor
