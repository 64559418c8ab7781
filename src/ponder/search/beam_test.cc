#include <gtest/gtest.h>

#include <array>

#include <set>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::path_game;
using fake::World;

// Every path has a value of its own in (0, 1), known to the critic at every step.
double planted_value(const core::Tokens& completion) {
  base::RngKey key(5);
  for (core::Token t : completion) {
    if (t >= fake::kFirstWord) key = key.child(static_cast<uint64_t>(t));
  }
  return base::Rng(key).uniform();
}

double best_leaf(int depth, int width, core::Tokens path = {}) {
  if (depth == 0) return planted_value(path);
  double best = 0;
  for (int w = 0; w < width; ++w) {
    core::Tokens longer = path;
    longer.push_back(fake::kFirstWord + w);
    best = std::max(best, best_leaf(depth - 1, width, longer));
  }
  return best;
}

fake::Game even_game(int depth, int width) {
  return path_game(depth, std::vector<double>(static_cast<size_t>(width), 1.0), [](const auto&) { return false; });
}

TEST(Beam, ExhaustiveWidthFindsTheOptimum) {
  World world(even_game(3, 3));
  world.value_of = planted_value;
  const auto strategy = make_strategy("beam", {"n=400", "beam_width=4", "select=rm", "temperature=1"});
  for (const auto& row : world.run(*strategy, 3)) {
    EXPECT_EQ(row.result.candidates.size(), 27u);
    EXPECT_FLOAT_EQ(static_cast<float>(row.result.score), static_cast<float>(best_leaf(3, 3)));
  }
}

TEST(Beam, WidthOnePrunesNothing) {
  World world(even_game(4, 5));
  world.value_of = planted_value;
  const auto strategy = make_strategy("beam", {"n=8", "beam_width=1", "select=rm", "temperature=1"});
  const auto rows = world.run(*strategy, 20);
  for (const auto& row : rows) {
    double best = 0;
    for (const Candidate& c : row.result.candidates) best = std::max(best, c.score);
    EXPECT_EQ(row.result.score, best);
    const Tree& tree = row.result.tree;
    for (size_t i = 0; i < tree.size(); ++i) EXPECT_FALSE(tree[static_cast<NodeId>(i)].pruned);
    for (size_t i = 1; i < tree.size(); ++i) {
      const Node& node = tree[static_cast<NodeId>(i)];
      EXPECT_TRUE(node.terminal || node.first_child != kNoNode);
    }
  }
}

TEST(Beam, AnExactCriticSolvesWhateverItsFirstStepsReach) {
  // One right path of 4 steps among 3^4; with 3 draws a level the right word is in reach most of the time, and an exact
  // critic never drops it: accuracy = (1 − (2/3)^16)·(1 − (2/3)^16)^3 for 16 draws a level.
  const std::vector<int> right = {2, 0, 1, 1};
  World world(path_game(4, {1, 1, 1}, [=](const std::vector<int>& path) { return path == right; }));
  const auto strategy = make_strategy("beam", {"n=16", "beam_width=16", "temperature=1"});
  int solved = 0;
  for (const auto& row : world.run(*strategy, 200)) solved += world.right(row.result);
  EXPECT_NEAR(solved / 200.0, std::pow(1 - std::pow(2.0 / 3, 16), 4), 0.03);
}

TEST(Beam, NoiseInTheCriticCosts) {
  const std::vector<int> right = {2, 0, 1, 1};
  const auto solved = [&](double noise) {
    World world(path_game(4, {1, 1, 1}, [=](const std::vector<int>& path) { return path == right; }), 1, noise);
    int count = 0;
    for (const auto& row : world.run(*make_strategy("beam", {"n=8", "temperature=1"}), 150)) {
      count += world.right(row.result);
    }
    return count;
  };
  const int exact = solved(0), some = solved(0.2), much = solved(5);
  EXPECT_GT(exact, some);
  EXPECT_GT(some, much);
}

TEST(Beam, DuplicatesCountOnce) {
  World merged(even_game(2, 2)), kept(even_game(2, 2));
  merged.value_of = kept.value_of = planted_value;
  const auto one = merged.run(*make_strategy("beam", {"n=16"}), 1)[0].result;
  EXPECT_EQ(one.candidates.size(), 4u);
  EXPECT_EQ(one.tree.size(), 1u + 2 + 4 + 4);
  const auto all = kept.run(*make_strategy("beam", {"n=16", "filter_duplicates=false"}), 1)[0].result;
  EXPECT_GT(all.tree.size(), one.tree.size());
  EXPECT_EQ(merged.critic.requests, 10);
}

TEST(Beam, LookaheadScoresWhatLiesAhead) {
  // The critic knows nothing before the second step; a greedy step more shows it which first step is good.
  World world(path_game(2, {0.5, 0.5}, [](const auto&) { return false; }));
  world.value_of = [](const core::Tokens& c) { return c.size() < 4 ? 0.5 : c[0] == fake::kFirstWord + 1 ? 0.9 : 0.1; };
  const auto solve = [&](const char* lookahead) {
    int good = 0;
    const auto strategy = make_strategy("beam", {"n=4", "beam_width=4", "temperature=1", lookahead, "seed=3"});
    for (const auto& row : world.run(*strategy, 100)) good += row.result.completion[0] == fake::kFirstWord + 1;
    return good;
  };
  const int blind = solve("lookahead=0"), seeing = solve("lookahead=1");
  EXPECT_NEAR(blind, 50, 20);
  EXPECT_GE(seeing, 90);  // 1 − 2^-4 of the draws hold the good word
}

TEST(Beam, LookaheadTextIsPaidButNotKept) {
  World world(even_game(6, 2));
  world.value_of = planted_value;
  const auto strategy = make_strategy("lookahead", {"n=4", "lookahead=3"});
  const auto result = world.run(*strategy, 1)[0].result;
  int64_t in_tree = 0;
  for (size_t i = 1; i < result.tree.size(); ++i) in_tree += result.tree[static_cast<NodeId>(i)].length;
  EXPECT_GT(result.usage.generated, 2 * in_tree);
  EXPECT_EQ(result.usage.generated, world.policy.generated[0]);
  EXPECT_GE(result.usage.critic, world.critic.read_tokens[0]);
}

TEST(Dvts, SubtreesDoNotCompete) {
  World world(even_game(3, 6));
  world.value_of = planted_value;
  const auto strategy = make_strategy("dvts", {"n=12", "beam_width=3", "temperature=1"});
  const auto result = world.run(*strategy, 1)[0].result;
  std::set<NodeId> first_steps;
  for (const Candidate& c : result.candidates) first_steps.insert(result.tree.path(c.node)[0]);
  EXPECT_GE(first_steps.size(), 2u);
  EXPECT_LE(first_steps.size(), 4u);
  // Each subtree went on with the best of its own three draws: drawn in order, 3 behind the root for every subtree.
  EXPECT_EQ(result.tree[kRoot].draws, 12);
}

TEST(Dvts, GoesOnWithTheBestOfItsOwnDraws) {
  World world(even_game(3, 6));
  world.value_of = planted_value;
  const auto result = world.run(*make_strategy("dvts", {"n=6", "beam_width=6", "temperature=1"}), 1)[0].result;
  NodeId node = kRoot;
  while (result.tree[node].first_child != kNoNode) {
    NodeId best = kNoNode, opened = kNoNode;
    for (NodeId c = result.tree[node].first_child; c != kNoNode; c = result.tree[c].next_sibling) {
      if (best == kNoNode || result.tree[c].value > result.tree[best].value) best = c;
      if (result.tree[c].first_child != kNoNode) opened = c;
    }
    if (opened != kNoNode) {
      EXPECT_EQ(opened, best);
    }
    node = best;
  }
}

TEST(BestFirst, FindsTheRightPathWithAnExactCritic) {
  const std::vector<int> right = {2, 0, 1, 1};
  World world(path_game(4, {1, 1, 1}, [=](const std::vector<int>& path) { return path == right; }));
  const auto strategy = make_strategy("best-first", {"n=1", "width=12", "temperature=1"});
  int solved = 0;
  for (const auto& row : world.run(*strategy, 100)) solved += world.right(row.result);
  EXPECT_GE(solved, 90);
}

TEST(BestFirst, OfEqualPathsTheLongestIsOpened) {
  World world(path_game(4, {1, 1, 1}, [](const auto&) { return true; }));
  const auto result = world.run(*make_strategy("best-first", {"n=1", "width=12"}), 1)[0].result;
  int opened = 0;
  for (size_t i = 0; i < result.tree.size(); ++i) opened += result.tree[static_cast<NodeId>(i)].draws > 0;
  EXPECT_EQ(opened, 5);  // the way to the first answer and nothing else
}

// The rule of thumb counts how many of its words a path shares with the right one; what the verifier says is known at
// the end alone.
TEST(BestFirst, AHeuristicLeadsWhereTheVerifierIsStillSilent) {
  const std::vector<int> right = {2, 0, 1, 1};
  int solved[2] = {0, 0};
  for (const bool heuristic : {false, true}) {
    World world(path_game(4, {4, 3, 3}, [=](const std::vector<int>& path) { return path == right; }));
    world.judge.outlook_of = [&](core::TokenSpan path) {
      double same = 0;
      size_t depth = 0;
      for (const core::Token token : path) {
        if (token < fake::kFirstWord || depth == right.size()) continue;
        same += token - fake::kFirstWord == right[depth++];
      }
      return depth > 0 ? same / static_cast<double>(depth) : 0.5;
    };
    const auto strategy = make_strategy(
        "best-first", {"n=1", "width=8", "sims=8", "temperature=1", heuristic ? "guide=heuristic" : "guide=verifier"});
    for (const auto& row : world.run(*strategy, 100)) {
      ASSERT_TRUE(row.ok()) << row.error;
      solved[heuristic] += world.right(row.result);
    }
  }
  EXPECT_GE(solved[1], 80);
  EXPECT_LE(solved[0], 40);
}

// With an exact critic h is the cost of what is still to be written to a right answer or less, so the first answer that
// comes to the front is the likeliest right one.
TEST(AStar, FindsTheLikeliestRightPath) {
  int beyond_greedy = 0;
  for (uint64_t g = 0; g < 30; ++g) {
    base::Rng rng{base::RngKey(g)};
    std::array<bool, 27> right{};
    for (bool& r : right) r = rng.chance(0.15);
    right[static_cast<size_t>(rng.below(27))] = true;
    const std::vector<double> p = {5, 3, 2};
    const auto index = [](const std::vector<int>& path) { return (path[0] * 3 + path[1]) * 3 + path[2]; };
    World world(path_game(3, p, [&](const std::vector<int>& path) {
      return path.size() == 3 && right[static_cast<size_t>(index(path))];
    }));
    double best = 0;
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b)
        for (int c = 0; c < 3; ++c)
          if (right[static_cast<size_t>(index({a, b, c}))])
            best = std::max(best, p[static_cast<size_t>(a)] * p[static_cast<size_t>(b)] * p[static_cast<size_t>(c)]);
    const auto result = world.run(*make_strategy("a-star", {"width=60", "temperature=1", "select=rm"}), 1)[0].result;
    ASSERT_TRUE(world.right(result)) << g;
    double found = 1;
    for (core::Token t : result.completion)
      if (t >= fake::kFirstWord) found *= p[static_cast<size_t>(t - fake::kFirstWord)];
    EXPECT_EQ(found, best) << g;
    beyond_greedy += best < 125;
  }
  EXPECT_GT(beyond_greedy, 15);
}

TEST(Beam, AStepBudgetStillGivesAnAnswer) {
  // 40 tokens do not pay for a beam search; the reserve does for one greedy answer.
  for (const char* name : {"beam", "lookahead", "dvts", "best-first", "mcts"}) {
    World world(even_game(6, 3));
    world.value_of = planted_value;
    const auto result = world.run(*make_strategy(name, {"max_tokens=20"}), 1, {.budget = {.tokens = 40}})[0].result;
    EXPECT_TRUE(result.answer) << name;
    EXPECT_LE(result.usage.generated + result.usage.critic, 40) << name;
  }
}

}  // namespace
}  // namespace ponder::search
