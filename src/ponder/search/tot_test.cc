#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::Choice;
using fake::kEnd;
using fake::kFirstWord;
using fake::path_game;
using fake::World;

// Three steps of one of three words; one path of 27 is right.
fake::Game needle() {
  return path_game(3, {5, 3, 2}, [](const std::vector<int>& path) { return path == std::vector<int>{2, 1, 2}; });
}

double accuracy(World& world, std::vector<std::string> options, int problems = 60) {
  options.insert(options.end(), {"temperature=1", "n=30"});
  int right = 0;
  for (const SearchRow& row : world.run(*make_strategy("tot", options), problems)) {
    EXPECT_TRUE(row.ok()) << row.error;
    right += world.right(row.result);
  }
  return static_cast<double>(right) / problems;
}

TEST(Tot, ExactScoresSolveEverything) {
  for (const char* order : {"order=bfs", "order=dfs"}) {
    World world(needle());
    EXPECT_EQ(accuracy(world, {order, "b=1", "threshold=0"}), 1) << order;
  }
}

TEST(Tot, NoiseInTheJudgeCosts) {
  World exact(needle(), 1, 0), noisy(needle(), 1, 0.3), blind(needle(), 1, 5);
  const double a = accuracy(exact, {"b=2"}, 200), b = accuracy(noisy, {"b=2"}, 200), c = accuracy(blind, {"b=2"}, 200);
  EXPECT_EQ(a, 1);
  EXPECT_GT(a, b + 0.05);
  EXPECT_GT(b, c + 0.05);
}

// Replies are single tokens: 31 is "sure", 32 "likely", 33 "impossible"; 41, 42, … vote for 1, 2, ….
class JudgingCodec : public fake::FakeCodec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    if (tokens.size() != 2 || tokens[1] != kEnd || tokens[0] < 31) return FakeCodec::decode(tokens);
    if (tokens[0] >= 41) return "I vote for " + std::to_string(tokens[0] - 40) + ".";
    return tokens[0] == 31 ? "sure" : tokens[0] == 32 ? "likely" : "impossible";
  }
};

// The model knows which beginnings are right; asked for a vote it knows the numbers of the texts that it was shown.
double accuracy_in_words(const std::string& eval, int64_t* asked = nullptr) {
  World world(needle());
  JudgingCodec codec;
  const std::vector<core::Token> way = {kFirstWord + 2, fake::kStep, kFirstWord + 1, fake::kStep, kFirstWord + 2,
                                        fake::kStep,    kEnd};
  std::vector<int> right;  // the numbers of right texts
  for (size_t n = 1; n <= way.size(); ++n)
    right.push_back(fake::FakeCodec::text_number(codec.decode(core::TokenSpan(way).first(n))));
  struct Seen : JudgingCodec {
    std::vector<core::Token> way;
    mutable std::map<int, int> best;  // by the number of a ballot's texts: which of them is right
    std::optional<core::Tokens> asking(const core::Problem& problem, const core::Asking& asking) const override {
      const auto prompt = FakeCodec::asking(problem, asking);
      for (size_t i = 0; i < asking.texts.size(); ++i)
        for (size_t n = 1; n <= way.size(); ++n)
          if (asking.texts[i] == decode(core::TokenSpan(way).first(n))) best[(*prompt)[2]] = static_cast<int>(i) + 1;
      return prompt;
    }
  } seen;
  seen.way = way;
  world.policy.asked = [&](int ask, int texts, core::TokenSpan reply) -> std::vector<Choice> {
    if (!reply.empty()) return {{kEnd, 1.0}};
    if (ask == static_cast<int>(core::Ask::kVote)) return {{40 + std::max(1, seen.best[texts]), 1.0}};
    return {{std::ranges::find(right, texts) != right.end() ? 31 : 33, 1.0}};
  };
  int solved = 0;
  const auto strategy = make_strategy("tot", {"temperature=1", "n=30", "b=1", "evals=2", eval});
  for (const SearchRow& row : world.run(*strategy, 40, {}, 3, &seen)) {
    EXPECT_TRUE(row.ok()) << row.error;
    solved += world.right(row.result);
    for (NodeId id = 0; asked && id < static_cast<NodeId>(row.result.tree.size()); ++id)
      *asked += row.result.tree[id].asked;
  }
  EXPECT_EQ(world.critic.requests, 0);
  return solved / 40.0;
}

TEST(Tot, TheModelMayJudgeInWords) {
  int64_t asked = 0;
  EXPECT_EQ(accuracy_in_words("eval=value", &asked), 1);
  EXPECT_GE(asked, 40 * 2 * 3 * 3);  // two replies for each of three states of three levels
  asked = 0;
  EXPECT_EQ(accuracy_in_words("eval=vote", &asked), 1);
  EXPECT_LE(asked, 40 * 2 * 5);  // two votes a level
}

TEST(Tot, DepthFirstGivesUpWhatIsWorthTooLittle) {
  World world(needle());
  const auto strategy = make_strategy("tot", {"order=dfs", "threshold=0.001", "n=30", "temperature=1"});
  const auto result = world.run(*strategy, 1)[0].result;
  EXPECT_TRUE(world.right(result));
  for (NodeId id = 1; id < static_cast<NodeId>(result.tree.size()); ++id)
    EXPECT_EQ(result.tree[id].pruned, result.tree[id].value < 0.001f && !result.tree[id].terminal);
}

TEST(Tot, StatesMayBeKeptByChance) {
  World world(path_game(2, {1, 1, 1, 1}, [](const auto&) { return false; }));
  world.value_of = [](const core::Tokens& c) { return !c.empty() && c[0] == kFirstWord ? 0.6 : 0.2; };
  int first = 0;
  for (const auto& row : world.run(*make_strategy("tot", {"keep=sample", "b=1", "n=40", "temperature=1"}), 400))
    first += row.result.completion[0] == kFirstWord;
  EXPECT_NEAR(first / 400.0, 0.5, 0.1);  // 0.6 of 1.2
}

}  // namespace
}  // namespace ponder::search
