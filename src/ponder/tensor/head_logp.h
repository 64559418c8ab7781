// Log-probs of target tokens straight from hidden states, and the gradients of hidden states and head, without the
// logits [T,V] of a whole batch. Called by learn.
#pragma once
#include <functional>
#include <span>

#include "ponder/tensor/matrix.h"

namespace ponder::tensor {

struct HeadLogp {
  at::Tensor logp;     // [T] nats
  at::Tensor entropy;  // [T] nats of each position's distribution; undefined unless asked for
};

// logp[t] = log softmax(hidden[t]·headᵀ)[targets[t]]; hidden [T,D], head [V,D], targets i64 [T]. On the CPU in f32 row
// for row the bits of the sampler's logits and log-sum-exp, and memory for a block alone: 3 MiB of logits and a packed
// piece of the head, 6·D KiB. No gradient.
HeadLogp head_logp(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, bool with_entropy);

// ∂loss/∂logp [n] of a chunk's rows, from what they came to; asked for chunk after chunk.
using HeadSlopes = std::function<at::Tensor(size_t chunk, const HeadLogp& rows)>;
// Values and gradients at once, chunk by chunk: rows ends[c−1] … ends[c], the last end is T. The logits of one chunk
// are made once and kept until its gradients are taken from them; a chunk of more than kept_rows() is made a second
// time in blocks instead. Returns ∂loss/∂hidden [T,D]; ∂loss/∂head is added to the .grad of a head that wants one.
// room: undefined at first, holds those logits, and is worth handing in again: new pages cost the system time.
at::Tensor head_logp_gradient(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets,
                              std::span<const int64_t> ends, bool with_entropy, const HeadSlopes& slopes,
                              at::Tensor& room);
// Rows whose logits are worth keeping: so many bytes of them, 4 or 2 each (products of several blocks in bf16).
inline constexpr int64_t kKeptBytes = int64_t{1} << 29;
int64_t kept_rows(int64_t vocab, Compute compute);

// A head of more rows is packed block by block where it is multiplied; packed copies of all of it would be in the way.
bool packs_by_block(const Matrix& head);

}  // namespace ponder::tensor
