#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::path_game;
using fake::World;

double accuracy(World& world, const std::string& name, const std::vector<std::string>& options, int problems) {
  const auto strategy = make_strategy(name, options);
  int right = 0;
  for (const SearchRow& row : world.run(*strategy, problems)) right += world.right(row.result);
  return static_cast<double>(right) / problems;
}

double within(double p, int n) { return 4 * std::sqrt(p * (1 - p) / n) + 1e-9; }  // 4 standard errors

fake::Game one_in_ten() {
  return path_game(1, {4, 3, 2, 1}, [](const std::vector<int>& path) { return path == std::vector<int>{3}; });
}

TEST(BestOfN, AnOracleCriticGivesPassAtN) {
  for (int n : {1, 4, 16}) {
    World world(one_in_ten());
    const double pass_at_n = 1 - std::pow(0.9, n);
    const double found = accuracy(world, "bon", {"select=rm", "temperature=1", base::cat("n=", n)}, 1500);
    EXPECT_NEAR(found, pass_at_n, within(pass_at_n, 1500)) << n;
  }
}

TEST(BestOfN, ARandomSelectorGivesPassAtOne) {
  World world(one_in_ten());
  const double found = accuracy(world, "bon", {"select=random", "temperature=1", "n=16"}, 1500);
  EXPECT_NEAR(found, 0.1, within(0.1, 1500));
  EXPECT_EQ(world.critic.requests, 0);
}

TEST(BestOfN, AUselessCriticGivesPassAtOne) {
  World world(one_in_ten());
  world.value_of = [](const core::Tokens&) { return 0.5; };
  EXPECT_NEAR(accuracy(world, "bon", {"select=rm", "temperature=1", "n=16"}, 1500), 0.1, within(0.1, 1500));
}

TEST(BestOfN, WeightedVotesWithAnOracleIgnoreTheCrowd) {
  World world(one_in_ten());
  const double pass = 1 - std::pow(0.9, 16);
  EXPECT_NEAR(accuracy(world, "bon", {"temperature=1", "n=16"}, 1500), pass, within(pass, 1500));
}

TEST(Majority, DecaysWhereAWrongAnswerLeads) {
  // p = 0.4 against one rival: P(Bin(25, 0.4) ≥ 13) = 0.154.
  World world(path_game(1, {6, 4}, [](const std::vector<int>& path) { return path == std::vector<int>{1}; }));
  EXPECT_NEAR(accuracy(world, "majority", {"n=25", "temperature=1"}, 1500), 0.154, within(0.154, 1500));
  EXPECT_NEAR(accuracy(world, "sample", {"temperature=1"}, 1500), 0.4, within(0.4, 1500));
}

// Four answers, of which no single one has most of the votes.
fake::Game four_answers() {
  return path_game(1, {4, 3, 2, 1}, [](const std::vector<int>& path) { return path == std::vector<int>{0}; });
}

TEST(Majority, ADecidedVoteIsTheWholeVoteForLess) {
  World all(four_answers()), decided(four_answers(), 7);
  const auto whole = all.run(*make_strategy("majority", {"n=31", "temperature=1"}), 400);
  const auto part = decided.run(*make_strategy("majority", {"n=31", "temperature=1", "until=decided"}), 400);
  int64_t spent = 0, early = 0;
  for (size_t i = 0; i < whole.size(); ++i) {
    const SearchResult &a = whole[i].result, &b = part[i].result;
    EXPECT_EQ(a.answer, b.answer);
    ASSERT_LE(b.candidates.size(), a.candidates.size());
    for (size_t k = 0; k < b.candidates.size(); ++k) EXPECT_EQ(a.candidates[k].tokens, b.candidates[k].tokens);
    spent += b.usage.generated, early += b.candidates.size() < a.candidates.size();
  }
  EXPECT_GT(early, 300);
  EXPECT_LT(spent, 400 * 31 * 3 * 9 / 10);
}

// Aggarwal et al.: with 5 of 5 votes for one answer the chance of a majority is 1 − 1/64.
TEST(Majority, StopsWhenTheLeaderIsLikelyToStay) {
  World sure(path_game(1, {1}, [](const auto&) { return true; }));
  for (const auto& [needed, samples] : {std::pair{"sure=0.98", 5u}, {"sure=0.95", 4u}, {"sure=0.985", 6u}}) {
    const auto strategy = make_strategy("majority", {"n=40", "until=likely", needed});
    EXPECT_EQ(sure.run(*strategy, 1)[0].result.candidates.size(), samples) << needed;
  }
  World split(path_game(1, {1, 1}, [](const auto&) { return true; }));
  const auto strategy = make_strategy("majority", {"n=40", "until=likely", "sure=0.999", "temperature=1"});
  size_t samples = 0;
  for (const auto& row : split.run(*strategy, 50)) samples += row.result.candidates.size();
  EXPECT_GT(samples, 50u * 25);
}

TEST(Greedy, TakesTheLikeliestTokens) {
  World world(path_game(3, {1, 5, 2}, [](const std::vector<int>& path) { return path == std::vector<int>{1, 1, 1}; }));
  EXPECT_EQ(accuracy(world, "greedy", {}, 5), 1.0);
}

TEST(Samples, TheSampleOfOneIsTheFirstOfMany) {
  World one(fake::messy_game()), many(fake::messy_game(), 5);
  const auto a = one.run(*make_strategy("sample"), 4);
  const auto b = many.run(*make_strategy("majority", {"n=5"}), 4);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(a[i].result.completion, b[i].result.candidates[0].tokens);
}

// One run with a large budget holds the results of all smaller ones.
TEST(Samples, ASmallerBudgetDrawsAPrefix) {
  base::Rng rng(base::RngKey(11));
  const auto strategy = make_strategy("majority", {"max_tokens=60", "temperature=1"});
  World large(fake::messy_game());
  const auto whole = large.run(*strategy, 1, {.budget = {.tokens = 2000}})[0].result;
  for (int trial = 0; trial < 60; ++trial) {
    const int64_t budget = rng.between(1, 1999);
    World small(fake::messy_game(), static_cast<uint64_t>(trial));
    const auto part = small.run(*strategy, 1, {.budget = {.tokens = budget}})[0].result;
    std::vector<Candidate> affordable;
    for (const Candidate& c : whole.candidates) {
      if (c.usage.generated <= budget) affordable.push_back(c);
    }
    ASSERT_GE(part.candidates.size(), affordable.size()) << budget;
    ASSERT_LE(part.candidates.size(), affordable.size() + 1) << budget;
    for (size_t i = 0; i < affordable.size(); ++i) EXPECT_EQ(part.candidates[i].tokens, affordable[i].tokens);
    if (part.candidates.size() > affordable.size()) {
      EXPECT_FALSE(part.candidates.back().answer) << budget;
    }
    const int64_t chosen = select_candidate(affordable, "maj", base::RngKey());
    if (chosen >= 0) {
      EXPECT_EQ(part.answer, affordable[static_cast<size_t>(chosen)].answer) << budget;
    }
    EXPECT_EQ(part.usage.generated, budget);
  }
}

// Claims whatever stands there, like a number at the end of a text.
class OpenCodec : public fake::FakeCodec {
 public:
  std::optional<std::string> answer(const core::Problem&, core::TokenSpan completion) const override {
    std::string text;
    for (const core::Token token : completion)
      if (token >= fake::kFirstWord) text += static_cast<char>('a' + (token - fake::kFirstWord));
    return text;
  }
};

TEST(Samples, AnAnswerThatWasCutOffIsNone) {
  World world(fake::path_game(5, {1}, [](const auto&) { return true; }));
  const OpenCodec codec;
  const auto answer = [&](int64_t max_tokens) {
    const auto strategy = make_strategy("sample", {base::cat("max_tokens=", max_tokens)});
    return world.run(*strategy, 1, {}, 0, &codec)[0].result.answer;
  };
  EXPECT_EQ(answer(3), std::nullopt) << "the last token is a word, which may go on";
  EXPECT_EQ(answer(4), "aa") << "the last token is none of its words";
  EXPECT_EQ(answer(20), "aaaaa");
  world.policy.garble = [](core::Completion& c) {
    c.tokens.clear(), c.logps.clear(), c.ended = false, c.stop = core::StopReason::kMaxTokens;
  };
  EXPECT_EQ(answer(20), std::nullopt) << "nothing was written";
}

TEST(Samples, CandidatesCarryWhatWasSpentSoFar) {
  World world(fake::messy_game());
  world.value_of = [](const core::Tokens& c) { return c.size() % 7 / 7.0; };
  const auto result = world.run(*make_strategy("bon", {"n=20"}), 1)[0].result;
  ASSERT_EQ(result.candidates.size(), 20u);
  core::Usage sum;
  bool read = false;
  for (const Candidate& c : result.candidates) {
    sum.generated += static_cast<int64_t>(c.tokens.size());
    if (c.answer) sum.critic += static_cast<int64_t>(c.tokens.size()) + (read ? 0 : 3), read = true;
    EXPECT_EQ(c.usage.generated, sum.generated);
    EXPECT_EQ(c.usage.critic, sum.critic);
  }
  EXPECT_EQ(result.usage.critic, sum.critic);
}

}  // namespace
}  // namespace ponder::search
