#include "ponder/reward/outcome.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"

namespace ponder::reward {
namespace {

using core::VerdictKind;

core::Verdict verdict(VerdictKind kind) { return {kind, "", ""}; }

double outcome_reward(const core::Verdict& verdict, const OutcomeOptions& options) {
  return sum_of(outcome_parts(verdict, options));
}

TEST(Outcome, OnlyCorrectIsPaidByDefault) {
  const OutcomeOptions options;
  EXPECT_EQ(outcome_reward(verdict(VerdictKind::kCorrect), options), 1.0);
  for (auto kind : {VerdictKind::kWrong, VerdictKind::kUnparsable, VerdictKind::kTimeout, VerdictKind::kCannotJudge}) {
    EXPECT_EQ(outcome_reward(verdict(kind), options), 0.0) << core::verdict_name(kind);
  }
}

TEST(Outcome, FormatIsPaidForReadableAnswersAlone) {
  const OutcomeOptions options{.correct = 1, .wrong = -1, .format = 0.25};
  EXPECT_EQ(outcome_reward(verdict(VerdictKind::kCorrect), options), 1.25);
  EXPECT_EQ(outcome_reward(verdict(VerdictKind::kWrong), options), -0.75);
  EXPECT_EQ(outcome_reward(verdict(VerdictKind::kUnparsable), options), -1.0);
  using Parts = std::vector<core::RewardPart>;
  EXPECT_EQ(outcome_parts(verdict(VerdictKind::kWrong), options), (Parts{{"outcome", -1}, {"format", 0.25}}));
  EXPECT_EQ(outcome_parts(verdict(VerdictKind::kTimeout), options), (Parts{{"outcome", -1}, {"format", 0}}));
  EXPECT_EQ(outcome_parts(verdict(VerdictKind::kCorrect), {}), (Parts{{"outcome", 1}}));
}

TEST(Outcome, GroupsAreFilledInOrderAndMustBeComplete) {
  core::Group group;
  group.trajectories.resize(2);
  group.verdicts = {verdict(VerdictKind::kWrong), verdict(VerdictKind::kCorrect)};
  fill_rewards(group, {});
  EXPECT_EQ(group.rewards, (std::vector<float>{0, 1}));
  ASSERT_EQ(group.reward_parts.size(), 2u);
  EXPECT_EQ(group.reward_parts[1], (std::vector<core::RewardPart>{{"outcome", 1}}));
  group.verdicts.pop_back();
  EXPECT_THROW(fill_rewards(group, {}), Error);
}

TEST(Outcome, CountsEveryKindAndLeavesTheUnjudgedOutOfAccuracy) {
  VerdictCounts counts;
  EXPECT_EQ(counts.accuracy(), 0.0);
  counts.add(verdict(VerdictKind::kCorrect));
  counts.add(verdict(VerdictKind::kWrong));
  counts.add(verdict(VerdictKind::kUnparsable));
  counts.add(verdict(VerdictKind::kTimeout));
  counts.add(verdict(VerdictKind::kCannotJudge));
  EXPECT_EQ(counts.total(), 5);
  EXPECT_DOUBLE_EQ(counts.accuracy(), 0.25);
  EXPECT_EQ(counts.to_json().dump(), R"({"correct":1,"wrong":1,"unparsable":1,"timeout":1,"cannot_judge":1})");
}

}  // namespace
}  // namespace ponder::reward
