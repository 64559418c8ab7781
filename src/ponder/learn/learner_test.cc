#include "ponder/learn/learner.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/learn/tiny_model.h"
#include "ponder/model/adapter.h"
#include "ponder/model/decoder.h"
#include "ponder/tensor/head_logp.h"

namespace ponder::learn {
namespace {

constexpr int64_t kPack = 64;

// Prompts and answers of different lengths; the answer is learned.
std::vector<Row> example_rows(uint64_t seed, int64_t count) {
  base::Rng rng{base::RngKey(seed)};
  std::vector<Row> rows;
  for (int64_t r = 0; r < count; ++r) {
    core::Example example;
    const int64_t prompt = rng.between(1, 4), answer = rng.between(1, 8);
    for (int64_t i = 0; i < prompt + answer; ++i) {
      example.tokens.push_back(i == 0 ? static_cast<core::Token>(r % 12) : static_cast<core::Token>(rng.below(12)));
      example.weights.push_back(i < prompt ? 0.0f : 1.0f);
    }
    rows.push_back(make_row(example));
  }
  return rows;
}

// As if sampled: advantages, and log-probs under the model itself.
std::vector<Row> policy_rows(const model::Parameters& parameters, uint64_t seed, int64_t count) {
  auto rows = example_rows(seed, count);
  base::Rng rng{base::RngKey(seed + 1)};
  const auto logps = row_logps(parameters, rows, kPack, 1);
  for (size_t r = 0; r < rows.size(); ++r) {
    rows[r].advantages.assign(rows[r].tokens.size(), static_cast<float>(rng.normal()));
    rows[r].logp_old = logps[r];
  }
  return rows;
}

double mean_nll(const model::Parameters& parameters, const std::vector<Row>& rows) {
  double sum = 0, tokens = 0;
  const auto logps = row_logps(parameters, rows, kPack, 1);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < logps[r].size(); ++i) sum -= logps[r][i], tokens += rows[r].weights[i];
  }
  return sum / tokens;
}

TEST(Learner, OverfitsOneBatch) {
  for (const char* kind : {"adamw", "muon"}) {
    const auto parameters = tiny_model(1);
    Learner learner(parameters, {.optimizer = {.kind = kind, .muon_lr_scale = 2}, .pack_tokens = kPack}, 2);
    const auto rows = example_rows(2, 8);
    const double first = learner.step(rows, {}, 0.02).loss;
    EXPECT_NEAR(first, std::log(12), 1.5);
    StepStats last;
    for (int i = 0; i < 300; ++i) last = learner.step(rows, {}, i < 150 ? 0.02 : 0.002);
    EXPECT_LT(last.loss, 0.02) << kind;
    EXPECT_NEAR(mean_nll(parameters, rows), last.loss, 0.01) << kind;
    EXPECT_EQ(learner.version(), 301);
  }
}

// As far down as f32 and along nearly the same path.
TEST(Learner, Bf16LearnsAsF32Does) {
  const auto rows = example_rows(2, 8);
  const auto learn = [&](const char* compute) {
    const auto parameters = tiny_model(1, false, compute);
    Learner learner(parameters, {.pack_tokens = kPack}, 2);
    std::vector<double> losses;
    for (int i = 0; i < 150; ++i) losses.push_back(learner.step(rows, {}, i < 120 ? 0.02 : 0.002).loss);
    EXPECT_NEAR(mean_nll(parameters, rows), losses.back(), 0.02) << compute;
    return losses;
  };
  const auto f32 = learn("f32"), bf16 = learn("bf16");
  EXPECT_NE(f32[0], bf16[0]);
  EXPECT_NEAR(f32[0], bf16[0], 0.01);
  EXPECT_NEAR(f32[10], bf16[10], 0.1);
  EXPECT_LT(bf16.back(), f32.back() + 0.02);
}

// The gradient of the whole path (embedding, layers, head, chunked log-prob, loss) against differences of the loss.
TEST(Learner, GradientMatchesFiniteDifferences) {
  const auto parameters = tiny_model(3);
  const auto rows = example_rows(4, 3);
  const at::Tensor grad = at::zeros_like(parameters.flat);
  const auto leaves = model::leaf_views(parameters.config, parameters.flat, grad);
  double targets = 0;
  for (const Row& row : rows) {
    for (float w : row.weights) targets += w;
  }
  const auto packs = make_packs(rows, Reads::kTokens, {.max_tokens = kPack});
  for (const Pack& pack : packs) {
    const at::Tensor hidden = model::packed_hidden(parameters.config, leaves, at::tensor(pack.ids), pack.packing);
    const at::Tensor logits = hidden.index_select(0, at::tensor(pack.hidden)).matmul(leaves.head.weight.t());
    const at::Tensor logp = at::log_softmax(logits, 1).gather(1, at::tensor(pack.targets).unsqueeze(1));
    logp.sum().mul(-1 / targets).backward();
  }
  Learner learner(parameters, {.optimizer = {.clip_norm = 0}, .pack_tokens = kPack}, 1);
  EXPECT_NEAR(learner.step(rows, {}, 0.0).grad_norm, at::linalg_vector_norm(grad).item<double>(), 1e-5);

  const float* g = grad.const_data_ptr<float>();
  float* w = parameters.flat.mutable_data_ptr<float>();
  for (const auto& p : model::parameter_table(parameters.config)) {
    int64_t i = p.offset;  // the weight that matters most of each tensor, where rounding hurts least
    for (int64_t j = p.offset; j < p.offset + p.numel(); ++j) i = std::abs(g[j]) > std::abs(g[i]) ? j : i;
    const float x = w[i], h = 1e-2f;
    w[i] = x + h;
    const double above = mean_nll(parameters, rows);
    w[i] = x - h;
    const double below = mean_nll(parameters, rows);
    w[i] = x;
    EXPECT_NEAR((above - below) / (2 * h), g[i], 1e-3 + 0.01 * std::abs(g[i])) << p.name;
  }
}

// With a vocabulary whose logits are kept for few rows at a time, a pack is worked off in chunks of whole rows or
// pairs, and in which ones makes no difference.
TEST(Learner, ChunksOfLogitsAddUp) {
  const auto rows = example_rows(6, 60);
  for (const auto* loss : {"gspo", "dpo"}) {
    std::vector<StepStats> steps;
    for (int64_t pack_tokens : {24, 4096}) {
      auto parameters = tiny_model(3, false, "f32", 1'300'000);
      auto own = rows;
      for (size_t r = 0; r < own.size(); ++r) {
        own[r].advantages.assign(own[r].tokens.size(), r % 3 == 0 ? 1.0f : -0.4f);
        own[r].logp_ref.assign(own[r].tokens.size(), -2.0f - 0.1f * static_cast<float>(r % 7));
      }
      Learner learner(parameters, {.optimizer = {.clip_norm = 0}, .pack_tokens = pack_tokens}, 1);
      steps.push_back(learner.step(own, {.loss = loss}, 0.0));
    }
    ASSERT_GT(steps[1].targets, 2 * tensor::kept_rows(1'300'000, tensor::Compute::kF32))
        << "one chunk would show nothing";
    EXPECT_NEAR(steps[0].loss, steps[1].loss, 1e-6 * std::abs(steps[0].loss)) << loss;
    EXPECT_NEAR(steps[0].grad_norm, steps[1].grad_norm, 1e-5 * steps[0].grad_norm) << loss;
    EXPECT_NEAR(steps[0].entropy, steps[1].entropy, 1e-5) << loss;
    EXPECT_EQ(steps[0].accuracy, steps[1].accuracy) << loss;
    EXPECT_GT(steps[0].grad_norm, 0) << loss;
  }
}

// The loss is that of the answer's tokens alone, so no prompt token is a target of any gradient.
TEST(Learner, PromptTokensAreReadButNotLearned) {
  const auto parameters = tiny_model(5);
  Row row{{9, 10, 11, 1, 2}, {0, 1, 1, 1, 1}};
  const auto logps = row_logps(parameters, std::vector{row}, kPack, 1)[0];
  row.weights = {0, 0, 0, 1, 1};
  Learner learner(parameters, {}, 1);
  const auto stats = learner.step(std::vector{row}, {}, 0.0);
  EXPECT_EQ(stats.targets, 2);
  EXPECT_NEAR(stats.loss, -(logps[3] + logps[4]) / 2, 1e-6);
  row.tokens[0] = 8;  // still read
  EXPECT_NE(learner.step(std::vector{row}, {}, 0.0).loss, stats.loss);
  row.weights = {0, 0, 0, 0, 0};
  EXPECT_FALSE(learner.step(std::vector{row}, {}, 0.1).updated);
}

TEST(Learner, SameWorkersSameBitsOtherWorkersSameNumbers) {
  std::map<int, std::vector<at::Tensor>> results;
  std::map<int, double> losses;
  for (int workers : {1, 2, 2, 3}) {
    const auto parameters = tiny_model(6);
    Learner learner(parameters, {.optimizer = {.kind = "muon"}, .pack_tokens = kPack}, workers);
    for (uint64_t s = 0; s < 3; ++s) losses[workers] = learner.step(example_rows(s, 20), {}, 0.01).loss;
    results[workers].push_back(parameters.flat);
  }
  EXPECT_TRUE(at::equal(results[2][0], results[2][1]));
  EXPECT_NEAR(losses[1], losses[2], 1e-4);
  EXPECT_NEAR(losses[1], losses[3], 1e-4);
}

// A model whose products and vocabulary are cut.
model::Parameters wide_model(const char* compute) {
  model::DecoderConfig config;
  config.width = 64, config.layers = 2, config.heads = 2, config.kv_heads = 1, config.ffn = 128;
  config.context = 64, config.vocab = 3500, config.compute = compute;
  config.head_norms = config.output_norms = true;
  config.resolve();
  return model::make_parameters(config, {}, base::RngKey(1));
}

std::vector<Row> wide_rows() {
  base::Rng rng{base::RngKey(3)};
  std::vector<Row> rows;
  for (int r = 0; r < 8; ++r) {
    core::Example example;
    for (int i = 0; i < 50; ++i) {
      example.tokens.push_back(static_cast<core::Token>(rng.below(i % 2 ? 20 : 3500)));
      example.weights.push_back(i < 5 ? 0.0f : 1.0f);
    }
    rows.push_back(make_row(example));
  }
  return rows;
}

// Threads of a team, and layers that are computed again, change no bit: neither of the weights nor of what is reported.
TEST(Learner, SharedProductsAndRecomputationChangeNoBit) {
  const auto rows = wide_rows();
  for (const char* compute : {"f32", "bf16"}) {
    at::Tensor expected;
    StepStats first;
    const auto learn = [&](LearnerOptions options, int workers) {
      options.pack_tokens = 200, options.optimizer.weight_decay = 0.1;
      const auto parameters = wide_model(compute);
      Learner learner(parameters, options, workers);
      StepStats stats;
      for (int i = 0; i < 3; ++i) stats = learner.step(rows, {}, 0.01);
      if (!expected.defined()) expected = parameters.flat, first = stats;
      EXPECT_TRUE(at::equal(expected, parameters.flat)) << options.share << " " << options.recompute << " " << workers;
      EXPECT_EQ(first.loss, stats.loss);
      EXPECT_EQ(first.grad_norm, stats.grad_norm);
      EXPECT_EQ(row_logps(parameters, rows, 200, 1), row_logps(parameters, rows, 64, 2));
    };
    learn({.share = "packs"}, 1);
    learn({.share = "auto", .recompute = true}, 1);
    for (int workers : {1, 2, 3}) learn({.share = "products", .recompute = workers == 2}, workers);
  }
}

TEST(Learner, LargeModelsShareProducts) {
  EXPECT_FALSE(shares_products({}, (64 << 20) - 1));
  EXPECT_TRUE(shares_products({}, 64 << 20));
  EXPECT_FALSE(shares_products({.share = "packs"}, int64_t{1} << 30));
  EXPECT_TRUE(shares_products({.share = "products"}, 1000));
}

// An adapter learns beside a base that stays as it is, in the same bits however workers share and whatever is kept.
TEST(Learner, AnAdapterLearnsAndItsBaseStays) {
  const auto rows = wide_rows();
  for (const char* compute : {"f32", "bf16"}) {
    at::Tensor expected;
    const auto learn = [&](LearnerOptions options, int workers, bool muon = false) {
      options.pack_tokens = 200;
      if (muon) options.optimizer.kind = "muon";
      auto parameters = wide_model(compute);
      const at::Tensor before = parameters.flat.clone();
      model::AdapterConfig config{.r = 4, .lora_alpha = 16, .target_modules = model::adapter_modules()};
      parameters.adapter = model::make_adapter(parameters.config, config, base::RngKey(5));
      Learner learner(parameters, options, workers);
      const double first = learner.step(rows, {}, 0.01).loss;
      StepStats stats;
      for (int i = 0; i < 3; ++i) stats = learner.step(rows, {}, 0.01);
      EXPECT_LT(stats.loss, first - 0.1) << muon;
      EXPECT_NEAR(mean_nll(parameters, rows), learner.step(rows, {}, 0.0).loss, 1e-4);
      EXPECT_TRUE(at::equal(before, parameters.flat));
      if (muon) return;
      if (!expected.defined()) expected = parameters.adapter->flat;
      EXPECT_TRUE(at::equal(expected, parameters.adapter->flat)) << options.share << " " << workers;
    };
    learn({.share = "packs"}, 1);
    learn({.share = "products"}, 2);
    learn({.share = "products", .recompute = true}, 3);
    learn({.share = "packs"}, 2, /*muon=*/true);
  }
  auto parameters = wide_model("f32");
  const double full_flops = Learner(parameters, {}, 1).step(rows, {}, 0.0).flops;
  parameters.adapter = model::make_adapter(parameters.config, {}, base::RngKey(5));
  const StepStats stats = Learner(parameters, {}, 1).step(rows, {}, 0.0);
  const auto adapter_weights = static_cast<double>(parameters.adapter->flat.numel());
  EXPECT_NEAR(stats.flops, full_flops * 2 / 3 + 6 * adapter_weights * static_cast<double>(stats.tokens), 1);
  parameters.adapter = model::make_adapter(parameters.config, {.lora_dropout = 0.1}, base::RngKey(5));
  EXPECT_THROW(Learner(parameters, {}, 1), Error);
}

TEST(Learner, ResumesInTheSameBits) {
  const auto parameters = tiny_model(7);
  const LearnerOptions options{.optimizer = {.kind = "muon"}, .pack_tokens = kPack};
  Learner learner(parameters, options, 2);
  for (uint64_t s = 0; s < 3; ++s) learner.step(example_rows(s, 10), {}, 0.01);
  const auto resumed = parameters.clone();
  Learner other(resumed, options, 2);
  const std::string path = testing::TempDir() + "ponder_learner.safetensors";
  learner.optimizer().save(path);
  other.optimizer().load(path);
  base::remove_all(path);
  for (uint64_t s = 3; s < 6; ++s) {
    learner.step(example_rows(s, 10), {}, 0.01);
    other.step(example_rows(s, 10), {}, 0.01);
  }
  EXPECT_TRUE(at::equal(parameters.flat, resumed.flat));
  EXPECT_EQ(learner.version(), other.version());
}

TEST(Learner, LogpsDoNotDependOnThePacking) {
  const auto parameters = tiny_model(8);
  const auto rows = example_rows(9, 25);
  EXPECT_EQ(row_logps(parameters, rows, 16, 1), row_logps(parameters, rows, 4096, 1));
  EXPECT_EQ(row_logps(parameters, rows, 16, 2), row_logps(parameters, rows, 100, 3));
}

// Samples of one prompt stand side by side, and the prompt is read once for all of them; apart, each reads its own.
TEST(Learner, ASharedPromptIsReadOnceAndChangesNothing) {
  const auto parameters = tiny_model(9);
  base::Rng rng{base::RngKey(31)};
  std::vector<Row> side_by_side, apart;
  for (int g = 0; g < 2; ++g) {
    core::Tokens prompt;
    for (int i = 0; i < 37; ++i) prompt.push_back(static_cast<core::Token>(rng.below(12)));
    for (int s = 0; s < 4; ++s) {
      core::Trajectory sample;
      sample.prompt = prompt, sample.tokens = {static_cast<core::Token>(s)}, sample.logp_behavior = {0};
      for (int64_t i = rng.below(15); i > 0; --i) {
        sample.tokens.push_back(static_cast<core::Token>(rng.below(12))), sample.logp_behavior.push_back(0);
      }
      side_by_side.push_back(make_row(sample, static_cast<float>(rng.normal())));
    }
  }
  for (size_t r = 0; r < 8; ++r) apart.push_back(side_by_side[r % 2 * 4 + r / 2]);
  const auto logps = row_logps(parameters, side_by_side, 4096, 1), alone = row_logps(parameters, apart, 4096, 1);
  for (size_t r = 0; r < 8; ++r) EXPECT_EQ(alone[r], logps[r % 2 * 4 + r / 2]);

  const auto step = [&](const std::vector<Row>& rows) {
    const auto copy = parameters.clone();
    Learner learner(copy, {.optimizer = {.clip_norm = 0}}, 1);
    const auto stats = learner.step(rows, {.loss = "grpo"}, 0.001);
    return std::pair{stats, copy.flat};
  };
  const auto [shared, weights] = step(side_by_side);
  const auto [copied, other] = step(apart);
  EXPECT_EQ(shared.tokens, copied.tokens - 6 * 37);
  EXPECT_LT(shared.flops, 0.6 * copied.flops);
  EXPECT_EQ(shared.targets, copied.targets);
  EXPECT_NEAR(shared.loss, copied.loss, 1e-9);
  EXPECT_NEAR(shared.grad_norm, copied.grad_norm, 1e-5 * copied.grad_norm);
  EXPECT_LT(weights.sub(other).abs().max().item<double>(), 2e-4);
}

// A critic's labels may stand within what its rows share.
TEST(Learner, ScoresOfASharedBeginningAreThoseOfRowsApart) {
  const auto parameters = tiny_model(9, /*value_head=*/true);
  base::Rng rng{base::RngKey(33)};
  std::vector<Row> side_by_side, apart;
  for (int g = 0; g < 2; ++g) {
    core::Tokens beginning;
    for (int i = 0; i < 40; ++i) beginning.push_back(static_cast<core::Token>(rng.below(12)));
    for (int s = 0; s < 3; ++s) {
      core::Tokens tokens = beginning;
      for (int i = 0; i < 5; ++i) tokens.push_back(static_cast<core::Token>(rng.below(12)));
      const std::vector<int64_t> positions = {20, 40, 45};
      const std::vector<float> labels = {0.5f, s / 2.0f, s == 1 ? 1.0f : 0.0f};
      side_by_side.push_back(make_row(std::move(tokens), positions, labels));
    }
  }
  for (size_t r = 0; r < 6; ++r) apart.push_back(side_by_side[r % 2 * 3 + r / 2]);
  const auto scores = row_scores(parameters, side_by_side, 4096, 1), alone = row_scores(parameters, apart, 4096, 1);
  for (size_t r = 0; r < 6; ++r) EXPECT_EQ(alone[r], scores[r % 2 * 3 + r / 2]);
  const auto step = [&](const std::vector<Row>& rows) {
    Learner learner(parameters.clone(), {.optimizer = {.clip_norm = 0}}, 1);
    return learner.step(rows, {.loss = "prm"}, 0.0);
  };
  const auto shared = step(side_by_side), copied = step(apart);
  EXPECT_EQ(shared.tokens, copied.tokens - 4 * 40);
  EXPECT_EQ(shared.targets, copied.targets);
  EXPECT_NEAR(shared.loss, copied.loss, 1e-9);
  EXPECT_NEAR(shared.grad_norm, copied.grad_norm, 1e-5 * copied.grad_norm);
}

TEST(Learner, FreshSamplesHaveRatioOne) {
  const auto parameters = tiny_model(10);
  for (const char* loss : {"ppo", "grpo", "dr_grpo", "dapo", "gspo", "cispo", "reinforce++"}) {
    Learner learner(parameters, {.pack_tokens = kPack}, 2);
    const auto stats = learner.step(policy_rows(parameters, 11, 10), {.loss = loss}, 0.0);
    EXPECT_EQ(stats.max_logp_gap, 0) << loss;
    EXPECT_EQ(stats.clip_fraction, 0) << loss;
    EXPECT_GT(stats.grad_norm, 0) << loss;
    EXPECT_GT(stats.entropy, 0) << loss;
    EXPECT_LT(stats.entropy, std::log(12)) << loss;
  }
}

TEST(Learner, RowsWithoutAdvantageCostNothingButCount) {
  const auto parameters = tiny_model(12);
  auto rows = policy_rows(parameters, 13, 4);
  Learner learner(parameters, {.pack_tokens = kPack}, 1);
  const auto alone = learner.step(std::span(rows).first(2), {.loss = "grpo"}, 0.0);
  for (size_t r : {2, 3}) rows[r].advantages.assign(rows[r].tokens.size(), 0.0f);
  const auto diluted = learner.step(rows, {.loss = "grpo"}, 0.0);
  EXPECT_EQ(diluted.dropped_rows, 2);
  EXPECT_EQ(diluted.tokens, alone.tokens);
  EXPECT_NEAR(diluted.grad_norm, alone.grad_norm / 2, 1e-6);

  for (Row& row : rows) row.advantages.assign(row.tokens.size(), 0.0f);
  const auto nothing = learner.step(rows, {.loss = "grpo"}, 0.1);
  EXPECT_FALSE(nothing.updated);
  EXPECT_EQ(nothing.tokens, 0);
  for (Row& row : rows) row.logp_ref = row.logp_old;  // a KL term keeps them alive
  EXPECT_EQ(learner.step(rows, {.loss = "grpo", .options = {.beta = 0.1}}, 0.0).dropped_rows, 0);
}

TEST(Learner, KlPullsBackToTheReference) {
  const auto parameters = tiny_model(14);
  const auto reference = tiny_model(15);
  auto rows = example_rows(16, 12);
  const auto logp_ref = row_logps(reference, rows, kPack, 1);
  for (size_t r = 0; r < rows.size(); ++r) {
    rows[r].logp_ref = logp_ref[r];
    rows[r].advantages.assign(rows[r].tokens.size(), 0.0f);
  }
  Learner learner(parameters, {.pack_tokens = kPack}, 2);
  const Objective objective{.loss = "grpo", .options = {.beta = 1}};
  const double before = learner.step(rows, objective, 0.01).kl;
  StepStats last;
  for (int i = 0; i < 100; ++i) last = learner.step(rows, objective, 0.01);
  EXPECT_LT(last.kl, before / 10);
}

// Two-armed and more: one prompt, one token to choose, one of the twelve is rewarded.
TEST(Learner, GrpoRaisesTheRewardedToken) {
  const auto parameters = tiny_model(17);
  Learner learner(parameters, {.pack_tokens = kPack}, 1);
  const auto arms = [&] {
    std::vector<Row> rows;
    for (core::Token a = 0; a < 12; ++a) rows.push_back({{5, a}, {0, 1}});
    return rows;
  };
  const auto probability = [&](core::Token a) {
    return std::exp(row_logps(parameters, arms(), kPack, 1)[static_cast<size_t>(a)][1]);
  };
  EXPECT_LT(probability(3), 0.5);
  for (uint64_t step = 0; step < 60; ++step) {
    const auto logps = row_logps(parameters, arms(), kPack, 1);
    std::vector<double> weights;
    for (const auto& l : logps) weights.push_back(std::exp(l[1]));
    base::Rng rng(base::RngKey(18).child(step));
    std::vector<Row> rows;
    double mean = 0;
    for (int i = 0; i < 16; ++i) {
      const auto a = static_cast<core::Token>(rng.weighted(weights));
      const float logp = logps[static_cast<size_t>(a)][1];
      rows.push_back({{5, a}, {0, 1}, {0, a == 3 ? 1.0f : 0.0f}, {0, logp}});
      mean += (a == 3) / 16.0;
    }
    const float deviation = static_cast<float>(std::sqrt(mean * (1 - mean) * 16 / 15)) + 1e-4f;
    for (Row& row : rows) {
      row.advantages[1] = mean > 0 && mean < 1 ? (row.advantages[1] - static_cast<float>(mean)) / deviation : 0.0f;
    }
    learner.step(rows, {.loss = "grpo"}, 0.01);
  }
  EXPECT_GT(probability(3), 0.9);
}

TEST(Learner, DpoSeparatesPairs) {
  const auto parameters = tiny_model(19);
  std::vector<Row> rows = {{{5, 1, 2}, {0, 1, 1}}, {{5, 3}, {0, 1}}, {{6, 4}, {0, 1}}, {{6, 7, 8}, {0, 1, 1}}};
  const auto reference = row_logps(parameters, rows, kPack, 1);
  for (size_t r = 0; r < rows.size(); ++r) rows[r].logp_ref = reference[r];
  Learner learner(parameters, {.pack_tokens = kPack}, 2);
  const auto first = learner.step(rows, {.loss = "dpo"}, 0.01);
  EXPECT_NEAR(first.loss, std::log(2), 1e-6);
  StepStats last;
  for (int i = 0; i < 40; ++i) last = learner.step(rows, {.loss = "dpo"}, 0.01);
  EXPECT_EQ(last.accuracy, 1);
  EXPECT_LT(last.loss, 0.5);
}

TEST(Learner, CriticLearnsSoftLabels) {
  const auto parameters = tiny_model(20, /*value_head=*/true);
  std::vector<Row> rows;
  const std::vector<int64_t> positions = {2, 4};
  const std::vector<std::vector<float>> labels = {{0.25f, 1.0f}, {0.75f, 0.0f}, {0.5f, 0.5f}};
  for (size_t r = 0; r < labels.size(); ++r) {
    const auto t = static_cast<core::Token>(r);
    rows.push_back(make_row(core::Tokens{t, 3, static_cast<core::Token>(t + 4), 8, 9}, positions, labels[r]));
  }
  Learner learner(parameters, {.pack_tokens = kPack}, 1);
  EXPECT_NEAR(learner.step(rows, {.loss = "prm"}, 0.01).loss, std::log(2), 1e-5);  // an untrained head says ½
  for (int i = 0; i < 150; ++i) learner.step(rows, {.loss = "prm"}, 0.01);
  const auto scores = row_scores(parameters, rows, kPack, 2);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t k = 0; k < 2; ++k) {
      EXPECT_NEAR(scores[r][static_cast<size_t>(positions[k]) - 1], labels[r][k], 0.05) << r << " " << k;
    }
  }
}

TEST(Learner, AGradientThatIsNotFiniteChangesNothing) {
  const auto parameters = tiny_model(21);
  auto rows = policy_rows(parameters, 22, 2);
  rows[0].advantages.assign(rows[0].tokens.size(), std::numeric_limits<float>::infinity());
  const at::Tensor before = parameters.flat.clone();
  Learner learner(parameters, {.pack_tokens = kPack}, 1);
  EXPECT_FALSE(learner.step(rows, {.loss = "reinforce"}, 0.1).updated);
  EXPECT_TRUE(at::equal(before, parameters.flat));
  EXPECT_EQ(learner.version(), 0);
}

}  // namespace
}  // namespace ponder::learn
