#include "ponder/search/guide.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::Choice;
using fake::kEnd;
using fake::kFirstWord;
using fake::World;

// One step of three words, of which the first is right.
fake::Game three_words(std::vector<double> p) {
  return fake::path_game(1, std::move(p), [](const std::vector<int>& path) { return path[0] == 0; });
}

std::map<std::string, double> scores(World& world, const std::vector<std::string>& options) {
  const auto row = world.run(*make_strategy("bon", options), 1, {}, 5)[0];
  EXPECT_TRUE(row.ok()) << row.error;
  std::map<std::string, double> scores;
  for (const Candidate& c : row.result.candidates) scores[*c.answer] = c.score;
  return scores;
}

TEST(Guide, SemanticEntropyCountsClassesOfAnswers) {
  EXPECT_DOUBLE_EQ(semantic_entropy({"a", "a", "a", "a"}), 0);
  EXPECT_NEAR(semantic_entropy({"a", "b", "a", "b"}), std::log(2), 1e-12);
  EXPECT_NEAR(semantic_entropy({"a", std::nullopt, std::nullopt, "b"}), std::log(4), 1e-12);
  EXPECT_NEAR(semantic_entropy({"a", "a", "a", "b"}), -(0.75 * std::log(0.75) + 0.25 * std::log(0.25)), 1e-12);
}

TEST(Guide, AVoteIsTheShareOfAllAnswersWhenAllAreIn) {
  World world(three_words({0.5, 0.3, 0.2}));
  const auto found = scores(world, {"n=40", "guide=vote", "select=rm", "temperature=1"});
  ASSERT_EQ(found.size(), 3u);
  double sum = 0;
  for (const auto& [answer, score] : found) sum += score;
  EXPECT_NEAR(sum, 1, 1e-6);
  EXPECT_GT(found.at("a"), found.at("c"));
}

// All words of a distribution are worth the same, however likely they are: it is the place that is uncertain.
TEST(Guide, EntropyIsOfThePlaceAndNotOfTheWord) {
  World world(three_words({0.5, 0.3, 0.2}));
  const double entropy = -(0.5 * std::log(0.5) + 0.3 * std::log(0.3) + 0.2 * std::log(0.2));
  for (const auto& [answer, score] : scores(world, {"n=40", "guide=entropy", "select=rm", "temperature=1"}))
    EXPECT_NEAR(score, std::exp(-entropy / 3), 1e-6) << answer;  // the two other tokens are certain
}

TEST(Guide, TheVerifierKnowsWhatTheProblemSays) {
  World world(three_words({0.5, 0.3, 0.2}));
  const auto found = scores(world, {"n=40", "guide=verifier", "select=rm", "temperature=1"});
  EXPECT_EQ(found.at("a"), 1);
  EXPECT_EQ(found.at("b"), 0);
}

TEST(Guide, AMixWeighsItsTwoParts) {
  for (const double share : {0.0, 0.25, 1.0}) {
    World world(three_words({0.5, 0.3, 0.2}));
    const auto found =
        scores(world, {"n=40", "guide=mix", base::cat("mix=", share), "select=rm", "temperature=1", "top_p=0.999"});
    for (const auto& [answer, score] : found) {  // p of the word over three tokens, of which two are certain
      const double likelihood = std::cbrt(answer == "a" ? 0.5 : answer == "b" ? 0.3 : 0.2);
      EXPECT_NEAR(score, share * likelihood + (1 - share) * (answer == "a"), 1e-3) << answer;
    }
  }
}

// Replies of one word.
class YesNoCodec : public fake::FakeCodec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    if (!tokens.empty() && (tokens[0] == 51 || tokens[0] == 52)) return tokens[0] == 51 ? "Yes" : "No";
    return FakeCodec::decode(tokens);
  }
};

TEST(Guide, PTrueIsTheProbabilityOfYes) {
  double sum = 0;
  constexpr int kSearches = 500;
  std::set<double> values;
  for (uint64_t seed = 0; seed < kSearches; ++seed) {
    World world(three_words({1, 0, 0}));
    world.policy.asked = [](int ask, int, core::TokenSpan reply) -> std::vector<Choice> {
      EXPECT_EQ(ask, static_cast<int>(core::Ask::kTrue));
      if (!reply.empty()) return {{kEnd, 1.0}};
      return {{51, 0.6}, {52, 0.2}, {53, 0.2}};  // 53 says nothing
    };
    const YesNoCodec codec;
    const auto strategy = make_strategy("bon", {"n=1", "guide=p-true", "select=rm", "temperature=1"});
    const auto row = world.run(*strategy, 1, {}, seed, &codec)[0];
    ASSERT_TRUE(row.ok()) << row.error;
    const Candidate& c = row.result.candidates[0];
    sum += c.score;
    values.insert(c.score);
    EXPECT_EQ(row.result.usage.asked, 2);                      // once for all replies
    EXPECT_EQ(c.usage.generated, row.result.usage.generated);  // what its score cost is part of what it cost
  }
  EXPECT_NEAR(sum / kSearches, 0.75, 0.03);
  EXPECT_TRUE(values.contains(1) && values.contains(0.5));
}

TEST(Guide, PTrueAsksWhatBecomesOfAStep) {
  World world(fake::path_game(2, {1, 1}, [](const auto&) { return true; }));
  std::set<int> asks;
  world.policy.asked = [&](int ask, int, core::TokenSpan reply) -> std::vector<Choice> {
    asks.insert(ask);
    if (!reply.empty()) return {{kEnd, 1.0}};
    return {{51, 1.0}};
  };
  const YesNoCodec codec;
  const auto row = world.run(*make_strategy("beam", {"n=2", "beam_width=2", "guide=p-true"}), 1, {}, 1, &codec)[0];
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_EQ(asks, (std::set<int>{static_cast<int>(core::Ask::kJudge), static_cast<int>(core::Ask::kTrue)}));
}

TEST(Guide, AStepIsAsGoodAsItIsSureWhatFollows) {
  // Behind word 0 there is one answer, behind word 1 there are eight.
  fake::Game game = fake::path_game(2, {1, 1, 1, 1, 1, 1, 1, 1}, [](const auto&) { return true; });
  const auto next = game.next;
  game.next = [next](core::TokenSpan completion) -> std::vector<Choice> {
    if (completion.empty()) return {{kFirstWord, 0.5}, {kFirstWord + 1, 0.5}};
    if (completion.size() == 2 && completion[0] == kFirstWord) return {{kFirstWord, 1.0}};
    return next(completion);
  };
  World world(game);
  const auto strategy = make_strategy("beam", {"n=8", "beam_width=4", "guide=semantic", "temperature=1"});
  const auto row = world.run(*strategy, 1)[0];
  ASSERT_TRUE(row.ok()) << row.error;
  const Tree& tree = row.result.tree;
  double sure = -1, unsure = 2;
  for (NodeId c = tree[kRoot].first_child; c != kNoNode; c = tree[c].next_sibling) {
    if (tree[c].rollout) continue;
    (tree.tokens(c)[0] == kFirstWord ? sure : unsure) = tree[c].value;
  }
  EXPECT_NEAR(sure, 1, 1e-6);
  EXPECT_LT(unsure, 0.7);
}

TEST(Guide, WhatAModelDoesNotHaveIsAnErrorThatSaysSo) {
  World world(three_words({1, 0, 0}), 1, 0, false);
  for (const auto& [guide, words] : {std::pair("critic", "critic"), {"mix", "critic"}}) try {
      world.run(*make_strategy("bon", {base::cat("guide=", guide)}), 1);
      ADD_FAILURE() << guide;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
    }
  world.codec.asks = false;
  EXPECT_THROW(world.run(*make_strategy("bon", {"guide=p-true"}), 1), Error);
}

}  // namespace
}  // namespace ponder::search
