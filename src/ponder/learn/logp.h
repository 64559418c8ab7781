// Log-probs of target tokens with a gradient, without ever holding the logits of a whole batch. Called by learner.cc.
#pragma once
#include "ponder/tensor/matrix.h"

namespace ponder::learn {

struct TokenLogp {
  at::Tensor logp;     // [T] nats; differentiable with respect to hidden and head
  at::Tensor entropy;  // [T] nats of each position's distribution, no gradient; undefined unless asked for
};

// logp[t] = log softmax(hidden[t]·headᵀ)[targets[t]]; hidden [T,D], head [V,D], targets i64 [T]. The logits are made in
// chunks of rows, in the forward pass and once more in the backward pass. Row for row the arithmetic of the sampler.
TokenLogp token_logp(const at::Tensor& hidden, const tensor::Matrix& head, const at::Tensor& targets,
                     bool with_entropy);

}  // namespace ponder::learn
