#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::Choice;
using fake::kEnd;
using fake::kFirstWord;
using fake::path_game;
using fake::World;

// One word of ten; the last one is right, with a chance of 1 in 10.
fake::Game guess() {
  return path_game(1, std::vector<double>(10, 1.0), [](const std::vector<int>& path) { return path[0] == 9; });
}

// Ratings are single tokens: 100 + r says r.
class RatingCodec : public fake::FakeCodec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    if (tokens.size() == 2 && tokens[1] == kEnd && tokens[0] >= 100)
      return "I give it " + std::to_string(tokens[0] - 100) + " of 100.";
    return FakeCodec::decode(tokens);
  }
};

// The model rates word w by 10 · w, which leaves the last one with less than the praise that counts half.
std::vector<SearchRow> refine(const std::vector<std::string>& options, int problems, core::Budget budget = {}) {
  World world(guess());
  RatingCodec codec;
  std::map<int, int> word_of;
  for (int w = 0; w < 10; ++w)
    word_of[fake::FakeCodec::text_number(codec.decode(core::Tokens{kFirstWord + w, fake::kStep, kEnd}))] = w;
  world.policy.asked = [&](int ask, int texts, core::TokenSpan reply) -> std::vector<Choice> {
    if (!reply.empty() || ask == static_cast<int>(core::Ask::kFeedback)) return {{kEnd, 1.0}};
    return {{100 + 10 * word_of.at(texts), 1.0}};
  };
  std::vector<std::string> all = {"temperature=1"};
  all.insert(all.end(), options.begin(), options.end());
  auto rows = world.run(*make_strategy("mctsr", all), problems, {.budget = budget}, 3, &codec);
  for (const SearchRow& row : rows) EXPECT_TRUE(row.ok()) << row.error;
  return rows;
}

double accuracy(const std::vector<SearchRow>& rows) {
  double right = 0;
  for (const SearchRow& row : rows) right += row.result.answer == "j";
  return right / static_cast<double>(rows.size());
}

TEST(Mctsr, ATrueRatingFindsWhatAnyRevisionHits) {
  const double few = accuracy(refine({"sims=3"}, 400)), many = accuracy(refine({"sims=30"}, 400));
  EXPECT_NEAR(few, 1 - std::pow(0.9, 4), 0.08);
  EXPECT_NEAR(many, 1 - std::pow(0.9, 31), 0.04);
}

TEST(Mctsr, RevisesGoodAnswersMoreOften) {
  double children_of_good = 0, children_of_bad = 0;
  for (const SearchRow& row : refine({"sims=60", "n=2", "width=3", "c_uct=0.3"}, 60)) {
    const Tree& tree = row.result.tree;
    for (NodeId id = 1; id < static_cast<NodeId>(tree.size()); ++id) {
      if (!tree[id].answered) continue;
      double children = 0;
      for (NodeId c = tree[id].first_child; c != kNoNode; c = tree[c].next_sibling) children += tree[c].answered;
      (tree.tokens(id)[0] >= kFirstWord + 7 ? children_of_good : children_of_bad) += children;
    }
  }
  EXPECT_GT(children_of_good, children_of_bad);  // though there are fewer than half as many of them
}

// Each revision is an answer of its own behind the one it revises, and asks for feedback and a rating.
TEST(Mctsr, Books) {
  const auto result = refine({"sims=10", "rates=2"}, 1)[0].result;
  int answers = 0, replies = 0;
  for (NodeId id = 1; id < static_cast<NodeId>(result.tree.size()); ++id) {
    const Node& node = result.tree[id];
    answers += node.answered, replies += node.asked;
    EXPECT_EQ(node.starts, node.asked || node.parent != kRoot);
  }
  EXPECT_EQ(answers, 11);
  EXPECT_EQ(replies, 10 + 2 * 11);
}

// An answer is visited when it is written and whenever what revises it is, and replies never are.
TEST(Mctsr, VisitsStandInTheTree) {
  for (const SearchRow& row : refine({"sims=12", "n=3"}, 5)) {
    const Tree& tree = row.result.tree;
    EXPECT_EQ(tree.backups().size(), 15u);
    for (NodeId id = 0; id < static_cast<NodeId>(tree.size()); ++id) {
      int64_t behind = 0;
      for (NodeId c = tree[id].first_child; c != kNoNode; c = tree[c].next_sibling) behind += tree[c].visits;
      EXPECT_EQ(tree[id].visits, behind + tree[id].answered);
      EXPECT_LE(tree[id].value_sum, tree[id].visits);
    }
    EXPECT_EQ(tree[kRoot].visits, 15);
  }
}

TEST(Mctsr, TheGuideMayRate) {
  World world(guess());
  world.value_of = [](const core::Tokens& c) { return c[0] == kFirstWord + 9 ? 0.9 : 0.1; };
  double right = 0;
  for (const SearchRow& row : world.run(*make_strategy("mctsr", {"judge=score", "sims=30", "temperature=1"}), 200))
    right += world.right(row.result);
  EXPECT_NEAR(right / 200, 1 - std::pow(0.9, 31), 0.05);
  EXPECT_GT(world.critic.requests, 0);
}

}  // namespace
}  // namespace ponder::search
