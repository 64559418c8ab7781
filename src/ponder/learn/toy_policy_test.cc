// Policy gradients on a policy that is small enough to enumerate: the exact gradient of the expected reward is known,
// and the losses must give it in expectation.
#include <gtest/gtest.h>

#include <cmath>

#include "ponder/base/rng.h"
#include "ponder/learn/losses.h"

namespace ponder::learn {
namespace {

constexpr size_t kVocab = 3, kLength = 3, kEnd = 0;
constexpr size_t kParameters = kLength * kVocab * kVocab;  // a logit for each (position, token before, token)

using Sequence = std::vector<size_t>;

struct ToyPolicy {
  std::vector<double> logits = std::vector<double>(kParameters);

  static size_t state(const Sequence& y, size_t t) { return (t * kVocab + (t == 0 ? 0 : y[t - 1])) * kVocab; }

  std::vector<double> probabilities(size_t state) const {
    std::vector<double> p(kVocab);
    double sum = 0;
    for (size_t v = 0; v < kVocab; ++v) sum += p[v] = std::exp(logits[state + v]);
    for (double& x : p) x /= sum;
    return p;
  }
  std::vector<double> logps(const Sequence& y) const {
    std::vector<double> out;
    for (size_t t = 0; t < y.size(); ++t) out.push_back(std::log(probabilities(state(y, t))[y[t]]));
    return out;
  }
  double probability(const Sequence& y) const {
    double sum = 0;
    for (double l : logps(y)) sum += l;
    return std::exp(sum);
  }
  // Adds Σ_t slope[t]·∂logp[t]/∂logits.
  void backward(const Sequence& y, std::span<const double> slope, std::vector<double>& gradient) const {
    for (size_t t = 0; t < y.size(); ++t) {
      const auto p = probabilities(state(y, t));
      for (size_t v = 0; v < kVocab; ++v) gradient[state(y, t) + v] += slope[t] * ((v == y[t]) - p[v]);
    }
  }
  Sequence sample(base::Rng& rng) const {
    Sequence y;
    while (y.size() < kLength && (y.empty() || y.back() != kEnd)) {
      y.push_back(0);
      y.back() = rng.weighted(probabilities(state(y, y.size() - 1)));
    }
    return y;
  }
};

ToyPolicy make_policy() {
  ToyPolicy policy;
  base::Rng rng{base::RngKey(11)};
  for (double& l : policy.logits) l = rng.normal();
  return policy;
}

void enumerate(const Sequence& prefix, std::vector<Sequence>& out) {
  if (prefix.size() == kLength || (!prefix.empty() && prefix.back() == kEnd)) return out.push_back(prefix);
  for (size_t v = 0; v < kVocab; ++v) {
    Sequence next = prefix;
    next.push_back(v);
    enumerate(next, out);
  }
}

double reward(const Sequence& y) {
  double sum = y.back() == kEnd ? 1 : 0;
  for (size_t v : y) sum += 0.3 * static_cast<double>(v);
  return sum;
}

double expected_reward(const ToyPolicy& policy, const std::vector<Sequence>& all) {
  double sum = 0;
  for (const auto& y : all) sum += policy.probability(y) * reward(y);
  return sum;
}

std::vector<double> exact_gradient(ToyPolicy policy, const std::vector<Sequence>& all) {
  std::vector<double> gradient(kParameters);
  const double h = 1e-5;
  for (size_t i = 0; i < kParameters; ++i) {
    const double x = policy.logits[i];
    policy.logits[i] = x + h;
    const double above = expected_reward(policy, all);
    policy.logits[i] = x - h;
    gradient[i] = (above - expected_reward(policy, all)) / (2 * h);
    policy.logits[i] = x;
  }
  return gradient;
}

// −∂loss/∂logits of some sequences with one advantage each.
std::vector<double> ascent(const ToyPolicy& policy, const char* loss, const std::vector<Sequence>& rows,
                           const std::vector<double>& row_advantages, const LossOptions& options) {
  std::vector<double> logp, advantages;
  std::vector<int64_t> offsets = {0};
  for (size_t i = 0; i < rows.size(); ++i) {
    for (double l : policy.logps(rows[i])) logp.push_back(l), advantages.push_back(row_advantages[i]);
    offsets.push_back(static_cast<int64_t>(logp.size()));
  }
  LossInput in{logp, offsets, {}, {}, {}, advantages, {}, {}, {}};
  in.totals = totals_of(in);
  const auto result = compute_loss(find_loss(loss), in, options);
  std::vector<double> gradient(kParameters);
  for (size_t i = 0; i < rows.size(); ++i) {
    policy.backward(rows[i], std::span(result.grad_logp).subspan(static_cast<size_t>(offsets[i])), gradient);
  }
  for (double& g : gradient) g = -g;
  return gradient;
}

class ToyPolicyGradient : public testing::Test {
 protected:
  void SetUp() override {
    enumerate({}, all_);
    exact_ = exact_gradient(policy_, all_);
  }
  const ToyPolicy policy_ = make_policy();
  std::vector<Sequence> all_;
  std::vector<double> exact_;
};

TEST_F(ToyPolicyGradient, ExpectationOfReinforceIsTheExactGradient) {
  // Every sequence once, weighted with its probability: the mean over rows becomes the expectation.
  std::vector<double> weighted;
  double total = 0;
  for (const auto& y : all_) {
    const double p = policy_.probability(y);
    total += p;
    weighted.push_back(p * reward(y) * static_cast<double>(all_.size()));
  }
  ASSERT_NEAR(total, 1, 1e-12);
  const auto gradient = ascent(policy_, "reinforce", all_, weighted, {});
  for (size_t i = 0; i < kParameters; ++i) EXPECT_NEAR(gradient[i], exact_[i], 1e-6);
}

// Expectation over all pairs of samples, exactly: leave-one-out is unbiased; the group mean of Dr. GRPO scales the
// gradient by (G − 1)/G, and its divisor by 1/max_len.
TEST_F(ToyPolicyGradient, ExpectationOverGroupsOfTwo) {
  std::vector<double> rloo(kParameters), dr_grpo(kParameters);
  for (const auto& a : all_) {
    for (const auto& b : all_) {
      const double p = policy_.probability(a) * policy_.probability(b), d = reward(a) - reward(b);
      const auto from_rloo = ascent(policy_, "rloo", {a, b}, {d, -d}, {});
      const auto from_dr = ascent(policy_, "dr_grpo", {a, b}, {d / 2, -d / 2}, {.max_len = 4});
      for (size_t i = 0; i < kParameters; ++i) rloo[i] += p * from_rloo[i], dr_grpo[i] += p * from_dr[i];
    }
  }
  for (size_t i = 0; i < kParameters; ++i) {
    EXPECT_NEAR(rloo[i], exact_[i], 1e-6);
    EXPECT_NEAR(dr_grpo[i], exact_[i] / 2 / 4, 1e-6);
  }
}

TEST_F(ToyPolicyGradient, SampledEstimatesLieInTheirIntervalsAndABaselineLowersTheVariance) {
  constexpr int kGroups = 4000;
  constexpr size_t kGroup = 4;
  base::Rng rng{base::RngKey(12)};
  double total_variance[2] = {0, 0};
  std::vector<double> sum[2], squares[2];
  for (int e = 0; e < 2; ++e) sum[e].resize(kParameters), squares[e].resize(kParameters);
  for (int g = 0; g < kGroups; ++g) {
    std::vector<Sequence> rows;
    std::vector<double> rewards, leave_one_out;
    double group_sum = 0;
    for (size_t i = 0; i < kGroup; ++i) {
      rows.push_back(policy_.sample(rng));
      rewards.push_back(reward(rows.back()));
      group_sum += rewards.back();
    }
    for (double r : rewards) leave_one_out.push_back(r - (group_sum - r) / (kGroup - 1));
    const std::vector<double> estimates[2] = {ascent(policy_, "reinforce", rows, rewards, {}),
                                              ascent(policy_, "rloo", rows, leave_one_out, {})};
    for (int e = 0; e < 2; ++e) {
      for (size_t i = 0; i < kParameters; ++i) {
        sum[e][i] += estimates[e][i];
        squares[e][i] += estimates[e][i] * estimates[e][i];
      }
    }
  }
  for (int e = 0; e < 2; ++e) {
    for (size_t i = 0; i < kParameters; ++i) {
      const double mean = sum[e][i] / kGroups;
      const double variance = (squares[e][i] - kGroups * mean * mean) / (kGroups - 1);
      // 54 estimates: 4.5 standard errors are left by chance less than once in 2,000 seeds.
      EXPECT_NEAR(mean, exact_[i], 4.5 * std::sqrt(variance / kGroups) + 1e-9) << (e == 0 ? "reinforce" : "rloo");
      total_variance[e] += variance;
    }
  }
  EXPECT_LT(total_variance[1], total_variance[0]);
}

}  // namespace
}  // namespace ponder::learn
