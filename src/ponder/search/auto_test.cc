#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::World;

fake::Game words(std::vector<double> p) {
  return fake::path_game(1, std::move(p), [](const std::vector<int>& path) { return path[0] == 0; });
}

int64_t spent(std::vector<double> p, const std::vector<std::string>& options, core::Budget budget = {}) {
  World world(words(std::move(p)));
  const auto row = world.run(*make_strategy("auto", options), 1, {.budget = budget}, 3)[0];
  EXPECT_TRUE(row.ok()) << row.error;
  return static_cast<int64_t>(row.result.candidates.size());
}

TEST(Auto, AnEasyProblemCostsItsProbeAlone) {
  EXPECT_EQ(spent({1}, {"probe=4", "hard=majority n=50", "middle=majority n=50"}, {.tokens = 5000}), 4);
}

TEST(Auto, AHardOneGetsItsOwnSearchBehindTheProbe) {
  const std::vector<double> anything(12, 1.0);
  EXPECT_EQ(spent(anything, {"probe=4", "hard=majority n=10", "middle=stop", "hard_at=0.9", "temperature=1"}), 4 + 10);
  EXPECT_EQ(spent(anything, {"probe=4", "hard=stop", "middle=majority n=7", "hard_at=0.1", "temperature=1"}), 4 + 7);
}

TEST(Auto, TheProbeVotes) {
  World world(words({0.55, 0.45}));
  int64_t more = 0;
  for (const auto& row : world.run(
           *make_strategy("auto", {"probe=8", "easy_at=2", "hard_at=0", "middle=majority n=1", "temperature=1"}), 40)) {
    const auto votes = [&](const char* answer) {
      return std::ranges::count_if(row.result.candidates, [&](const Candidate& c) { return c.answer == answer; });
    };
    EXPECT_EQ(row.result.answer, votes("a") >= votes("b") ? "a" : "b");
    more += votes("a") + votes("b");
  }
  EXPECT_EQ(more, 40 * 9);
}

TEST(Auto, ATreeMayFollowTheProbe) {
  World world(fake::path_game(3, {0.4, 0.3, 0.3}, [](const std::vector<int>& p) { return p == std::vector{1, 2, 1}; }));
  int64_t right = 0;
  for (const auto& row : world.run(
           *make_strategy("auto", {"easy_at=2", "hard_at=0", "middle=mcts sims=100 width=12", "temperature=1"}), 20))
    right += world.right(row.result);
  EXPECT_GE(right, 19);
}

TEST(Auto, WhatFollowsIsTheAnswerOfThatSearch) {
  // Greedy always says the likeliest word; a probe at a high temperature may say anything.
  World world(words({0.4, 0.3, 0.3}));
  const auto strategy = make_strategy("auto", {"easy_at=2", "hard_at=0", "middle=greedy", "temperature=1", "probe=1"});
  for (const auto& row : world.run(*strategy, 20)) EXPECT_EQ(row.result.answer, "a");
}

// The discriminator's scores and the likelihood of a probe's samples are no common measure.
TEST(Auto, TheProbeDoesNotWinByAnotherMeasure) {
  World world(words({0.5, 0.3, 0.2}));
  world.codec.asks = false;
  for (const std::string signal : {"agreement", "score"}) {
    const auto strategy = make_strategy("auto", {"easy_at=2", "hard_at=0", "middle=rstar sims=20 finalists=1",
                                                 "temperature=1", "signal=" + signal, "guide=likelihood"});
    for (const auto& row : world.run(*strategy, 20)) {
      std::map<std::string, int> votes;
      for (const Candidate& c : row.result.candidates)
        if (c.answer) ++votes[*c.answer];
      for (const auto& [answer, count] : votes) EXPECT_GE(votes[*row.result.answer], count);
    }
  }
}

TEST(Auto, WrongWordsAreFoundBeforeAnythingIsSpent) {
  for (const char* hard : {"hard=mctss", "hard=mcts sims=x", "hard="}) {
    World world(words({1}));
    EXPECT_THROW(world.run(*make_strategy("auto", {hard}), 1), Error) << hard;
    EXPECT_EQ(world.policy.requests, 0);
  }
}

}  // namespace
}  // namespace ponder::search
