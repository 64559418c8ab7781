#include "ponder/search/run.h"

#include <gtest/gtest.h>

#include "ponder/base/stop.h"
#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::World;

std::vector<SearchInput> make_inputs(int n) {
  std::vector<SearchInput> inputs;
  for (int i = 0; i < n; ++i) {
    inputs.push_back({});
    inputs.back().problem.id = std::to_string(i);
    inputs.back().prompt = fake::make_prompt(i);
  }
  return inputs;
}

TEST(RunSearches, GivesRowsInTheOrderOfTheInputsAndReportsEachOnce) {
  World world(fake::messy_game());
  std::vector<int> calls(30);
  const auto rows = run_searches(make_inputs(30), *make_strategy("majority", {"n=3"}), world.ports(), base::RngKey(1),
                                 {.max_live = 7}, [&](size_t i, SearchRow& row) {
                                   ++calls[i];
                                   EXPECT_TRUE(row.ok());
                                 });
  ASSERT_EQ(rows.size(), 30u);
  for (int count : calls) EXPECT_EQ(count, 1);
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(rows[static_cast<size_t>(i)].result.usage.generated, world.policy.generated[i]);
  }
}

TEST(RunSearches, KeepsManySearchesAliveForOneBatch) {
  World world(fake::messy_game());
  run_searches(make_inputs(40), *make_strategy("majority", {"n=4"}), world.ports(), base::RngKey(1), {.max_live = 10});
  EXPECT_GE(world.policy.most_rows, 40u);
  EXPECT_LE(world.policy.most_rows, 40u + 4);
}

TEST(RunSearches, EqualProblemsHaveEqualResults) {
  World world(fake::messy_game());
  auto inputs = make_inputs(3);
  inputs[2] = inputs[0];
  const auto rows = run_searches(inputs, *make_strategy("sample"), world.ports(), base::RngKey(1), {});
  EXPECT_EQ(rows[0].result.completion, rows[2].result.completion);
  EXPECT_NE(rows[0].result.completion, rows[1].result.completion);
}

class ThrowingCodec : public fake::FakeCodec {
 public:
  std::optional<std::string> answer(const core::Problem& problem, core::TokenSpan completion) const override {
    if (problem.id == "2") throw Error(ErrorCode::kInput, "this answer breaks the reader");
    return FakeCodec::answer(problem, completion);
  }
};

TEST(RunSearches, OneBrokenSearchIsOneBrokenRow) {
  World world(fake::messy_game());
  ThrowingCodec codec;
  auto ports = world.ports();
  ports.codec = &codec;
  const auto rows = run_searches(make_inputs(6), *make_strategy("bon"), ports, base::RngKey(1), {.max_live = 3});
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i].ok(), i != 2);
  EXPECT_NE(rows[2].error.find("breaks the reader"), std::string::npos);
}

TEST(RunSearches, AWrongOptionIsWrongForAll) {
  World world(fake::messy_game(), 1, 0, false);
  const auto strategy = make_strategy("beam", {"guide=critic"});
  try {
    world.run(*strategy, 5);
    FAIL() << "a critic that is not there was used";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(e.message().find("guide=likelihood"), std::string::npos);
  }
}

TEST(RunSearches, StopsWhenAskedAndLeavesThePortsIdle) {
  World world(fake::messy_game());
  size_t done = 0;
  const auto stop_at_third = [&](size_t, SearchRow&) {
    if (++done == 3) base::request_stop();
  };
  try {
    run_searches(make_inputs(30), *make_strategy("majority", {"n=2"}), world.ports(), base::RngKey(1), {.max_live = 4},
                 stop_at_third);
    FAIL() << "the stop was not seen";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kStopped);
  }
  base::clear_stop();
  EXPECT_GE(done, 3u);
  EXPECT_LT(done, 30u);
  EXPECT_FALSE(world.policy.advance());
}

TEST(RunSearches, AStopLeavesASecondModelIdleToo) {
  World world(fake::messy_game());
  world.second = std::make_unique<fake::FakeSecond>(fake::messy_game(), 3, 5);
  const auto stop = [&](size_t, SearchRow&) { base::request_stop(); };
  EXPECT_THROW(run_searches(make_inputs(30), *make_strategy("rstar", {"sims=4"}), world.ports(), base::RngKey(1),
                            {.max_live = 8}, stop),
               Error);
  base::clear_stop();
  EXPECT_GT(world.second->requests, 0);
  EXPECT_FALSE(world.policy.advance());
  EXPECT_FALSE(world.second->advance());
}

TEST(RunSearches, CountsGuesses) {
  World world(fake::messy_game());
  world.policy.garble = [](core::Completion& c) { c.drafted = 3, c.accepted = 2; };
  const SearchResult result = world.run(*make_strategy("majority", {"n=5"}), 1)[0].result;
  EXPECT_EQ(result.usage.drafted, 15);
  EXPECT_EQ(result.usage.accepted, 10);
}

class CountingPolicy : public fake::FakePolicy {
 public:
  using FakePolicy::FakePolicy;
  bool advance() override {
    ++advances;
    return FakePolicy::advance();
  }
  int advances = 0;
};

TEST(RunSearches, AStopNeedNotWaitForWhatIsInFlight) {
  for (const bool drain : {false, true}) {
    World world(fake::messy_game());
    CountingPolicy policy(fake::messy_game(), 3, 1);
    auto ports = world.ports();
    ports.policy = &policy;
    int advances_at_stop = 0;
    const auto stop_at_first = [&](size_t, SearchRow& row) {
      EXPECT_GT(row.seconds, 0);
      base::request_stop();
      advances_at_stop = policy.advances;
    };
    EXPECT_THROW(run_searches(make_inputs(30), *make_strategy("majority", {"n=2"}), ports, base::RngKey(1),
                              {.max_live = 20, .drain_on_stop = drain}, stop_at_first),
                 Error);
    base::clear_stop();
    EXPECT_EQ(policy.advances > advances_at_stop, drain);
  }
}

TEST(RunSearches, NothingToDo) {
  World world(fake::messy_game());
  EXPECT_TRUE(run_searches({}, *make_strategy("mcts"), world.ports(), base::RngKey(1), {}).empty());
}

class SilentPolicy : public core::Policy {
 public:
  void submit(core::SampleRequest, core::Completion*, core::Waiter*) override {}
  bool advance() override { return false; }
};

TEST(RunSearches, APortThatNeverAnswersIsAnErrorNotAHang) {
  SilentPolicy policy;
  fake::FakeCodec codec;
  const core::Ports ports{&policy, nullptr, &codec, nullptr};
  EXPECT_THROW(run_searches(make_inputs(1), *make_strategy("greedy"), ports, base::RngKey(1), {}), Error);
}

class VerbosePolicy : public fake::FakePolicy {
 public:
  using FakePolicy::FakePolicy;
  void submit(core::SampleRequest request, core::Completion* out, core::Waiter* waiter) override {
    request.params.max_tokens += 5;
    FakePolicy::submit(std::move(request), out, waiter);
  }
};

TEST(RunSearches, APolicyThatWritesTooMuchIsCaught) {
  World world(fake::messy_game());
  VerbosePolicy policy(fake::messy_game(), 3, 1);
  auto ports = world.ports();
  ports.policy = &policy;
  const auto rows =
      run_searches(make_inputs(8), *make_strategy("majority", {"max_tokens=2"}), ports, base::RngKey(1), {});
  EXPECT_TRUE(std::ranges::any_of(rows, [](const SearchRow& row) { return !row.ok(); }));
}

// Every beginning of every path in the tree: what a cache would have to hold.
int64_t beginnings(const Tree& tree) {
  std::set<core::Tokens> all;
  for (size_t i = 1; i < tree.size(); ++i)
    for (core::Tokens path = tree.path_tokens(static_cast<NodeId>(i)); !path.empty(); path.pop_back()) all.insert(path);
  return static_cast<int64_t>(all.size());
}

TEST(UniqueTokens, AreThoseOfTheTreeAndDrawsThatEqualASiblingAreDiscarded) {
  const fake::Game game = fake::path_game(3, {2, 1}, [](const std::vector<int>& path) { return path[0] == 1; });
  for (const auto& [name, option, discards] :
       {std::tuple("beam", "n=8", true), {"lookahead", "lookahead=2", true}, {"mcts", "sims=40", false}}) {
    World world(game);
    for (const SearchRow& row : world.run(*make_strategy(name, {option, "temperature=1"}), 5)) {
      ASSERT_TRUE(row.ok()) << row.error;
      const SearchResult& result = row.result;
      const auto prompt = static_cast<int64_t>(result.prompts[0].size());
      EXPECT_EQ(unique_tokens(result), prompt + beginnings(result.tree)) << name;
      EXPECT_EQ(needed_tokens(result), prompt + result.usage.generated) << name;
      EXPECT_EQ(discarded_tokens(result), needed_tokens(result) - unique_tokens(result)) << name;
      EXPECT_GE(discarded_tokens(result), discards ? 1 : 0) << name;
    }
  }
}

TEST(SearchJson, HasTheCandidatesAndTheirCost) {
  World world(fake::messy_game());
  const auto strategy = make_strategy("majority", {"n=3"});
  const auto result = world.run(*strategy, 1)[0].result;
  const auto json = search_json(*strategy, result);
  EXPECT_EQ(json.at("strategy").as_string(), "majority");
  ASSERT_EQ(json.at("candidates").size(), 3u);
  EXPECT_EQ(json.at("candidates").as_array()[2].at("cost").as_int(), result.usage.generated);
}

}  // namespace
}  // namespace ponder::search
