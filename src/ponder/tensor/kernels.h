// The CPU kernels on plain pointers, f32. A row's result depends on that row alone and its sums have a fixed order, so
// it is the same to the bit in any batch. Called by ops.cc, log_softmax.cc and by the engine (paged attention,
// sampler).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "ponder/tensor/ops.h"

namespace ponder::tensor {

// ---- rows; width and ffn are multiples of 16 ----
// x [T,D], w [D] → y [T,D] = x · rstd · (offset + w); inverse root mean squares → rstd [T] (may be null).
void rms_norm_rows(const float* x, const float* w, int64_t rows, int64_t width, float eps, float offset, float* y,
                   float* rstd);
// grad_x [T,D] is written, grad_w [D] is added to.
void rms_norm_rows_backward(const float* grad_y, const float* x, const float* w, const float* rstd, int64_t rows,
                            int64_t width, float offset, float* grad_x, float* grad_w);
// The same for each query head (weight q) and key head (weight k) of qkv [T,(H+2·KV)·hd], values are copied; rstd
// [T,H+KV].
struct HeadNorm {
  float eps = 0, offset = 0;
};
void head_norm_rows(const float* qkv, const float* q, const float* k, int64_t rows, const HeadShape& shape,
                    const HeadNorm& norm, float* out, float* rstd);
void head_norm_rows_backward(const float* grad_out, const float* qkv, const float* q, const float* k, const float* rstd,
                             int64_t rows, const HeadShape& shape, const HeadNorm& norm, float* grad_qkv, float* grad_q,
                             float* grad_k);
// gate_up [T,2F] → y [T,F]. The gradient gives y once more.
void swiglu_rows(const float* gate_up, int64_t rows, int64_t ffn, float* y);
void swiglu_rows_backward(const float* grad_y, const float* gate_up, int64_t rows, int64_t ffn, float* grad_gate_up,
                          float* y);
void geglu_rows(const float* gate_up, int64_t rows, int64_t ffn, float* y);
void geglu_rows_backward(const float* grad_y, const float* gate_up, int64_t rows, int64_t ffn, float* grad_gate_up,
                         float* y);
// Rotates the first `heads` heads of each row and copies the rest; cosines and sines [positions, hd/2]. direction +1,
// or −1 for the inverse (the gradient).
void rope_rows(const float* in, const int64_t* positions, const float* cosines, const float* sines, int64_t rows,
               int64_t columns, int64_t heads, int64_t head_dim, float direction, float* out);

// ---- log-softmax ----
// A row's log-sum-exp as its numbers come, in blocks: of a large vocabulary nobody needs to hold all logits at once.
// Blocks may be handed over one or several at a time; each but a row's last one is whole.
inline constexpr int64_t kLogsumexpBlock = 1536;  // numbers; panels of products and vectors fit into it
struct RunningLogsumexp {
  float top = 0, total = 0;  // Σ exp(x) = total · exp(top); total 0: nothing yet
  float weighted = 0;        // Σ exp(x − top) · (x − top), where it is asked for
  float logsumexp() const;
  float entropy() const;  // −Σ p ln p with p = exp(x − logsumexp)
};
void row_logsumexp_add(const float* x, int64_t n, bool with_entropy, RunningLogsumexp* running);
// One block, which becomes exp(x − top), top the block's own.
void row_exp_and_add(float* x, int64_t n, bool with_entropy, RunningLogsumexp* running, float* top);
// logsumexp of n floats: all blocks of a row at once.
void row_logsumexp(const float* x, int64_t n, float* logsumexp);
// −Σ p ln p with p = exp(x − logsumexp).
void row_entropy(const float* x, int64_t n, float logsumexp, float* entropy);
// x → factor · exp(x − shift) in place.
void row_exp(float* x, int64_t n, float shift, float factor);
// x · factor → y.
void row_scale(const float* x, int64_t n, float factor, float* y);
void row_scale_bf16(const uint32_t* pairs, int64_t n, float factor, float* y);  // of gemm.h's pack_row()
// The first of the highest; x holds no NaN.
void row_argmax(const float* x, int64_t n, int64_t* index);

// ---- attention over pages ----
// A page holds kPageTokens positions of one layer: the keys of each key/value head, then the values of each, in pairs
// (two dimensions of a key, two positions of a value's dimension) as kernels_attend.cc says, in the shape's KvType.
// int8: whole numbers −127 … 127, and behind a head's keys or values the scale of each position.
inline constexpr int64_t kPageTokens = 16;
inline int64_t page_bytes(const HeadShape& shape) {
  const int64_t number = shape.kv == KvType::kF32 ? 4 : shape.kv == KvType::kBf16 ? 2 : 1;
  const int64_t scales = shape.kv == KvType::kInt8 ? 4 * kPageTokens : 0;
  return shape.kv_heads * 2 * (shape.head_dim * kPageTokens * number + scales);
}

// Where the pages of one layer are: page p of this layer starts at base + p · stride.
struct Pages {
  std::byte* base = nullptr;
  int64_t stride = 0;  // bytes
  std::byte* at(int64_t page) const { return base + page * stride; }
};

// Stores the key and value heads of rows of rotated qkv [T,(H+2·KV)·hd], each at its place.
struct PageSlot {
  int32_t page = 0, slot = 0;
};
void store_page_rows(const float* qkv, const HeadShape& shape, const Pages& pages, const PageSlot* places,
                     int64_t count);
// Gives back what was stored, as near as its KvType keeps it: the key and value heads of a row of qkv.
void load_page_row(const std::byte* page, const HeadShape& shape, int64_t slot, float* qkv);
// Copies the first `slots` positions of a page.
void copy_page_slots(const std::byte* from, const HeadShape& shape, int64_t slots, std::byte* to);

// What one row may see: positions 0 … length−1, of which the shape's window leaves the last ones; position i in slot i
// % 16 of page table[i / 16]. Pages before the window are not read. Slots of a page that is read must hold finite
// numbers. length 0 gives a row of zeros.
struct AttendRow {
  const int32_t* table = nullptr;
  int64_t length = 0;
};
// qkv [T,(H+2·KV)·hd] (its query heads are read), rows [T] → out [T,H·hd]; logsumexp of the scores → lse [T,H] (may be
// null). A page that neighbouring rows share is read once for all of them, so rows of one prefix belong side by side.
void attend_rows(const float* qkv, const AttendRow* rows, int64_t count, const HeadShape& shape, const Pages& pages,
                 float* out, float* lse);

// A prompt that is read once and the completions that go on behind it: rows 0 … prompt−1, then completion c is rows
// ends[c−1] … ends[c]−1 (the first begins at row `prompt`). Without completions it is one sequence.
struct GroupRows {
  int64_t prompt = 0;
  std::span<const int64_t> ends;
};

// Causal attention within a group of rotated qkv → out [n,H·hd], lse [n,H] (may be null): the same bits as attend_rows
// over pages that hold the sequences, and as each completion with a copy of the prompt before it.
void attend_group(const float* qkv, const GroupRows& group, const HeadShape& shape, float* out, float* lse);
// Its gradient: grad_out, out [n,H·hd], lse [n,H] and rotated qkv → grad_qkv, all by row.
void attend_group_backward(const float* grad_out, const float* out, const float* lse, const float* qkv,
                           const GroupRows& group, const HeadShape& shape, float* grad_qkv);

// The same for one sequence of n rows.
void attend_sequence(const float* qkv, int64_t n, const HeadShape& shape, float* out, float* lse);
void attend_sequence_backward(const float* grad_out, const float* out, const float* lse, const float* qkv, int64_t n,
                              const HeadShape& shape, float* grad_qkv);

}  // namespace ponder::tensor
