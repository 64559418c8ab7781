// bf16 products on processors with matrix tiles (Intel AMX): the work of gemm_tile.h's inner loops, several times as
// fast. Called by gemm.cc and by attention's backward pass, at simd::level() 6.
#pragma once
#include <cstdint>

#include "ponder/tensor/gemm_tile.h"

namespace ponder::tensor::gemm_tile {

// May this process use tiles? Asks the processor, and the system for room to save them; once.
bool has_tiles();

// What a tile takes of a row on the left: steps are padded to a multiple of it, with zeros, and to an odd one, so that
// the rows of a tile lie in different places of the first cache.
constexpr int64_t kTileSteps = 16;
inline int64_t tile_stride(int64_t steps) { return ((steps + kTileSteps - 1) / kTileSteps | 1) * kTileSteps; }
// Rows of memory that must be readable behind the left side for n rows; what they hold does not matter.
inline int64_t tile_rows(int64_t n) { return (n + 31) / 32 * 32; }

// The product of gemm_tile.h, with the left side row after row: left_row = tile_stride(steps), left_step = 1. A sum
// begins with the residual; each 32 depths add their even products and their odd ones, each summed in order.
void multiply_tiles(const Product& p);

// Groups of 16 columns as pack_panels() leaves them, [group][steps][16], into rows of tile_stride(steps) words.
void rows_of_groups(const uint32_t* groups, int64_t columns, int64_t steps, uint32_t* rows);

// Holds this thread's tiles ready for multiply_block(): for callers of many small products, who use no others
// meanwhile.
class OpenTiles {
 public:
  OpenTiles();
  ~OpenTiles();
  OpenTiles(const OpenTiles&) = delete;
  OpenTiles& operator=(const OpenTiles&) = delete;
};

// y [rows, columns] (+)= left · right. Rows, columns and steps are multiples of 16; where it adds, a sum begins with
// what is there. Distances between rows (of the right side: between steps) are in words.
struct BlockProduct {
  const uint32_t* left;
  int64_t left_row;
  const uint32_t* right;
  int64_t right_row, rows, columns, steps;
  float* y;
  int64_t y_row;
  bool add;
};
void multiply_block(const BlockProduct& p);

// 16 rows of 16 words, turned.
void turn_words(const uint32_t* in, int64_t in_row, uint32_t* out, int64_t out_row);

}  // namespace ponder::tensor::gemm_tile
