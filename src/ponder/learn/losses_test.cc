#include "ponder/learn/losses.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::learn {
namespace {

// A batch with its storage.
struct Batch {
  std::vector<double> logp, logp_old, logp_ref, mask, advantages, labels;
  std::vector<int64_t> offsets = {0};
  std::vector<Pair> pairs;
  LossInput input() const {
    LossInput in{logp, offsets, logp_old, logp_ref, mask, advantages, labels, pairs, {}};
    in.totals = totals_of(in);
    return in;
  }
};

Batch random_batch(uint64_t seed) {
  base::Rng rng{base::RngKey(seed)};
  Batch b;
  for (int row = 0; row < 4; ++row) {
    const int64_t length = rng.between(1, 6);
    const double advantage = rng.normal();
    for (int64_t t = 0; t < length; ++t) {
      b.logp.push_back(-0.1 - 2 * rng.uniform());
      b.logp_old.push_back(b.logp.back() + 0.4 * rng.normal());
      b.logp_ref.push_back(b.logp.back() + 0.4 * rng.normal());
      b.mask.push_back(t + 1 == length || rng.chance(0.7) ? 1.0 : 0.0);
      b.advantages.push_back(advantage);
      b.labels.push_back(rng.uniform());
    }
    b.offsets.push_back(static_cast<int64_t>(b.logp.size()));
  }
  b.pairs = {{0, 1}, {3, 2}};
  return b;
}

// Central differences of the loss with respect to logp[t].
double numeric_slope(const LossInfo& info, Batch b, const LossOptions& options, size_t t) {
  const double h = 1e-6, x = b.logp[t];
  b.logp[t] = x + h;
  const double above = compute_loss(info, b.input(), options).loss;
  b.logp[t] = x - h;
  return (above - compute_loss(info, b.input(), options).loss) / (2 * h);
}

TEST(Losses, GradientsMatchFiniteDifferences) {
  for (const auto& info : all_losses()) {
    if (std::string(info.name) == "cispo") continue;  // its weight is held fixed; see CispoIsTheUnclippedGradient
    for (uint64_t seed = 0; seed < 20; ++seed) {
      const Batch b = random_batch(seed);
      for (const auto& options :
           {LossOptions{}, LossOptions{.clip = .1, .clip_high = .4, .beta = .3, .average = "row"}}) {
        const auto result = compute_loss(info, b.input(), options);
        for (size_t t = 0; t < b.logp.size(); ++t) {
          EXPECT_NEAR(result.grad_logp[t], numeric_slope(info, b, options, t), 1e-6) << info.name << " seed " << seed;
        }
      }
    }
  }
}

// Loss and Σ_k cos(k)·grad_k, computed by PyTorch's autograd in double from the formulas of the papers.
TEST(Losses, AgreeWithAutograd) {
  struct Expected {
    const char* name;
    double loss, gradient;
  };
  const Expected expected[] = {
      {"sft", 1.075071456125, -0.048397256730},     {"reinforce", 2.087044718145, 0.018225233764},
      {"rloo", 1.176141857857, 0.302990491230},     {"reinforce++", -0.228225658113, 0.006977581701},
      {"ppo", -0.471959800724, -0.016430058038},    {"grpo", 0.009196530605, -0.044445305163},
      {"dr_grpo", -0.039268948643, 0.006764004537}, {"dapo", -0.189760945971, -0.020566580016},
      {"gspo", -0.011582867037, -0.035031590108},   {"cispo", 0.291910733647, 0.012665943716},
      {"dpo", 0.703130294800, 0.000140726938},      {"cdpo", 0.701200522684, 0.000724661576},
      {"ipo", 27.197219122521, 1.865075743869},     {"bt", 2.370417419230, -0.400969767176},
      {"orm", 0.948407911815, -0.332566608840},     {"prm", 0.646642806331, -0.150962662611},
  };
  const double lengths[4] = {5, 3, 4, 2};
  const double root_half = std::sqrt(.5), batch_std = std::sqrt((.390625 + .140625 + .015625 + .140625) / 3);
  const std::map<std::string, std::vector<double>> advantages = {
      // of the rewards 1, 0 | ½, 0
      {"reinforce", {1, 0, .5, 0}},
      {"rloo", {1, -1, .5, -.5}},
      {"dr_grpo", {.5, -.5, .25, -.25}},
      {"grpo",
       {.5 / (root_half + 1e-4), -.5 / (root_half + 1e-4), .25 / (root_half / 2 + 1e-4),
        -.25 / (root_half / 2 + 1e-4)}},
      {"reinforce++",
       {.625 / (batch_std + 1e-4), -.375 / (batch_std + 1e-4), .125 / (batch_std + 1e-4), -.375 / (batch_std + 1e-4)}},
  };
  ASSERT_EQ(std::size(expected), all_losses().size());
  for (const auto& e : expected) {
    const LossInfo& info = find_loss(e.name);
    Batch b;
    for (int k = 0; k < 20; ++k) {
      const int row = k / 5, t = k % 5;
      const double logp = -1.2 + .5 * std::sin(1.3 * k + .2);
      b.logp.push_back(info.reads_scores ? 2 * std::sin(.9 * k) : logp);
      b.logp_old.push_back(logp + .35 * std::sin(2.1 * k + 1));
      b.logp_ref.push_back(logp + .4 * std::cos(1.7 * k));
      b.mask.push_back(t < lengths[row] ? 1 : 0);
      b.labels.push_back(.5 + .5 * std::sin(k));
      if (info.kind == LossKind::kPolicy)
        b.advantages.push_back(advantages.at(info.advantage)[static_cast<size_t>(row)]);
      if (t == 4) b.offsets.push_back(k + 1);
    }
    b.pairs = {{0, 1}, {2, 3}};
    LossOptions options{.max_len = 8};
    if (info.kind == LossKind::kPolicy) options.beta = .05;
    const auto result = compute_loss(info, b.input(), options);
    double gradient = 0;
    for (int k = 0; k < 20; ++k) gradient += result.grad_logp[static_cast<size_t>(k)] * std::cos(k);
    EXPECT_NEAR(result.loss, e.loss, 1e-10) << e.name;
    EXPECT_NEAR(gradient, e.gradient, 1e-10) << e.name;
    if (info.kind == LossKind::kPolicy) {
      EXPECT_NEAR(result.stats.mean_kl(), 0.0443, 1e-4) << e.name;
    }
    if (std::string(e.name) == "grpo") {
      EXPECT_DOUBLE_EQ(result.stats.clip_fraction(), 4.0 / 14);
    }
  }
}

TEST(Losses, PacksAddUpToTheWholeBatch) {
  for (const auto& info : all_losses()) {
    const Batch b = random_batch(3);
    const auto whole = compute_loss(info, b.input(), {.beta = .2});
    double loss = 0;
    LossStats stats;
    std::vector<double> gradient;
    for (int64_t first : {0, 2}) {  // rows 0, 1 and rows 2, 3: no pair is torn apart
      const auto from = static_cast<size_t>(b.offsets[static_cast<size_t>(first)]);
      const auto n = static_cast<size_t>(b.offsets[static_cast<size_t>(first) + 2]) - from;
      LossInput part = b.input();
      for (auto* span : {&part.logp, &part.logp_old, &part.logp_ref, &part.mask, &part.advantages, &part.labels}) {
        *span = span->subspan(from, n);
      }
      std::vector<int64_t> offsets;
      for (size_t i = 0; i < 3; ++i)
        offsets.push_back(b.offsets[static_cast<size_t>(first) + i] - static_cast<int64_t>(from));
      const std::vector<Pair> pairs = {first == 0 ? Pair{0, 1} : Pair{1, 0}};
      part.offsets = offsets;
      part.pairs = pairs;
      const auto result = compute_loss(info, part, {.beta = .2});
      loss += result.loss;
      stats += result.stats;
      gradient.insert(gradient.end(), result.grad_logp.begin(), result.grad_logp.end());
    }
    EXPECT_NEAR(loss, whole.loss, 1e-12) << info.name;
    for (size_t t = 0; t < gradient.size(); ++t) EXPECT_NEAR(gradient[t], whole.grad_logp[t], 1e-12) << info.name;
    EXPECT_DOUBLE_EQ(stats.clip_fraction(), whole.stats.clip_fraction()) << info.name;
    EXPECT_NEAR(stats.mean_kl(), whole.stats.mean_kl(), 1e-12) << info.name;
  }
}

TEST(Losses, FirstUpdateIsReinforce) {
  Batch b = random_batch(5);
  b.logp_old.clear();  // sampled by the very policy that learns: ρ = 1
  const LossInput in = b.input();
  const std::map<std::string, std::function<double(double)>> scales = {
      {"reinforce++", [&](double) { return 1 / in.totals.tokens; }},
      {"ppo", [&](double) { return 1 / in.totals.tokens; }},
      {"grpo", [&](double length) { return 1 / (4 * length); }},
      {"dr_grpo", [&](double) { return 1 / (4 * in.totals.max_row); }},
      {"dapo", [&](double) { return 1 / in.totals.tokens; }},
      {"gspo", [&](double length) { return 1 / (4 * length); }},
      {"cispo", [&](double) { return 1 / in.totals.tokens; }},
  };
  const auto reinforce = compute_loss(find_loss("reinforce"), in, {});
  for (const auto& [name, scale] : scales) {
    const auto result = compute_loss(find_loss(name), in, {});
    EXPECT_EQ(result.stats.clip_fraction(), 0.0) << name;
    for (size_t row = 0; row < 4; ++row) {
      double length = 0;
      for (auto t = b.offsets[row]; t < b.offsets[row + 1]; ++t) length += b.mask[static_cast<size_t>(t)];
      for (auto t = static_cast<size_t>(b.offsets[row]); t < static_cast<size_t>(b.offsets[row + 1]); ++t) {
        EXPECT_NEAR(result.grad_logp[t], reinforce.grad_logp[t] * 4 * scale(length), 1e-12) << name;
      }
    }
  }
}

TEST(Losses, EqualRewardsLeaveTheKlTermAlone) {
  Batch b = random_batch(6);
  b.advantages.assign(b.logp.size(), 0.0);
  for (const auto& info : all_losses()) {
    if (info.kind != LossKind::kPolicy) continue;
    for (double g : compute_loss(info, b.input(), {.beta = 0}).grad_logp) EXPECT_EQ(g, 0.0) << info.name;
    const auto result = compute_loss(info, b.input(), {.beta = .5});
    EXPECT_GT(result.loss, 0) << info.name;
    for (size_t t = 0; t < b.logp.size(); ++t) {
      const double pull = b.mask[t] * (1 - std::exp(b.logp_ref[t] - b.logp[t]));  // towards the reference
      EXPECT_GE(result.grad_logp[t] * pull, 0.0) << info.name;
      EXPECT_EQ(result.grad_logp[t] == 0, pull == 0) << info.name;
    }
  }
}

TEST(Losses, MaskedTokensHaveNoSayAndNoGradient) {
  for (const auto& info : all_losses()) {
    Batch b = random_batch(8);
    const auto before = compute_loss(info, b.input(), {.beta = .2});
    for (size_t t = 0; t < b.logp.size(); ++t) {
      if (b.mask[t] != 0) continue;
      EXPECT_EQ(before.grad_logp[t], 0.0) << info.name;
      b.logp[t] -= 3, b.logp_old[t] += 1, b.logp_ref[t] += 1;
    }
    EXPECT_EQ(compute_loss(info, b.input(), {.beta = .2}).loss, before.loss) << info.name;
  }
}

TEST(Losses, CispoIsTheUnclippedGradientUntilItsLimit) {
  const Batch b = random_batch(9);
  const LossInput in = b.input();
  const auto result = compute_loss(find_loss("cispo"), in, {.clip_high = .3});
  const auto unclipped = compute_loss(find_loss("dapo"), in, {.clip = 1, .clip_high = 100});
  double cut = 0, shown = 0;
  for (size_t t = 0; t < b.logp.size(); ++t) {
    const double rho = std::exp(b.logp[t] - b.logp_old[t]);
    EXPECT_NEAR(result.grad_logp[t], unclipped.grad_logp[t] * std::min(1.0, 1.3 / rho), 1e-12);
    cut += b.mask[t] > 0 && rho > 1.3;
    shown += b.mask[t];
  }
  EXPECT_GT(cut, 0);
  EXPECT_DOUBLE_EQ(result.stats.clip_fraction(), cut / shown);
}

TEST(Losses, ClipsByHand) {
  // ρ = 2 with A > 0 and ρ = ½ with A < 0 gain nothing more; the other two keep their gradient.
  Batch b;
  b.logp = {-1, -1, -1, -1};
  const double two = std::log(2);
  b.logp_old = {-1 - two, -1 + two, -1 - two, -1 + two};
  b.advantages = {1, -1, -1, 1};
  b.offsets = {0, 4};
  const auto result = compute_loss(find_loss("ppo"), b.input(), {});
  EXPECT_NEAR(result.loss, (-1.2 + .8 + 2 - .5) / 4, 1e-12);
  EXPECT_EQ(result.stats.clip_fraction(), .5);
  EXPECT_EQ(result.grad_logp[0], 0);
  EXPECT_EQ(result.grad_logp[1], 0);
  EXPECT_NEAR(result.grad_logp[2], .5, 1e-12);
  EXPECT_NEAR(result.grad_logp[3], -.125, 1e-12);
}

TEST(Losses, PreferencesByHand) {
  Batch b;
  b.logp = {-1, -1, -2};
  b.logp_ref = {-1.5, -1, -1};
  b.offsets = {0, 2, 3};
  b.pairs = {{0, 1}};  // z = .5 − (−1) = 1.5
  EXPECT_NEAR(compute_loss(find_loss("dpo"), b.input(), {.beta = 2}).loss, std::log1p(std::exp(-3)), 1e-12);
  EXPECT_NEAR(compute_loss(find_loss("ipo"), b.input(), {.beta = 1}).loss, 1, 1e-12);
  EXPECT_NEAR(compute_loss(find_loss("cdpo"), b.input(), {.beta = 2, .label_smoothing = .5}).loss,
              std::log1p(std::exp(-3)) + 1.5, 1e-12);
  EXPECT_EQ(compute_loss(find_loss("dpo"), b.input(), {}).stats.accuracy(), 1);
}

TEST(Losses, FarScoresStayFinite) {
  Batch b;
  b.logp = {800, -800};
  b.offsets = {0, 1, 2};
  b.labels = {0, 1};
  b.pairs = {{1, 0}};
  EXPECT_NEAR(compute_loss(find_loss("orm"), b.input(), {}).loss, 800, 1e-9);
  EXPECT_NEAR(compute_loss(find_loss("bt"), b.input(), {}).loss, 1600, 1e-9);
}

TEST(Losses, SayWhatIsMissing) {
  const auto message = [](const char* name, const Batch& b, const LossOptions& options) -> std::string {
    try {
      compute_loss(find_loss(name), b.input(), options);
    } catch (const Error& e) {
      return e.message();
    }
    return "";
  };
  Batch b = random_batch(1);
  b.logp_ref.clear();
  EXPECT_NE(message("dpo", b, {}).find("logp_ref"), std::string::npos);
  EXPECT_NE(message("grpo", b, {.beta = .1}).find("logp_ref"), std::string::npos);
  EXPECT_EQ(message("grpo", b, {}), "");
  b.advantages.pop_back();
  EXPECT_NE(message("grpo", b, {}).find("advantages"), std::string::npos);
  b = random_batch(1);
  b.pairs = {{0, 4}};
  EXPECT_NE(message("bt", b, {}).find("row numbers below 4"), std::string::npos);
  EXPECT_THROW(find_loss("gprpo"), Error);
}

}  // namespace
}  // namespace ponder::learn
