#include "ponder/reward/advantage.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::reward {
namespace {

const std::vector<int64_t> kTwoGroups = {0, 0, 0, 0, 1, 1, 1, 1};
const std::vector<double> kRewards = {1, 0, 0, 1, 3, 1, 1, 1};

std::vector<double> values(const std::string& estimator, const std::vector<double>& rewards,
                           const std::vector<int64_t>& groups, double eps = 1e-4) {
  return group_advantages(rewards, groups, {estimator, eps}).values;
}

TEST(Advantage, GrpoByHand) {
  const auto a = values("grpo", kRewards, kTwoGroups);
  const double std0 = std::sqrt(1.0 / 3.0);  // 4 deviations of ½, n − 1 = 3
  EXPECT_NEAR(a[0], 0.5 / (std0 + 1e-4), 1e-12);
  EXPECT_NEAR(a[1], -0.5 / (std0 + 1e-4), 1e-12);
  EXPECT_NEAR(a[4], 1.5 / (1 + 1e-4), 1e-12);  // deviations 1.5, −.5 ×3: variance (2.25 + .75)/3 = 1
}

TEST(Advantage, DrGrpoAndRlooByHand) {
  EXPECT_EQ(values("dr_grpo", kRewards, kTwoGroups), (std::vector<double>{.5, -.5, -.5, .5, 1.5, -.5, -.5, -.5}));
  const auto rloo = values("rloo", kRewards, kTwoGroups);
  EXPECT_NEAR(rloo[0], 1 - 1.0 / 3, 1e-12);
  EXPECT_NEAR(rloo[1], 0 - 2.0 / 3, 1e-12);
  EXPECT_NEAR(rloo[4], 3 - 1.0, 1e-12);
}

TEST(Advantage, BatchBaselines) {
  EXPECT_EQ(values("reinforce", kRewards, kTwoGroups), kRewards);
  EXPECT_EQ(values("reinforce_mean", kRewards, kTwoGroups), (std::vector<double>{0, -1, -1, 0, 2, 0, 0, 0}));
  const double std = std::sqrt(6.0 / 7.0);
  EXPECT_NEAR(values("reinforce++", kRewards, kTwoGroups)[4], 2 / (std + 1e-4), 1e-12);
}

TEST(Advantage, EqualRewardsAreFoundOnRawNumbersAndGiveExactZeros) {
  // 0.1 · 3 / 3 is not 0.1: a test on the computed deviations would miss this group and 1/eps would blow the noise up.
  const std::vector<double> rewards = {0.1, 0.1, 0.1, 0.7, 0.7, 0.2, 0.9};
  const std::vector<int64_t> groups = {5, 5, 5, 6, 6, 7, 8};
  for (const char* name : {"grpo", "dr_grpo", "rloo"}) {
    const auto out = group_advantages(rewards, groups, {name, 0.0});
    EXPECT_EQ(out.groups, 4);
    EXPECT_EQ(out.zero_variance_groups, 4);
    EXPECT_EQ(out.all_best_groups, 1);
    for (double a : out.values) EXPECT_EQ(a, 0.0) << name;
  }
}

TEST(Advantage, PropertiesOnRandomGroups) {
  base::Rng rng{base::RngKey(7)};
  for (int trial = 0; trial < 200; ++trial) {
    const int64_t n_groups = rng.between(1, 5), size = rng.between(2, 6);
    std::vector<double> rewards;
    std::vector<int64_t> groups;
    for (int64_t i = 0; i < n_groups * size; ++i) rewards.push_back(rng.normal()), groups.push_back(i % n_groups);
    const auto dr = values("dr_grpo", rewards, groups), grpo = values("grpo", rewards, groups, 0.0),
               rloo = values("rloo", rewards, groups);
    const double g = static_cast<double>(size);
    for (int64_t k = 0; k < n_groups; ++k) {
      double sum = 0, squares = 0;
      for (size_t i = static_cast<size_t>(k); i < rewards.size(); i += static_cast<size_t>(n_groups)) {
        sum += dr[i];
        squares += grpo[i] * grpo[i];
        EXPECT_NEAR(rloo[i], g / (g - 1) * dr[i], 1e-9);  // the identity behind leave-one-out
      }
      EXPECT_NEAR(sum, 0, 1e-9);
      EXPECT_NEAR(squares, g - 1, 1e-9);  // unit variance with n − 1
    }
    auto shifted = rewards;
    for (double& r : shifted) r = 3 * r + 5;  // GRPO does not see scale or offset
    const auto same = values("grpo", shifted, groups, 0.0);
    for (size_t i = 0; i < same.size(); ++i) EXPECT_NEAR(same[i], grpo[i], 1e-9);
  }
}

TEST(Advantage, FillsGroupsInPlace) {
  std::vector<core::Group> groups(2);
  groups[0].rewards = {1, 0};
  groups[1].rewards = {1, 1, 1};
  const auto counts = fill_advantages(groups, {"dr_grpo"});
  EXPECT_EQ(groups[0].advantages, (std::vector<float>{0.5f, -0.5f}));
  EXPECT_EQ(groups[1].advantages, (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(counts.zero_variance_groups, 1);
  EXPECT_EQ(counts.all_best_groups, 1);
}

TEST(Advantage, RefusesWhatItCannotUse) {
  const std::vector<int64_t> one = {0};
  EXPECT_THROW(values("grpo", {std::numeric_limits<double>::quiet_NaN()}, one), Error);
  EXPECT_THROW(values("grpo", {1, 2}, one), Error);
  try {
    values("grop", {1}, one);
    FAIL() << "an unknown estimator was accepted";
  } catch (const Error& e) {
    EXPECT_NE(e.message().find("did you mean \"grpo\""), std::string::npos) << e.message();
  }
  EXPECT_TRUE(group_advantages({}, {}, {}).values.empty());
}

}  // namespace
}  // namespace ponder::reward
