#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::path_game;
using fake::World;

std::vector<int> words_of(const core::Tokens& completion) {
  std::vector<int> words;
  for (core::Token t : completion) {
    if (t >= fake::kFirstWord) words.push_back(t - fake::kFirstWord);
  }
  return words;
}

// A tree of depth 3, width 3 with random leaf values; a step is worth the mean of the leaves behind it, as exact values
// of an even policy are.
struct PlantedTree {
  explicit PlantedTree(uint64_t seed) {
    base::Rng rng{base::RngKey(seed)};
    for (double& leaf : leaves) leaf = rng.uniform();
    best = *std::ranges::max_element(leaves);
  }
  double value(const core::Tokens& completion) const {
    size_t index = 0, count = 27;
    for (int w : words_of(completion)) index = index * 3 + static_cast<size_t>(w), count /= 3;
    double sum = 0;
    for (size_t i = index * count; i < (index + 1) * count; ++i) sum += leaves[i];
    return sum / static_cast<double>(count);
  }
  std::array<double, 27> leaves;
  double best;
};

fake::Game even_game(int depth, int width) {
  return path_game(depth, std::vector<double>(static_cast<size_t>(width), 1.0), [](const auto&) { return false; });
}

double mean_regret(int64_t sims, const std::string& option) {
  double regret = 0;
  const int games = 20;
  for (uint64_t g = 0; g < games; ++g) {
    const PlantedTree planted(g);
    World world(even_game(3, 3));
    world.value_of = [&](const core::Tokens& c) { return planted.value(c); };
    const auto strategy = make_strategy("mcts", {base::cat("sims=", sims), option, "width=3", "temperature=1"});
    const auto result = world.run(*strategy, 1)[0].result;
    regret += planted.best - planted.value(result.completion);
  }
  return regret / games;
}

TEST(Mcts, RegretGoesToZero) {
  for (const char* option : {"select=visits", "select=rm", "rule=uct", "parallel=8"}) {
    const double few = mean_regret(8, option), some = mean_regret(64, option), many = mean_regret(20000, option);
    EXPECT_GT(few, some) << option;
    EXPECT_LT(many, 0.01) << option;
  }
}

TEST(Mcts, Books) {
  for (const std::vector<std::string>& options :
       std::vector<std::vector<std::string>>{{"leaf=value"},
                                             {"leaf=rollout"},
                                             {"rule=uct"},
                                             {"level=token"},
                                             {"parallel=8"},
                                             {"parallel=50", "leaf=rollout"},
                                             {"parallel=200", "rule=uct", "level=token"}}) {
    World world(fake::messy_game());
    world.value_of = [](const core::Tokens& c) { return c.size() % 7 / 7.0; };
    std::vector<std::string> all = {"sims=200", "width=3", "temperature=1", "max_tokens=40"};
    all.insert(all.end(), options.begin(), options.end());
    const auto strategy = make_strategy("mcts", all);
    for (const auto& row : world.run(*strategy, 5)) {
      const Tree& tree = row.result.tree;
      EXPECT_EQ(tree[kRoot].visits, 200);
      EXPECT_EQ(tree.backups().size(), 200u);
      std::vector<double> sums(tree.size());
      for (const Backup& b : tree.backups()) {
        EXPECT_LT(b.leaf, b.made);
        for (NodeId id = b.leaf; id != kNoNode; id = tree[id].parent) sums[static_cast<size_t>(id)] += b.value;
      }
      for (size_t i = 0; i < tree.size(); ++i) EXPECT_NEAR(sums[i], tree[static_cast<NodeId>(i)].value_sum, 1e-9);
      for (size_t i = 0; i < tree.size(); ++i) {
        const Node& node = tree[static_cast<NodeId>(i)];
        int64_t visits = 0;
        double prior = 0;
        for (NodeId c = node.first_child; c != kNoNode; c = tree[c].next_sibling) {
          if (tree[c].rollout) continue;
          visits += tree[c].visits;
          prior += tree[c].prior;
        }
        if (visits > 0 || i == 0) {
          EXPECT_EQ(node.visits, visits + (i == 0 ? 0 : 1));
        }
        if (visits > 0) {
          EXPECT_NEAR(prior, 1, 1e-5);
        }
        EXPECT_GE(node.value_sum, 0);
        EXPECT_LE(node.value_sum, node.visits + 1e-9);
        if (node.terminal && !node.answered) {
          EXPECT_EQ(node.value_sum, 0);
        }
      }
    }
  }
}

// What a group of simulations was not paid for is taken out of the books again.
TEST(Mcts, ABudgetThatEndsWithinAGroupLeavesTrueBooks) {
  for (int64_t tokens = 20; tokens < 400; tokens += 7) {
    World world(fake::messy_game());
    world.value_of = [](const core::Tokens& c) { return c.size() % 7 / 7.0; };
    const char* leaf = tokens % 2 == 0 ? "leaf=value" : "leaf=rollout";
    const auto strategy = make_strategy("mcts", {"parallel=16", "temperature=1", "max_tokens=20", leaf});
    const auto row = world.run(*strategy, 1, {.budget = {.tokens = tokens}})[0];
    ASSERT_TRUE(row.ok()) << row.error;
    const Tree& tree = row.result.tree;
    for (NodeId id = 0; id < static_cast<NodeId>(tree.size()); ++id) {
      int64_t visits = 0;
      for (NodeId c = tree[id].first_child; c != kNoNode; c = tree[c].next_sibling)
        if (!tree[c].rollout) visits += tree[c].visits;
      if (tree[id].rollout) continue;
      if (visits == 0 && id != kRoot) continue;
      EXPECT_EQ(tree[id].visits, visits + (id == kRoot ? 0 : 1)) << tokens;
      EXPECT_LE(tree[id].value_sum, tree[id].visits + 1e-9) << tokens;
    }
  }
}

TEST(Mcts, SimulationsOfAGroupLookAtDifferentSteps) {
  World world(even_game(1, 8));
  world.value_of = [](const core::Tokens&) { return 0.5; };
  const auto strategy = make_strategy("mcts", {"sims=8", "parallel=8", "width=60", "temperature=1"});
  const auto result = world.run(*strategy, 1)[0].result;
  int visited = 0;
  for (NodeId c = result.tree[kRoot].first_child; c != kNoNode; c = result.tree[c].next_sibling)
    visited += result.tree[c].visits > 0;
  EXPECT_EQ(visited, 8);
}

TEST(Mcts, AtTokenLevelAStepIsAToken) {
  World world(even_game(2, 3));
  const auto result = world.run(*make_strategy("mcts", {"level=token", "sims=60", "temperature=1"}), 1)[0].result;
  for (NodeId id = 1; id < static_cast<NodeId>(result.tree.size()); ++id) EXPECT_EQ(result.tree[id].length, 1);
  EXPECT_TRUE(result.answer);
}

TEST(Mcts, ThePriorActsAtTheFirstVisit) {
  World world(path_game(1, {1, 8, 1}, [](const auto&) { return false; }));
  world.value_of = [](const core::Tokens&) { return 0.5; };
  const auto strategy = make_strategy("mcts", {"sims=1", "width=12", "temperature=1"});
  for (const auto& row : world.run(*strategy, 50)) {
    const Tree& tree = row.result.tree;
    NodeId visited = kNoNode, likeliest = kNoNode;
    for (NodeId c = tree[kRoot].first_child; c != kNoNode; c = tree[c].next_sibling) {
      if (tree[c].visits > 0) visited = c;
      if (likeliest == kNoNode || tree[c].prior > tree[likeliest].prior) likeliest = c;
    }
    EXPECT_EQ(visited, likeliest);
    EXPECT_EQ(tree.tokens(visited)[0], fake::kFirstWord + 1);
  }
}

TEST(Mcts, PriorsFollowTheMeanLogProbOfTheStep) {
  World world(path_game(1, {1, 3}, [](const auto&) { return false; }));
  const auto result = world.run(*make_strategy("mcts", {"sims=20", "width=20", "temperature=1"}), 1)[0].result;
  ASSERT_EQ(result.tree.size(), 1u + 2 + 2);
  // The step is the word and the certain kStep: exp(mean) = √p.
  const double a = std::sqrt(0.25), b = std::sqrt(0.75);
  for (NodeId c : {1, 2}) {
    const bool rare = result.tree.tokens(c)[0] == fake::kFirstWord;
    EXPECT_NEAR(result.tree[c].prior, (rare ? a : b) / (a + b), 1e-5);
  }
}

TEST(Mcts, WideningReachesAStepThatTheFirstDrawsMissed) {
  // The right first word has probability 0.02: 2 draws nearly always miss it.
  const auto game = [] {
    return path_game(1, {49, 1}, [](const std::vector<int>& path) { return path == std::vector<int>{1}; });
  };
  const auto solved = [&](const char* widen) {
    World world(game());
    int count = 0;
    const auto strategy = make_strategy("mcts", {"sims=10000", "width=2", "temperature=1", widen});
    for (const auto& row : world.run(*strategy, 20)) count += world.right(row.result);
    return count;
  };
  EXPECT_LE(solved("widen=0"), 4);
  EXPECT_GE(solved("widen=0.5"), 14);  // 100 draws: 1 − 0.98^100 = 0.87
}

TEST(Mcts, RootNoiseChangesPriorsOnly) {
  World world(even_game(1, 4));
  const auto result =
      world.run(*make_strategy("mcts", {"sims=1", "width=40", "temperature=1", "noise=1"}), 1)[0].result;
  double sum = 0, highest = 0;
  for (NodeId c = result.tree[kRoot].first_child; c != kNoNode; c = result.tree[c].next_sibling) {
    sum += result.tree[c].prior;
    highest = std::max(highest, static_cast<double>(result.tree[c].prior));
  }
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_GT(highest, 0.3);  // Dirichlet(0.3) is uneven; the policy is even
}

TEST(Mcts, RolloutsVoteAndStayOutOfSelection) {
  World world(even_game(6, 2));
  world.value_of = [](const core::Tokens& c) { return c.size() % 5 / 5.0; };
  const auto result = world.run(*make_strategy("mcts", {"sims=12", "leaf=rollout", "temperature=1"}), 1)[0].result;
  EXPECT_GE(result.candidates.size(), 10u);
  int rollouts = 0;
  for (size_t i = 0; i < result.tree.size(); ++i) {
    const Node& node = result.tree[static_cast<NodeId>(i)];
    if (!node.rollout) continue;
    ++rollouts;
    EXPECT_EQ(node.visits, 0);
    EXPECT_TRUE(node.terminal);
    EXPECT_EQ(node.prior, 0);
  }
  EXPECT_GE(rollouts, 10);
}

TEST(Mcts, WithoutACriticTheLikelihoodGuides) {
  World world(path_game(3, {1, 9}, [](const auto&) { return false; }), 1, 0, false);
  const auto row = world.run(*make_strategy("mcts", {"select=visits", "temperature=1", "sims=200"}), 1)[0];
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_EQ(*row.result.answer, "bbb");
  EXPECT_EQ(row.result.usage.critic, 0);
}

}  // namespace
}  // namespace ponder::search
