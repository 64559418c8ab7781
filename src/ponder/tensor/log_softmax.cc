#include "ponder/tensor/log_softmax.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/logsumexp.h>

#include "ponder/base/error.h"
#include "ponder/tensor/kernels.h"

namespace ponder::tensor {

TargetLogp target_logp(const at::Tensor& logits, const at::Tensor& targets, bool with_entropy) {
  PONDER_CHECK(logits.dim() == 2 && targets.dim() == 1 && targets.size(0) == logits.size(0) && logits.is_contiguous(),
               "target_logp wants contiguous logits [T,V] and targets [T]");
  TargetLogp result;
  if (!logits.is_cpu()) {
    result.logsumexp = at::logsumexp(logits, {1});
    result.logp = at::gather(logits, 1, targets.unsqueeze(1)).squeeze(1).sub(result.logsumexp);
    if (with_entropy) {
      const at::Tensor logp = logits.sub(result.logsumexp.unsqueeze(1));
      result.entropy = logp.exp().mul(logp).sum(1).neg();
    }
    return result;
  }
  const int64_t rows = logits.size(0), vocab = logits.size(1);
  result.logp = at::empty({rows}, logits.options());
  result.logsumexp = at::empty({rows}, logits.options());
  if (with_entropy) result.entropy = at::empty({rows}, logits.options());
  const float* x = logits.const_data_ptr<float>();
  const int64_t* target = targets.const_data_ptr<int64_t>();
  float* logp = result.logp.mutable_data_ptr<float>();
  float* logsumexp = result.logsumexp.mutable_data_ptr<float>();
  for (int64_t t = 0; t < rows; ++t, x += vocab) {
    PONDER_CHECK(target[t] >= 0 && target[t] < vocab, "target ", target[t], " is not in 0 … ", vocab - 1);
    row_logsumexp(x, vocab, logsumexp + t);
    logp[t] = x[target[t]] - logsumexp[t];
    if (with_entropy) row_entropy(x, vocab, logsumexp[t], result.entropy.mutable_data_ptr<float>() + t);
  }
  return result;
}

void target_logp_backward_(at::Tensor& logits, const at::Tensor& targets, const at::Tensor& logsumexp,
                           const at::Tensor& grad) {
  if (!logits.is_cpu()) {
    logits.sub_(logsumexp.unsqueeze(1)).exp_().mul_(grad.unsqueeze(1)).neg_();
    logits.scatter_add_(1, targets.unsqueeze(1), grad.unsqueeze(1));
    return;
  }
  const int64_t rows = logits.size(0), vocab = logits.size(1);
  const at::Tensor g = grad.contiguous();
  float* x = logits.mutable_data_ptr<float>();
  for (int64_t t = 0; t < rows; ++t, x += vocab) {
    const float weight = g.const_data_ptr<float>()[t];
    row_exp(x, vocab, logsumexp.const_data_ptr<float>()[t], -weight);
    x[targets.const_data_ptr<int64_t>()[t]] += weight;
  }
}

}  // namespace ponder::tensor
