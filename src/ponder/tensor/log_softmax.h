// Log-probabilities of given targets, the same arithmetic that the sampler uses at temperature 1. Called by learn's
// chunked log-prob (forward and backward) and the engine's score. No autograd: these are the pieces of a hand-written
// backward.
#pragma once
#include "ponder/tensor/tensor.h"

namespace ponder::tensor {

struct TargetLogp {
  at::Tensor logp;       // [T] logits[t, target[t]] − logsumexp[t], nats
  at::Tensor logsumexp;  // [T]
  at::Tensor entropy;    // [T] nats; undefined unless asked for
};

// logits f32 [T,V], targets i64 [T] within 0 … V−1.
TargetLogp target_logp(const at::Tensor& logits, const at::Tensor& targets, bool with_entropy);

// Turns logits, in place, into the gradient of Σ_t grad[t]·logp[t]: grad[t] · (1[v = target[t]] − exp(logits −
// logsumexp)).
void target_logp_backward_(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& logsumexp,
                           const at::Tensor& grad);

}  // namespace ponder::tensor
