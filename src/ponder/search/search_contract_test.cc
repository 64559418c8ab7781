// What every search in the table promises: budgets are never exceeded, the books are true, the same key gives the same
// tree whatever the batches, nothing that a model may write makes it crash.
#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::World;

double some_value(const core::Tokens& completion) {
  base::RngKey key(17);
  for (core::Token t : completion) key = key.child(static_cast<uint64_t>(t));
  return base::Rng(key).uniform();
}

// Random but legal options for a strategy, whichever of these knobs it has.
std::vector<std::string> random_options(Strategy& strategy, base::Rng& rng) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> knobs = {
      {"n", {"1", "3", "8"}},
      {"beam_width", {"1", "2", "4"}},
      {"lookahead", {"0", "1", "3"}},
      {"agg_strategy", {"last", "min", "prod", "mean"}},
      {"sims", {"0", "7", "40"}},
      {"width", {"1", "3"}},
      {"leaf", {"value", "rollout"}},
      {"select", {"rm", "maj", "wmaj", "random"}},
      {"guide",
       {"auto", "confidence", "likelihood", "entropy", "vote", "semantic", "p-true", "verifier", "heuristic", "mix"}},
      {"mix", {"0", "0.5", "1"}},
      {"actions", {"1", "12", "12345", ""}},
      {"checks", {"0", "2"}},
      {"reserve", {"0", "0.5"}},
      {"rollouts", {"1", "3"}},
      {"parts", {"1", "3"}},
      {"answers", {"1", "2"}},
      {"probe", {"1", "4"}},
      {"signal", {"agreement", "score"}},
      {"easy", {"stop", "majority n=3", "mcts sims=9"}},
      {"middle", {"bon", "beam n=4,beam_width=2", "rstar"}},
      {"hard", {"stop", "tot", "revise rounds=1", "dvts"}},
      {"max_tokens", {"1", "12", "50"}},
      {"step_tokens", {"1", "4", "20"}},
      {"temperature", {"0", "0.7", "1"}},
      {"filter_duplicates", {"true", "false"}},
      {"seed", {"0", "5"}},
      {"round", {"1", "3"}},
      {"accept", {"0", "0.6", "2"}},
      {"reject", {"0", "0.3", "1"}},
      {"every", {"1", "8", "64"}},
      {"votes", {"0", "2"}},
      {"until", {"n", "decided", "likely"}},
      {"sure", {"0.6", "0.95"}},
      {"order", {"bfs", "dfs"}},
      {"b", {"1", "3"}},
      {"eval", {"score", "value", "vote"}},
      {"evals", {"1", "2"}},
      {"keep", {"best", "sample"}},
      {"threshold", {"0", "0.4"}},
      {"feedback", {"self", "verifier", "none"}},
      {"rounds", {"0", "2"}},
      {"judge", {"rate", "score"}},
      {"rates", {"1", "3"}},
      {"nudges", {"0", "2"}},
      {"min_thought", {"0", "9"}},
      {"max_thought", {"0", "5", "30"}},
      {"answer_tokens", {"1", "10"}},
      {"alpha", {"0", "0.5", "1"}},
      {"passes", {"0", "1", "2"}},
      {"cost", {"0", "0.5", "1"}},
      {"level", {"step", "token"}},
      {"rule", {"puct", "uct"}},
      {"parallel", {"1", "4", "9"}},
  };
  std::vector<std::string> chosen;
  for (const auto& [name, values] : knobs) {
    if (base::has_field(strategy.options(), name) && rng.chance(0.6)) chosen.push_back(name + "=" + rng.pick(values));
  }
  if (std::erase(chosen, "guide=confidence") > 0) {  // which judges only what is sampled as it was fitted
    std::erase_if(chosen, [](const std::string& option) { return option.starts_with("temperature="); });
    chosen.insert(chosen.end(), {"guide=confidence", "temperature=1"});
  }
  return chosen;
}

// Another model of the same game, that no strategy may need.
void add_second(World& world, uint64_t batch_seed) {
  world.second = std::make_unique<fake::FakeSecond>(fake::messy_game(), 3, batch_seed);
}

class EverySearch : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Strategy> random_strategy(base::Rng& rng, std::string& what) {
    auto strategy = make_strategy(GetParam());
    const auto options = random_options(*strategy, rng);
    what = GetParam();
    for (const auto& option : options) what += " " + option;
    return make_strategy(GetParam(), options);
  }
};

void expect_true_books(World& world, const SearchRow& row, const core::Budget& budget, const std::string& what) {
  ASSERT_TRUE(row.ok()) << what << ": " << row.error;
  const SearchResult& r = row.result;
  EXPECT_LE(r.usage.generated + r.usage.read(), budget.tokens) << what;
  const int64_t by_second = world.second ? world.second->generated[0] : 0;
  const int64_t second_read = world.second ? world.second->read_tokens[0] : 0;
  const int64_t second_requests = world.second ? world.second->requests : 0;
  // The fake's own prompts have three tokens, of which the first is the problem's.
  EXPECT_EQ(r.usage.asked, 2 * static_cast<int64_t>(world.policy.prompts.size()) + second_read) << what;
  EXPECT_LE(r.usage.nodes, budget.nodes) << what;
  int64_t forced = 0;
  for (NodeId id = 0; id < static_cast<NodeId>(r.tree.size()); ++id)
    if (r.tree[id].forced) forced += r.tree[id].length;
  EXPECT_EQ(r.usage.generated, world.policy.generated[0] + by_second + forced) << what;
  EXPECT_EQ(r.usage.nodes, world.policy.requests + second_requests) << what;
  EXPECT_EQ(r.usage.critic_calls, world.critic.requests) << what;
  EXPECT_EQ(r.usage.critic_processed, world.critic.read_tokens[0]) << what;
  EXPECT_GE(r.usage.critic, world.critic.read_tokens[0]) << what;
  EXPECT_EQ(r.answer, world.codec.answer({}, r.completion)) << what;
  int64_t spent = 0;
  for (const Candidate& c : r.candidates) {
    EXPECT_EQ(c.tokens, r.tree.path_tokens(c.node)) << what;
    EXPECT_EQ(c.answer, world.codec.answer({}, c.tokens)) << what;
    EXPECT_TRUE(c.score >= 0 && c.score <= 1 && (c.answer || c.score == 0)) << what;
    EXPECT_LE(c.usage.generated, r.usage.generated) << what;
    // Not those that are of no use, whose score was never bought, or that wait for their level to be judged.
    if (!c.answer || !r.tree[c.node].scored || what.starts_with("tot")) continue;
    EXPECT_GE(c.usage.generated, spent) << what;
    spent = c.usage.generated;
  }
}

TEST_P(EverySearch, NeverExceedsItsBudget) {
  base::Rng rng(base::RngKey(1).child(GetParam()));
  int64_t second_asked = 0;
  for (int trial = 0; trial < 250; ++trial) {
    std::string what;
    const auto strategy = random_strategy(rng, what);
    World world(fake::messy_game(), static_cast<uint64_t>(trial));
    world.value_of = some_value;
    if (trial % 2 == 0) add_second(world, static_cast<uint64_t>(trial));
    core::Budget budget;
    if (rng.chance(0.8)) budget.tokens = rng.below(rng.chance(0.3) ? 12 : 500);
    if (rng.chance(0.4) || budget.tokens > 1000) budget.nodes = rng.below(60);
    base::Rng prices(base::RngKey(static_cast<uint64_t>(trial)).child("flops"));
    if (prices.chance(0.2)) {
      budget.flops = static_cast<double>(prices.below(2000));
      budget.write_flops = {2, 0.1}, budget.critic_flops = {prices.chance(0.5) ? 1.0 : 4.0, 0.2}, budget.longest = 40;
    }
    what += base::cat(" tokens=", budget.tokens, " nodes=", budget.nodes, " flops=", budget.flops);
    const auto rows = world.run(*strategy, 1, {.budget = budget}, static_cast<uint64_t>(trial));
    expect_true_books(world, rows[0], budget, what);
    const core::Usage& usage = rows[0].result.usage;
    if (usage.generated + usage.read() > 0) {  // the prompt alone may be too much
      EXPECT_LE(budget.flops_spent(usage, 3), budget.flops) << what;
    }
    if (world.second && !strategy->asks_second()) {
      EXPECT_EQ(world.second->requests, 0) << what;
    }
    second_asked += world.second ? world.second->requests : 0;
    if (HasFailure()) break;
  }
  EXPECT_EQ(second_asked > 0, GetParam() == "rstar" || GetParam() == "auto");
}

// What is in flight then is cut, and whatever has been found is chosen from.
TEST_P(EverySearch, EndsWhenItsTimeIsUp) {
  base::Rng rng(base::RngKey(11).child(GetParam()));
  int late = 0;
  for (int trial = 0; trial < 120; ++trial) {
    std::string what;
    const auto strategy = random_strategy(rng, what);
    World world(fake::messy_game(), static_cast<uint64_t>(trial));
    world.value_of = some_value;
    if (trial % 2 == 0) add_second(world, static_cast<uint64_t>(trial));
    const core::Budget budget{.nodes = 2000, .seconds = static_cast<double>(rng.below(rng.chance(0.3) ? 4 : 150))};
    what += base::cat(" seconds=", budget.seconds);
    const double begun = fake::seconds;
    const auto rows = world.run(*strategy, 1, {.budget = budget}, static_cast<uint64_t>(trial));
    EXPECT_LE(fake::seconds - begun, budget.seconds + 2) << what;  // a round of each writer
    late += fake::seconds - begun >= budget.seconds;
    expect_true_books(world, rows[0], budget, what);
    if (HasFailure()) break;
  }
  EXPECT_GT(late, 5);
}

TEST_P(EverySearch, TheSameKeyGivesTheSameTree) {
  base::Rng rng(base::RngKey(2).child(GetParam()));
  for (int trial = 0; trial < 30; ++trial) {
    std::string what;
    const auto strategy = random_strategy(rng, what);
    const core::Budget budget{.tokens = rng.between(50, 400), .nodes = 200};
    const auto run = [&](uint64_t batch_seed, int problems, int64_t max_live) {
      World world(fake::messy_game(), batch_seed);
      world.value_of = some_value;
      if (trial % 2 == 0) add_second(world, batch_seed + 5);
      const auto rows = world.run(*strategy, problems, {.budget = budget, .max_live = max_live}, 9);
      std::vector<std::string> dumps;
      for (const SearchRow& row : rows) {
        EXPECT_TRUE(row.ok()) << row.error;
        dumps.push_back(tree_json(row.result.tree, world.codec).dump() + search_json(*strategy, row.result).dump() +
                        world.codec.decode(row.result.completion));
      }
      return dumps;
    };
    const auto alone = run(1, 3, 1), crowded = run(2, 8, 8);
    for (size_t i = 0; i < alone.size(); ++i) ASSERT_EQ(alone[i], crowded[i]) << what;
  }
}

TEST_P(EverySearch, AnotherKeyOrSeedGivesOtherDraws) {
  const auto run = [&](uint64_t key, const char* seed) {
    World world(fake::messy_game());
    world.value_of = some_value;
    const auto strategy = make_strategy(GetParam(), {seed});
    return tree_json(world.run(*strategy, 1, {.budget = {.tokens = 2000}}, key)[0].result.tree, world.codec).dump();
  };
  const bool draws = GetParam() != "greedy";
  EXPECT_EQ(run(1, "seed=0") != run(2, "seed=0"), draws);
  EXPECT_EQ(run(1, "seed=0") != run(1, "seed=1"), draws);
  EXPECT_EQ(run(1, "seed=1"), run(1, "seed=1"));
}

TEST_P(EverySearch, SurvivesGarbage) {
  const std::vector<std::function<void(core::Completion&)>> garbles = {
      [](core::Completion& c) { c.tokens.clear(), c.logps.clear(), c.ended = false; },
      [](core::Completion& c) { c.tokens.clear(), c.logps.clear(), c.ended = true; },
      [](core::Completion& c) { std::ranges::fill(c.logps, -std::numeric_limits<float>::infinity()); },
      [](core::Completion& c) { std::ranges::fill(c.logps, std::numeric_limits<float>::quiet_NaN()); },
      [](core::Completion& c) { c.stop = core::StopReason::kContextFull; },
      [](core::Completion& c) {
        c.stop = core::StopReason::kCancelled, c.ended = false;
        c.tokens.pop_back(), c.logps.pop_back();
        if (!c.entropies.empty()) c.entropies.pop_back();
      },
      [](core::Completion& c) { std::ranges::fill(c.tokens, -7); },
      [](core::Completion& c) { std::ranges::fill(c.tokens, fake::kStep), c.ended = false; },
  };
  base::Rng rng(base::RngKey(3).child(GetParam()));
  for (const auto& garble : garbles) {
    for (int trial = 0; trial < 12; ++trial) {
      std::string what;
      const auto strategy = random_strategy(rng, what);
      World world(fake::messy_game());
      world.value_of = [&](const core::Tokens&) {
        return rng.pick(std::vector<double>{0.5, -3, 7, std::nan(""), std::numeric_limits<double>::infinity()});
      };
      world.policy.garble = garble;
      add_second(world, 2);
      world.second->garble = garble;
      const core::Budget budget{.tokens = 300, .nodes = trial % 2 == 0 ? 100 : std::numeric_limits<int64_t>::max()};
      expect_true_books(world, world.run(*strategy, 1, {.budget = budget})[0], budget, what);
    }
  }
}

// A stop text that reaches over the border of two steps: what was written before a step counts.
TEST_P(EverySearch, EndsWhereTheEndingsSay) {
  base::Rng rng(base::RngKey(4).child(GetParam()));
  int64_t ended = 0, over_a_border = 0;
  for (int trial = 0; trial < 60; ++trial) {
    std::string what;
    const auto strategy = random_strategy(rng, what);
    const core::Budget budget{.tokens = rng.between(50, 400), .nodes = 200};
    const auto run = [&](uint64_t batch_seed) {
      auto world = std::make_unique<World>(fake::messy_game(), batch_seed);
      world->codec.ends.tokens = {fake::kStep, fake::kFirstWord};
      world->value_of = some_value;
      auto rows = world->run(*strategy, 1, {.budget = budget}, static_cast<uint64_t>(trial));
      expect_true_books(*world, rows[0], budget, what);
      return std::pair(std::move(world), std::move(rows[0]));
    };
    const auto [world, row] = run(1);
    const auto& ends = world->codec.ends;
    const Tree& tree = row.result.tree;
    for (NodeId id = 1; id < static_cast<NodeId>(tree.size()); ++id) {
      const core::Tokens path = tree.path_tokens(id);
      for (size_t n = 1; n < path.size(); ++n)
        ASSERT_FALSE(ends.ended(core::TokenSpan(path).first(n))) << what << ": went on behind the end";
      if (!ends.ended(path)) continue;
      EXPECT_TRUE(tree[id].terminal || tree[id].asked) << what;
      ++ended;
      over_a_border += tree[id].length == 1;
    }
    EXPECT_EQ(tree_json(tree, world->codec).dump(), tree_json(run(2).second.result.tree, world->codec).dump()) << what;
    if (HasFailure()) break;
  }
  const std::string name = GetParam();  // the greedy one always ends before
  EXPECT_EQ(ended > 0, name != "greedy");
  const bool by_step = name != "greedy" && name != "sample" && name != "majority" && name != "bon" &&
                       name != "revise" && name != "mctsr" && name != "decompose" && name != "rap";
  EXPECT_EQ(over_a_border > 0, by_step);
}

TEST_P(EverySearch, EndsWithoutABudget) {
  World world(fake::messy_game());
  world.value_of = some_value;
  for (const auto& row : world.run(*make_strategy(GetParam()), 3)) {
    ASSERT_TRUE(row.ok()) << row.error;
    EXPECT_FALSE(row.result.completion.empty());
    EXPECT_TRUE(row.result.tree[kRoot].chosen);
  }
}

TEST_P(EverySearch, SpendsABudgetThatIsItsOnlyLimit) {
  World world(fake::messy_game());
  world.value_of = some_value;
  std::vector<std::string> options = {"max_tokens=40"};
  if (GetParam() == "best-first" || GetParam() == "a-star") options.push_back("n=1000");
  for (const char* name : {"reject", "first", "agree"})
    if (GetParam() == name) options.insert(options.end(), {"accept=2", "votes=0"});
  const auto strategy = make_strategy(GetParam(), options);
  const bool one_completion = GetParam() == "greedy" || GetParam() == "sample";
  for (const auto& row : world.run(*strategy, 10, {.budget = {.tokens = 3000}})) {
    const core::Usage& usage = row.result.usage;
    if (GetParam() == "budget-force") {
      EXPECT_LE(usage.generated, 2 * 40);
    } else if (one_completion) {
      EXPECT_EQ(usage.nodes, 1);
    } else {
      EXPECT_GE(usage.generated + usage.read(), 2800);
    }
  }
}

TEST_P(EverySearch, RunsOnALongPromptItCannotPayToRead) {
  World world(fake::messy_game());
  world.value_of = some_value;
  std::vector<SearchInput> inputs(1);
  inputs[0].prompt = fake::make_prompt(0, 3);
  // The critic would have to read 3 tokens of prompt: with 3 left nothing can be scored, but something can be written.
  const auto row =
      run_searches(inputs, *make_strategy(GetParam()), world.ports(), base::RngKey(1), {.budget = {.tokens = 3}})[0];
  ASSERT_TRUE(row.ok()) << row.error;
  EXPECT_GT(row.result.usage.generated, 0);
  EXPECT_EQ(row.result.usage.critic, 0);
}

TEST_P(EverySearch, WorksWithoutACritic) {
  World world(fake::messy_game(), 1, 0, false);
  for (const auto& row : world.run(*make_strategy(GetParam()), 3, {.budget = {.tokens = 500}})) {
    ASSERT_TRUE(row.ok()) << row.error;
    EXPECT_EQ(row.result.usage.critic, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Table, EverySearch, testing::ValuesIn(strategy_names()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

}  // namespace
}  // namespace ponder::search
