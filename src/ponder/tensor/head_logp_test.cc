#include "ponder/tensor/head_logp.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cstring>
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

// Values and both gradients for given slopes, in chunks that end there.
struct Learned {
  at::Tensor logp, entropy, grad_hidden, grad_head;
};
Learned learn(const at::Tensor& hidden, Matrix& head, const at::Tensor& targets, const std::vector<int64_t>& ends,
              const at::Tensor& slope, bool with_entropy) {
  Learned out{at::empty_like(slope), at::empty_like(slope), {}, {}};
  at::Tensor room;
  head.weight.mutable_grad() = at::zeros_like(head.weight);
  const auto slopes = [&](size_t c, const HeadLogp& rows) {
    const int64_t first = c == 0 ? 0 : ends[c - 1], n = ends[c] - first;
    out.logp.narrow(0, first, n).copy_(rows.logp);
    if (with_entropy) out.entropy.narrow(0, first, n).copy_(rows.entropy);
    return slope.narrow(0, first, n).to(at::kDouble);
  };
  out.grad_hidden = head_logp_gradient(hidden, head, targets, ends, with_entropy, slopes, room);
  out.grad_head = head.weight.grad();
  return out;
}

// Against LibTorch's log_softmax and its autograd in double. The second shape needs several blocks of columns, the
// third has a chunk of more rows than are kept, the fourth one of several blocks of rows.
TEST(HeadLogp, ValuesAndGradientsMatchAutograd) {
  struct Shape {
    int64_t rows, width, vocab;
    std::vector<int64_t> ends;
  };
  ASSERT_LT(kept_rows(400001, Compute::kF32), 350);
  ASSERT_GT(kept_rows(5001, Compute::kF32), 2100);
  for (const auto& [rows, width, vocab, ends] : {Shape{5, 8, 11, {2, 5}},
                                                 {700, 16, 70001, {1, 520, 700}},
                                                 {360, 16, 400001, {355, 360}},
                                                 {2100, 8, 5001, {2100}}}) {
    const at::Tensor hidden = random_tensor({rows, width}, 1, 1), targets = random_targets(rows, vocab);
    Matrix head(random_tensor({vocab, width}, 2, 0.3).requires_grad_(true), Compute::kF32);
    const at::Tensor slope = random_tensor({rows}, 4, 1);
    const Learned found = learn(hidden, head, targets, ends, slope, true);

    const at::Tensor hidden64 = hidden.to(at::kDouble).requires_grad_(true);
    const at::Tensor head64 = head.weight.detach().to(at::kDouble).requires_grad_(true);
    const at::Tensor all = at::log_softmax(at::mm(hidden64, head64.t()), 1);
    const at::Tensor expected = at::gather(all, 1, targets.unsqueeze(1)).squeeze(1);
    expected.backward(slope.to(at::kDouble));
    const at::Tensor entropy = all.exp().mul(all).sum(1).neg();

    EXPECT_TRUE(at::allclose(found.logp.to(at::kDouble), expected.detach(), 1e-5, 1e-5)) << vocab;
    EXPECT_TRUE(at::allclose(found.entropy.to(at::kDouble), entropy.detach(), 1e-4, 1e-4)) << vocab;
    EXPECT_TRUE(at::allclose(found.grad_hidden.to(at::kDouble), hidden64.grad(), 1e-4, 1e-5)) << vocab;
    EXPECT_TRUE(at::allclose(found.grad_head.to(at::kDouble), head64.grad(), 1e-4, 1e-5)) << vocab;
    const HeadLogp alone = head_logp(hidden, head, targets, true);
    EXPECT_TRUE(at::equal(alone.logp, found.logp)) << vocab;
    EXPECT_TRUE(at::equal(alone.entropy, found.entropy)) << vocab;
    EXPECT_FALSE(alone.logp.requires_grad());
  }
}

double distance(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor difference = found.to(at::kDouble).sub(expected);
  return at::linalg_vector_norm(difference).item<double>() / at::linalg_vector_norm(expected).item<double>();
}
at::Tensor rounded(const at::Tensor& x) { return x.to(at::kBFloat16).to(at::kFloat); }

// In bf16 what is kept of a chunk is rounded. Held against double arithmetic on the same rounded numbers: within what
// rounding the gradient of logits costs.
TEST(HeadLogp, GradientsOfBf16ProductsAreWithinTheirRounding) {
  const int64_t rows = 300, width = 32, vocab = 20001;
  const at::Tensor hidden = rounded(random_tensor({rows, width}, 1, 1)), targets = random_targets(rows, vocab);
  Matrix head(rounded(random_tensor({vocab, width}, 2, 1)).requires_grad_(true), Compute::kBf16);
  const at::Tensor slope = random_tensor({rows}, 4, 1);
  const at::Tensor hidden64 = hidden.to(at::kDouble).requires_grad_(true);
  const at::Tensor head64 = head.weight.detach().to(at::kDouble).requires_grad_(true);
  const at::Tensor all = at::log_softmax(at::mm(hidden64, head64.t()), 1);
  const at::Tensor expected = at::gather(all, 1, targets.unsqueeze(1)).squeeze(1);
  expected.backward(slope.to(at::kDouble));
  const Learned found = learn(hidden, head, targets, {20, 300}, slope, true);
  EXPECT_TRUE(at::allclose(found.logp.to(at::kDouble), expected.detach(), 1e-5, 1e-4));
  EXPECT_TRUE(at::allclose(found.entropy.to(at::kDouble), all.exp().mul(all).sum(1).neg().detach(), 1e-4, 1e-4));
  EXPECT_LT(distance(found.grad_hidden, hidden64.grad()), 0.003);
  EXPECT_LT(distance(found.grad_head, head64.grad()), 0.003);
  EXPECT_TRUE(at::equal(head_logp(hidden, head, targets, true).logp, found.logp));
}

// A chunk of more rows than are kept has its logits made twice.
TEST(HeadLogp, GradientsOfBf16ProductsAreAlikeWhetherLogitsWereKeptOrNot) {
  const int64_t rows = 50, width = 8, vocab = 100 * 60001;
  ASSERT_LT(kept_rows(vocab, Compute::kBf16), rows);
  ASSERT_GE(kept_rows(vocab, Compute::kBf16), rows / 2);
  const at::Tensor hidden = random_tensor({rows, width}, 1, 1), targets = random_targets(rows, vocab);
  Matrix head(random_tensor({vocab / 100, width}, 2, 1).repeat({100, 1}).requires_grad_(true), Compute::kBf16);
  const at::Tensor slope = random_tensor({rows}, 4, 1);
  const Learned kept = learn(hidden, head, targets, {rows / 2, rows}, slope, true);
  const Learned again = learn(hidden, head, targets, {rows}, slope, true);
  EXPECT_TRUE(at::equal(kept.logp, again.logp));
  EXPECT_TRUE(at::equal(kept.entropy, again.entropy));
  EXPECT_FALSE(at::equal(kept.grad_hidden, again.grad_hidden)) << "one way through the code would show nothing";
  EXPECT_LT(distance(kept.grad_hidden, again.grad_hidden.to(at::kDouble)), 0.003);
  EXPECT_LT(distance(kept.grad_head, again.grad_head.to(at::kDouble)), 0.003);
}

// A head that is only read has no gradient, and its rows are unpacked for that of the hidden states.
TEST(HeadLogp, AHeadThatIsOnlyReadGivesTheSameGradientOfHiddenStates) {
  const at::Tensor hidden = random_tensor({40, 16}, 1, 1), weight = random_tensor({5000, 16}, 2, 0.3);
  const at::Tensor targets = random_targets(40, 5000), slope = random_tensor({40}, 4, 1);
  Matrix head(weight.clone().requires_grad_(true), Compute::kF32);
  const std::vector<int64_t> ends = {40};
  const auto learned = learn(hidden, head, targets, ends, slope, false);
  const Matrix read = read_only_matrix(5000, 16, Compute::kF32, RowType::kF32, [&](int64_t row, void* out) {
    std::memcpy(out, weight.const_data_ptr<float>() + row * 16, 16 * sizeof(float));
  });
  const auto slopes = [&](size_t, const HeadLogp&) { return slope; };
  at::Tensor room = at::empty({3}, at::kFloat);  // too small
  EXPECT_TRUE(at::equal(head_logp_gradient(hidden, read, targets, ends, false, slopes, room), learned.grad_hidden));
  EXPECT_THROW(head_logp_gradient(hidden, head, targets, std::vector<int64_t>{39}, false, slopes, room), Error);
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
  const at::Tensor weight = random_tensor({5000, 32}, 2, 0.3), targets = random_targets(1100, 5000);
  for (const auto compute : {Compute::kF32, Compute::kBf16}) {
    std::vector<at::Tensor> expected;
    for (int threads : {1, 1, 2, 3}) {
      Team team(threads);
      const TeamScope scope(&team);
      const at::Tensor hidden = random_tensor({1100, 32}, 1, 1);
      Matrix head(weight.clone().requires_grad_(true), compute);
      if (threads == 3) pack(head, Uses::kForwardAndBackward);
      const Learned out = learn(hidden, head, targets, {1100}, random_tensor({1100}, 4, 1), /*with_entropy=*/true);
      EXPECT_TRUE(at::equal(out.logp, head_logp(hidden, head, targets, false).logp));
      const std::vector<at::Tensor> found = {out.logp, out.entropy, out.grad_hidden, out.grad_head};
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
