#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::Choice;
using fake::kEnd;
using fake::kFirstWord;
using fake::World;

// Replies are single tokens: 51 a question, 52 an answer of a part, 53 the problem in other words.
class WordsCodec : public fake::FakeCodec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    if (tokens.size() != 2 || tokens[1] != kEnd || tokens[0] < 51) return FakeCodec::decode(tokens);
    return tokens[0] == 51 ? "1. How many?" : tokens[0] == 52 ? "two" : "Other words";
  }
  std::optional<core::Tokens> asking(const core::Problem& problem, const core::Asking& asking) const override {
    seen.push_back(asking);
    return FakeCodec::asking(problem, asking);
  }
  mutable std::vector<core::Asking> seen;
};

std::vector<Choice> reply(int ask, int, core::TokenSpan said) {
  if (!said.empty()) return {{kEnd, 1.0}};
  return {{ask == static_cast<int>(core::Ask::kNext)       ? 51
           : ask == static_cast<int>(core::Ask::kRephrase) ? 53
                                                           : 52,
           1.0}};
}

// Two steps of three words; the right answer is drawn more often than any wrong one.
fake::Game two_steps() {
  return fake::path_game(2, {0.6, 0.25, 0.15}, [](const std::vector<int>& path) { return path == std::vector{0, 0}; });
}

TEST(Rstar, TriesEachOfTheFiveActionsWhereItMakesSense) {
  World world(two_steps());
  world.policy.asked = reply;
  const WordsCodec codec;
  const auto row = world.run(*make_strategy("rstar", {"sims=60", "temperature=1"}), 1, {}, 1, &codec)[0];
  ASSERT_TRUE(row.ok()) << row.error;
  std::map<core::Ask, int> asked;
  bool in_other_words = false, behind_parts = false, twice = false;
  for (const core::Asking& asking : codec.seen) {
    ++asked[asking.ask];
    if (asking.ask == core::Ask::kConclude) {
      in_other_words |= asking.texts[1] == "Other words";
      behind_parts |= asking.texts[0] == "How many? two";
      twice |= asking.texts[0] == "How many? two\nHow many? two";
    }
  }
  EXPECT_TRUE(in_other_words && behind_parts && twice);
  EXPECT_EQ(asked[core::Ask::kRephrase], 1);
  EXPECT_GT(asked[core::Ask::kPart], asked[core::Ask::kNext]);  // some were answered again
  bool steps = false;
  for (NodeId id = 1; id < static_cast<NodeId>(row.result.tree.size()); ++id)
    steps |= !row.result.tree[id].terminal && !row.result.tree[id].asked;
  EXPECT_TRUE(steps);
}

TEST(Rstar, WithoutWordsItTakesStepsAlone) {
  World world(two_steps());
  world.codec.asks = false;
  const auto row = world.run(*make_strategy("rstar", {"sims=30", "temperature=1"}), 1)[0];
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_TRUE(row.result.answer);
  EXPECT_EQ(row.result.usage.asked, 0);
}

// Of steps; what is known from questions stands behind the step above them, and rollouts are never visited.
TEST(Rstar, VisitsStandInTheTree) {
  for (const bool asks : {false, true}) {
    World world(two_steps());
    world.policy.asked = reply;
    WordsCodec codec;
    codec.asks = asks;
    const auto row = world.run(*make_strategy("rstar", {"sims=40", "temperature=1"}), 1, {}, 1, &codec)[0];
    ASSERT_TRUE(row.ok()) << row.error;
    const Tree& tree = row.result.tree;
    EXPECT_EQ(tree.backups().size(), 40u);
    EXPECT_EQ(tree[kRoot].visits, 40);
    std::vector<int64_t> ends(tree.size());
    for (const Backup& b : tree.backups()) ++ends[static_cast<size_t>(b.leaf)];
    for (NodeId id = 0; id < static_cast<NodeId>(tree.size()); ++id) {
      int64_t behind = 0;
      for (NodeId c = tree[id].first_child; c != kNoNode; c = tree[c].next_sibling) behind += tree[c].visits;
      EXPECT_EQ(tree[id].visits, behind + ends[static_cast<size_t>(id)]);
      EXPECT_EQ(tree[id].visits > 0, id == kRoot || (!tree[id].rollout && !tree[id].asked)) << id;
    }
    EXPECT_EQ(ends[kRoot] > 0, asks);  // a question is no node of its own
  }
}

TEST(Rstar, FindsWhatMostAnswersAgreeOn) {
  World world(two_steps());
  world.codec.asks = false;
  int64_t right = 0, right_alone = 0;
  constexpr int kProblems = 60;
  for (const auto& row : world.run(*make_strategy("rstar", {"sims=60", "width=8", "temperature=1"}), kProblems))
    right += world.right(row.result);
  World alone(two_steps());
  for (const auto& row : alone.run(*make_strategy("sample", {"temperature=1"}), kProblems))
    right_alone += alone.right(row.result);
  EXPECT_GT(right, kProblems * 3 / 4);
  EXPECT_LT(right_alone, kProblems / 2);
}

// An answer that comes back when its reasoning is covered up wins over one that leads by a vote but does not.
TEST(Rstar, TheDiscriminatorAsksWhatComesBack) {
  // Behind word 0 every second word is as likely as the next; behind word 1 the same one always follows.
  fake::Game game = fake::path_game(2, {1, 1, 1, 1, 1, 1}, [](const auto&) { return true; });
  const auto next = game.next;
  game.next = [next](core::TokenSpan completion) -> std::vector<Choice> {
    if (completion.empty()) return {{kFirstWord, 0.5}, {kFirstWord + 1, 0.5}};
    if (completion.size() == 2 && completion[0] == kFirstWord + 1) return {{kFirstWord + 1, 1.0}};
    return next(completion);
  };
  World world(game);
  world.codec.asks = false;
  const auto row = world.run(*make_strategy("rstar", {"sims=20", "actions=2", "temperature=1", "width=20"}), 1)[0];
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_EQ(row.result.answer, "bb");
  double sure = 0;
  for (const Candidate& c : row.result.candidates)
    if (c.answer == "bb") sure = std::max(sure, c.score);
  EXPECT_GT(sure, 0.2);
  // What is written behind a cover costs tokens, and is no candidate.
  int64_t covered = 0;
  for (NodeId id = 1; id < static_cast<NodeId>(row.result.tree.size()); ++id) {
    covered += row.result.tree[id].asked;
    if (row.result.tree[id].asked) {
      EXPECT_LT(row.result.tree[id].candidate, 0);
    }
  }
  EXPECT_GE(covered, 4);
}

// Another model that knows how the right answer goes on finds that one again, and not the one that leads by a vote.
TEST(Rstar, ASecondModelFindsAgainWhatItAgreesWith) {
  const fake::Game game = fake::path_game(2, {0.6, 0.4}, [](const std::vector<int>& path) { return path[1] == 1; });
  const fake::Game knows = fake::path_game(2, {0, 1}, [](const auto&) { return true; });
  const auto strategy =
      make_strategy("rstar", {"sims=40", "actions=2", "width=40", "temperature=1", "checks=8", "finalists=4"});
  constexpr int kProblems = 20;
  int64_t right_alone = 0, right = 0;
  World alone(game), both(game);
  alone.codec.asks = both.codec.asks = false;
  both.second = std::make_unique<fake::FakeSecond>(knows, 3, 4);
  for (const auto& row : alone.run(*strategy, kProblems)) {
    right_alone += alone.right(row.result);
    EXPECT_EQ(row.result.usage.second_processed + row.result.usage.asked, 0);
    for (NodeId id = 0; id < static_cast<NodeId>(row.result.tree.size()); ++id)
      EXPECT_FALSE(row.result.tree[id].second);
  }
  for (const auto& row : both.run(*strategy, kProblems)) {
    ASSERT_TRUE(row.ok()) << row.error;
    right += both.right(row.result);
    EXPECT_GT(row.result.usage.second_processed, 0);
    const Tree& tree = row.result.tree;
    for (NodeId id = 0; id < static_cast<NodeId>(tree.size()); ++id) EXPECT_EQ(tree[id].second, tree[id].asked);
  }
  EXPECT_LT(right_alone, kProblems / 2);
  EXPECT_GT(right, kProblems * 3 / 4);
  EXPECT_EQ(both.second->requests, alone.policy.requests - both.policy.requests) << "the policy covers nothing up";
}

// The same model twice gives the same tree, but for what reading once more costs.
TEST(Rstar, TheModelItselfAsSecondChangesNoAnswer) {
  World alone(two_steps()), twice(two_steps());
  alone.codec.asks = twice.codec.asks = false;
  twice.second = std::make_unique<fake::FakeSecond>(two_steps(), 3, 8);
  const auto strategy = make_strategy("rstar", {"sims=12", "temperature=1"});
  const auto expected = alone.run(*strategy, 5), found = twice.run(*strategy, 5);
  for (size_t i = 0; i < expected.size(); ++i) {
    const SearchResult &a = expected[i].result, &b = found[i].result;
    Tree unsigned_tree = b.tree;
    for (NodeId id = 1; id < static_cast<NodeId>(b.tree.size()); ++id) unsigned_tree[id].second = false;
    EXPECT_EQ(tree_json(a.tree, alone.codec).dump(), tree_json(unsigned_tree, twice.codec).dump());
    EXPECT_EQ(a.usage.generated, b.usage.generated);
    EXPECT_GE(b.usage.asked, 4) << "the prompt and a beginning at least";
    EXPECT_EQ(b.usage.asked, twice.second->read_tokens[static_cast<core::Token>(i)]);
  }
}

TEST(Rstar, ASecondModelIsPaidOutOfTheSameBudget) {
  World world(two_steps());
  world.codec.asks = false;
  world.second = std::make_unique<fake::FakeSecond>(two_steps(), 3, 8);
  const auto strategy = make_strategy("rstar", {"temperature=1", "reserve=0.5", "max_tokens=12"});
  for (const auto& row : world.run(*strategy, 5, {.budget = {.tokens = 400}})) {
    EXPECT_LE(row.result.usage.generated + row.result.usage.read(), 400);
    EXPECT_GE(row.result.usage.generated + row.result.usage.read(), 380);
    EXPECT_GT(row.result.usage.asked, 0);
  }
}

TEST(Rstar, KeepsPartOfTheBudgetForTheDiscriminator) {
  World world(two_steps());
  world.codec.asks = false;
  for (const auto& row : world.run(*make_strategy("rstar", {"temperature=1", "reserve=0.5", "max_tokens=12"}), 5,
                                   {.budget = {.tokens = 400}})) {
    int64_t covered = 0;
    for (NodeId id = 1; id < static_cast<NodeId>(row.result.tree.size()); ++id) covered += row.result.tree[id].asked;
    EXPECT_GE(covered, 8);
    EXPECT_LE(row.result.usage.generated, 400);
  }
}

}  // namespace
}  // namespace ponder::search
