#include "ponder/tensor/kernels_attention.h"

#include "ponder/base/error.h"

#if defined(__x86_64__) && !defined(__clang__)
#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "ponder/tensor/gemm_amx.h"

#define PONDER_BF16 __attribute__((target("arch=x86-64-v4,avx512bf16")))

namespace ponder::tensor {
namespace {

using gemm_tile::multiply_block;
using gemm_tile::NativeBf16;
using gemm_tile::turn_words;
using simd::load;
using simd::store;
using S = simd::Wide;
using F = S::F;
using I = S::I;

// 32 keys meet up to 128 queries: Sᵀ and what is made of it stay in the nearest cache. Queries are cut where 32 of them
// end, the depth of one step of tiles.
constexpr int64_t kQueries = 128, kKeys = 32, kGrain = 32;
constexpr float kNobody = 1e30f;  // the logsumexp of a query that is not there: e^(s − lse) is 0

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Keys of one head, from position `first` on, in blocks of 32; rows are padded to words_of() words with zeros.
struct Keys {
  int64_t first, count;
  uint32_t *keys, *values;         // [blocks·32][words]
  uint32_t* turned;                // keys [blocks][hd][16]: pairs of neighbouring positions
  float *grad_keys, *grad_values;  // [blocks·32][hd]
};

// Queries of positions first … first+count−1 of one head and the gradients of their outputs.
struct Queries {
  int64_t first, count;
  uint32_t *turned, *grad_turned;  // [words][kQueries]: pairs of dimensions
  uint32_t *pairs, *grad_pairs;    // [kQueries/2][hd]: pairs of neighbouring queries
  float* grad_q;                   // [hd][kQueries]
  float lse[kQueries], delta[kQueries];
};

// What one block of keys and the queries make.
struct Scores {
  float *scores, *products;   // Sᵀ, V·gOᵀ [kKeys][kQueries]
  uint32_t *weights, *grads;  // Pᵀ, gSᵀ [kKeys][kQueries/2]
  uint32_t* grad_pairs;       // gSᵀ [kKeys/2][kQueries]: pairs of neighbouring keys
};

int64_t words_of(int64_t head_dim) { return round_up(head_dim, 32) / 2; }

// Two rows of n floats (the second may be missing) to rows of bf16 and to pairs of both; n is a multiple of 16.
PONDER_BF16 void round_rows(const float* even, const float* odd, int64_t n, uint32_t* even_words, uint32_t* odd_words,
                            uint32_t* pairs) {
  for (int64_t d = 0; d < n; d += 16) {
    const F a = load<S>(even + d), b = odd ? load<S>(odd + d) : F{};
    const I halves = NativeBf16::convert(a, b), both = NativeBf16::pack(a, b);
    std::memcpy(even_words + d / 2, &halves, 32);
    std::memcpy(odd_words + d / 2, reinterpret_cast<const char*>(&halves) + 32, 32);
    *reinterpret_cast<I*>(pairs + d) = both;
  }
}

// 32 rows from `row` on, `count` of which exist, to rows of bf16 (whose padding is 0 already) and to pairs [16][n].
void round_block(const float* row, int64_t stride, int64_t count, int64_t n, uint32_t* rows, uint32_t* pairs) {
  const int64_t words = words_of(n);
  for (int64_t i = 0; i < 32; i += 2, rows += 2 * words, pairs += n) {
    if (i < count) {
      round_rows(row + i * stride, i + 1 < count ? row + (i + 1) * stride : nullptr, n, rows, rows + words, pairs);
      continue;
    }
    std::fill_n(rows, 2 * words, 0);
    std::fill_n(pairs, n, 0);
  }
}

void load_keys(const GroupGradient& s, const Stretch& stretch, int64_t g, uint32_t* pairs, Keys& keys) {
  const HeadShape& shape = *s.shape;
  const int64_t hd = shape.head_dim, words = words_of(hd), stride = shape.columns();
  keys.first = stretch.first, keys.count = stretch.end - stretch.first;
  for (int64_t k = 0; k < keys.count; k += kKeys) {
    const int64_t count = std::min(kKeys, keys.count - k);
    const float* key = s.qkv + (stretch.first + stretch.shift + k) * stride + (shape.heads + g) * hd;
    round_block(key + shape.kv_heads * hd, stride, count, hd, keys.values + k * words, pairs);
    round_block(key, stride, count, hd, keys.keys + k * words, pairs);
    for (int64_t d = 0; d < hd; d += 16) turn_words(pairs + d, hd, keys.turned + (k / 2) * hd + d * 16, 16);
  }
  const auto bytes = static_cast<size_t>(round_up(keys.count, kKeys) * hd) * sizeof(float);
  std::memset(keys.grad_keys, 0, bytes);
  std::memset(keys.grad_values, 0, bytes);
}

// Σ gO·O with gO as the products have it: where a query sees one key alone, nothing is left of gO·V − δ.
PONDER_BF16 float delta_of(const float* grad_out, const float* out, int64_t n) {
  F total{};
  for (int64_t i = 0; i < n; i += S::kLanes) total += simd::round_bf16<S>(load<S>(grad_out + i)) * load<S>(out + i);
  return simd::sum<S>(total);
}

// Query head h of the rows of `queries`, which lie `shift` behind their positions.
void load_queries(const GroupGradient& s, int64_t h, int64_t shift, uint32_t* rows, Queries& queries) {
  const HeadShape& shape = *s.shape;
  const int64_t hd = shape.head_dim, words = words_of(hd), width = shape.heads * hd, row = queries.first + shift;
  const float *q = s.qkv + row * shape.columns() + h * hd, *grad_out = s.grad_out + row * width + h * hd;
  const float* out = s.out + row * width + h * hd;
  for (int64_t i = 0; i < round_up(queries.count, kGrain); ++i) {
    const bool exists = i < queries.count;
    queries.lse[i] = exists ? s.lse[(row + i) * shape.heads + h] : kNobody;
    queries.delta[i] = exists ? delta_of(grad_out + i * width, out + i * width, hd) : 0;
  }
  for (int64_t i = 0; i < queries.count; i += kGrain) {
    const int64_t count = std::min(kGrain, queries.count - i);
    for (const bool grads : {false, true}) {
      const float* from = grads ? grad_out + i * width : q + i * shape.columns();
      uint32_t* pairs = grads ? queries.grad_pairs : queries.pairs;
      uint32_t* turned = grads ? queries.grad_turned : queries.turned;
      round_block(from, grads ? width : shape.columns(), count, hd, rows, pairs + i / 2 * hd);
      for (int64_t half = 0; half < kGrain; half += 16)
        for (int64_t w = 0; w < words; w += 16)
          turn_words(rows + half * words + w, words, turned + w * kQueries + i + half, kQueries);
    }
  }
  std::memset(queries.grad_q, 0, static_cast<size_t>(hd * kQueries) * sizeof(float));
}

// Two neighbouring keys, the first at `position`, against the 32 queries from column c on: Sᵀ and V·gOᵀ become Pᵀ and
// gSᵀ. `masked`: some of these queries may not see them, or there are only keys_left of them.
PONDER_INLINE void weigh(const Queries& queries, const Scores& to, int64_t row, int64_t c, int64_t position,
                         bool masked, int64_t window, int64_t keys_left, float scale) {
  F p[2][2], ds[2][2];
  for (int64_t r = 0; r < 2; ++r)
    for (int64_t half = 0; half < 2; ++half) {
      const int64_t at = c + half * 16;
      F weight = simd::exp<S>(load<S>(to.scores + (row + r) * kQueries + at) * scale - load<S>(queries.lse + at));
      if (masked) {
        I ahead;  // how far the query lies behind the key
        for (int i = 0; i < S::kLanes; ++i) ahead[i] = i;
        ahead += static_cast<int32_t>(queries.first + at - position - r);
        weight = ahead >= 0 ? weight : F{};
        if (window > 0) weight = ahead < static_cast<int32_t>(window) ? weight : F{};
        if (r >= keys_left) weight = F{};
      }
      p[r][half] = weight;
      ds[r][half] = weight * (load<S>(to.products + (row + r) * kQueries + at) - load<S>(queries.delta + at)) * scale;
    }
  for (int64_t r = 0; r < 2; ++r) {
    const int64_t at = ((row + r) * kQueries + c) / 2;
    *reinterpret_cast<I*>(to.weights + at) = NativeBf16::convert(p[r][0], p[r][1]);
    *reinterpret_cast<I*>(to.grads + at) = NativeBf16::convert(ds[r][0], ds[r][1]);
  }
  for (int64_t half = 0; half < 2; ++half)
    *reinterpret_cast<I*>(to.grad_pairs + row / 2 * kQueries + c + half * 16) =
        NativeBf16::pack(ds[0][half], ds[1][half]);
}

// Block of keys k … k+31 (within `keys`) against queries from …  end−1 (within `queries`).
PONDER_BF16 void weigh_block(const HeadShape& shape, const Keys& keys, int64_t k, const Queries& queries, int64_t from,
                             int64_t end, const Scores& to) {
  const float scale = shape.score_scale();
  const int64_t first_key = keys.first + k, last_key = first_key + kKeys - 1;
  for (int64_t c = from; c < end; c += kGrain) {
    const int64_t first = queries.first + c, last = first + kGrain - 1;
    const bool masked =
        first < last_key || (shape.window > 0 && last - first_key >= shape.window) || k + kKeys > keys.count;
    for (int64_t row = 0; row < kKeys; row += 2)
      weigh(queries, to, row, c, first_key + row, masked, shape.window, keys.count - k - row, scale);
  }
}

void meet(const HeadShape& shape, const Keys& keys, int64_t k, const Queries& queries, const Scores& to) {
  const int64_t hd = shape.head_dim, words = words_of(hd), ahead = keys.first + k - queries.first;
  const int64_t from = std::max<int64_t>(0, ahead) / kGrain * kGrain;
  int64_t end = round_up(queries.count, kGrain);
  if (shape.window > 0) end = std::min(end, round_up(std::max<int64_t>(0, ahead + kKeys - 1 + shape.window), kGrain));
  if (from >= end) return;
  const int64_t n = end - from, half = from / 2;
  multiply_block({keys.keys + k * words, words, queries.turned + from, kQueries, kKeys, n, words, to.scores + from,
                  kQueries, false});
  multiply_block({keys.values + k * words, words, queries.grad_turned + from, kQueries, kKeys, n, words,
                  to.products + from, kQueries, false});
  weigh_block(shape, keys, k, queries, from, end, to);
  multiply_block({to.weights + half, kQueries / 2, queries.grad_pairs + half * hd, hd, kKeys, hd, n / 2,
                  keys.grad_values + k * hd, hd, true});
  multiply_block({to.grads + half, kQueries / 2, queries.pairs + half * hd, hd, kKeys, hd, n / 2,
                  keys.grad_keys + k * hd, hd, true});
  multiply_block(
      {keys.turned + k / 2 * hd, 16, to.grad_pairs + from, kQueries, hd, n, 16, queries.grad_q + from, kQueries, true});
}

void store_queries(const GroupGradient& s, int64_t h, int64_t shift, const Queries& queries) {
  const HeadShape& shape = *s.shape;
  float* to = s.grad_qkv + (queries.first + shift) * shape.columns() + h * shape.head_dim;
  uint32_t turned[16 * 16];
  for (int64_t i = 0; i < queries.count; i += 16)
    for (int64_t d = 0; d < shape.head_dim; d += 16) {
      turn_words(reinterpret_cast<const uint32_t*>(queries.grad_q + d * kQueries + i), kQueries, turned, 16);
      for (int64_t r = 0; r < std::min<int64_t>(16, queries.count - i); ++r)
        std::memcpy(to + (i + r) * shape.columns() + d, turned + r * 16, 64);
    }
}

void store_keys(const GroupGradient& s, const Stretch& stretch, int64_t g, const Keys& keys) {
  const HeadShape& shape = *s.shape;
  const int64_t hd = shape.head_dim;
  float* to = s.grad_qkv + (stretch.first + stretch.shift) * shape.columns() + (shape.heads + g) * hd;
  for (int64_t i = 0; i < keys.count; ++i, to += shape.columns()) {
    std::memcpy(to, keys.grad_keys + i * hd, static_cast<size_t>(hd) * sizeof(float));
    std::memcpy(to + shape.kv_heads * hd, keys.grad_values + i * hd, static_cast<size_t>(hd) * sizeof(float));
  }
}

// Cuts what is needed from one piece of memory, which is kept: a kernel call must not allocate. Begins at cache lines.
class Workspace {
 public:
  explicit Workspace(int64_t words) {
    thread_local std::vector<uint32_t> memory;
    if (memory.size() < static_cast<size_t>(words) + 16) memory.resize(static_cast<size_t>(words) + 16);
    const auto address = reinterpret_cast<uintptr_t>(memory.data());
    next_ = memory.data() + (64 - address % 64) % 64 / 4;
  }
  uint32_t* words(int64_t n) { return std::exchange(next_, next_ + round_up(n, 16)); }
  float* floats(int64_t n) { return reinterpret_cast<float*>(words(n)); }
  Keys keys(int64_t count, int64_t hd) {
    const int64_t n = round_up(count, kKeys);
    return {0, 0, words(n * words_of(hd)), words(n * words_of(hd)), words(n / 2 * hd), floats(n * hd), floats(n * hd)};
  }

 private:
  uint32_t* next_;
};

}  // namespace

// Everything is turned, so that no product needs more than rows and pairs of neighbours: Sᵀ = K·Qᵀ and V·gOᵀ, then
// gV = Pᵀ·gO, gK = gSᵀ·Q and gQᵀ = Kᵀ·gSᵀ.
void group_backward_in_tiles(const GroupGradient& s, const std::vector<Stretch>& stretches) {
  const HeadShape& shape = *s.shape;
  const int64_t hd = shape.head_dim, words = words_of(hd), group = shape.heads / shape.kv_heads;
  int64_t longest = 0;
  for (size_t k = 1; k < stretches.size(); ++k) longest = std::max(longest, stretches[k].end - stretches[k].first);
  const int64_t key_words = round_up(stretches[0].end, kKeys) + round_up(longest, kKeys);
  Workspace work(key_words * (2 * words + hd / 2 + 2 * hd) + kQueries * (2 * words + 2 * hd) + kKeys * words +
                 kKeys * hd + kKeys * kQueries * 7 / 2 + 16 * 24);
  Keys prompt = work.keys(stretches[0].end, hd), own = work.keys(longest, hd);
  Queries queries{0,
                  0,
                  work.words(words * kQueries),
                  work.words(words * kQueries),
                  work.words(kQueries / 2 * hd),
                  work.words(kQueries / 2 * hd),
                  work.floats(hd * kQueries),
                  {},
                  {}};
  const Scores scores{work.floats(kKeys * kQueries), work.floats(kKeys * kQueries), work.words(kKeys * kQueries / 2),
                      work.words(kKeys * kQueries / 2), work.words(kKeys * kQueries / 2)};
  uint32_t *rows = work.words(kKeys * words), *pairs = work.words(kKeys / 2 * hd);
  // Padding of rows is never written again.
  for (uint32_t* padded : {prompt.keys, prompt.values})
    std::fill_n(padded, round_up(stretches[0].end, kKeys) * words, 0);
  for (uint32_t* padded : {own.keys, own.values}) std::fill_n(padded, round_up(longest, kKeys) * words, 0);
  std::fill_n(rows, kKeys * words, 0);
  const gemm_tile::OpenTiles tiles;
  for (int64_t g = 0; g < shape.kv_heads; ++g) {
    load_keys(s, stretches[0], g, pairs, prompt);
    for (size_t k = stretches.size(); k-- > 0;) {  // the prompt's own rows last: its gradients are whole then
      const Stretch& stretch = stretches[k];
      if (k > 0) load_keys(s, stretch, g, pairs, own);
      for (int64_t h = g * group; h < (g + 1) * group; ++h)
        for (int64_t i = stretch.first; i < stretch.end; i += kQueries) {
          queries.first = i, queries.count = std::min(kQueries, stretch.end - i);
          load_queries(s, h, stretch.shift, rows, queries);
          for (int64_t j = 0; j < prompt.count; j += kKeys) meet(shape, prompt, j, queries, scores);
          for (int64_t j = 0; k > 0 && j < own.count; j += kKeys) meet(shape, own, j, queries, scores);
          store_queries(s, h, stretch.shift, queries);
        }
      store_keys(s, stretch, g, k > 0 ? own : prompt);
    }
  }
}

}  // namespace ponder::tensor

#else

namespace ponder::tensor {

void group_backward_in_tiles(const GroupGradient&, const std::vector<Stretch>&) {
  PONDER_CHECK(false, "this build has no tiles");
}

}  // namespace ponder::tensor

#endif
