// Products with weights of 8 or 4 bits: blocks of 32 along the depth, each with a scale of 16 bits, as in GGUF's Q8_0
// and Q4_0. A row of the left side is brought to blocks of 8 bits too (scale = largest magnitude / 127), so that a
// block's product is a sum of integers, exact in whatever order; the blocks are added up in f32, first to last. A row's
// bits depend on that row alone, and every processor gives the same. Against the product of the dequantized weights in
// f32, an output errs by no more than Σ over blocks of (largest magnitude of x)/254 · Σ |w|, and by f32's rounding.
// Called by gemm.cc, packed by matrix.cc.
#pragma once
#include <cstdint>
#include <functional>

#include "ponder/tensor/gemm.h"

namespace ponder::tensor {

inline constexpr int64_t kBlockDepth = 32;
inline int64_t blocks_of(int64_t depth) { return (depth + kBlockDepth - 1) / kBlockDepth; }

// `compute` is kInt8 or kInt4 everywhere here.
int64_t block_words(int64_t depth, int64_t columns, Compute compute);

// Writes row `row` of a weight [N,K]: K numbers, from −128 to 127 or from −8 to 7, and the bits of ⌈K/32⌉
// half-precision scales.
using ReadBlocks = std::function<void(int64_t row, int8_t* values, uint16_t* scales)>;
void pack_blocks(const ReadBlocks& read, int64_t n, int64_t k, Compute compute, uint32_t* words);

// n floats as such blocks, with 0 behind a broken end: GGUF's own rounding. to_int8: half away from 0, so that numbers
// which come from Q8_0 blocks give these blocks again. to_int4: the number of the largest magnitude becomes −8. Scales
// of numbers that are too large are infinite.
void to_int8(const float* x, int64_t n, int8_t* values, uint16_t* scales);
void to_int4(const float* x, int64_t n, int8_t* values, uint16_t* scales);

// x [rows, depth] · packed (+ residual [rows, columns], when it is not null) → y [rows, columns].
void gemm_int8(const float* x, int64_t rows, const PackedView& packed, const float* residual, float* y);

}  // namespace ponder::tensor
