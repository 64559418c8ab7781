#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::Choice;
using fake::kEnd;
using fake::kFirstWord;
using fake::World;

// Replies are single tokens: 51 is a plan of two questions, 52 and 53 their answers.
class PlanningCodec : public fake::FakeCodec {
 public:
  std::string decode(core::TokenSpan tokens) const override {
    if (tokens.size() != 2 || tokens[1] != kEnd || tokens[0] < 51) return FakeCodec::decode(tokens);
    return tokens[0] == 51 ? "1. How many bags?\n\n- How many nuts in a bag?\n" : tokens[0] == 52 ? "two" : "three";
  }
  std::optional<core::Tokens> asking(const core::Problem& problem, const core::Asking& asking) const override {
    seen.push_back(asking);
    return FakeCodec::asking(problem, asking);
  }
  mutable std::vector<core::Asking> seen;
};

SearchRow decompose(PlanningCodec& codec, const std::vector<std::string>& options, core::Budget budget = {}) {
  World world(fake::path_game(1, {1}, [](const auto&) { return true; }));
  world.policy.asked = [](int ask, int, core::TokenSpan reply) -> std::vector<Choice> {
    if (!reply.empty()) return {{kEnd, 1.0}};
    return {{ask == static_cast<int>(core::Ask::kPlan) ? 51 : 52, 1.0}};
  };
  core::Ports ports = world.ports();
  ports.codec = &codec;
  std::vector<SearchInput> inputs(1);
  inputs[0].problem.id = "0";
  inputs[0].prompt = fake::make_prompt(0);
  return run_searches(inputs, *make_strategy("decompose", options), ports, base::RngKey(3), {.budget = budget})[0];
}

TEST(Decompose, AnswersPartsInOrderAndThenTheProblemBehindThem) {
  PlanningCodec codec;
  const SearchRow row = decompose(codec, {});
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_EQ(row.result.answer, "a");
  ASSERT_EQ(codec.seen.size(), 4u);
  EXPECT_EQ(codec.seen[0].ask, core::Ask::kPlan);
  EXPECT_EQ(codec.seen[1].texts, (std::vector<std::string>{"", "How many bags?"}));
  EXPECT_EQ(codec.seen[2].texts, (std::vector<std::string>{"How many bags? two", "How many nuts in a bag?"}));
  EXPECT_EQ(codec.seen[3].ask, core::Ask::kConclude);
  EXPECT_EQ(codec.seen[3].texts, (std::vector<std::string>{"How many bags? two\nHow many nuts in a bag? two"}));
}

TEST(Decompose, PlansNoMorePartsThanItMay) {
  PlanningCodec codec;
  decompose(codec, {"parts=1"});
  EXPECT_EQ(codec.seen.size(), 3u);
}

TEST(Decompose, ABudgetBuysSeveralPlansThatVote) {
  PlanningCodec codec;
  const SearchRow row = decompose(codec, {}, {.tokens = 1000});
  EXPECT_GT(row.result.candidates.size(), 20u);
}

}  // namespace
}  // namespace ponder::search
