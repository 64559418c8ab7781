#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "ponder/tensor/kernels.h"
#include "ponder/tensor/simd.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {

using simd::load;
using simd::splat;
using simd::store;

namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Rows are worked on in blocks, so that a page which several of them share is read once for all, and their positions in
// sections, so that a block's scores stay in the second-level cache. Sections are cut by position alone: what is summed
// for a row, and in which order, depends on no other row.
constexpr int64_t kBlockRows = 16;
constexpr int64_t kSectionPages = 16;
constexpr int64_t kSectionTokens = kSectionPages * kPageTokens;

// ---- the halves of a page ----
// Keys are hd/2 pairs of 16 lanes (two dimensions of each position's key), values 8 pairs of hd lanes (two positions of
// each dimension). In f32 a pair is a row of the even ones and a row of the odd ones; in bf16 one row of 32-bit lanes,
// the even one in the low half: a shift and a mask make floats of it, cheaper than a widening load.
template <class S>
struct Pair {
  typename S::F even, odd;
};

struct F32 {
  static constexpr int64_t kBytes = 4;
  static constexpr bool kWidened = false;
  template <class S>
  PONDER_INLINE Pair<S> load_pair(const std::byte* half, int64_t pair, int64_t width, int64_t lane) {
    const float* even = reinterpret_cast<const float*>(half) + 2 * pair * width + lane;
    return {load<S>(even), load<S>(even + width)};
  }
};

struct Bf16 {
  static constexpr int64_t kBytes = 2;
  static constexpr bool kWidened = false;
  template <class S>
  PONDER_INLINE Pair<S> load_pair(const std::byte* half, int64_t pair, int64_t width, int64_t lane) {
    using I = typename S::I;
    const I both = *reinterpret_cast<const I*>(half + (pair * width + lane) * 4);
    const I even = both << 16, odd = both & -0x10000;
    return {reinterpret_cast<const typename S::F&>(even), reinterpret_cast<const typename S::F&>(odd)};
  }
};

// Whole numbers, four rows of f32's layout to a row of 32-bit lanes, the first one in the lowest byte; behind them a
// scale for each position. Half a page is widened to f32 when it is read, once for all queries of a tile, into memory
// that stays in the first cache.
struct Int8 : F32 {
  static constexpr bool kWidened = true;
};

PONDER_INLINE int64_t number_at(int64_t row, int64_t width, int64_t lane) {
  return (row / 4 * width + lane) * 4 + row % 4;
}
PONDER_INLINE const float* scales_of(const std::byte* half, int64_t head_dim) {
  return reinterpret_cast<const float*>(half + head_dim * kPageTokens);
}

// Four rows of keys or values; scale(row 0 … 3) of each.
template <class S, class Scale>
PONDER_INLINE void widen_four(const std::byte* numbers, int64_t width, float* to, Scale scale) {
  using I = typename S::I;
  const I four = *reinterpret_cast<const I*>(numbers);
  PONDER_UNROLL for (int row = 0; row < 4; ++row)
      store<S>(to + row * width, __builtin_convertvector((four << (24 - 8 * row)) >> 24, typename S::F) * scale(row));
}

// Fetches a half that is read later meanwhile.
template <class S>
PONDER_INLINE void widen_keys(const std::byte* half, int64_t head_dim, const std::byte* later, float* to) {
  const float* scales = scales_of(half, head_dim);
  for (int64_t d = 0; d < head_dim; d += 4) {
    __builtin_prefetch(later + d * kPageTokens);
    for (int64_t i = 0; i < kPageTokens; i += S::kLanes) {
      const typename S::F scale = load<S>(scales + i);
      widen_four<S>(
          half + d * kPageTokens + 4 * i, kPageTokens,
          to + d * kPageTokens + i, [&](int) __attribute__((always_inline)) { return scale; });
    }
  }
}

template <class S>
PONDER_INLINE void widen_values(const std::byte* half, int64_t head_dim, const std::byte* later, float* to) {
  const float* scales = scales_of(half, head_dim);
  for (int64_t slot = 0; slot < kPageTokens; slot += 4)
    for (int64_t d = 0; d < head_dim; d += S::kLanes) {
      __builtin_prefetch(later + slot * head_dim + 4 * d);
      widen_four<S>(
          half + slot * head_dim + 4 * d, head_dim,
          to + slot * head_dim + d, [&](int row) __attribute__((always_inline)) {
            return splat<S>(scales[slot + row]);
          });
    }
}

// ---- one page, R queries ----
// One query head of one row of the block: where it is, where its scores of this section go and its sums so far.
struct Query {
  int64_t row, head;
  const float* q;  // [hd]
  float* scores;   // [kSectionTokens]
  float* out;      // [hd] Σ e^(score − highest) · value
  float highest, total;
};

PONDER_INLINE void fetch(const std::byte* p, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(p + i);
}

// Four chains of sums hide the latency of the additions when there is one query. Half a page that is read later is
// fetched line by line meanwhile: all its lines at once would fill the processor's queue.
template <class S, class Kv, int R>
PONDER_INLINE void score_page(const Query* queries, const std::byte* keys, int64_t head_dim, float scale, int64_t first,
                              const std::byte* later) {
  using F = typename S::F;
  for (int64_t part = 0; part < kPageTokens; part += S::kLanes) {
    F s0[R], s1[R], s2[R], s3[R];
    PONDER_UNROLL for (int r = 0; r < R; ++r) s0[r] = s1[r] = s2[r] = s3[r] = F{};
    for (int64_t d = 0; d < head_dim; d += 4) {
      if (part == 0) fetch(later + d * kPageTokens * Kv::kBytes, 4 * kPageTokens * Kv::kBytes);
      const Pair<S> a = Kv::template load_pair<S>(keys, d / 2, kPageTokens, part);
      const Pair<S> b = Kv::template load_pair<S>(keys, d / 2 + 1, kPageTokens, part);
      PONDER_UNROLL for (int r = 0; r < R; ++r) {
        const float* q = queries[r].q + d;
        s0[r] += q[0] * a.even;
        s1[r] += q[1] * a.odd;
        s2[r] += q[2] * b.even;
        s3[r] += q[3] * b.odd;
      }
    }
    PONDER_UNROLL for (int r = 0; r < R; ++r)
        store<S>(queries[r].scores + first + part, ((s0[r] + s1[r]) + (s2[r] + s3[r])) * scale);
  }
}

// A page's part of the sum, added up by itself and then added to the sum: D vectors from dimension d on.
template <class S, class Kv, int R, int D>
PONDER_INLINE void sum_columns(const Query* queries, const std::byte* values, int64_t head_dim, int64_t first,
                               const std::byte* later, int64_t d) {
  using F = typename S::F;
  F even[R][D], odd[R][D];
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int i = 0; i < D; ++i) even[r][i] = odd[r][i] = F{};
  for (int64_t j = 0; j < kPageTokens; j += 2) {
    fetch(later + (j * head_dim + 2 * d) * Kv::kBytes, 2 * D * S::kLanes * Kv::kBytes);
    Pair<S> value[D];
    PONDER_UNROLL for (int i = 0; i < D; ++i) value[i] =
        Kv::template load_pair<S>(values, j / 2, head_dim, d + i * S::kLanes);
    PONDER_UNROLL for (int r = 0; r < R; ++r) {
      const float* w = queries[r].scores + first + j;
      PONDER_UNROLL for (int i = 0; i < D; ++i) {
        even[r][i] += w[0] * value[i].even;
        odd[r][i] += w[1] * value[i].odd;
      }
    }
  }
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int i = 0; i < D; ++i) {
    float* out = queries[r].out + d + i * S::kLanes;
    store<S>(out, load<S>(out) + (even[r][i] + odd[r][i]));
  }
}

template <class S, class Kv, int R>
PONDER_INLINE void sum_page(const Query* queries, const std::byte* values, int64_t head_dim, int64_t first,
                            const std::byte* later) {
  int64_t d = 0;
  for (; d + 2 * S::kLanes <= head_dim; d += 2 * S::kLanes)
    sum_columns<S, Kv, R, 2>(queries, values, head_dim, first, later, d);
  if (d < head_dim) sum_columns<S, Kv, R, 1>(queries, values, head_dim, first, later, d);
}

// Makes weights e^(score − highest) of a section's scores from `first` to n, 0 around them to the ends of their pages,
// and takes them into the query's total. What was summed before is brought to the new highest score (Milakov &
// Gimelshein 2018).
template <class S>
PONDER_INLINE void weigh_scores(Query& query, int64_t first, int64_t n, int64_t head_dim) {
  using F = typename S::F;
  using I = typename S::I;
  const int64_t begin = first / kPageTokens * kPageTokens, padded = (n + kPageTokens - 1) / kPageTokens * kPageTokens;
  I lanes;
  for (int i = 0; i < S::kLanes; ++i) lanes[i] = i;
  if (begin < first)
    for (int64_t i = begin; i < begin + kPageTokens; i += S::kLanes) {
      const F s = load<S>(query.scores + i);
      store<S>(query.scores + i, lanes < static_cast<int32_t>(first - i) ? splat<S>(kMinusInfinity) : s);
    }
  for (int64_t i = padded - kPageTokens; i < padded; i += S::kLanes) {
    const F s = load<S>(query.scores + i);
    store<S>(query.scores + i, lanes < static_cast<int32_t>(n - i) ? s : splat<S>(kMinusInfinity));
  }
  F top = splat<S>(query.highest);
  for (int64_t i = begin; i < padded; i += S::kLanes) top = simd::max<S>(top, load<S>(query.scores + i));
  const float highest = simd::max_lane<S>(top);
  F total{};
  for (int64_t i = begin; i < padded; i += S::kLanes) {
    const F weight = simd::exp<S>(load<S>(query.scores + i) - highest);
    store<S>(query.scores + i, weight);
    total += weight;
  }
  if (query.highest < highest && query.total > 0) {
    const float before = simd::exp<S>(splat<S>(query.highest - highest))[0];
    query.total *= before;
    for (int64_t d = 0; d < head_dim; d += S::kLanes) store<S>(query.out + d, load<S>(query.out + d) * before);
  }
  query.highest = highest;
  query.total += simd::sum<S>(total);
}

// ---- a block of rows ----
// Neighbouring rows of the block that see the same page.
struct Tile {
  const std::byte* page;
  int64_t first_score;  // of the page's positions, within the section
  int64_t first_row, end_row;
};

struct Block {
  const AttendRow* rows;
  int64_t count;
  int64_t first_section, end_section;  // that any row sees
  std::vector<Query> queries;          // [KV][count][H/KV]
  std::vector<float> scores;           // of each query [kSectionTokens]
  std::vector<Tile> tiles;             // of the section
  std::vector<float> widened;          // half a page [kPageTokens · hd], where pages hold int8
};

void open_block(Block& block, const float* qkv, const HeadShape& shape, float* out) {
  const int64_t group = shape.heads / shape.kv_heads, hd = shape.head_dim, width = shape.heads * hd;
  const size_t scores = static_cast<size_t>(block.count * shape.heads * kSectionTokens);
  if (block.scores.size() < scores) block.scores.resize(scores);
  float* next = block.scores.data();
  block.queries.clear();
  int64_t first = std::numeric_limits<int64_t>::max(), end = 0;
  for (int64_t row = 0; row < block.count; ++row) {
    first = std::min(first, shape.first_visible(block.rows[row].length));
    end = std::max(end, block.rows[row].length);
  }
  block.first_section = first / kSectionTokens;
  block.end_section = (end + kSectionTokens - 1) / kSectionTokens;
  for (int64_t g = 0; g < shape.kv_heads; ++g)
    for (int64_t row = 0; row < block.count; ++row)
      for (int64_t h = g * group; h < (g + 1) * group; ++h, next += kSectionTokens)
        block.queries.push_back(
            {row, h, qkv + row * shape.columns() + h * hd, next, out + row * width + h * hd, kMinusInfinity, 0});
  std::memset(out, 0, static_cast<size_t>(block.count * width) * sizeof(float));
}

// Page by page, so that a tile holds all neighbours which share its page.
void find_tiles(Block& block, const HeadShape& shape, const Pages& pages, int64_t section) {
  block.tiles.clear();
  const auto page_of = [&](int64_t row, int64_t p) -> int64_t {
    const AttendRow& r = block.rows[row];
    const bool seen = p * kPageTokens < r.length && (p + 1) * kPageTokens > shape.first_visible(r.length);
    return seen ? r.table[p] : -1;
  };
  int64_t longest = 0;
  for (int64_t row = 0; row < block.count; ++row) longest = std::max(longest, block.rows[row].length);
  const int64_t first = section * kSectionPages;
  const int64_t end = std::min(first + kSectionPages, (longest + kPageTokens - 1) / kPageTokens);
  for (int64_t p = first; p < end; ++p)
    for (int64_t row = 0; row < block.count;) {
      const int64_t page = page_of(row, p), begin = row;
      do ++row;
      while (row < block.count && page_of(row, p) == page);
      if (page >= 0) block.tiles.push_back({pages.at(page), (p - first) * kPageTokens, begin, row});
    }
}

// The halves of pages in the order in which a section reads them: of each tile the heads' keys, then of each tile their
// values. Pages lie anywhere, so the machine cannot guess it.
class Halves {
 public:
  Halves(const std::vector<Tile>& tiles, int64_t heads, int64_t half_bytes)
      : tiles_(tiles), heads_(heads), half_bytes_(half_bytes) {}
  // Null behind the last one.
  const std::byte* next() {
    if (tile_ == tiles_.size()) return nullptr;
    const std::byte* half = tiles_[tile_].page + (values_ + head_) * half_bytes_;
    if (++head_ < heads_) return half;
    head_ = 0;
    if (++tile_ == tiles_.size() && values_ == 0) tile_ = 0, values_ = heads_;
    return half;
  }

 private:
  const std::vector<Tile>& tiles_;
  int64_t heads_, half_bytes_, head_ = 0, values_ = 0;
  size_t tile_ = 0;
};

// work(R, R queries, their head's half of the page, the page's first score, a half to fetch) for every tile and
// key/value head; widen(half, a half to fetch) first where pages hold int8, which gives what work() reads.
template <class S, class Kv, class Widen, class Work>
PONDER_INLINE void for_each_tile(const Block& block, const HeadShape& shape, Halves& now, Halves& later, Widen widen,
                                 Work work) {
  const int64_t group = shape.heads / shape.kv_heads;
  for (const Tile& tile : block.tiles)
    for (int64_t g = 0; g < shape.kv_heads; ++g) {
      const std::byte *half = now.next(), *fetched = later.next();
      if (!fetched) fetched = half;
      if constexpr (Kv::kWidened) half = widen(half, fetched), fetched = half;
      const Query* query = block.queries.data() + (g * block.count + tile.first_row) * group;
      int64_t left = (tile.end_row - tile.first_row) * group;
      constexpr int kMany = S::kLanes / 4;  // queries whose sums fit into the registers
      for (; left >= kMany; left -= kMany, query += kMany, fetched = half)
        work(std::integral_constant<int, kMany>(), query, half, tile.first_score, fetched);
      for (; left > 0; --left, ++query, fetched = half)
        work(std::integral_constant<int, 1>(), query, half, tile.first_score, fetched);
    }
}

template <class S, class Kv>
PONDER_INLINE void attend_block(Block& block, const HeadShape& shape, const Pages& pages) {
  constexpr int64_t kAheadBytes = 10240;  // more would push out of the first cache what is still to be read
  const int64_t hd = shape.head_dim, half_bytes = page_bytes(shape) / (2 * shape.kv_heads);
  const float scale = shape.score_scale();
  if (Kv::kWidened) block.widened.resize(static_cast<size_t>(hd * kPageTokens));
  float* widened = block.widened.data();
  for (int64_t section = block.first_section; section < block.end_section; ++section) {
    find_tiles(block, shape, pages, section);
    Halves now(block.tiles, shape.kv_heads, half_bytes), later = now;
    for (int64_t bytes = 0; bytes < kAheadBytes; bytes += half_bytes) later.next();
    for_each_tile<S, Kv>(
        block, shape, now, later,
        [&](const std::byte* half, const std::byte* fetched) __attribute__((always_inline)) {
          widen_keys<S>(half, hd, fetched, widened);
          return reinterpret_cast<const std::byte*>(widened);
        },
        [&](auto many, const Query* queries, const std::byte* half, int64_t first, const std::byte* fetched)
            __attribute__((always_inline)) { score_page<S, Kv, many()>(queries, half, hd, scale, first, fetched); });
    for (Query& query : block.queries) {
      const int64_t length = block.rows[query.row].length, begin = section * kSectionTokens;
      const int64_t first = std::max<int64_t>(shape.first_visible(length) - begin, 0);
      const int64_t end = std::min(length - begin, kSectionTokens);
      if (first < end) weigh_scores<S>(query, first, end, hd);
    }
    for_each_tile<S, Kv>(
        block, shape, now, later,
        [&](const std::byte* half, const std::byte* fetched) __attribute__((always_inline)) {
          widen_values<S>(half, hd, fetched, widened);
          return reinterpret_cast<const std::byte*>(widened);
        },
        [&](auto many, const Query* queries, const std::byte* half, int64_t first, const std::byte* fetched)
            __attribute__((always_inline)) { sum_page<S, Kv, many()>(queries, half, hd, first, fetched); });
  }
}

void close_block(const Block& block, const HeadShape& shape, float* lse) {
  for (const Query& query : block.queries) {
    if (query.total == 0) continue;  // a row that sees nothing
    const float inverse = 1.0f / query.total;
    for (int64_t d = 0; d < shape.head_dim; ++d) query.out[d] *= inverse;
    if (lse) lse[query.row * shape.heads + query.head] = query.highest + std::log(query.total);
  }
}

template <class S>
PONDER_INLINE void attend_block_with_body(Block& block, const HeadShape& shape, const Pages& pages) {
  if (shape.kv == KvType::kBf16)
    attend_block<S, Bf16>(block, shape, pages);
  else if (shape.kv == KvType::kInt8)
    attend_block<S, Int8>(block, shape, pages);
  else
    attend_block<S, F32>(block, shape, pages);
}
PONDER_DISPATCH(attend_block_with, (Block & block, const HeadShape& shape, const Pages& pages), (block, shape, pages))

// ---- rows in and out of pages ----
uint32_t bits_of(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// Where a head's half of a page is that holds keys or values.
struct HeadHalves {
  std::byte *keys, *values;
};

PONDER_INLINE void store_f32(const float* keys, const float* values, int64_t hd, int64_t slot, HeadHalves to) {
  float* column = reinterpret_cast<float*>(to.keys) + slot;
  for (int64_t d = 0; d < hd; ++d) column[d * kPageTokens] = keys[d];
  std::memcpy(to.values + slot * hd * 4, values, static_cast<size_t>(hd) * 4);
}

template <class S>
PONDER_INLINE void store_bf16(const float* keys, const float* values, int64_t hd, int64_t slot, HeadHalves to) {
  using I = typename S::I;
  constexpr int64_t L = S::kLanes;
  for (int64_t d = 0; d < hd; d += L) {
    float rounded[L];
    store<S>(rounded, simd::round_bf16<S>(load<S>(keys + d)));
    for (int64_t i = 0; i < L; i += 2) {
      const uint32_t pair = bits_of(rounded[i]) >> 16 | bits_of(rounded[i + 1]);
      std::memcpy(to.keys + ((d + i) / 2 * kPageTokens + slot) * 4, &pair, sizeof pair);
    }
    // The other position of the pair stays as it is.
    I& pairs = *reinterpret_cast<I*>(to.values + (slot / 2 * hd + d) * 4);
    const auto value = simd::round_bf16<S>(load<S>(values + d));
    const I bits = reinterpret_cast<const I&>(value);
    pairs = slot % 2 ? (pairs & 0xFFFF) | bits : (pairs & -0x10000) | ((bits >> 16) & 0xFFFF);
  }
}

// To whole numbers −127 … 127 times a scale, to nearest. What is not finite makes the scale so: whoever reads it gets
// no number, as from f32.
template <class S, class Place>
PONDER_INLINE void store_numbers(const float* x, int64_t hd, float* scale, Place place) {
  using F = typename S::F;
  using I = typename S::I;
  constexpr float kLeast = 1e-30f, kRound = 12582912.0f;  // 1.5·2²³: adding it rounds to an integer in the low bits
  F top{}, total{};
  for (int64_t d = 0; d < hd; d += S::kLanes) {
    const F v = load<S>(x + d), size = simd::max<S>(v, -v);
    top = simd::max<S>(top, size);
    total += v * 0.0f;
  }
  const float highest = simd::max_lane<S>(top);
  const bool finite = simd::sum<S>(total) == 0;
  *scale = !finite ? std::numeric_limits<float>::quiet_NaN() : highest < kLeast ? 0.0f : highest / 127;
  const float inverse = finite && highest >= kLeast ? 127 / highest : 0.0f;
  for (int64_t d = 0; d < hd; d += S::kLanes) {
    const F shifted = load<S>(x + d) * inverse + kRound;
    const I numbers = reinterpret_cast<const I&>(shifted) - 0x4B400000;
    for (int64_t i = 0; i < S::kLanes; ++i) *place(d + i) = static_cast<std::byte>(numbers[i]);
  }
}

template <class S>
PONDER_INLINE void store_int8(const float* keys, const float* values, int64_t hd, int64_t slot, HeadHalves to) {
  float* key_scales = reinterpret_cast<float*>(to.keys + hd * kPageTokens);
  float* value_scales = reinterpret_cast<float*>(to.values + hd * kPageTokens);
  store_numbers<S>(
      keys, hd, key_scales + slot, [&](int64_t d) __attribute__((always_inline)) {
        return to.keys + number_at(d, kPageTokens, slot);
      });
  store_numbers<S>(
      values, hd, value_scales + slot, [&](int64_t d) __attribute__((always_inline)) {
        return to.values + number_at(slot, hd, d);
      });
}

// A position's key lies in every line of its head's keys: those of the next row are fetched meanwhile.
template <class S>
PONDER_INLINE void store_page_rows_body(const float* qkv, const HeadShape& shape, const Pages& pages,
                                        const PageSlot* places, int64_t count) {
  const int64_t hd = shape.head_dim, half_bytes = page_bytes(shape) / (2 * shape.kv_heads);
  for (int64_t t = 0; t < count; ++t, qkv += shape.columns()) {
    if (t + 1 < count) {
      const std::byte* next = pages.at(places[t + 1].page);
      for (int64_t i = 0; i < shape.kv_heads * half_bytes; i += 64) __builtin_prefetch(next + i, 1);
    }
    const float *keys = qkv + shape.heads * hd, *values = keys + shape.kv_heads * hd;
    HeadHalves to{pages.at(places[t].page), pages.at(places[t].page) + shape.kv_heads * half_bytes};
    for (int64_t g = 0; g < shape.kv_heads; ++g, keys += hd, values += hd) {
      if (shape.kv == KvType::kBf16)
        store_bf16<S>(keys, values, hd, places[t].slot, to);
      else if (shape.kv == KvType::kInt8)
        store_int8<S>(keys, values, hd, places[t].slot, to);
      else
        store_f32(keys, values, hd, places[t].slot, to);
      to = {to.keys + half_bytes, to.values + half_bytes};
    }
  }
}

// The number at (pair, even or odd, lane) of half a page.
float read_pair(const HeadShape& shape, const std::byte* half, int64_t pair, int64_t odd, int64_t width, int64_t lane) {
  if (shape.kv == KvType::kF32) return reinterpret_cast<const float*>(half)[(2 * pair + odd) * width + lane];
  const uint32_t both = reinterpret_cast<const uint32_t*>(half)[pair * width + lane];
  return float_of(odd ? both & 0xFFFF0000 : both << 16);
}

float read_number(const std::byte* half, int64_t hd, int64_t place, int64_t slot) {
  return static_cast<float>(static_cast<int8_t>(half[place])) * scales_of(half, hd)[slot];
}

// Numbers and scales as they are.
void copy_int8_slots(const std::byte* from, const HeadShape& shape, int64_t slots, std::byte* to) {
  const int64_t hd = shape.head_dim, half_bytes = page_bytes(shape) / (2 * shape.kv_heads);
  for (int64_t half = 0; half < 2 * shape.kv_heads; ++half, from += half_bytes, to += half_bytes) {
    for (int64_t slot = 0; slot < slots; ++slot)
      for (int64_t d = 0; d < hd; ++d) {
        const int64_t place = half < shape.kv_heads ? number_at(d, kPageTokens, slot) : number_at(slot, hd, d);
        to[place] = from[place];
      }
    std::memcpy(to + hd * kPageTokens, from + hd * kPageTokens, static_cast<size_t>(slots) * sizeof(float));
  }
}

Block& scratch_block() {
  thread_local Block block;
  return block;
}

}  // namespace

PONDER_DISPATCH(store_page_rows,
                (const float* qkv, const HeadShape& shape, const Pages& pages, const PageSlot* places, int64_t count),
                (qkv, shape, pages, places, count))

void load_page_row(const std::byte* page, const HeadShape& shape, int64_t slot, float* qkv) {
  const int64_t hd = shape.head_dim, half_bytes = page_bytes(shape) / (2 * shape.kv_heads);
  float* keys = qkv + shape.heads * hd;
  float* values = keys + shape.kv_heads * hd;
  for (int64_t g = 0; g < shape.kv_heads; ++g, page += half_bytes)
    for (int64_t d = 0; d < hd; ++d) {
      if (shape.kv == KvType::kInt8) {
        const std::byte* value_half = page + shape.kv_heads * half_bytes;
        *keys++ = read_number(page, hd, number_at(d, kPageTokens, slot), slot);
        *values++ = read_number(value_half, hd, number_at(slot, hd, d), slot);
        continue;
      }
      *keys++ = read_pair(shape, page, d / 2, d % 2, kPageTokens, slot);
      *values++ = read_pair(shape, page + shape.kv_heads * half_bytes, slot / 2, slot % 2, hd, d);
    }
}

void copy_page_slots(const std::byte* from, const HeadShape& shape, int64_t slots, std::byte* to) {
  if (shape.kv == KvType::kInt8) return copy_int8_slots(from, shape, slots, to);
  std::vector<float> row(static_cast<size_t>(shape.columns()));
  for (int32_t slot = 0; slot < slots; ++slot) {
    load_page_row(from, shape, slot, row.data());
    const PageSlot place{0, slot};
    store_page_rows(row.data(), shape, {to, 0}, &place, 1);  // what was rounded stays as it is
  }
}

void attend_rows(const float* qkv, const AttendRow* rows, int64_t count, const HeadShape& shape, const Pages& pages,
                 float* out, float* lse) {
  int64_t positions = 0;
  for (int64_t i = 0; i < count; ++i) positions += rows[i].length - shape.first_visible(rows[i].length);
  share_large(positions * shape.heads * shape.head_dim, count, kBlockRows, [&](int64_t from, int64_t to) {
    Block& block = scratch_block();
    for (int64_t first = from; first < to; first += kBlockRows) {
      block.rows = rows + first;
      block.count = std::min(kBlockRows, to - first);
      open_block(block, qkv + first * shape.columns(), shape, out + first * shape.heads * shape.head_dim);
      attend_block_with(block, shape, pages);
      close_block(block, shape, lse ? lse + first * shape.heads : nullptr);
    }
  });
}

void attend_group(const float* qkv, const GroupRows& group, const HeadShape& shape, float* out, float* lse) {
  thread_local std::vector<std::byte> memory;
  thread_local std::vector<PageSlot> places;
  const int64_t prompt = group.prompt, bytes = page_bytes(shape),
                count = group.ends.empty() ? prompt : group.ends.back();
  // A completion has the prompt's full pages and pages of its own, which begin with what is left of the prompt.
  const int64_t full = prompt / kPageTokens, tail = prompt % kPageTokens;
  std::vector<std::vector<int32_t>> tables(group.ends.size() + 1);
  int32_t pages = 0;
  for (size_t k = 0; k < tables.size(); ++k) {
    const int64_t length = k == 0 ? prompt : prompt + group.ends[k - 1] - (k == 1 ? prompt : group.ends[k - 2]);
    if (k > 0) tables[k].assign(tables[0].begin(), tables[0].begin() + full);
    while (static_cast<int64_t>(tables[k].size()) * kPageTokens < length) tables[k].push_back(pages++);
  }
  if (memory.size() < static_cast<size_t>(pages * bytes)) memory.resize(static_cast<size_t>(pages * bytes));
  const Pages layer{memory.data(), bytes};
  std::vector<AttendRow> rows;
  rows.reserve(static_cast<size_t>(count));
  const auto store = [&](const std::vector<int32_t>& table, int64_t first, int64_t end, int64_t shift) {
    places.clear();
    for (int64_t i = first; i < end; ++i)
      places.push_back({table[static_cast<size_t>(i / kPageTokens)], static_cast<int32_t>(i % kPageTokens)});
    store_page_rows(qkv + (first + shift) * shape.columns(), shape, layer, places.data(), end - first);
  };
  for (size_t k = 0; k < tables.size(); ++k) {
    const std::vector<int32_t>& table = tables[k];
    const int64_t begin = k == 0 ? 0 : k == 1 ? prompt : group.ends[k - 2], end = k == 0 ? prompt : group.ends[k - 1];
    const int64_t first = k == 0 ? 0 : prompt, last = first + end - begin;
    // The slots behind the end must hold numbers.
    if (last % kPageTokens && !table.empty()) std::memset(layer.at(table.back()), 0, static_cast<size_t>(bytes));
    if (k > 0 && last > first) store(table, prompt - tail, prompt, 0);
    store(table, first, last, begin - first);
    for (int64_t i = first; i < last; ++i) rows.push_back({table.data(), i + 1});
  }
  attend_rows(qkv, rows.data(), count, shape, layer, out, lse);
}

void attend_sequence(const float* qkv, int64_t n, const HeadShape& shape, float* out, float* lse) {
  attend_group(qkv, {n, {}}, shape, out, lse);
}

}  // namespace ponder::tensor
