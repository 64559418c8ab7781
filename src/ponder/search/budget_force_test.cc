#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::path_game;
using fake::World;

// Steps of one word each; it wants to end after two of them, and after each further one.
fake::Game eager_game() {
  fake::Game game;
  game.next = [](core::TokenSpan completion) -> std::vector<fake::Choice> {
    if (!completion.empty() && completion.back() == fake::kAnswer) return {{fake::kFirstWord + 1, 1.0}};
    if (std::ranges::find(completion, fake::kAnswer) != completion.end()) return {{fake::kEnd, 1.0}};
    if (!completion.empty() && completion.back() >= fake::kFirstWord) return {{fake::kStep, 1.0}};
    const auto words = std::ranges::count_if(completion, [](core::Token t) { return t >= fake::kFirstWord; });
    if (words >= 2 && completion.back() != fake::kOn) return {{fake::kEnd, 1.0}};
    return {{fake::kFirstWord + static_cast<core::Token>(words), 1.0}};
  };
  game.correct = [](core::TokenSpan) { return false; };
  return game;
}

SearchResult run(const std::vector<std::string>& options, core::Budget budget = {}) {
  World world(eager_game());
  return world.run(*make_strategy("budget-force", options), 1, {.budget = budget})[0].result;
}

using core::Tokens;

TEST(BudgetForce, KeepsAThoughtGoingThatWantsToEnd) {
  using namespace fake;
  EXPECT_EQ(run({"nudges=0"}).completion, (Tokens{kFirstWord, kStep, kFirstWord + 1, kStep, kEnd}));
  // The step that holds the answer is written anew behind the nudge.
  const SearchResult once = run({"nudges=1"});
  EXPECT_EQ(once.completion, (Tokens{kFirstWord, kStep, kOn, kFirstWord + 1, kStep, kEnd}));
  EXPECT_EQ(once.candidates.size(), 2u);
  EXPECT_EQ(once.answer, once.candidates[1].answer);
  int forced = 0;
  for (NodeId id = 0; id < static_cast<NodeId>(once.tree.size()); ++id) forced += once.tree[id].forced;
  EXPECT_EQ(forced, 1);
  EXPECT_EQ(once.usage.generated, 5 + 1 + 3);
}

TEST(BudgetForce, LeavesLongThoughtsAlone) {
  EXPECT_EQ(run({"nudges=5", "min_thought=2"}).candidates.size(), 1u);
  EXPECT_EQ(run({"nudges=5", "min_thought=3"}).candidates.size(), 2u);  // 2 tokens before the answer's step, then 3
}

TEST(BudgetForce, EndsAThoughtThatIsTooLong) {
  using namespace fake;
  const SearchResult short_one = run({"nudges=0", "max_thought=2"});
  EXPECT_EQ(short_one.completion, (Tokens{kFirstWord, kStep, kAnswer, kFirstWord + 1, kEnd}));
  EXPECT_EQ(short_one.answer, "ab");
  // One whose answer has begun is written on.
  fake::Game game;
  game.next = [](core::TokenSpan completion) -> std::vector<Choice> {
    const Tokens all = {kFirstWord, kStep, kAnswer, kFirstWord + 1, kFirstWord + 2, kEnd};
    return {{all[completion.size()], 1.0}};
  };
  game.correct = [](core::TokenSpan) { return true; };
  World world(game);
  const auto strategy = make_strategy("budget-force", {"nudges=0", "max_thought=4"});
  EXPECT_EQ(world.run(*strategy, 1)[0].result.completion,
            (Tokens{kFirstWord, kStep, kAnswer, kFirstWord + 1, kFirstWord + 2, kEnd}));
}

// What the budget cannot carry on is answered with what was kept back for that.
TEST(BudgetForce, ABudgetEndsAThoughtToo) {
  using namespace fake;
  const SearchResult poor = run({"nudges=0", "answer_tokens=4", "step_tokens=2"}, {.tokens = 23});
  EXPECT_TRUE(poor.answer);
  EXPECT_EQ(poor.completion, (Tokens{kFirstWord, kStep, kFirstWord + 1, kAnswer, kFirstWord + 1, kEnd}));
  const SearchResult poorer = run({"nudges=0", "max_thought=2"}, {.tokens = 1});
  EXPECT_EQ(poorer.usage.generated, 1);
}

// A nudge that changes nothing is not given again.
TEST(BudgetForce, StopsWhereTheSameWordsWouldBeForcedAgain) {
  EXPECT_LE(run({"nudges=50", "temperature=0"}).candidates.size(), 50u);
}

TEST(BudgetForce, WithoutSuchWordsItIsASample) {
  class Silent : public fake::FakeCodec {
    core::Tokens think_on(core::TokenSpan) const override { return {}; }
    core::Tokens answer_now(core::TokenSpan) const override { return {}; }
  };
  World world(eager_game());
  const Silent codec;
  core::Ports ports = world.ports();
  ports.codec = &codec;
  std::vector<SearchInput> inputs(1);
  inputs[0].prompt = fake::make_prompt(0, 3);
  const auto row = run_searches(inputs, *make_strategy("budget-force", {"nudges=9"}), ports, base::RngKey(1), {})[0];
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_EQ(row.result.candidates.size(), 1u);
}

}  // namespace
}  // namespace ponder::search
