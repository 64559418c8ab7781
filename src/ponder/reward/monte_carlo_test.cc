#include "ponder/reward/monte_carlo.h"

#include <gtest/gtest.h>

#include <set>

#include "ponder/base/error.h"

namespace ponder::reward {
namespace {

TEST(MonteCarlo, LabelsByHand) {
  MonteCarloLabel label;
  for (bool correct : {false, true, false, true}) label.add(correct);
  EXPECT_EQ(label.hard(), 1);
  EXPECT_EQ(label.soft(), 0.5);
  EXPECT_NEAR(label.variance(), 0.25 / 3, 1e-15);
  EXPECT_EQ((MonteCarloLabel{.n = 3, .c = 0}).hard(), 0);
  EXPECT_THROW(MonteCarloLabel{}.soft(), Error);
  EXPECT_THROW((MonteCarloLabel{.n = 1, .c = 1}).variance(), Error);
}

TEST(MonteCarlo, HardLabelsInflateAsRolloutsGrow) {
  EXPECT_NEAR(hard_label_rate(0.05, 1), 0.05, 1e-12);
  EXPECT_NEAR(hard_label_rate(0.05, 8), 0.337, 1e-3);
  EXPECT_NEAR(hard_label_rate(0.05, 32), 0.806, 1e-3);
}

// Over all 2^n outcomes, weighted by their probability: soft is unbiased, variance() estimates its variance without
// bias, hard has the rate that hard_label_rate says.
TEST(MonteCarlo, ExactExpectations) {
  const int n = 5;
  const double p = 0.3;
  double soft = 0, soft_squared = 0, variance = 0, hard = 0;
  for (int outcome = 0; outcome < 1 << n; ++outcome) {
    MonteCarloLabel label;
    double weight = 1;
    for (int i = 0; i < n; ++i) {
      const bool correct = outcome >> i & 1;
      label.add(correct);
      weight *= correct ? p : 1 - p;
    }
    soft += weight * label.soft();
    soft_squared += weight * label.soft() * label.soft();
    variance += weight * label.variance();
    hard += weight * label.hard();
  }
  EXPECT_NEAR(soft, p, 1e-12);
  EXPECT_NEAR(soft_squared - soft * soft, p * (1 - p) / n, 1e-12);
  EXPECT_NEAR(variance, p * (1 - p) / n, 1e-12);
  EXPECT_NEAR(hard, hard_label_rate(p, n), 1e-12);
}

TEST(MonteCarlo, StepEndsLieBehindEndTokensButNotAtTheVeryEnd) {
  const core::Tokens completion = {1, 9, 2, 3, 8, 4, 9}, ends = {8, 9};
  EXPECT_EQ(choose_step_ends(completion, ends, 10, base::RngKey(1)), (std::vector<int64_t>{2, 5}));
  EXPECT_TRUE(choose_step_ends({}, ends, 10, base::RngKey(1)).empty());
  EXPECT_TRUE(choose_step_ends(completion, ends, 0, base::RngKey(1)).empty());
}

TEST(MonteCarlo, ChoiceIsKeyedSortedAndReachesEveryPosition) {
  const core::Tokens completion(21, 9), ends = {9};
  std::set<int64_t> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    const auto chosen = choose_step_ends(completion, ends, 3, base::RngKey(seed));
    EXPECT_EQ(chosen, choose_step_ends(completion, ends, 3, base::RngKey(seed)));
    ASSERT_EQ(chosen.size(), 3u);
    EXPECT_TRUE(chosen[0] < chosen[1] && chosen[1] < chosen[2]);
    seen.insert(chosen.begin(), chosen.end());
  }
  EXPECT_EQ(seen.size(), 20u);
}

}  // namespace
}  // namespace ponder::reward
