#include "ponder/tensor/kernels_attention.h"

#include <algorithm>
#include <cstring>

#include "ponder/tensor/simd.h"

namespace ponder::tensor {

using simd::load;
using simd::store;

namespace {

// A block of queries meets a block of keys: what the five products of such a pair read stays in the nearest cache.
constexpr int64_t kQueries = 32, kKeys = 64;
constexpr int64_t kPanel = 32;  // keys that lie side by side for the products over the head's dimensions
constexpr int64_t kGrain = 16;  // keys are cut where it is a multiple

int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// Grows and is kept, one a thread: a kernel call must not allocate.
float* scratch(size_t floats) {
  thread_local std::vector<float> buffer;
  if (buffer.size() < floats) buffer.resize(floats);
  return buffer.data();
}

// ---- products ----
struct Left {
  const float* at;
  int64_t row, step;
};
struct Right {
  const float* at;
  int64_t step;
};
struct Sums {
  float* at;
  int64_t row;
  bool add;
};

// sums[r][c] (+)= Σ_s left[r][s] · right[s][c], R rows of C vectors; the sum begins with what is there.
template <class S, int R, int C>
PONDER_INLINE void multiply_tile(const Left& left, const Right& right, int64_t steps, const Sums& out) {
  using F = typename S::F;
  constexpr int64_t L = S::kLanes;
  F sums[R][C];
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < C; ++c) sums[r][c] =
      out.add ? load<S>(out.at + r * out.row + c * L) : F{};
  const float *a = left.at, *b = right.at;
  for (int64_t s = 0; s < steps; ++s, a += left.step, b += right.step) {
    F columns[C];
    PONDER_UNROLL for (int c = 0; c < C; ++c) columns[c] = load<S>(b + c * L);
    PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < C; ++c) sums[r][c] +=
        a[r * left.row] * columns[c];
  }
  PONDER_UNROLL for (int r = 0; r < R; ++r) PONDER_UNROLL for (int c = 0; c < C; ++c)
      store<S>(out.at + r * out.row + c * L, sums[r][c]);
}

// R rows; columns is a multiple of 16.
template <class S, int R>
PONDER_INLINE void multiply_rows(int64_t columns, int64_t steps, const Left& left, const Right& right,
                                 const Sums& out) {
  constexpr int64_t L = S::kLanes;
  int64_t c = 0;
  for (; c + 2 * L <= columns; c += 2 * L)
    multiply_tile<S, R, 2>(left, {right.at + c, right.step}, steps, {out.at + c, out.row, out.add});
  if (c < columns) multiply_tile<S, R, 1>(left, {right.at + c, right.step}, steps, {out.at + c, out.row, out.add});
}

// ---- one key/value head ----
// By position: keys and values as panels [positions/32][hd][32], keys as rows [positions][hd] once more, and the
// gradients as rows.
struct HeadKeys {
  float *keys, *values, *key_rows, *grad_keys, *grad_values;
};

// A block of queries of one head: positions i … i+count−1.
struct Queries {
  int64_t i, count;
  float *q, *grad_out, *grad_q;  // [kQueries][hd]
  float *p, *grad_scores;        // [kQueries][kKeys]
  float lse[kQueries], delta[kQueries];
};

// n is a multiple of 16; calls of memcpy would take longer than what they do.
template <class S>
PONDER_INLINE void copy(const float* from, int64_t n, float* to) {
  for (int64_t i = 0; i < n; i += S::kLanes) store<S>(to + i, load<S>(from + i));
}

template <class S>
PONDER_INLINE float dot(const float* a, const float* b, int64_t n) {
  typename S::F total{};
  for (int64_t i = 0; i < n; i += S::kLanes) total += load<S>(a + i) * load<S>(b + i);
  return simd::sum<S>(total);
}

// Lane i holds whether position first + i is one of begin … end−1.
template <class S>
PONDER_INLINE typename S::I visible(int64_t first, int64_t begin, int64_t end) {
  typename S::I lanes;
  for (int i = 0; i < S::kLanes; ++i) lanes[i] = i;
  return (lanes < static_cast<int32_t>(end - first)) & (lanes >= static_cast<int32_t>(begin - first));
}

// Scores and gO·Vᵀ of one query against keys from `first` to `end` become P and the scores' gradients, 0 where the
// query does not see.
template <class S>
PONDER_INLINE void weigh_row(const HeadShape& shape, const Queries& block, int64_t row, int64_t first, int64_t end) {
  using F = typename S::F;
  const int64_t position = block.i + row, begin = shape.first_visible(position + 1);
  const float scale = shape.score_scale(), lse = block.lse[row], delta = block.delta[row];
  float *p = block.p + row * kKeys, *ds = block.grad_scores + row * kKeys;
  for (int64_t k = first; k < end; k += S::kLanes, p += S::kLanes, ds += S::kLanes) {
    F weight = simd::exp<S>(load<S>(p) * scale - lse);
    if (k < begin || k + S::kLanes > position + 1) weight = visible<S>(k, begin, position + 1) ? weight : F{};
    store<S>(p, weight);
    store<S>(ds, weight * (load<S>(ds) - delta) * scale);
  }
}

// Rows row … row+R−1 of the block against keys first … end−1, all that the last of them sees in this block of keys.
template <class S, int R>
PONDER_INLINE void score_rows(const HeadShape& shape, const HeadKeys& head, const Queries& block, int64_t row,
                              int64_t first, int64_t end) {
  const int64_t hd = shape.head_dim;
  for (int64_t k = first; k < end; k += kPanel) {
    const int64_t columns = std::min(kPanel, end - k), at = row * kKeys + k - first;
    multiply_rows<S, R>(columns, hd, {block.q + row * hd, hd, 1}, {head.keys + k * hd, kPanel},
                        {block.p + at, kKeys, false});
    multiply_rows<S, R>(columns, hd, {block.grad_out + row * hd, hd, 1}, {head.values + k * hd, kPanel},
                        {block.grad_scores + at, kKeys, false});
  }
  for (int r = 0; r < R; ++r) weigh_row<S>(shape, block, row + r, first, end);
  multiply_rows<S, R>(hd, end - first, {block.grad_scores + row * kKeys, kKeys, 1}, {head.key_rows + first * hd, hd},
                      {block.grad_q + row * hd, hd, true});
}

// The block of queries against the keys first … end−1 of one block of keys.
template <class S>
PONDER_INLINE void meet_keys(const HeadShape& shape, const HeadKeys& head, const Queries& block, int64_t first,
                             int64_t end) {
  constexpr int R = S::kLanes / 2;
  const int64_t hd = shape.head_dim;
  // What the last of R rows sees; the rest of these rows' scores is never read.
  const auto seen = [&](int64_t last_row) { return std::min(end, round_up(block.i + last_row + 1, kGrain)); };
  int64_t row = 0;
  for (; row + R <= block.count; row += R)
    if (seen(row + R - 1) > first) score_rows<S, R>(shape, head, block, row, first, seen(row + R - 1));
  for (; row < block.count; ++row)
    if (seen(row) > first) score_rows<S, 1>(shape, head, block, row, first, seen(row));
  for (int64_t k = first; k < end; k += R) {
    // The first of the rows that have scores here, and with them all that come after.
    const int64_t ahead = k / kGrain * kGrain - block.i;
    const int64_t whole = block.count / R * R;
    const int64_t from = ahead <= 0 ? 0 : ahead < whole ? ahead / R * R : ahead;
    if (from >= block.count) continue;
    const int64_t at = from * kKeys + k - first;
    multiply_rows<S, R>(hd, block.count - from, {block.p + at, 1, kKeys}, {block.grad_out + from * hd, hd},
                        {head.grad_values + k * hd, hd, true});
    multiply_rows<S, R>(hd, block.count - from, {block.grad_scores + at, 1, kKeys}, {block.q + from * hd, hd},
                        {head.grad_keys + k * hd, hd, true});
  }
}

// Queries of positions i … i+count−1 of query head h, whose rows lie `shift` further on.
template <class S>
PONDER_INLINE void backward_queries(const GroupGradient& s, int64_t h, int64_t shift, const HeadKeys& head,
                                    Queries& block) {
  const HeadShape& shape = *s.shape;
  const int64_t hd = shape.head_dim, width = shape.heads * hd;
  for (int64_t r = 0; r < block.count; ++r) {
    const int64_t row = block.i + shift + r;
    const float* grad_out = s.grad_out + row * width + h * hd;
    copy<S>(s.qkv + row * shape.columns() + h * hd, hd, block.q + r * hd);
    copy<S>(grad_out, hd, block.grad_out + r * hd);
    block.delta[r] = dot<S>(grad_out, s.out + row * width + h * hd, hd);
    block.lse[r] = s.lse[row * shape.heads + h];
  }
  std::memset(block.grad_q, 0, static_cast<size_t>(block.count * hd) * sizeof(float));
  const int64_t begin = shape.first_visible(block.i + 1) / kGrain * kGrain,
                end = round_up(block.i + block.count, kGrain);
  for (int64_t first = begin / kPanel * kPanel; first < end; first += kKeys)
    meet_keys<S>(shape, head, block, first, std::min(first + kKeys, end));
  for (int64_t r = 0; r < block.count; ++r)
    copy<S>(block.grad_q + r * hd, hd, s.grad_qkv + (block.i + shift + r) * shape.columns() + h * hd);
}

template <class S>
PONDER_INLINE void round_all(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += S::kLanes) store<S>(x + i, simd::round_bf16<S>(load<S>(x + i)));
}

// Keys and values of a stretch as the forward pass saw them, and nothing yet sent to them.
template <class S>
PONDER_INLINE void load_stretch(const GroupGradient& s, const Stretch& stretch, int64_t g, const HeadKeys& head) {
  const HeadShape& shape = *s.shape;
  const int64_t hd = shape.head_dim, columns = shape.columns();
  for (int64_t i = stretch.first; i < stretch.end; ++i) {
    const float* key = s.qkv + (i + stretch.shift) * columns + (shape.heads + g) * hd;
    const float* value = key + shape.kv_heads * hd;
    float* row = head.key_rows + i * hd;
    copy<S>(key, hd, row);
    float rounded[16];
    if (shape.kv == KvType::kBf16) round_all<S>(row, hd);
    float *keys = head.keys + i / kPanel * kPanel * hd + i % kPanel, *values = head.values + (keys - head.keys);
    for (int64_t d = 0; d < hd; d += 16) {
      copy<S>(value + d, 16, rounded);
      if (shape.kv == KvType::kBf16) round_all<S>(rounded, 16);
      for (int64_t j = 0; j < 16; ++j) {
        keys[(d + j) * kPanel] = row[d + j];
        values[(d + j) * kPanel] = rounded[j];
      }
    }
  }
  const size_t bytes = static_cast<size_t>((stretch.end - stretch.first) * hd) * sizeof(float);
  std::memset(head.grad_keys + stretch.first * hd, 0, bytes);
  std::memset(head.grad_values + stretch.first * hd, 0, bytes);
}

// What a stretch's keys and values were sent goes to its rows.
template <class S>
PONDER_INLINE void take_gradients(const GroupGradient& s, const Stretch& stretch, int64_t g, const HeadKeys& head) {
  const HeadShape& shape = *s.shape;
  const int64_t hd = shape.head_dim;
  for (int64_t i = stretch.first; i < stretch.end; ++i) {
    float* key = s.grad_qkv + (i + stretch.shift) * shape.columns() + (shape.heads + g) * hd;
    copy<S>(head.grad_keys + i * hd, hd, key);
    copy<S>(head.grad_values + i * hd, hd, key + shape.kv_heads * hd);
  }
}

template <class S>
PONDER_INLINE void group_backward_with_body(const GroupGradient& s, const std::vector<Stretch>& stretches,
                                            int64_t padded, float* work) {
  const HeadShape& shape = *s.shape;
  const int64_t group = shape.heads / shape.kv_heads, all = padded * shape.head_dim, some = kQueries * shape.head_dim;
  const HeadKeys head{work, work + all, work + 2 * all, work + 3 * all, work + 4 * all};
  float* rest = work + 5 * all;
  Queries block{0, 0, rest, rest + some, rest + 2 * some, rest + 3 * some, rest + 3 * some + kQueries * kKeys, {}, {}};
  for (int64_t g = 0; g < shape.kv_heads; ++g) {
    std::memset(work, 0, static_cast<size_t>(5 * all) * sizeof(float));  // slots behind the end must hold numbers
    load_stretch<S>(s, stretches[0], g, head);
    for (size_t k = stretches.size(); k-- > 0;) {  // the prompt's own rows last: its gradients are whole then
      const Stretch& stretch = stretches[k];
      if (k > 0) load_stretch<S>(s, stretch, g, head);
      for (int64_t h = g * group; h < (g + 1) * group; ++h)
        for (int64_t i = stretch.first; i < stretch.end; i += kQueries) {
          block.i = i, block.count = std::min(kQueries, stretch.end - i);
          backward_queries<S>(s, h, stretch.shift, head, block);
        }
      take_gradients<S>(s, stretch, g, head);
    }
  }
}
PONDER_DISPATCH(group_backward_with,
                (const GroupGradient& s, const std::vector<Stretch>& stretches, int64_t padded, float* work),
                (s, stretches, padded, work))

}  // namespace

// Softmax attention's gradient from the saved logsumexp (Dao et al. 2022, FlashAttention, algorithm 4): with
// P = exp(S − lse) and δ = Σ_d gO·O, gV = Pᵀ·gO, gS = P·(gO·Vᵀ − δ)/√hd, gQ = gS·K, gK = gSᵀ·Q; S and gO·Vᵀ are made
// again block by block (Dao 2023). Stretch 0 is the prompt; each other one, in its turn, lies behind it, and the
// prompt's keys and values gather the gradients of all.
void attend_group_backward(const float* grad_out, const float* out, const float* lse, const float* qkv,
                           const GroupRows& rows, const HeadShape& shape, float* grad_qkv) {
  std::vector<Stretch> stretches = {{0, rows.prompt, 0}};
  int64_t longest = rows.prompt, begin = rows.prompt;
  for (const int64_t end : rows.ends) {
    stretches.push_back({rows.prompt, rows.prompt + end - begin, begin - rows.prompt});
    longest = std::max(longest, stretches.back().end);
    begin = end;
  }
  const GroupGradient gradient{grad_out, out, lse, qkv, &shape, grad_qkv};
  if (shape.kv == KvType::kBf16 && simd::level() >= 6) return group_backward_in_tiles(gradient, stretches);
  const int64_t padded = round_up(longest, kPanel);
  float* work = scratch(static_cast<size_t>(padded * 5 * shape.head_dim + kQueries * (3 * shape.head_dim + 2 * kKeys)));
  group_backward_with(gradient, stretches, padded, work);
}

void attend_sequence_backward(const float* grad_out, const float* out, const float* lse, const float* qkv, int64_t n,
                              const HeadShape& shape, float* grad_qkv) {
  attend_group_backward(grad_out, out, lse, qkv, {n, {}}, shape, grad_qkv);
}

}  // namespace ponder::tensor
