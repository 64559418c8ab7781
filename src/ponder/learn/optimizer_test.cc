#include "ponder/learn/optimizer.h"

#include <ATen/ops/allclose.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/learn/tiny_model.h"

namespace ponder::learn {
namespace {

at::Tensor random_like(const at::Tensor& like, uint64_t seed) {
  at::Tensor x = at::empty_like(like);
  base::Rng rng{base::RngKey(seed)};
  for (int64_t i = 0; i < x.numel(); ++i) x.mutable_data_ptr<float>()[i] = static_cast<float>(rng.normal());
  return x;
}

TEST(Optimizer, AdamWFollowsItsFormula) {
  const auto parameters = tiny_model(1);
  const auto table = model::parameter_table(parameters.config);
  const at::Tensor start = parameters.flat.clone();
  Optimizer optimizer(parameters, {.beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.1});
  const double lr = 0.01;
  const at::Tensor g1 = random_like(start, 2), g2 = random_like(start, 3);
  const at::Tensor first = g1.clone(), second = g2.mul(4);
  optimizer.step(first, lr, 1, 1);
  optimizer.step(second, lr, 0.25, 1);
  EXPECT_EQ(first.abs().max().item<float>(), 0) << "spent";
  EXPECT_EQ(second.abs().max().item<float>(), 0) << "spent";
  EXPECT_EQ(optimizer.steps(), 2);
  for (const auto& p : table) {
    const double decay = p.shape.size() >= 2 ? 0.1 : 0.0;  // norms are left alone
    for (int64_t i : {p.offset, p.offset + p.numel() - 1}) {
      double w = start.const_data_ptr<float>()[i], m = 0, v = 0;
      int t = 0;
      for (const auto* grad : {&g1, &g2}) {
        const double g = grad->const_data_ptr<float>()[i];
        ++t;
        m = 0.9 * m + 0.1 * g, v = 0.99 * v + 0.01 * g * g;
        w -= lr * decay * w;
        w -= lr * (m / (1 - std::pow(0.9, t))) / (std::sqrt(v / (1 - std::pow(0.99, t))) + 1e-8);
      }
      EXPECT_NEAR(parameters.flat.const_data_ptr<float>()[i], w, 1e-5) << p.name;
    }
  }
}

TEST(Optimizer, OrthogonalizeBringsSingularValuesNearOne) {
  const auto parameters = tiny_model(1);
  for (const auto& [rows, columns] : {std::pair{32, 32}, {48, 16}, {16, 48}}) {
    const at::Tensor g = random_like(at::eye(rows, columns), 5);
    const at::Tensor s = at::linalg_svdvals(orthogonalize(g));
    EXPECT_GT(s.min().item<float>(), 0.3) << rows << "×" << columns;
    EXPECT_LT(s.max().item<float>(), 1.3) << rows << "×" << columns;
    // The same singular vectors: the product with gᵀ is symmetric.
    const at::Tensor product = at::mm(orthogonalize(g), g.t());
    EXPECT_TRUE(at::allclose(product, product.t(), 1e-3, 1e-3));
  }
  const at::Tensor zero = at::eye(8, 8).mul(0);
  EXPECT_TRUE(at::equal(orthogonalize(zero), zero));
}

TEST(Optimizer, MuonMovesMatricesAndAdamWTheRest) {
  const auto parameters = tiny_model(1), twin = parameters.clone();
  Optimizer muon(parameters, {.kind = "muon", .muon_lr_scale = 2}), adamw(twin, {});
  const at::Tensor start = parameters.flat.clone(), g = random_like(start, 2);
  muon.step(g.clone(), 0.01, 1, 1);
  adamw.step(g.clone(), 0.01, 1, 1);
  const auto piece = [](const at::Tensor& flat, const model::MatrixInfo& m) {
    return flat.narrow(0, m.offset, m.rows * m.columns).view({m.rows, m.columns});
  };
  at::Tensor rest = parameters.flat.clone(), twin_rest = twin.flat.clone();
  for (const auto& m : model::layer_matrices(parameters.config)) {
    // From momentum zero, the first direction is that of the gradient.
    const double step =
        0.01 * 2 * std::sqrt(std::max(1.0, static_cast<double>(m.rows) / static_cast<double>(m.columns)));
    const at::Tensor expected = piece(start, m).sub(orthogonalize(piece(g, m)), step);
    EXPECT_TRUE(at::allclose(piece(parameters.flat, m), expected, 1e-4, 1e-5)) << m.name;
    piece(rest, m).zero_();
    piece(twin_rest, m).zero_();
  }
  EXPECT_TRUE(at::equal(rest, twin_rest));
}

TEST(Optimizer, WorkersDoNotChangeABit) {
  const auto one = tiny_model(1), three = one.clone();
  Optimizer a(one, {.kind = "muon"}), b(three, {.kind = "muon"});
  for (uint64_t s = 0; s < 3; ++s) {
    a.step(random_like(one.flat, s), 0.01, 1, 1);
    b.step(random_like(one.flat, s), 0.01, 1, 3);
  }
  EXPECT_TRUE(at::equal(one.flat, three.flat));
}

TEST(Optimizer, StateResumesInTheSameBits) {
  for (const char* kind : {"adamw", "muon"}) {
    const auto through = tiny_model(1);
    Optimizer optimizer(through, {.kind = kind});
    for (uint64_t s = 0; s < 3; ++s) optimizer.step(random_like(through.flat, s), 0.01, 1, 1);

    const std::string path = testing::TempDir() + "ponder_optimizer_" + kind + ".safetensors";
    optimizer.save(path);
    const auto resumed = through.clone();
    Optimizer other(resumed, {.kind = kind});
    other.load(path);
    base::remove_all(path);
    EXPECT_EQ(other.steps(), 3);
    for (uint64_t s = 3; s < 6; ++s) {
      optimizer.step(random_like(through.flat, s), 0.01, 1, 1);
      other.step(random_like(through.flat, s), 0.01, 1, 1);
    }
    EXPECT_TRUE(at::equal(through.flat, resumed.flat)) << kind;
  }
}

TEST(Optimizer, StateOfAnotherModelOrKindIsRefusedAndChangesNothing) {
  const std::string path = testing::TempDir() + "ponder_optimizer_other.safetensors";
  Optimizer(tiny_model(1, /*value_head=*/true), {}).save(path);
  const auto parameters = tiny_model(1);
  Optimizer adamw(parameters, {}), muon(parameters, {.kind = "muon"});
  adamw.step(random_like(parameters.flat, 1), 0.01, 1, 1);
  const auto message = [&path](Optimizer& optimizer) -> std::string {
    try {
      optimizer.load(path);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(message(adamw).find("first_moment is F32 of"), std::string::npos) << message(adamw);
  EXPECT_NE(message(muon).find("holds the state of adamw; this run uses muon"), std::string::npos) << message(muon);
  EXPECT_EQ(adamw.steps(), 1);
  base::remove_all(path);
}

TEST(Optimizer, ClippingTakesTheNormOfAllPieces) {
  const at::Tensor g = at::eye(2, 2).mul(3).view({4});
  EXPECT_NEAR(gradient_norm(g), std::sqrt(18), 1e-5);
  EXPECT_EQ(clip_factor(gradient_norm(g), 0), 1);
  EXPECT_NEAR(clip_factor(gradient_norm(g), 1), 1 / std::sqrt(18), 1e-6);
  EXPECT_EQ(clip_factor(gradient_norm(g), 5), 1);
  const at::Tensor large = at::zeros({(int64_t{1} << 24) + 7}, at::kFloat);  // one number in each of two pieces
  large[3] = 3, large[(int64_t{1} << 24) + 5] = 4;
  EXPECT_EQ(gradient_norm(large), 5);
}

TEST(Schedule, WarmsUpAndFalls) {
  EXPECT_EQ(schedule_factor({}, 0, 10), 1);
  EXPECT_EQ(schedule_factor({}, 9, 10), 1);
  const ScheduleOptions cosine{.kind = "cosine", .warmup = 4, .final_ratio = 0.1};
  EXPECT_NEAR(schedule_factor(cosine, 0, 25), 0.2, 1e-12);
  EXPECT_NEAR(schedule_factor(cosine, 3, 25), 0.8, 1e-12);
  EXPECT_NEAR(schedule_factor(cosine, 4, 25), 1, 1e-12);
  EXPECT_NEAR(schedule_factor(cosine, 14, 25), 0.55, 1e-12);
  EXPECT_NEAR(schedule_factor(cosine, 24, 25), 0.1, 1e-12);
  EXPECT_NEAR(schedule_factor(cosine, 99, 25), 0.1, 1e-12);
  const ScheduleOptions linear{.kind = "linear", .warmup = 0, .final_ratio = 0};
  EXPECT_NEAR(schedule_factor(linear, 5, 11), 0.5, 1e-12);
  EXPECT_EQ(schedule_factor(linear, 0, 1), 1);
}

}  // namespace
}  // namespace ponder::learn
