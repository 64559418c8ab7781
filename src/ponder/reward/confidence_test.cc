#include "ponder/reward/confidence.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ponder/base/rng.h"

namespace ponder::reward {
namespace {

// Completions of 1 to 12 tokens whose verdicts are drawn from `truth`.
std::vector<JudgedAnswer> drawn(const core::Confidence& truth, int n, uint64_t seed) {
  base::Rng rng((base::RngKey(seed)));
  std::vector<JudgedAnswer> answers;
  for (int i = 0; i < n; ++i) {
    JudgedAnswer answer;
    for (int64_t length = 1 + rng.below(12); length > 0; --length)
      answer.logps.push_back(static_cast<float>(std::log(1 - rng.uniform())));
    answer.correct = rng.chance(truth.value(answer.logps));
    answers.push_back(std::move(answer));
  }
  return answers;
}

TEST(Confidence, ValueByHand) {
  const core::Confidence c{{2, 1}, 0.5, 0.25, 3};
  const std::vector<float> logps = {-4, -2, -1, -0.5f};  // 3 + 4·0.25 − 0.5·2 − 1·1 − (2 + 4)·0.5 = −1
  EXPECT_NEAR(c.value(logps), 1 / (1 + std::exp(1.0)), 1e-12);
  EXPECT_NEAR(c.value({}), 1 / (1 + std::exp(-3.0)), 1e-12);
}

TEST(Confidence, FindsTheWeightsThatTheVerdictsCameFrom) {
  const core::Confidence truth{{1.5, 0, 0.8}, 0.3, -0.1, 2};
  const core::Confidence fitted = fit_confidence(drawn(truth, 40000, 1), 3, 1e-6);
  ASSERT_EQ(fitted.weights.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(fitted.weights[i], truth.weights[i], 0.1) << i;
  EXPECT_NEAR(fitted.earlier, truth.earlier, 0.05);
  EXPECT_NEAR(fitted.length, truth.length, 0.05);
  EXPECT_NEAR(fitted.bias, truth.bias, 0.15);
}

// At the minimum the bias has no gradient: what is believed on the mean is what is right on the mean.
TEST(Confidence, IsCalibratedOnTheMean) {
  const auto answers = drawn({{1, 1}, 0.2, 0, 1}, 500, 2);
  const core::Confidence fitted = fit_confidence(answers, 8);
  double believed = 0, right = 0;
  for (const JudgedAnswer& a : answers) believed += fitted.value(a.logps), right += a.correct;
  EXPECT_NEAR(believed, right, 0.01);
}

TEST(Confidence, StaysFiniteWhereThereIsLittleToLearn) {
  auto same = drawn({{}, 0, 0, 0}, 50, 3);
  for (JudgedAnswer& a : same) a.correct = true;
  EXPECT_GT(fit_confidence(same, 4).value(same[0].logps), 0.99);
  const std::vector<JudgedAnswer> one = {{{-1, -2}, false}};
  const core::Confidence fitted = fit_confidence(one, 4);  // no feature varies
  EXPECT_EQ(fitted.weights, std::vector<double>(4, 0.0));
  EXPECT_LT(fitted.value(one[0].logps), 0.01);
  std::vector<JudgedAnswer> one_length;  // whose mean is not exactly that length
  base::Rng rng(base::RngKey(4));
  for (int i = 0; i < 1000; ++i)
    one_length.push_back({std::vector<float>(11, static_cast<float>(-rng.uniform())), rng.chance(0.7)});
  const core::Confidence of_one_length = fit_confidence(one_length, 4);
  EXPECT_EQ(of_one_length.length, 0);
  EXPECT_NEAR(of_one_length.value(std::vector<float>(12, -0.5f)), 0.7, 0.2);
  std::vector<JudgedAnswer> split;  // a weight could grow without end
  for (int i = 0; i < 20; ++i) split.push_back({{i < 10 ? -1.0f : -9.0f}, i < 10});
  EXPECT_GT(fit_confidence(split, 1).value(split[0].logps), 0.9);
  EXPECT_LT(fit_confidence(split, 1).value(split[19].logps), 0.1);
}

}  // namespace
}  // namespace ponder::reward
