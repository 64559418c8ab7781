#include "ponder/learn/logp.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"

namespace ponder::learn {
namespace {

using tensor::Compute;
using tensor::Matrix;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// 4 Mi logits are 16 MiB: they stay near the cache and still feed the matrix product whole blocks.
constexpr int64_t kChunkLogits = int64_t{1} << 22;

int64_t chunk_rows(int64_t vocab) { return std::max<int64_t>(64, kChunkLogits / vocab); }

struct ChunkedLogp : torch::autograd::Function<ChunkedLogp> {
  // The head comes twice: as what autograd follows, and with its packed copies.
  static variable_list forward(AutogradContext* ctx, const at::Tensor& hidden, const at::Tensor& head_weight,
                               const at::Tensor& targets, const Matrix& head, bool with_entropy) {
    const int64_t rows = hidden.size(0), step = chunk_rows(head.size(0));
    at::Tensor logp = at::empty({rows}, hidden.options()), logsumexp = at::empty({rows}, hidden.options());
    at::Tensor entropy = with_entropy ? at::empty({rows}, hidden.options()) : at::Tensor();
    for (int64_t from = 0; from < rows; from += step) {
      const int64_t n = std::min(step, rows - from);
      const at::Tensor logits = tensor::linear(hidden.narrow(0, from, n), head);
      const auto chunk = tensor::target_logp(logits, targets.narrow(0, from, n), with_entropy);
      logp.narrow(0, from, n).copy_(chunk.logp);
      logsumexp.narrow(0, from, n).copy_(chunk.logsumexp);
      if (with_entropy) entropy.narrow(0, from, n).copy_(chunk.entropy);
    }
    ctx->save_for_backward({hidden, head_weight, targets, logsumexp, head.transposed, head.straight});
    ctx->saved_data["compute"] = static_cast<int64_t>(head.compute);
    if (!with_entropy) return {logp};
    ctx->mark_non_differentiable({entropy});
    return {logp, entropy};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const auto saved = ctx->get_saved_variables();
    const at::Tensor &hidden = saved[0], &targets = saved[2], &logsumexp = saved[3];
    Matrix head(saved[1], static_cast<Compute>(ctx->saved_data["compute"].toInt()));
    head.transposed = saved[4], head.straight = saved[5];
    const at::Tensor grad = grads[0].contiguous();
    const int64_t rows = hidden.size(0), step = chunk_rows(head.size(0));
    at::Tensor grad_hidden = at::empty_like(hidden);
    tensor::WeightGradient grad_head(head.weight);
    for (int64_t from = 0; from < rows; from += step) {
      const int64_t n = std::min(step, rows - from);
      const at::Tensor part = hidden.narrow(0, from, n);
      at::Tensor logits = tensor::linear(part, head);
      tensor::target_logp_backward_(logits, targets.narrow(0, from, n), logsumexp.narrow(0, from, n),
                                    grad.narrow(0, from, n));
      grad_hidden.narrow(0, from, n).copy_(tensor::linear_grad_x(logits, head));
      tensor::add_linear_grad_w(grad_head.sum, logits, part, head.compute);
    }
    return {grad_hidden, grad_head.hand_on, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

TokenLogp token_logp(const at::Tensor& hidden, const Matrix& head, const at::Tensor& targets, bool with_entropy) {
  const auto out = ChunkedLogp::apply(hidden, head.weight, targets, head, with_entropy);
  return {out[0], with_entropy ? out[1] : at::Tensor()};
}

}  // namespace ponder::learn
