#include "ponder/learn/logp.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include "ponder/base/rng.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"

namespace ponder::learn {
namespace {

at::Tensor random_tensor(std::vector<int64_t> shape, uint64_t seed, double scale) {
  at::Tensor x = at::empty(shape, at::kFloat);
  base::Rng rng{base::RngKey(seed)};
  for (int64_t i = 0; i < x.numel(); ++i) x.mutable_data_ptr<float>()[i] = static_cast<float>(scale * rng.normal());
  return x;
}

at::Tensor random_targets(int64_t rows, int64_t vocab) {
  at::Tensor t = at::empty({rows}, at::kLong);
  base::Rng rng{base::RngKey(3)};
  for (int64_t i = 0; i < rows; ++i) t.mutable_data_ptr<int64_t>()[i] = rng.below(vocab);
  return t;
}

// Against LibTorch's log_softmax and its autograd in double; the second shape needs several chunks.
TEST(TokenLogp, ValuesAndGradientsMatchAutograd) {
  for (const auto& [rows, width, vocab] : {std::array<int64_t, 3>{5, 8, 11}, {200, 16, 70001}}) {
    at::Tensor hidden = random_tensor({rows, width}, 1, 1), head = random_tensor({vocab, width}, 2, 0.3);
    const at::Tensor targets = random_targets(rows, vocab), slope = random_tensor({rows}, 4, 1);
    hidden.requires_grad_(true);
    head.requires_grad_(true);
    const auto out = token_logp(hidden, head, targets, true);
    out.logp.backward(slope);

    at::Tensor hidden64 = hidden.detach().to(at::kDouble).requires_grad_(true);
    at::Tensor head64 = head.detach().to(at::kDouble).requires_grad_(true);
    const at::Tensor all = at::log_softmax(at::mm(hidden64, head64.t()), 1);
    const at::Tensor expected = at::gather(all, 1, targets.unsqueeze(1)).squeeze(1);
    expected.backward(slope.to(at::kDouble));
    const at::Tensor entropy = all.exp().mul(all).sum(1).neg();

    EXPECT_TRUE(at::allclose(out.logp.detach().to(at::kDouble), expected.detach(), 1e-5, 1e-5)) << vocab;
    EXPECT_TRUE(at::allclose(out.entropy.to(at::kDouble), entropy.detach(), 1e-4, 1e-4)) << vocab;
    EXPECT_TRUE(at::allclose(hidden.grad().to(at::kDouble), hidden64.grad(), 1e-4, 1e-5)) << vocab;
    EXPECT_TRUE(at::allclose(head.grad().to(at::kDouble), head64.grad(), 1e-4, 1e-5)) << vocab;
    EXPECT_FALSE(out.entropy.requires_grad());
  }
}

TEST(TokenLogp, ARowsBitsDoNotDependOnItsNeighbours) {
  const at::Tensor hidden = random_tensor({300, 16}, 1, 1), weight = random_tensor({20000, 16}, 2, 0.3);
  const at::Tensor targets = random_targets(300, 20000);
  for (const auto compute : {tensor::Compute::kF32, tensor::Compute::kBf16}) {
    tensor::Matrix head(weight, compute);
    tensor::pack(head, tensor::Uses::kForward);
    const at::Tensor all = token_logp(hidden, head, targets, false).logp;
    for (int64_t t : {0, 208, 209, 210, 299}) {  // around the edge of the first chunk too
      const auto alone =
          tensor::target_logp(tensor::linear(hidden.narrow(0, t, 1), head), targets.narrow(0, t, 1), false);
      EXPECT_TRUE(at::equal(alone.logp, all.narrow(0, t, 1))) << t;
    }
  }
}

}  // namespace
}  // namespace ponder::learn
