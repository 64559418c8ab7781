#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>
#include <vector>

#include "ponder/tensor/kernels.h"
#include "ponder/tensor/simd.h"

namespace ponder::tensor {

using simd::load;
using simd::store;

namespace {

constexpr int64_t kChunk = kPageTokens;  // keys that are worked on together

// Grows and is kept, one a thread: a kernel call must not allocate.
float* scratch(size_t floats) {
  thread_local std::vector<float> buffer;
  if (buffer.size() < floats) buffer.resize(floats);
  return buffer.data();
}

// Lane i holds whether position first + i is one of begin … end−1.
template <class S>
PONDER_INLINE typename S::I visible(int64_t first, int64_t begin, int64_t end) {
  typename S::I lanes;
  for (int i = 0; i < S::kLanes; ++i) lanes[i] = i;
  return (lanes < static_cast<int32_t>(end - first)) & (lanes >= static_cast<int32_t>(begin - first));
}

// What the backward of one key/value head works on: keys and values and their gradients as [chunks][hd][16], and the
// keys as rows [positions][hd] once more.
struct HeadColumns {
  float *keys, *values, *grad_keys, *grad_values, *key_rows;
};

// R neighbouring rows of one query head; all of them end in the same chunk.
template <int R>
struct RowBlock {
  const float* q[R];
  const float* grad_out[R];
  float delta[R], lse[R];
  int64_t first_length;  // row r sees the positions begin[r] … first_length + r − 1
  int64_t begin[R];
  int64_t first_key() const { return begin[0] / kChunk * kChunk; }
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

// The gradients that the rows send to their keys and values, and their own score gradients → grad_scores [R][stride]
// from rows.first_key() on, 0 where a row does not see. Several rows at once, since each pass over the gradients of
// keys and values is a load and a store.
template <class S, int R>
PONDER_INLINE void backward_block(const RowBlock<R>& rows, int64_t hd, float scale, const HeadColumns& head,
                                  float* grad_scores, int64_t stride) {
  using F = typename S::F;
  for (int64_t first = rows.first_key(); first < rows.first_length + R - 1; first += kChunk)
    for (int64_t part = 0; part < kChunk; part += S::kLanes) {
      const int64_t at = first * hd + part;
      F p[R], ds[R];
      dot_columns_block<S, R>(rows.q, head.keys + at, hd, p);
      dot_columns_block<S, R>(rows.grad_out, head.values + at, hd, ds);
      PONDER_UNROLL for (int r = 0; r < R; ++r) {
        p[r] = simd::exp<S>(p[r] * scale - rows.lse[r]);
        const int64_t begin = rows.begin[r], end = rows.first_length + r;
        if (first < begin || first + kChunk > end) p[r] = visible<S>(first + part, begin, end) ? p[r] : F{};
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

// What is constant over the rows of a group (kernels.h).
struct Group {
  const float *grad_out, *out, *lse, *qkv;
  int64_t prompt, heads, head_dim, columns;
  const HeadShape* shape;
  float* grad_qkv;
};

// Positions first … end−1 and the rows where they stand: position i is row i + shift of the group.
struct Stretch {
  int64_t first, end, shift;
};

// Rows of positions i … i+R−1 of query head h.
template <class S, int R>
PONDER_INLINE void backward_rows(const Group& s, int64_t h, int64_t i, int64_t shift, int64_t stride,
                                 const HeadColumns& head, float* grad_scores) {
  const int64_t hd = s.head_dim, width = s.heads * hd, first = i + shift;
  RowBlock<R> rows;
  rows.first_length = i + 1;
  PONDER_UNROLL for (int r = 0; r < R; ++r) {
    rows.q[r] = s.qkv + (first + r) * s.columns + h * hd;
    rows.grad_out[r] = s.grad_out + (first + r) * width + h * hd;
    rows.delta[r] = dot<S>(rows.grad_out[r], s.out + (first + r) * width + h * hd, hd);
    rows.lse[r] = s.lse[(first + r) * s.heads + h];
    rows.begin[r] = s.shape->first_visible(i + r + 1);
  }
  backward_block<S, R>(rows, hd, s.shape->score_scale(), head, grad_scores, stride);
  const int64_t key = rows.first_key();
  weighted_sums<S, R>(grad_scores + key, stride, head.key_rows + key * hd, hd, i + R - key, hd,
                      s.grad_qkv + first * s.columns + h * hd, s.columns);
}

template <class S>
PONDER_INLINE void round_all(float* x, int64_t n) {
  for (int64_t i = 0; i < n; i += S::kLanes) store<S>(x + i, simd::round_bf16<S>(load<S>(x + i)));
}

// Keys and values of a stretch as the forward pass saw them.
template <class S>
PONDER_INLINE void load_stretch(const Group& s, const Stretch& stretch, int64_t key_column, int64_t value_column,
                                const HeadColumns& head) {
  const int64_t hd = s.head_dim;
  for (int64_t i = stretch.first; i < stretch.end; ++i) {
    const float* row = s.qkv + (i + stretch.shift) * s.columns;
    const int64_t at = i / kChunk * hd * kChunk + i % kChunk;
    std::memcpy(head.key_rows + i * hd, row + key_column, static_cast<size_t>(hd) * sizeof(float));
    for (int64_t d = 0; d < hd; ++d) {
      head.keys[at + d * kChunk] = row[key_column + d];
      head.values[at + d * kChunk] = row[value_column + d];
    }
  }
  if (s.shape->kv != KvType::kBf16) return;
  // Whole chunks: what was rounded before stays as it is.
  const int64_t from = stretch.first / kChunk * kChunk * hd, to = (stretch.end + kChunk - 1) / kChunk * kChunk * hd;
  round_all<S>(head.keys + from, to - from);
  round_all<S>(head.values + from, to - from);
  round_all<S>(head.key_rows + stretch.first * hd, (stretch.end - stretch.first) * hd);
}

// What a stretch's keys and values were sent goes to its rows, and makes room for the next stretch.
PONDER_INLINE void take_gradients(const Group& s, const Stretch& stretch, int64_t key_column, int64_t value_column,
                                  const HeadColumns& head) {
  const int64_t hd = s.head_dim;
  for (int64_t i = stretch.first; i < stretch.end; ++i) {
    float* row = s.grad_qkv + (i + stretch.shift) * s.columns;
    const int64_t at = i / kChunk * hd * kChunk + i % kChunk;
    for (int64_t d = 0; d < hd; ++d) {
      row[key_column + d] = std::exchange(head.grad_keys[at + d * kChunk], 0.0f);
      row[value_column + d] = std::exchange(head.grad_values[at + d * kChunk], 0.0f);
    }
  }
}

// Softmax attention's gradient from the saved logsumexp (Dao et al. 2022, FlashAttention, algorithm 4): with
// P = exp(S − lse) and δ = Σ_d gO·O, gV = Pᵀ·gO, gS = P·(gO·Vᵀ − δ)/√hd, gQ = gS·K, gK = gSᵀ·Q. Stretch 0 is the
// prompt; each other one, in its turn, lies behind it, and the prompt's keys and values gather the gradients of all.
template <class S>
PONDER_INLINE void group_backward_with_body(const Group& s, const std::vector<Stretch>& stretches, int64_t kv_heads,
                                            int64_t padded, float* work) {
  constexpr int kBlock = 4;
  const int64_t hd = s.head_dim, group = s.heads / kv_heads, columns = padded * hd;
  const HeadColumns head{work, work + columns, work + 2 * columns, work + 3 * columns, work + 4 * columns};
  float* grad_scores = work + 5 * columns;
  for (int64_t g = 0; g < kv_heads; ++g) {
    const int64_t key_column = (s.heads + g) * hd, value_column = key_column + kv_heads * hd;
    std::memset(work, 0, static_cast<size_t>(4 * columns) * sizeof(float));
    load_stretch<S>(s, stretches[0], key_column, value_column, head);
    for (size_t k = stretches.size(); k-- > 0;) {  // the prompt's own rows last: its gradients are whole then
      const Stretch& stretch = stretches[k];
      if (k > 0) load_stretch<S>(s, stretch, key_column, value_column, head);
      for (int64_t h = g * group; h < (g + 1) * group; ++h) {
        int64_t i = stretch.first;
        for (; i < stretch.end && i % kBlock != 0; ++i)
          backward_rows<S, 1>(s, h, i, stretch.shift, padded, head, grad_scores);
        for (; i + kBlock <= stretch.end; i += kBlock)
          backward_rows<S, kBlock>(s, h, i, stretch.shift, padded, head, grad_scores);
        for (; i < stretch.end; ++i) backward_rows<S, 1>(s, h, i, stretch.shift, padded, head, grad_scores);
      }
      take_gradients(s, stretch, key_column, value_column, head);
    }
  }
}
PONDER_DISPATCH(group_backward_with,
                (const Group& s, const std::vector<Stretch>& stretches, int64_t kv_heads, int64_t padded, float* work),
                (s, stretches, kv_heads, padded, work))

}  // namespace

void attend_group_backward(const float* grad_out, const float* out, const float* lse, const float* qkv,
                           const GroupRows& rows, const HeadShape& shape, float* grad_qkv) {
  std::vector<Stretch> stretches = {{0, rows.prompt, 0}};
  int64_t longest = rows.prompt, begin = rows.prompt;
  for (const int64_t end : rows.ends) {
    stretches.push_back({rows.prompt, rows.prompt + end - begin, begin - rows.prompt});
    longest = std::max(longest, stretches.back().end);
    begin = end;
  }
  const int64_t padded = (longest + kChunk - 1) / kChunk * kChunk;
  float* work = scratch(static_cast<size_t>(padded * (5 * shape.head_dim + 4)));
  const Group group{grad_out,        out,    lse,     qkv, rows.prompt, shape.heads, shape.head_dim,
                    shape.columns(), &shape, grad_qkv};
  group_backward_with(group, stretches, shape.kv_heads, padded, work);
}

void attend_sequence_backward(const float* grad_out, const float* out, const float* lse, const float* qkv, int64_t n,
                              const HeadShape& shape, float* grad_qkv) {
  attend_group_backward(grad_out, out, lse, qkv, {n, {}}, shape, grad_qkv);
}

}  // namespace ponder::tensor
