#include "ponder/tensor/head_logp.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {
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

// Against LibTorch's log_softmax and its autograd in double; the second shape needs several blocks of rows and columns.
TEST(HeadLogp, ValuesAndGradientsMatchAutograd) {
  for (const auto& [rows, width, vocab] : {std::array<int64_t, 3>{5, 8, 11}, {700, 16, 70001}}) {
    at::Tensor hidden = random_tensor({rows, width}, 1, 1), head = random_tensor({vocab, width}, 2, 0.3);
    const at::Tensor targets = random_targets(rows, vocab), slope = random_tensor({rows}, 4, 1);
    hidden.requires_grad_(true);
    head.requires_grad_(true);
    const auto out = head_logp(hidden, head, targets, true);
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

TEST(HeadLogp, ARowsBitsDoNotDependOnItsNeighbours) {
  const at::Tensor hidden = random_tensor({600, 16}, 1, 1), weight = random_tensor({20000, 16}, 2, 0.3);
  const at::Tensor targets = random_targets(600, 20000);
  for (const auto compute : {Compute::kF32, Compute::kBf16}) {
    Matrix head(weight, compute);
    pack(head, Uses::kForward);
    const at::Tensor all = head_logp(hidden, head, targets, false).logp;
    for (int64_t t : {0, 511, 512, 513, 599}) {  // around the edge of the first block too
      const auto alone = target_logp(linear(hidden.narrow(0, t, 1), head), targets.narrow(0, t, 1), false);
      EXPECT_TRUE(at::equal(alone.logp, all.narrow(0, t, 1))) << t;
    }
  }
}

// Packed copies or none, alone or in a team, with entropies or without: the same bits.
TEST(HeadLogp, PackingAndTeamsChangeNoBit) {
  const at::Tensor weight = random_tensor({5000, 32}, 2, 0.3), targets = random_targets(530, 5000);
  for (const auto compute : {Compute::kF32, Compute::kBf16}) {
    std::vector<at::Tensor> expected;
    for (int threads : {1, 1, 2, 3}) {
      Team team(threads);
      const TeamScope scope(&team);
      at::Tensor hidden = random_tensor({530, 32}, 1, 1).requires_grad_(true);
      Matrix head(weight.clone().requires_grad_(true), compute);
      if (threads == 3) pack(head, Uses::kForwardAndBackward);
      const HeadLogp out = head_logp(hidden, head, targets, /*with_entropy=*/true);
      EXPECT_TRUE(at::equal(out.logp, head_logp(hidden, head, targets, false).logp));
      out.logp.backward(random_tensor({530}, 4, 1));
      const std::vector<at::Tensor> found = {out.logp, out.entropy, hidden.grad(), head.weight.grad()};
      if (expected.empty()) expected = found;
      for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(at::equal(expected[i], found[i])) << threads << " " << i;
    }
  }
}

// Whether a vocabulary is handed over at once or in blocks, and where nothing may be drawn.
TEST(HeadLogp, ALogsumexpMayComeInBlocks) {
  const int64_t n = 3 * kLogsumexpBlock + 77;
  at::Tensor row = random_tensor({n}, 5, 20);
  row.narrow(0, 0, 2 * kLogsumexpBlock).fill_(-std::numeric_limits<float>::infinity());
  const float* x = row.const_data_ptr<float>();
  float all = 0;
  row_logsumexp(x, n, &all);
  RunningLogsumexp running;
  row_logsumexp_add(x, kLogsumexpBlock, false, &running);
  row_logsumexp_add(x + kLogsumexpBlock, n - kLogsumexpBlock, false, &running);
  EXPECT_EQ(running.logsumexp(), all);
  EXPECT_NEAR(all, at::logsumexp(row.to(at::kDouble), {0}).item<double>(), 1e-5);
  EXPECT_THROW(
      head_logp(random_tensor({1, 16}, 1, 1), random_tensor({9, 16}, 2, 1), at::full({1}, 9, at::kLong), false), Error);
}

}  // namespace
}  // namespace ponder::tensor
