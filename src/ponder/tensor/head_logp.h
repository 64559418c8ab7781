// Log-probs of target tokens straight from hidden states, with a gradient. The logits [T,V] never exist: they are made
// in blocks of rows and of the vocabulary, in the forward pass and once more in the backward pass, and the gradients of
// hidden states and head are taken while a block is there. Called by learn.
#pragma once
#include "ponder/tensor/matrix.h"

namespace ponder::tensor {

struct HeadLogp {
  at::Tensor logp;     // [T] nats; differentiable with respect to hidden and head
  at::Tensor entropy;  // [T] nats of each position's distribution, no gradient; undefined unless asked for
};

// logp[t] = log softmax(hidden[t]·headᵀ)[targets[t]]; hidden [T,D], head [V,D], targets i64 [T]. On the CPU in f32 row
// for row the bits of the sampler's logits and log-sum-exp, and memory for a block alone: 3 MiB of logits and two
// packed pieces of the head, 12·D KiB together.
HeadLogp head_logp(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, bool with_entropy);

// A head of more rows is packed block by block where it is multiplied; packed copies of all of it would be in the way.
bool packs_by_block(const Matrix& head);

}  // namespace ponder::tensor
