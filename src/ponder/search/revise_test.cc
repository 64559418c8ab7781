#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::Choice;
using fake::kEnd;
using fake::kFirstWord;
using fake::path_game;
using fake::World;

// One word, right with a chance of 0.3; what it says of an answer is spelled by the codec below.
fake::Game guess() {
  return path_game(1, {7, 3}, [](const std::vector<int>& path) { return path == std::vector<int>{1}; });
}

// Replies are words: 11 says "right", 12 says "wrong".
class SpeakingCodec : public fake::FakeCodec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    if (tokens.size() == 2 && tokens[1] == kEnd && tokens[0] > 10 + kFirstWord)
      return tokens[0] == 11 + kFirstWord ? "This is right." : "No, this is not right.";
    return FakeCodec::decode(tokens);
  }
};

struct Result {
  double accuracy = 0, tokens = 0, spoiled = 0;  // spoiled: right at first, and wrong at the end
};

// The model knows a right answer with this reliability.
Result revise(double reliability, std::vector<std::string> options, int problems = 600) {
  World world(guess());
  SpeakingCodec codec;
  const int right = fake::FakeCodec::text_number(codec.decode(core::Tokens{kFirstWord + 1, fake::kStep, kEnd}));
  world.policy.asked = [&](int ask, int texts, core::TokenSpan reply) -> std::vector<Choice> {
    EXPECT_EQ(ask, static_cast<int>(core::Ask::kFeedback));
    if (!reply.empty()) return {{kEnd, 1.0}};
    const double says_right = texts == right ? reliability : 1 - reliability;
    return {{11 + kFirstWord, says_right}, {12 + kFirstWord, 1 - says_right}};
  };
  options.push_back("temperature=1");
  Result sum;
  for (const SearchRow& row : world.run(*make_strategy("revise", options), problems, {}, 3, &codec)) {
    EXPECT_TRUE(row.ok()) << row.error;
    const bool is_right = world.right(row.result);
    sum.accuracy += is_right, sum.tokens += static_cast<double>(row.result.usage.generated);
    sum.spoiled += !is_right && world.game.correct(row.result.candidates[0].tokens);
  }
  return {sum.accuracy / problems, sum.tokens / problems, sum.spoiled / problems};
}

// The honest check of revision: it lives from the feedback. Right at the end is P = Σ over rounds; with feedback that
// is always true one minus the chance that every draw is wrong; with a coin's feedback it is a new draw each time.
TEST(Revise, GainsWhatItsFeedbackIsWorth) {
  const double draws = 1 - std::pow(0.7, 5);
  EXPECT_NEAR(revise(1, {"rounds=4"}).accuracy, draws, 0.07);
  EXPECT_EQ(revise(1, {"rounds=4"}).spoiled, 0);
  EXPECT_NEAR(revise(0.5, {"rounds=4"}).accuracy, 0.3, 0.08);
  const Result good = revise(0.9, {"rounds=4"}), poor = revise(0.6, {"rounds=4"});
  EXPECT_GT(good.accuracy, poor.accuracy + 0.1);
  EXPECT_GT(poor.spoiled, good.spoiled);
}

// The same feedback at equal tokens, spent on writing an answer anew and on choosing among several: what revision leads
// by is worth of the feedback.
TEST(Revise, LeadsAChoiceAmongManyByWhatItsFeedbackIsWorth) {
  const auto accuracy = [](const std::string& search, double reliability) {
    World world(guess());
    SpeakingCodec codec;
    const int right = fake::FakeCodec::text_number(codec.decode(core::Tokens{kFirstWord + 1, fake::kStep, kEnd}));
    world.policy.asked = [&](int, int texts, core::TokenSpan reply) -> std::vector<Choice> {
      if (!reply.empty()) return {{kEnd, 1.0}};
      const double says_right = texts == right ? reliability : 1 - reliability;
      return {{11 + kFirstWord, says_right}, {12 + kFirstWord, 1 - says_right}};
    };
    const std::vector<std::string> options =
        search == "revise" ? std::vector<std::string>{"rounds=50", "temperature=1"}
                           : std::vector<std::string>{"n=0", "guide=p-true", "select=rm", "temperature=1"};
    constexpr int kProblems = 600;
    double correct = 0;
    for (const SearchRow& row :
         world.run(*make_strategy(search, options), kProblems, {.budget = {.tokens = 48}}, 3, &codec))
      correct += world.right(row.result);
    return correct / kProblems;
  };
  const auto lead = [&](double reliability) { return accuracy("revise", reliability) - accuracy("bon", reliability); };
  EXPECT_GT(lead(1), 0.15);
  EXPECT_GT(lead(0.9), lead(0.6) + 0.05);
  EXPECT_NEAR(lead(0.5), 0, 0.06) << "a coin helps neither";
}

// An exact verifier is as good as feedback that is always true, and asks the model nothing.
TEST(Revise, AVerifierMayGiveTheFeedback) {
  World world(guess());
  int64_t right = 0;
  constexpr int kProblems = 600;
  const auto strategy = make_strategy("revise", {"rounds=4", "feedback=verifier", "guide=verifier", "temperature=1"});
  for (const SearchRow& row : world.run(*strategy, kProblems, {}, 3)) {
    ASSERT_TRUE(row.ok()) << row.error;
    right += world.right(row.result);
    for (size_t i = 0; i + 1 < row.result.candidates.size(); ++i)
      EXPECT_FALSE(world.game.correct(row.result.candidates[i].tokens));
    for (NodeId id = 1; id < static_cast<NodeId>(row.result.tree.size()); ++id) EXPECT_FALSE(row.result.tree[id].asked);
  }
  EXPECT_NEAR(static_cast<double>(right) / kProblems, 1 - std::pow(0.7, 5), 0.07);
}

TEST(Revise, WithoutFeedbackTheLastDrawStands) {
  const Result blind = revise(1, {"rounds=3", "feedback=none"});
  EXPECT_NEAR(blind.accuracy, 0.3, 0.08);
  EXPECT_EQ(blind.tokens, 4 * 3);
}

TEST(Revise, SeveralChainsVote) {
  const Result many = revise(0.9, {"n=9", "rounds=3"}), one = revise(0.9, {"n=1", "rounds=3"});
  EXPECT_GT(many.accuracy, one.accuracy + 0.1);
}

TEST(Revise, RevisionsAreChildrenOfWhatTheyRevise) {
  World world(guess());
  const auto result = world.run(*make_strategy("revise", {"rounds=3", "temperature=1"}), 1)[0].result;
  int asked = 0, revised = 0;
  for (NodeId id = 1; id < static_cast<NodeId>(result.tree.size()); ++id) {
    const Node& node = result.tree[id];
    asked += node.asked;
    if (node.asked || node.parent == kRoot) continue;
    ++revised;
    EXPECT_TRUE(node.starts);
    EXPECT_TRUE(result.tree[node.parent].terminal);
    EXPECT_EQ(node.path_length, node.length);
    EXPECT_EQ(result.tree.path_tokens(id).size(), static_cast<size_t>(node.length));
  }
  EXPECT_EQ(revised, 3);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(result.candidates.size(), 4u);
}

TEST(Revise, IsRefusedWhereTheModelHasNoWordsForIt) {
  World world(guess());
  world.codec.asks = false;
  try {
    world.run(*make_strategy("revise"), 2);
    FAIL() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("has no words for that"), std::string::npos);
  }
}

}  // namespace
}  // namespace ponder::search
