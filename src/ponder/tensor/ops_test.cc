#include "ponder/tensor/ops.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tril.h>
#include <ATen/ops/triu.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/tensor/device.h"
#include "ponder/tensor/kernels.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/matrix.h"
#include "ponder/tensor/simd.h"

namespace ponder::tensor {
namespace {

at::Tensor random(std::vector<int64_t> shape, uint64_t seed, double scale = 1) {
  at::Tensor t = at::empty(shape, at::kFloat);
  base::Rng rng{base::RngKey(seed)};
  float* p = t.mutable_data_ptr<float>();
  for (int64_t i = 0; i < t.numel(); ++i) p[i] = static_cast<float>(scale * rng.normal());
  return t;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return a.to(at::kDouble).sub(b.to(at::kDouble)).abs().max().item<double>();
}

at::Tensor leaf(const at::Tensor& t) { return t.detach().clone().requires_grad_(true); }

// The value and the gradients of op agree with those of a plain reference in f64, within what f32 rounding explains.
void expect_same_with_gradients(const std::function<at::Tensor(const std::vector<at::Tensor>&)>& op,
                                const std::function<at::Tensor(const std::vector<at::Tensor>&)>& reference,
                                const std::vector<at::Tensor>& inputs, double tolerance) {
  std::vector<at::Tensor> a, b;
  for (const auto& x : inputs) a.push_back(leaf(x)), b.push_back(leaf(x.to(at::kDouble)));
  const at::Tensor y = op(a), expected = reference(b);
  EXPECT_LT(largest_difference(y, expected), tolerance);
  {
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(at::equal(op(a), y)) << "the path without gradients gives other bits";
  }
  const at::Tensor seed = random(y.sizes().vec(), 99);
  y.backward(seed);
  expected.backward(seed.to(at::kDouble));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const at::Tensor grad = a[i].grad().defined() ? a[i].grad() : at::zeros_like(a[i]);  // of what is not read
    EXPECT_LT(largest_difference(grad, b[i].grad()), tolerance * 10) << i;
  }
}

at::Tensor reference_norm(const at::Tensor& x, const at::Tensor& w, double eps) {
  return x.mul(x.square().mean(1, true).add(eps).rsqrt()).mul(w);
}

at::Tensor reference_rope(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& s, double theta) {
  const int64_t half = s.head_dim / 2;
  const at::Tensor frequency = at::arange(half, at::kDouble).mul(-2.0 / double(s.head_dim) * std::log(theta)).exp();
  const at::Tensor angle = positions.to(at::kDouble).unsqueeze(1).mul(frequency).unsqueeze(1);  // [T,1,half]
  const at::Tensor heads = qkv.view({qkv.size(0), -1, s.head_dim});
  const at::Tensor turned = heads.narrow(1, 0, s.rotated());
  const at::Tensor a = turned.narrow(2, 0, half), b = turned.narrow(2, half, half);
  const at::Tensor c = angle.cos(), n = angle.sin();
  return at::cat(
             {at::cat({a.mul(c).sub(b.mul(n)), b.mul(c).add(a.mul(n))}, 2), heads.narrow(1, s.rotated(), s.kv_heads)},
             1)
      .reshape({qkv.size(0), -1});
}

at::Tensor reference_attention(const at::Tensor& qkv, const std::vector<int64_t>& starts, const HeadShape& s) {
  std::vector<at::Tensor> out;
  for (size_t i = 0; i + 1 < starts.size(); ++i) {
    const int64_t n = starts[i + 1] - starts[i];
    const at::Tensor heads =
        qkv.narrow(0, starts[i], n).view({n, s.rotated() + s.kv_heads, s.head_dim}).transpose(0, 1);
    at::Tensor mask = at::full({n, n}, -1e30, at::kDouble).triu(1);
    if (s.window > 0) mask = mask.add(at::full({n, n}, -1e30, at::kDouble).tril(-s.window));
    const double scale = s.scale > 0 ? s.scale : 1 / std::sqrt(double(s.head_dim));
    std::vector<at::Tensor> each;
    for (int64_t h = 0; h < s.heads; ++h) {
      const int64_t g = h / (s.heads / s.kv_heads);
      const at::Tensor q = heads.select(0, h), k = heads.select(0, s.heads + g);
      const at::Tensor v = heads.select(0, s.heads + s.kv_heads + g);
      each.push_back(at::softmax(q.matmul(k.t()).mul(scale).add(mask), 1).matmul(v));
    }
    out.push_back(at::cat(each, 1));
  }
  return at::cat(out, 0);
}

// Every test of values runs on each instruction set that this machine has.
class Ops : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    simd::limit_level(GetParam());
    if (simd::level() != GetParam()) GTEST_SKIP() << "this machine lacks the instruction set";
  }
  void TearDown() override { simd::limit_level(100); }
};
INSTANTIATE_TEST_SUITE_P(Level, Ops, testing::Values(1, 3, 4));

TEST_P(Ops, RmsNorm) {
  for (const int64_t width : {16, 48, 128})
    expect_same_with_gradients([](const auto& in) { return rms_norm(in[0], in[1], 1e-5); },
                               [](const auto& in) { return reference_norm(in[0], in[1], 1e-5); },
                               {random({5, width}, 1), random({width}, 2)}, 1e-5);
}

TEST_P(Ops, RmsNormAroundOne) {
  expect_same_with_gradients([](const auto& in) { return rms_norm(in[0], in[1], 1e-6, 1); },
                             [](const auto& in) { return reference_norm(in[0], in[1].add(1), 1e-6); },
                             {random({5, 48}, 1), random({48}, 2)}, 1e-5);
}

TEST_P(Ops, HeadNorm) {
  const HeadShape shape{4, 2, 32};
  for (const double offset : {0.0, 1.0})
    expect_same_with_gradients(
        [&](const auto& in) { return head_norm(in[0], in[1], in[2], shape, 1e-6, offset); },
        [&](const auto& in) {
          std::vector<at::Tensor> heads;
          for (int64_t h = 0; h < 8; ++h) {
            const at::Tensor head = in[0].narrow(1, h * 32, 32);
            heads.push_back(h >= 6 ? head : reference_norm(head, in[h < 4 ? 1 : 2].add(offset), 1e-6));
          }
          return at::cat(heads, 1);
        },
        {random({7, shape.columns()}, 1), random({32}, 2), random({32}, 3)}, 1e-5);
}

TEST_P(Ops, GatedFfn) {
  for (const Gate gate : {Gate::kSilu, Gate::kGelu})
    for (const int64_t rows : {3, 300})  // more than one block
      for (const bool adds : {false, true})
        expect_same_with_gradients(
            [&](const auto& in) {
              return gated_ffn(adds ? std::optional(in[3]) : std::nullopt, in[0], in[1], in[2], gate);
            },
            [&](const auto& in) {
              const at::Tensor halves = in[0].matmul(in[1].t()), up = halves.narrow(1, 48, 48);
              const at::Tensor low = halves.narrow(1, 0, 48);
              const at::Tensor active = gate == Gate::kGelu ? at::gelu(low, "tanh") : low.mul(low.sigmoid());
              // The residual counts for nothing where it is not added.
              return active.mul(up).matmul(in[2].t()).add(in[3].mul(adds ? 1 : 0));
            },
            {random({rows, 32}, 3), random({96, 32}, 4, 0.3), random({32, 48}, 5, 0.3), random({rows, 32}, 6)}, 3e-5);
}

TEST_P(Ops, GatesAtTheEndsOfTheRange) {
  const float gates[16] = {-1e30f, -200, -89, -87, -12, -5, 0, 5, 87, 200, 1e30f};
  float halves[32], silu[16], gelu[16];
  std::copy_n(gates, 16, halves);
  std::fill_n(halves + 16, 16, 1.0f);
  swiglu_rows(halves, 1, 16, silu);
  geglu_rows(halves, 1, 16, gelu);
  for (int i = 0; i < 16; ++i) {
    const double gate = gates[i], expected = gate / (1 + std::exp(-gate));
    EXPECT_NEAR(silu[i], expected, 1e-6 * std::abs(expected) + (gate < 0 ? 1e-7 * -gate : 0)) << gate;
    const double expected_gelu = 0.5 * gate * (1 + std::tanh(0.7978845608 * (gate + 0.044715 * std::pow(gate, 3))));
    EXPECT_NEAR(gelu[i], expected_gelu, 1e-6 * std::abs(expected_gelu) + 1e-7) << gate;
  }
}

TEST_P(Ops, Rope) {
  for (const HeadShape shape : {HeadShape{4, 2, 32}, HeadShape{3, 1, 16}, HeadShape{2, 2, 48}}) {
    const at::Tensor positions = at::arange(9, at::kLong).mul(37);
    expect_same_with_gradients([&](const auto& in) { return rope(in[0], positions, shape, Rotary{10000}); },
                               [&](const auto& in) { return reference_rope(in[0], positions, shape, 10000); },
                               {random({9, shape.columns()}, 4)}, 2e-4);  // angles are f32 in the op
  }
}

// Each pair (columns i and i + 8 of a head of 16) turns as it would if all had its divisor.
TEST_P(Ops, RopeWithADivisorForEachPair) {
  const HeadShape shape{1, 1, 16};
  const at::Tensor x = random({9, shape.columns()}, 4), positions = at::arange(9, at::kLong).mul(37);
  const std::vector<float> divisors = {1, 4, 4, 1, 4, 1, 1, 4};
  const at::Tensor found = rope(x, positions, shape, {.scaling = RotaryScaling::kDivisors, .divisors = divisors});
  const at::Tensor plain = rope(x, positions, shape, {});
  const at::Tensor slow = rope(x, positions, shape, {.scaling = RotaryScaling::kLinear, .factor = 4});
  for (int64_t c = 0; c < 32; ++c)
    EXPECT_TRUE(at::equal(found.select(1, c), (divisors[static_cast<size_t>(c % 8)] == 1 ? plain : slow).select(1, c)))
        << c;
}

TEST(Rotary, ATableThatSamplingMadeServesTraining) {
  const HeadShape shape{1, 1, 16};
  const at::Tensor positions = at::arange(3, at::kLong);
  const Rotary own{777};  // of this test alone: the table is new
  {
    const c10::InferenceMode inference;
    rope(random({3, 48}, 1), positions, shape, own);
  }
  const at::Tensor x = leaf(random({3, 48}, 2));
  rope(x, positions, shape, own).sum().backward();
  EXPECT_GT(x.grad().abs().sum().item<double>(), 0);
}

TEST_P(Ops, CausalAttention) {
  const std::vector<int64_t> starts = {0, 1, 18, 34, 34, 75};
  for (const HeadShape shape : {HeadShape{4, 4, 32}, HeadShape{4, 2, 16}, HeadShape{6, 1, 48}})
    expect_same_with_gradients([&](const auto& in) { return causal_attention(in[0], {starts}, shape); },
                               [&](const auto& in) { return reference_attention(in[0], starts, shape); },
                               {random({75, shape.columns()}, 5)}, 3e-6);
}

// On the CPU's kernels and as other devices compute it: the completions of a prompt, each behind a copy of it.
TEST_P(Ops, CausalAttentionOfCompletionsThatShareTheirPrompt) {
  const Packing packing{{0, 4, 24, 29, 29, 40, 43}, {0, 0, 1, 1, 1, 0}};
  const at::Tensor copies = at::cat({at::arange(0, 4), at::arange(4, 24), at::arange(4, 29), at::arange(4, 24),
                                     at::arange(4, 24), at::arange(29, 40), at::arange(40, 43)});
  const at::Tensor kept = at::cat({at::arange(0, 24), at::arange(44, 49), at::arange(89, 103)});
  const std::vector<int64_t> starts = {0, 4, 24, 49, 69, 100, 103};
  for (const int64_t window : {0, 1, 9, 22}) {
    HeadShape shape{4, 2, 32};
    shape.window = window;
    const auto reference = [&](const auto& in) {
      return reference_attention(in[0].index_select(0, copies), starts, shape).index_select(0, kept);
    };
    expect_same_with_gradients([&](const auto& in) { return causal_attention(in[0], packing, shape); }, reference,
                               {random({43, shape.columns()}, 12)}, 1e-5);
    const at::Tensor qkv = random({43, shape.columns()}, 13).to(at::kDouble);
    EXPECT_LT(largest_difference(causal_attention(qkv, packing, shape), reference(std::vector{qkv})), 1e-6);
    EXPECT_THROW(causal_attention(qkv, {{0, 10, 43}, {1, 0}}, shape), Error);
  }
}

TEST_P(Ops, CausalAttentionThroughAWindow) {
  const std::vector<int64_t> starts = {0, 1, 18, 120};
  for (const int64_t window : {1, 7, 16, 40, 500})
    for (HeadShape shape : {HeadShape{4, 2, 16}, HeadShape{2, 1, 256}}) {
      shape.window = window;
      if (window == 7) shape.scale = 0.3;
      expect_same_with_gradients([&](const auto& in) { return causal_attention(in[0], {starts}, shape); },
                                 [&](const auto& in) { return reference_attention(in[0], starts, shape); },
                                 {random({120, shape.columns()}, 5)}, 1e-5);
    }
}

TEST_P(Ops, AttentionOfASequenceDoesNotDependOnItsNeighbours) {
  const HeadShape shape{4, 2, 32};
  const at::Tensor qkv = random({50, shape.columns()}, 6);
  const at::Tensor packed = causal_attention(qkv, {{0, 20, 50}}, shape);
  const at::Tensor alone = causal_attention(qkv.narrow(0, 20, 30), {{0, 30}}, shape);
  EXPECT_TRUE(at::equal(packed.narrow(0, 20, 30), alone));
  // Later rows of the same sequence change nothing either.
  EXPECT_TRUE(at::equal(alone.narrow(0, 0, 11), causal_attention(qkv.narrow(0, 20, 11), {{0, 11}}, shape)));
}

TEST_P(Ops, TargetLogpAndItsGradient) {
  for (const int64_t vocab : {1, 7, 16, 144, 1000}) {
    const at::Tensor logits = random({6, vocab}, 7, 3);
    const at::Tensor targets = at::arange(6, at::kLong).mul(5).remainder(vocab);
    const at::Tensor reference = leaf(logits.to(at::kDouble));
    const at::Tensor logp = at::log_softmax(reference, 1);
    const at::Tensor expected = logp.gather(1, targets.unsqueeze(1)).squeeze(1);
    const TargetLogp result = target_logp(logits, targets, true);
    EXPECT_LT(largest_difference(result.logp, expected), 3e-6) << vocab;
    EXPECT_LT(largest_difference(result.entropy, logp.exp().mul(logp).sum(1).neg()), 1e-5) << vocab;
    const at::Tensor weight = random({6}, 8);
    expected.backward(weight.to(at::kDouble));
    at::Tensor gradient = logits.clone();
    target_logp_backward_(gradient, targets, result.logsumexp, weight);
    EXPECT_LT(largest_difference(gradient, reference.grad()), 1e-6) << vocab;
  }
}

TEST_P(Ops, ArgmaxIsTheFirstOfTheHighest) {
  for (const int64_t n : {1, 7, 16, 1000, 1024, 5000}) {
    const at::Tensor x = random({n}, static_cast<uint64_t>(n));
    float* values = x.mutable_data_ptr<float>();
    int64_t found = -1;
    row_argmax(values, n, &found);
    EXPECT_EQ(found, std::max_element(values, values + n) - values);
    for (const int64_t at : {n - 1, n / 2, n / 3}) {
      values[at] = 100;
      row_argmax(values, n, &found);
      EXPECT_EQ(found, at) << n;
    }
  }
}

TEST_P(Ops, NotANumberStaysVisible) {
  at::Tensor logits = at::full({1, 20}, 1.0f);
  logits.mutable_data_ptr<float>()[3] = std::nanf("");
  EXPECT_TRUE(std::isnan(target_logp(logits, at::arange(1, at::kLong), false).logp.item<float>()));
}

TEST(Linear, GradientsAndResidual) {
  for (const int64_t rows : {3, 40})
    expect_same_with_gradients([](const auto& in) { return linear_add(in[2], in[0], in[1]); },
                               [](const auto& in) { return in[0].matmul(in[1].t()).add(in[2]); },
                               {random({rows, 64}, 9), random({32, 64}, 10), random({rows, 32}, 11)}, 2e-5);
}

// With inputs that bf16 holds exactly, bf16 products are those of f32 up to the order of the sums; the gradient that
// comes in is rounded too.
TEST(Linear, Bf16RoundsInputsAndIncomingGradientsAndNothingElse) {
  const auto in_bf16 = [](const at::Tensor& t) { return t.to(at::kBFloat16).to(at::kFloat); };
  const at::Tensor x = in_bf16(random({20, 48}, 1)), w = in_bf16(random({33, 48}, 2)), added = random({20, 33}, 3);
  const at::Tensor seed = random({20, 33}, 4);
  const auto run = [&](Compute compute, const at::Tensor& a, const at::Tensor& b, const at::Tensor& grad) {
    const at::Tensor ax = leaf(a), bw = leaf(b), residual = leaf(added);
    Matrix matrix(bw, compute);
    pack(matrix, Uses::kForwardAndBackward);
    const at::Tensor y = linear_add(residual, ax, matrix);
    y.backward(grad);
    return std::vector<at::Tensor>{y.detach(), ax.grad(), bw.grad(), residual.grad()};
  };
  const auto exact = run(Compute::kF32, x, w, in_bf16(seed));
  const auto half = run(Compute::kBf16, x.mul(1.001), w.mul(1.001), seed);  // rounds back to x and w
  for (size_t i = 0; i < 3; ++i) EXPECT_LT(largest_difference(exact[i], half[i]), 2e-5) << i;
  EXPECT_TRUE(at::equal(half[3], seed));
}

// A leaf that has a gradient gets more of it in place, as autograd itself would add it.
TEST(Linear, GradientsAreAddedToThoseThatLeavesHave) {
  const at::Tensor x = random({20, 32}, 1), grad = random({20, 32}, 5);
  const at::Tensor w = leaf(random({32, 32}, 2)), up = leaf(random({96, 32}, 3)), down = leaf(random({32, 48}, 4));
  const auto backward = [&] { gated_ffn(std::nullopt, linear(x, w), up, down, Gate::kSilu).backward(grad); };
  backward();
  std::vector<at::Tensor> first, buffers;
  for (const at::Tensor& t : {w, up, down}) first.push_back(t.grad().clone()), buffers.push_back(t.grad());
  backward();
  for (size_t i = 0; i < 3; ++i) EXPECT_LT(largest_difference(buffers[i], first[i].mul(2)), 1e-3) << i;
}

TEST(Linear, PackedAndUnpackedGiveTheSameBits) {
  for (const Compute compute : {Compute::kF32, Compute::kBf16}) {
    const at::Tensor x = random({20, 48}, 1);
    Matrix packed(random({33, 48}, 2), compute);
    const Matrix bare = packed;
    pack(packed, Uses::kForwardAndBackward);
    EXPECT_TRUE(at::equal(linear(x, packed), linear(x, bare)));
    const at::Tensor grad = random({20, 33}, 3);
    EXPECT_TRUE(at::equal(linear_grad_x(grad, packed), linear_grad_x(grad, bare)));
    // Packing again shows copies the new weight.
    const Matrix copy = packed;
    packed.weight.mul_(2);
    EXPECT_FALSE(at::equal(linear(x, copy), linear(x, bare)));
    pack(packed, Uses::kForwardAndBackward);
    EXPECT_TRUE(at::equal(linear(x, copy), linear(x, bare)));
  }
}

// What is packed from the rows of a file has the bits of a weight in memory, and bf16 numbers take half the memory.
TEST(Linear, AMatrixThatIsOnlyRead) {
  for (const int64_t columns : {48, 640, 35}) {
    const at::Tensor x = random({20, columns}, 1), w = random({130, columns}, 2).to(at::kBFloat16).to(at::kFloat);
    const float* rows = w.const_data_ptr<float>();
    const auto read = [&](int64_t row, void* out) {
      std::copy_n(rows + row * columns, columns, static_cast<float*>(out));
    };
    const auto read_half = [&](int64_t row, void* out) {
      for (int64_t i = 0; i < columns; ++i)
        std::memcpy(static_cast<char*>(out) + 2 * i, reinterpret_cast<const char*>(rows + row * columns + i) + 2, 2);
    };
    for (const Compute compute : {Compute::kF32, Compute::kBf16}) {
      const at::Tensor expected = linear(x, Matrix(w, compute));
      const Matrix whole = read_only_matrix(130, columns, compute, RowType::kF32, read);
      const Matrix half = read_only_matrix(130, columns, compute, RowType::kBf16, read_half);
      EXPECT_EQ(half.size(0), 130);
      EXPECT_EQ(half.size(1), columns);
      EXPECT_TRUE(at::equal(linear(x, whole), expected));
      EXPECT_TRUE(at::equal(linear(x, half), expected));
      EXPECT_TRUE(at::equal(linear(x.narrow(0, 7, 3), half), expected.narrow(0, 7, 3)));
      EXPECT_TRUE(columns % 2 != 0 || half.transposed.numel() == columns / 2 * 144);
    }
  }
}

TEST(Linear, RowsThatAreNotContiguousAndNoRows) {
  const at::Tensor wide = random({9, 96}, 1), w = random({33, 48}, 2);
  EXPECT_TRUE(at::equal(linear(wide.narrow(1, 16, 48), w), linear(wide.narrow(1, 16, 48).contiguous(), w)));
  EXPECT_EQ(linear(wide.narrow(0, 0, 0).narrow(1, 0, 48), w).sizes(), (std::vector<int64_t>{0, 33}));
}

TEST(Device, NamesAreChecked) {
  EXPECT_TRUE(resolve_device("cpu").is_cpu());
  try {
    resolve_device("gpu");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
  }
}

}  // namespace
}  // namespace ponder::tensor
