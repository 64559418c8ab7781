#include "ponder/search/select.h"

#include <gtest/gtest.h>

namespace ponder::search {
namespace {

std::vector<Candidate> candidates(const std::vector<std::pair<std::string, double>>& rows) {
  std::vector<Candidate> all;
  for (const auto& [answer, score] : rows) {
    Candidate c;
    if (!answer.empty()) c.answer = answer;
    c.score = score;
    all.push_back(c);
  }
  return all;
}

int64_t select(const std::vector<Candidate>& all, const std::string& how) {
  return select_candidate(all, how, base::RngKey(1));
}

TEST(Select, AVoteTieGoesToTheFirstAnswerThatReachedTheCount) {
  EXPECT_EQ(select(candidates({{"a", 0}, {"b", 0}, {"b", 0}, {"a", 0}}), "maj"), 1);
  EXPECT_EQ(select(candidates({{"a", 0}, {"b", 0}, {"a", 0}, {"b", 0}}), "maj"), 0);
  EXPECT_EQ(select(candidates({{"a", 0}, {"b", 0}, {"c", 0}}), "maj"), 0);
}

TEST(Select, AbstentionsNeitherVoteNorWin) {
  EXPECT_EQ(select(candidates({{"", 0.9}, {"", 0.9}, {"a", 0}}), "maj"), 2);
  EXPECT_EQ(select(candidates({{"", 0.9}, {"a", 0}}), "wmaj"), 1);
  EXPECT_EQ(select(candidates({{"", 0.9}, {"a", 0}}), "rm"), 1);
  for (const char* how : {"maj", "wmaj", "rm"}) {
    EXPECT_EQ(select(candidates({{"", 0.9}, {"", 0.1}}), how), -1) << how;
    EXPECT_EQ(select({}, how), -1) << how;
  }
  EXPECT_EQ(select({}, "random"), -1);
}

TEST(Select, WeightsCount) {
  const auto all = candidates({{"a", 0.3}, {"b", 0.5}, {"a", 0.4}, {"c", 0.6}});
  EXPECT_EQ(select(all, "rm"), 3);
  EXPECT_EQ(select(all, "wmaj"), 2);  // a: 0.7, and its better sample stands for it
  EXPECT_EQ(select(all, "maj"), 0);
}

TEST(Select, VotesWithoutAnyWeightGoToTheFirstAnswer) {
  EXPECT_EQ(select(candidates({{"a", 0}, {"b", 0}, {"b", 0}}), "wmaj"), 0);
}

TEST(Select, RandomTakesEveryCandidateAlike) {
  const auto all = candidates({{"a", 1}, {"", 0}, {"a", 0}, {"b", 0}});
  std::vector<int> counts(4);
  for (uint64_t i = 0; i < 4000; ++i) ++counts[static_cast<size_t>(select_candidate(all, "random", base::RngKey(i)))];
  for (int count : counts) EXPECT_NEAR(count, 1000, 110);  // 4 standard errors
}

TEST(Select, AggregationsOfStepScores) {
  const std::vector<double> scores = {0.5, 0.25, 0.75};
  EXPECT_DOUBLE_EQ(aggregate_scores(scores, "last"), 0.75);
  EXPECT_DOUBLE_EQ(aggregate_scores(scores, "min"), 0.25);
  EXPECT_DOUBLE_EQ(aggregate_scores(scores, "prod"), 0.09375);
  EXPECT_DOUBLE_EQ(aggregate_scores(scores, "mean"), 0.5);
  EXPECT_DOUBLE_EQ(aggregate_scores({}, "min"), 0);
}

}  // namespace
}  // namespace ponder::search
