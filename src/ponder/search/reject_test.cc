#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::path_game;
using fake::World;

// Four steps of one of two words; right are the paths that begin with word 1, a chance of 0.25.
fake::Game early_fork() {
  return path_game(4, {3, 1}, [](const std::vector<int>& path) { return !path.empty() && path[0] == 1; });
}

struct Outcome {
  double accuracy = 0, tokens = 0, critic = 0, samples = 0;
};

Outcome run(World& world, const std::vector<std::string>& options, core::Budget budget = {}, int problems = 600) {
  std::vector<std::string> all = {"temperature=1"};
  all.insert(all.end(), options.begin(), options.end());
  const auto strategy = make_strategy("reject", all);
  Outcome sum;
  for (const SearchRow& row : world.run(*strategy, problems, {.budget = budget})) {
    EXPECT_TRUE(row.ok()) << row.error;
    sum.accuracy += world.right(row.result);
    sum.tokens += static_cast<double>(row.result.usage.generated);
    sum.critic += static_cast<double>(row.result.usage.critic);
    sum.samples += static_cast<double>(row.result.candidates.size());
  }
  const double n = problems;
  return {sum.accuracy / n, sum.tokens / n, sum.critic / n, sum.samples / n};
}

TEST(Reject, StopsAtTheFirstAnswerThatTheCriticAccepts) {
  World world(early_fork());
  const Outcome o = run(world, {"accept=0.9", "reject=0", "n=1000"});
  EXPECT_EQ(o.accuracy, 1.0);
  EXPECT_NEAR(o.samples, 4.0, 0.6);            // geometric with p = 0.25, sd √12
  EXPECT_NEAR(o.tokens, 9 * o.samples, 0.01);  // four steps of two words, and the end
}

TEST(Reject, CutsWhatCannotSucceed) {
  World cutting(early_fork()), patient(early_fork());
  const Outcome cut = run(cutting, {"accept=0.9", "reject=0.5", "every=1", "n=1000"});
  const Outcome whole = run(patient, {"accept=0.9", "reject=0", "n=1000"});
  EXPECT_EQ(cut.accuracy, 1.0);
  EXPECT_LT(cut.tokens, 0.6 * whole.tokens);
  EXPECT_NEAR(cut.samples, 1.0, 1e-9);  // only the last completion lived to its end
}

TEST(Reject, ReadsNoMoreOftenThanItIsTold) {
  World often(early_fork()), rarely(early_fork());
  often.value_of = rarely.value_of = [](const core::Tokens&) { return 0.5; };
  run(often, {"accept=2", "reject=0.01", "every=1", "n=5"}, {}, 20);
  run(rarely, {"accept=2", "reject=0.01", "every=5", "n=5"}, {}, 20);
  EXPECT_GT(often.critic.requests, 2 * rarely.critic.requests);
}

TEST(Reject, WithoutAJudgeItTakesTheFirstAnswerAndReadsNothing) {
  World world(early_fork());
  const Outcome o = run(world, {"accept=0", "reject=0", "n=1000"}, {}, 1500);
  EXPECT_NEAR(o.accuracy, 0.25, 0.045);  // 4 standard errors
  EXPECT_EQ(o.samples, 1.0);
  EXPECT_EQ(o.critic, 0);
  EXPECT_EQ(world.critic.requests, 0);
}

TEST(Reject, VotesEndItToo) {
  World world(path_game(1, {3, 1}, [](const std::vector<int>& path) { return path[0] == 0; }));
  const Outcome o = run(world, {"accept=2", "reject=0", "votes=2", "guide=likelihood", "n=1000"}, {}, 1500);
  EXPECT_NEAR(o.samples, 2.375, 0.06);     // 2 with chance 0.625, else 3
  EXPECT_NEAR(o.accuracy, 0.84375, 0.04);  // best of three
}

TEST(Reject, WithoutAnAcceptedAnswerItSpendsItsBudgetAndVotes) {
  World world(early_fork());
  world.value_of = [&](const core::Tokens& c) { return world.game.correct(c) ? 0.6 : 0.02; };
  const Outcome o = run(world, {"accept=0.9", "reject=0"}, {.tokens = 400}, 300);
  EXPECT_GT(o.tokens + o.critic, 380);
  EXPECT_GT(o.accuracy, 0.9);
}

// Word 1 is rare and right: an answer that was written with an unlikely word is one to be confident of.
TEST(Reject, AConfidenceJudgesWithoutReading) {
  World world(path_game(1, {3, 1}, [](const std::vector<int>& path) { return path == std::vector<int>{1}; }));
  world.confidence = {{}, -10, 0, -10};  // sigmoid(10·(−log p) − 10): 0.0008 for word 0, 0.98 for word 1
  const Outcome o = run(world, {"accept=0.9", "guide=confidence", "n=1000"});
  EXPECT_EQ(o.accuracy, 1.0);
  EXPECT_NEAR(o.samples, 4.0, 0.6);
  EXPECT_EQ(o.critic, 0.0);
  EXPECT_EQ(world.critic.requests, 0);
}

TEST(Reject, AConfidenceStandsInWhereThereIsNoCritic) {
  World with(early_fork()), without(early_fork(), 1, 0, false);
  with.confidence = without.confidence = {{0.1, 0.3}, 0.2, 0, 1};
  const Outcome asked = run(with, {"accept=0.6", "guide=confidence"}, {.tokens = 300}, 50);
  const Outcome automatic = run(without, {"accept=0.6"}, {.tokens = 300}, 50);
  EXPECT_EQ(asked.tokens, automatic.tokens);
  EXPECT_EQ(asked.accuracy, automatic.accuracy);
}

// Log-probs at another temperature are other numbers.
TEST(Reject, AConfidenceJudgesOnlySamplesLikeThoseItWasFittedTo) {
  World world(early_fork(), 1, 0, false);
  world.confidence = {{}, 0, 0, -20, 0.5};  // believes in nothing, at 0.5
  const auto row = [&](const std::string& option) {
    return world.run(*make_strategy("reject", {"temperature=1", "accept=0.01", "n=40", option}), 1)[0];
  };
  EXPECT_THROW(row("guide=confidence"), Error);
  EXPECT_TRUE(row("guide=auto").ok());
  EXPECT_LT(row("guide=auto").result.candidates.size(), 40u);  // by likelihood, which is not so strict
  world.confidence.temperature = 1;
  EXPECT_EQ(row("guide=auto").result.candidates.size(), 40u);
  EXPECT_NE(row("top_p=0.9").result.candidates.size(), 40u);
}

// The honest check of speculative rejection: the reward of best-of-n for fewer tokens.
TEST(SpecReject, FindsTheRewardOfBestOfNForLess) {
  const auto reward = [](const std::string& name, std::vector<std::string> options, int64_t& tokens) {
    World world(early_fork());
    options.insert(options.end(), {"temperature=1", "n=16"});
    double sum = 0;
    for (const SearchRow& row : world.run(*make_strategy(name, options), 300)) {
      sum += row.result.score;
      tokens += row.result.usage.generated;
    }
    return sum / 300;
  };
  int64_t all = 0, some = 0;
  const double best = reward("bon", {"select=rm"}, all), found = reward("spec-reject", {"every=3"}, some);
  EXPECT_GT(best, 0.97);
  EXPECT_NEAR(found, best, 0.02);
  EXPECT_LT(static_cast<double>(some), 0.65 * static_cast<double>(all));
}

TEST(SpecReject, KeepsAShareOfThoseThatAreOpen) {
  World world(early_fork());
  const auto result =
      world.run(*make_strategy("spec-reject", {"n=8", "alpha=0.5", "every=3", "temperature=1"}), 1)[0].result;
  std::map<int64_t, int> at_length;  // pieces of 3, 6 and 9 tokens: 8, 4 and 2 of them
  for (NodeId id = 1; id < static_cast<NodeId>(result.tree.size()); ++id) ++at_length[result.tree[id].path_length];
  EXPECT_EQ(at_length, (std::map<int64_t, int>{{3, 8}, {6, 4}, {9, 2}}));
  EXPECT_EQ(result.candidates.size(), 2u);
  World none(early_fork());
  EXPECT_EQ(none.run(*make_strategy("spec-reject", {"n=8", "alpha=0", "every=3"}), 1)[0].result.candidates.size(), 8u);
  World most(early_fork());
  EXPECT_EQ(most.run(*make_strategy("spec-reject", {"n=8", "alpha=1", "every=3"}), 1)[0].result.candidates.size(), 1u);
}

}  // namespace
}  // namespace ponder::search
