#include <cmath>
#include <limits>
#include <vector>

#include "ponder/tensor/kernels.h"
#include "ponder/tensor/simd.h"

namespace ponder::tensor {

using simd::load;
using simd::splat;
using simd::store;

namespace {

constexpr int64_t kChunk = kPageTokens;  // keys that are worked on together

// Grows and is kept, one a thread: a kernel call must not allocate.
float* scratch(size_t floats) {
  thread_local std::vector<float> buffer;
  if (buffer.size() < floats) buffer.resize(floats);
  return buffer.data();
}

// Σ_d a[d] · columns[d][0 … kLanes), columns [hd][16]. Four chains hide the latency of the additions.
template <class S>
PONDER_INLINE typename S::F dot_columns(const float* a, const float* columns, int64_t head_dim) {
  using F = typename S::F;
  F s0{}, s1{}, s2{}, s3{};
  for (int64_t d = 0; d < head_dim; d += 4) {
    s0 += a[d] * load<S>(columns + d * kChunk);
    s1 += a[d + 1] * load<S>(columns + (d + 1) * kChunk);
    s2 += a[d + 2] * load<S>(columns + (d + 2) * kChunk);
    s3 += a[d + 3] * load<S>(columns + (d + 3) * kChunk);
  }
  return (s0 + s1) + (s2 + s3);
}

// Lane i holds whether position first + i is below length.
template <class S>
PONDER_INLINE typename S::I visible(int64_t first, int64_t length) {
  typename S::I lanes;
  for (int i = 0; i < S::kLanes; ++i) lanes[i] = i;
  return lanes < static_cast<int32_t>(length - first);
}

// Scores of one query against all keys it may see, scaled; −∞ behind the length. Gives their maximum.
template <class S>
PONDER_INLINE float score_keys(const float* q, const AttendRow& row, const Pages& pages, int64_t head_offset,
                               int64_t head_dim, float scale, float* scores) {
  using F = typename S::F;
  const int64_t whole = row.length / kChunk;
  F highest = splat<S>(-std::numeric_limits<float>::infinity());
  for (int64_t c = 0; c * kChunk < row.length; ++c) {
    const float* keys = pages.at(row.table[c]) + head_offset;
    for (int64_t part = 0; part < kChunk; part += S::kLanes) {
      F s = dot_columns<S>(q, keys + part, head_dim) * scale;
      if (c == whole)
        s = visible<S>(c * kChunk + part, row.length) ? s : splat<S>(-std::numeric_limits<float>::infinity());
      highest = simd::max<S>(highest, s);
      store<S>(scores + c * kChunk + part, s);
    }
  }
  return simd::max_lane<S>(highest);
}

// out = Σ_j weights[j] · value j / total, for the values of all chunks.
template <class S>
PONDER_INLINE void sum_values(const float* weights, float total, const AttendRow& row, const Pages& pages,
                              int64_t value_offset, int64_t head_dim, float* out) {
  using F = typename S::F;
  const float inverse = 1.0f / total;
  for (int64_t d = 0; d < head_dim; d += S::kLanes) {
    F s0{}, s1{}, s2{}, s3{};
    for (int64_t c = 0; c * kChunk < row.length; ++c) {
      const float* values = pages.at(row.table[c]) + value_offset + d;
      const float* w = weights + c * kChunk;
      for (int64_t j = 0; j < kChunk; j += 4) {
        s0 += w[j] * load<S>(values + j * head_dim);
        s1 += w[j + 1] * load<S>(values + (j + 1) * head_dim);
        s2 += w[j + 2] * load<S>(values + (j + 2) * head_dim);
        s3 += w[j + 3] * load<S>(values + (j + 3) * head_dim);
      }
    }
    store<S>(out + d, ((s0 + s1) + (s2 + s3)) * inverse);
  }
}

// One row and query head after the other, each over its own keys in chunks of 16: nothing that is summed depends on
// which other rows are there or where the pages lie.
template <class S>
PONDER_INLINE void attend_rows_with_body(const float* qkv, const AttendRow* rows, int64_t count, const HeadShape& shape,
                                         const Pages& pages, float* scores, float* out, float* lse) {
  using F = typename S::F;
  const int64_t hd = shape.head_dim, group = shape.heads / shape.kv_heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(hd));
  for (int64_t t = 0; t < count; ++t, qkv += shape.columns(), out += shape.heads * hd) {
    if (rows[t].length == 0) {
      std::memset(out, 0, static_cast<size_t>(shape.heads * hd) * sizeof(float));
      continue;
    }
    const int64_t padded = (rows[t].length + kChunk - 1) / kChunk * kChunk;
    for (int64_t h = 0; h < shape.heads; ++h) {
      const int64_t keys = h / group * 2 * hd * kChunk, values = keys + hd * kChunk;
      const float highest = score_keys<S>(qkv + h * hd, rows[t], pages, keys, hd, scale, scores);
      F total{};
      for (int64_t i = 0; i < padded; i += S::kLanes) {
        const F e = simd::exp<S>(load<S>(scores + i) - highest);
        store<S>(scores + i, e);
        total += e;
      }
      const float sum = simd::sum<S>(total);
      sum_values<S>(scores, sum, rows[t], pages, values, hd, out + h * hd);
      if (lse) lse[t * shape.heads + h] = highest + std::log(sum);
    }
  }
}
PONDER_DISPATCH(attend_rows_with,
                (const float* qkv, const AttendRow* rows, int64_t count, const HeadShape& shape, const Pages& pages,
                 float* scores, float* out, float* lse),
                (qkv, rows, count, shape, pages, scores, out, lse))

// What the backward of one key/value head works on: keys and values and their gradients as [chunks][hd][16].
struct HeadColumns {
  float *keys, *values, *grad_keys, *grad_values;
};

// R neighbouring rows of one query head; all of them end in the same chunk.
template <int R>
struct RowBlock {
  const float* q[R];
  const float* grad_out[R];
  float delta[R], lse[R];
  int64_t first_length;  // row r sees first_length + r positions
};

// sums[r] = Σ_d rows[r][d] · columns[d][0 … kLanes)
template <class S, int R>
PONDER_INLINE void dot_columns_block(const float* const (&rows)[R], const float* columns, int64_t head_dim,
                                     typename S::F (&sums)[R]) {
  PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r] = typename S::F{};
  for (int64_t d = 0; d < head_dim; ++d) {
    const typename S::F column = load<S>(columns + d * kChunk);
    PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r] += rows[r][d] * column;
  }
}

// The gradients that the rows send to their keys and values, and their own score gradients → grad_scores [R][stride], 0
// behind a row's length. Several rows at once, since each pass over the gradients of keys and values is a load and a
// store.
template <class S, int R>
PONDER_INLINE void backward_block(const RowBlock<R>& rows, int64_t hd, float scale, const HeadColumns& head,
                                  float* grad_scores, int64_t stride) {
  using F = typename S::F;
  for (int64_t first = 0; first < rows.first_length + R - 1; first += kChunk)
    for (int64_t part = 0; part < kChunk; part += S::kLanes) {
      const int64_t at = first * hd + part;
      F p[R], ds[R];
      dot_columns_block<S, R>(rows.q, head.keys + at, hd, p);
      dot_columns_block<S, R>(rows.grad_out, head.values + at, hd, ds);
      PONDER_UNROLL for (int r = 0; r < R; ++r) {
        p[r] = simd::exp<S>(p[r] * scale - rows.lse[r]);
        if (first + kChunk > rows.first_length + r) p[r] = visible<S>(first + part, rows.first_length + r) ? p[r] : F{};
        ds[r] = p[r] * (ds[r] - rows.delta[r]) * scale;
        store<S>(grad_scores + r * stride + first + part, ds[r]);
      }
      for (int64_t d = 0; d < hd; ++d) {
        float* grad_key = head.grad_keys + at + d * kChunk;
        float* grad_value = head.grad_values + at + d * kChunk;
        F key = load<S>(grad_key), value = load<S>(grad_value);
        PONDER_UNROLL for (int r = 0; r < R; ++r) {
          key += rows.q[r][d] * ds[r];
          value += rows.grad_out[r][d] * p[r];
        }
        store<S>(grad_key, key);
        store<S>(grad_value, value);
      }
    }
}

// out[r] = Σ_{j<n} weights[r][j] · rows[j]
template <class S, int R>
PONDER_INLINE void weighted_sums(const float* weights, int64_t weight_stride, const float* rows, int64_t stride,
                                 int64_t n, int64_t head_dim, float* out, int64_t out_stride) {
  using F = typename S::F;
  for (int64_t d = 0; d < head_dim; d += S::kLanes) {
    F sums[R];
    PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r] = F{};
    for (int64_t j = 0; j < n; ++j) {
      const F row = load<S>(rows + j * stride + d);
      PONDER_UNROLL for (int r = 0; r < R; ++r) sums[r] += weights[r * weight_stride + j] * row;
    }
    PONDER_UNROLL for (int r = 0; r < R; ++r) store<S>(out + r * out_stride + d, sums[r]);
  }
}

template <class S>
PONDER_INLINE float dot(const float* a, const float* b, int64_t n) {
  typename S::F total{};
  for (int64_t i = 0; i < n; i += S::kLanes) total += load<S>(a + i) * load<S>(b + i);
  return simd::sum<S>(total);
}

// rows [n][stride] → columns [chunks][hd][16] and back.
PONDER_INLINE void to_columns(const float* rows, int64_t stride, int64_t n, int64_t hd, float* columns) {
  for (int64_t j = 0; j < n; ++j)
    for (int64_t d = 0; d < hd; ++d) columns[(j / kChunk * hd + d) * kChunk + j % kChunk] = rows[j * stride + d];
}
PONDER_INLINE void from_columns(const float* columns, int64_t stride, int64_t n, int64_t hd, float* rows) {
  for (int64_t j = 0; j < n; ++j)
    for (int64_t d = 0; d < hd; ++d) rows[j * stride + d] = columns[(j / kChunk * hd + d) * kChunk + j % kChunk];
}

// What is constant over the rows of one sequence.
struct Sequence {
  const float *grad_out, *out, *lse, *qkv;
  int64_t length, heads, head_dim, columns;
  float* grad_qkv;
};

// Rows i … i+R−1 of query head h, whose keys begin at key_column.
template <class S, int R>
PONDER_INLINE void backward_rows(const Sequence& s, int64_t h, int64_t i, int64_t key_column, const HeadColumns& head,
                                 float* grad_scores) {
  const int64_t hd = s.head_dim, width = s.heads * hd;
  RowBlock<R> rows;
  rows.first_length = i + 1;
  PONDER_UNROLL for (int r = 0; r < R; ++r) {
    rows.q[r] = s.qkv + (i + r) * s.columns + h * hd;
    rows.grad_out[r] = s.grad_out + (i + r) * width + h * hd;
    rows.delta[r] = dot<S>(rows.grad_out[r], s.out + (i + r) * width + h * hd, hd);
    rows.lse[r] = s.lse[(i + r) * s.heads + h];
  }
  const int64_t stride = (s.length + kChunk - 1) / kChunk * kChunk;
  backward_block<S, R>(rows, hd, 1.0f / std::sqrt(static_cast<float>(hd)), head, grad_scores, stride);
  weighted_sums<S, R>(grad_scores, stride, s.qkv + key_column, s.columns, i + R, hd,
                      s.grad_qkv + i * s.columns + h * hd, s.columns);
}

// Softmax attention's gradient from the saved logsumexp (Dao et al. 2022, FlashAttention, algorithm 4): with
// P = exp(S − lse) and δ = Σ_d gO·O, gV = Pᵀ·gO, gS = P·(gO·Vᵀ − δ)/√hd, gQ = gS·K, gK = gSᵀ·Q.
template <class S>
PONDER_INLINE void sequence_backward_with_body(const Sequence& s, int64_t kv_heads, float* work) {
  constexpr int kBlock = 4;
  const int64_t hd = s.head_dim, group = s.heads / kv_heads, n = s.length;
  const int64_t columns = (n + kChunk - 1) / kChunk * kChunk * hd;
  const HeadColumns head{work, work + columns, work + 2 * columns, work + 3 * columns};
  float* grad_scores = work + 4 * columns;
  for (int64_t g = 0; g < kv_heads; ++g) {
    const int64_t key_column = (s.heads + g) * hd, value_column = key_column + kv_heads * hd;
    std::memset(work, 0, static_cast<size_t>(4 * columns) * sizeof(float));
    to_columns(s.qkv + key_column, s.columns, n, hd, head.keys);
    to_columns(s.qkv + value_column, s.columns, n, hd, head.values);
    for (int64_t h = g * group; h < (g + 1) * group; ++h) {
      int64_t i = 0;
      for (; i + kBlock <= n; i += kBlock) backward_rows<S, kBlock>(s, h, i, key_column, head, grad_scores);
      for (; i < n; ++i) backward_rows<S, 1>(s, h, i, key_column, head, grad_scores);
    }
    from_columns(head.grad_keys, s.columns, n, hd, s.grad_qkv + key_column);
    from_columns(head.grad_values, s.columns, n, hd, s.grad_qkv + value_column);
  }
}
PONDER_DISPATCH(sequence_backward_with, (const Sequence& s, int64_t kv_heads, float* work), (s, kv_heads, work))

}  // namespace

void store_page_row(const float* qkv, const HeadShape& shape, float* page, int64_t slot) {
  const int64_t hd = shape.head_dim;
  const float* keys = qkv + shape.heads * hd;
  const float* values = keys + shape.kv_heads * hd;
  for (int64_t g = 0; g < shape.kv_heads; ++g, keys += hd, values += hd, page += 2 * hd * kPageTokens) {
    for (int64_t d = 0; d < hd; ++d) page[d * kPageTokens + slot] = keys[d];
    std::memcpy(page + (kPageTokens + slot) * hd, values, static_cast<size_t>(hd) * sizeof(float));
  }
}

void copy_page_slots(const float* from, const HeadShape& shape, int64_t slots, float* to) {
  const int64_t hd = shape.head_dim;
  for (int64_t g = 0; g < shape.kv_heads; ++g, from += 2 * hd * kPageTokens, to += 2 * hd * kPageTokens) {
    for (int64_t d = 0; d < hd; ++d)
      for (int64_t j = 0; j < slots; ++j) to[d * kPageTokens + j] = from[d * kPageTokens + j];
    std::memcpy(to + kPageTokens * hd, from + kPageTokens * hd, static_cast<size_t>(slots * hd) * sizeof(float));
  }
}

void attend_rows(const float* qkv, const AttendRow* rows, int64_t count, const HeadShape& shape, const Pages& pages,
                 float* out, float* lse) {
  int64_t longest = 0;
  for (int64_t t = 0; t < count; ++t) longest = longest < rows[t].length ? rows[t].length : longest;
  attend_rows_with(qkv, rows, count, shape, pages, scratch(static_cast<size_t>(longest + kChunk)), out, lse);
}

void attend_sequence_backward(const float* grad_out, const float* out, const float* lse, const float* qkv, int64_t n,
                              const HeadShape& shape, float* grad_qkv) {
  const int64_t padded = (n + kChunk - 1) / kChunk * kChunk;
  float* work = scratch(static_cast<size_t>(padded * (4 * shape.head_dim + 4)));
  const Sequence sequence{grad_out, out, lse, qkv, n, shape.heads, shape.head_dim, shape.columns(), grad_qkv};
  sequence_backward_with(sequence, shape.kv_heads, work);
}

}  // namespace ponder::tensor
