#include <gtest/gtest.h>

#include <cmath>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::Choice;
using fake::kEnd;
using fake::World;

// Replies are single tokens: 51 and 52 are questions, 53 "yes", 54 "no", 60 + n the number n.
class WorldCodec : public fake::FakeCodec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    if (tokens.size() != 2 || tokens[1] != kEnd || tokens[0] < 51) return FakeCodec::decode(tokens);
    const std::string words[] = {"How many bags?", "What colour?", "Yes.", "No."};
    return tokens[0] >= 60 ? std::to_string(tokens[0] - 60) : words[tokens[0] - 51];
  }
  std::optional<core::Tokens> asking(const core::Problem& problem, const core::Asking& asking) const override {
    seen.push_back(asking);
    return FakeCodec::asking(problem, asking);
  }
  mutable std::vector<core::Asking> seen;
};

// The bags are useful and always 2; the colour is of no use and anything.
SearchRow plan(const WorldCodec& codec, const std::vector<std::string>& options, core::Budget budget = {}) {
  World world(fake::path_game(1, {1}, [](const auto&) { return true; }));
  world.policy.asked = [&](int ask, int texts, core::TokenSpan reply) -> std::vector<Choice> {
    if (!reply.empty()) return {{kEnd, 1.0}};
    if (ask == static_cast<int>(core::Ask::kNext)) return {{51, 0.5}, {52, 0.5}};
    const core::Asking* about = nullptr;
    for (const core::Asking& asking : codec.seen)
      if (static_cast<int>(asking.ask) == ask && (*codec.FakeCodec::asking({}, asking))[2] == texts) about = &asking;
    const bool useful = about && about->texts.at(1) == "How many bags?";
    if (ask == static_cast<int>(core::Ask::kUseful)) return {{useful ? 53 : 54, 1.0}};
    if (useful) return {{62, 1.0}};
    return {{61, 0.25}, {62, 0.25}, {63, 0.25}, {64, 0.25}};
  };
  return world.run(*make_strategy("rap", options), 1, {.budget = budget}, 7, &codec)[0];
}

TEST(Rap, TakesTheUsefulQuestionAndItsSureAnswer) {
  const WorldCodec codec;
  const SearchRow row = plan(codec, {"sims=1", "parts=1", "width=6", "temperature=1"});
  ASSERT_TRUE(row.ok()) << row.error;
  const auto& last = codec.seen.back();
  EXPECT_EQ(last.ask, core::Ask::kConclude);
  EXPECT_EQ(last.texts[0], "How many bags? 2");
  // The way's mean reward: useful and sure 1, the only answer so far agrees with itself 1.
  EXPECT_NEAR(row.result.score, 1, 1e-6);
}

TEST(Rap, UselessQuestionsAreWorthNothing) {
  const WorldCodec codec;
  const SearchRow row = plan(codec, {"sims=30", "parts=1", "width=6", "temperature=1", "c_uct=100"});
  ASSERT_TRUE(row.ok()) << row.error;
  std::set<double> scores;
  for (const Candidate& c : row.result.candidates) scores.insert(std::round(c.score * 100));
  EXPECT_EQ(scores, (std::set<double>{50, 100}));  // (0 + 1)/2 behind the colour, (1 + 1)/2 behind the bags
}

TEST(Rap, ABudgetBuysManyWaysThatVote) {
  const WorldCodec codec;
  const SearchRow row = plan(codec, {"temperature=1", "max_tokens=20"}, {.tokens = 3000});
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_GT(row.result.candidates.size(), 20u);
  EXPECT_LE(row.result.usage.generated + row.result.usage.read(), 3000);
}

TEST(Rap, AModelWithoutWordsIsToldSo) {
  World world(fake::messy_game());
  world.codec.asks = false;
  EXPECT_THROW(world.run(*make_strategy("rap"), 1), Error);
}

}  // namespace
}  // namespace ponder::search
