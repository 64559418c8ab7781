#include "ponder/tensor/gemm_amx.h"

#include "ponder/base/error.h"

#if defined(__x86_64__) && !defined(__clang__)
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#define PONDER_TILES __attribute__((target("amx-tile,amx-bf16")))

namespace ponder::tensor::gemm_tile {
namespace {

// Tiles 0 … 5 hold sums (two rows of three), 6 a piece of the left side, 7 one of the right side. All are 16 rows of 64
// bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64);

bool ask_for_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24;
  if ((d & kBf16) == 0 || (d & kTile) == 0) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

// g++ does not know that loading a tile reads memory: what was written must be there.
inline void finish_writes() { asm volatile("" : : : "memory"); }

// Where a block of outputs is, and what is added to it.
struct Outputs {
  const float* residual;  // null: nothing
  float* y;
  int64_t stride;
};

#define PONDER_BEGIN_TILE(t, r, c)                                                 \
  if constexpr (R > r && C > c) {                                                  \
    if (out.residual)                                                              \
      _tile_loadd(t, out.residual + r * 16 * out.stride + c * 16, out.stride * 4); \
    else                                                                           \
      _tile_zero(t);                                                               \
  }
#define PONDER_LOAD_RIGHT(c) _tile_loadd(7, right + c * 16, right_stride * 4);
#define PONDER_ADD_PRODUCT(t, r, c) \
  if constexpr (R > r && C > c) _tile_dpbf16ps(t, 6, 7);
#define PONDER_END_TILE(t, r, c) \
  if constexpr (R > r && C > c) _tile_stored(t, out.y + r * 16 * out.stride + c * 16, out.stride * 4);

// One step of 16 words of depth. Loads are what limits: there are 7 for 6 products, the second time out of the first
// cache.
template <int R, int C>
PONDER_TILES inline void add_step(const uint32_t* left, int64_t left_row, const uint32_t* right, int64_t right_stride) {
  _tile_loadd(6, left, left_row * 4);
  PONDER_LOAD_RIGHT(0)
  PONDER_ADD_PRODUCT(0, 0, 0)
  if constexpr (C > 1) PONDER_LOAD_RIGHT(1)
  PONDER_ADD_PRODUCT(1, 0, 1)
  if constexpr (C > 2) PONDER_LOAD_RIGHT(2)
  PONDER_ADD_PRODUCT(2, 0, 2)
  if constexpr (R > 1) {
    _tile_loadd(6, left + 16 * left_row, left_row * 4);
    PONDER_ADD_PRODUCT(5, 1, 2)
    if constexpr (C > 2) PONDER_LOAD_RIGHT(1)
    PONDER_ADD_PRODUCT(4, 1, 1)
    if constexpr (C > 1) PONDER_LOAD_RIGHT(0)
    PONDER_ADD_PRODUCT(3, 1, 0)
  }
}

// R·16 rows by C·16 columns.
template <int R, int C>
PONDER_TILES void whole_tiles(const Product& p, const uint32_t* left, const uint32_t* right, int64_t width,
                              const Outputs& out) {
  PONDER_BEGIN_TILE(0, 0, 0)
  PONDER_BEGIN_TILE(1, 0, 1)
  PONDER_BEGIN_TILE(2, 0, 2)
  PONDER_BEGIN_TILE(3, 1, 0)
  PONDER_BEGIN_TILE(4, 1, 1)
  PONDER_BEGIN_TILE(5, 1, 2)
  int64_t s = 0;
  for (; s + kTileSteps <= p.steps; s += kTileSteps) add_step<R, C>(left + s, p.left_row, right + s * width, width);
  if (s < p.steps) {  // the rest of the right side, with zeros below it as on the left
    alignas(64) uint32_t rest[kTileSteps * kPanel] = {};
    for (int64_t i = 0; s + i < p.steps; ++i) std::copy_n(right + (s + i) * width, C * 16, rest + i * kPanel);
    finish_writes();
    add_step<R, C>(left + s, p.left_row, rest, kPanel);
  }
  PONDER_END_TILE(0, 0, 0)
  PONDER_END_TILE(1, 0, 1)
  PONDER_END_TILE(2, 0, 2)
  PONDER_END_TILE(3, 1, 0)
  PONDER_END_TILE(4, 1, 1)
  PONDER_END_TILE(5, 1, 2)
}

// Rows and columns that do not fill their tiles go through a block that does.
template <int R, int C>
void any_tiles(const Product& p, int64_t row, int64_t column, const uint32_t* right, int64_t width) {
  const int64_t rows = std::min<int64_t>(R * 16, p.rows - row), columns = std::min<int64_t>(C * 16, p.columns - column);
  const uint32_t* left = p.left + row * p.left_row;
  const float* residual = p.residual ? p.residual + row * p.columns + column : nullptr;
  float* y = p.y + row * p.columns + column;
  if (rows == R * 16 && columns == C * 16) return whole_tiles<R, C>(p, left, right, width, {residual, y, p.columns});
  alignas(64) float block[R * 16][C * 16];
  if (residual) {
    std::memset(block, 0, sizeof block);
    for (int64_t r = 0; r < rows; ++r) std::copy_n(residual + r * p.columns, columns, block[r]);
  }
  finish_writes();
  whole_tiles<R, C>(p, left, right, width, {residual ? block[0] : nullptr, block[0], C * 16});
  for (int64_t r = 0; r < rows; ++r) std::copy_n(block[r], columns, y + r * p.columns);
}

template <int C>
void all_tile_rows(const Product& p, int64_t column, const uint32_t* right, int64_t width) {
  int64_t row = 0;
  for (; row + 16 < p.rows; row += 32) any_tiles<2, C>(p, row, column, right, width);
  if (row < p.rows) any_tiles<1, C>(p, row, column, right, width);
}

template <int R>
void block_rows(const BlockProduct& p, const Product& depth, int64_t row) {
  const uint32_t* left = p.left + row * p.left_row;
  float* y = p.y + row * p.y_row;
  int64_t c = 0;
  for (; c + 48 <= p.columns; c += 48)
    whole_tiles<R, 3>(depth, left, p.right + c, p.right_row, {p.add ? y + c : nullptr, y + c, p.y_row});
  const Outputs rest{p.add ? y + c : nullptr, y + c, p.y_row};
  if (p.columns - c == 32) whole_tiles<R, 2>(depth, left, p.right + c, p.right_row, rest);
  if (p.columns - c == 16) whole_tiles<R, 1>(depth, left, p.right + c, p.right_row, rest);
}

void configure_tiles() {
  static const TileConfig config;
  finish_writes();
  asm volatile("ldtilecfg %0" : : "m"(config));
}
void release_tiles() { asm volatile("tilerelease" : : : "memory"); }

}  // namespace

bool has_tiles() {
  static const bool has = ask_for_tiles();
  return has;
}

void multiply_tiles(const Product& p) {
  configure_tiles();  // each time: other code of this thread may use tiles of its own
  for (int64_t first = p.from; first < p.to; first += kPanel) {
    const int64_t width = panel_width(p.columns, first, kPanel);
    const uint32_t* panel = p.right + first * p.steps;
    if (width == 48) all_tile_rows<3>(p, first, panel, width);
    if (width == 32) all_tile_rows<2>(p, first, panel, width);
    if (width == 16) all_tile_rows<1>(p, first, panel, width);
  }
  release_tiles();
}

OpenTiles::OpenTiles() { configure_tiles(); }
OpenTiles::~OpenTiles() { release_tiles(); }

void multiply_block(const BlockProduct& p) {
  Product depth{};
  depth.left_row = p.left_row, depth.steps = p.steps;
  finish_writes();
  int64_t row = 0;
  for (; row + 32 <= p.rows; row += 32) block_rows<2>(p, depth, row);
  if (row < p.rows) block_rows<1>(p, depth, row);
}

__attribute__((target("arch=x86-64-v4"))) void turn_words(const uint32_t* in, int64_t in_row, uint32_t* out,
                                                          int64_t out_row) {
  typedef int32_t I __attribute__((vector_size(64), aligned(4), may_alias));
  I rows[16];
  for (int i = 0; i < 16; ++i) rows[i] = *reinterpret_cast<const I*>(in + i * in_row);
  // In stage k, words whose column and whose row differ in bit k change places.
  const auto exchange = [&rows](int bit, const I& low, const I& high) __attribute__((always_inline)) {
    PONDER_UNROLL for (int i = 0; i < 16; ++i) {
      if (i & bit) continue;
      const I a = rows[i], b = rows[i | bit];
      rows[i] = __builtin_shuffle(a, b, low), rows[i | bit] = __builtin_shuffle(a, b, high);
    }
  };
  PONDER_UNROLL for (int bit = 1; bit < 16; bit *= 2) {
    I low, high;
    for (int c = 0; c < 16; ++c) low[c] = c & bit ? 16 + (c ^ bit) : c, high[c] = c & bit ? 16 + c : c | bit;
    exchange(bit, low, high);
  }
  for (int i = 0; i < 16; ++i) *reinterpret_cast<I*>(out + i * out_row) = rows[i];
}

void rows_of_groups(const uint32_t* groups, int64_t columns, int64_t steps, uint32_t* rows) {
  const int64_t stride = tile_stride(steps);
  alignas(64) uint32_t rest[16 * 16] = {};
  for (int64_t first = 0; first < columns; first += kGroup, groups += kGroup * steps, rows += kGroup * stride) {
    int64_t s = 0;
    for (; s + 16 <= steps; s += 16) turn_words(groups + s * kGroup, kGroup, rows + s, stride);
    if (s == steps) continue;
    std::copy_n(groups + s * kGroup, (steps - s) * kGroup, rest);
    turn_words(rest, kGroup, rows + s, stride);
  }
}

}  // namespace ponder::tensor::gemm_tile

#else

namespace ponder::tensor::gemm_tile {

bool has_tiles() { return false; }
void multiply_tiles(const Product&) { PONDER_CHECK(false, "this build has no tiles"); }
void rows_of_groups(const uint32_t*, int64_t, int64_t, uint32_t*) { PONDER_CHECK(false, "this build has no tiles"); }
OpenTiles::OpenTiles() { PONDER_CHECK(false, "this build has no tiles"); }
OpenTiles::~OpenTiles() = default;
void multiply_block(const BlockProduct&) { PONDER_CHECK(false, "this build has no tiles"); }
void turn_words(const uint32_t*, int64_t, uint32_t*, int64_t) { PONDER_CHECK(false, "this build has no tiles"); }

}  // namespace ponder::tensor::gemm_tile

#endif
