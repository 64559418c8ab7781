#include <gtest/gtest.h>

#include "ponder/base/file.h"
#include "ponder/search/auto_table.h"
#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

using fake::World;

fake::Game words(std::vector<double> p) {
  return fake::path_game(1, std::move(p), [](const std::vector<int>& path) { return path[0] == 0; });
}

int64_t spent(std::vector<double> p, const std::vector<std::string>& options, core::Budget budget = {}) {
  World world(words(std::move(p)));
  const auto row = world.run(*make_strategy("auto", options), 1, {.budget = budget}, 3)[0];
  EXPECT_TRUE(row.ok()) << row.error;
  return static_cast<int64_t>(row.result.candidates.size());
}

TEST(Auto, AnEasyProblemCostsItsProbeAlone) {
  EXPECT_EQ(spent({1}, {"probe=4", "hard=majority n=50", "middle=majority n=50"}, {.tokens = 5000}), 4);
}

TEST(Auto, AHardOneGetsItsOwnSearchBehindTheProbe) {
  const std::vector<double> anything(12, 1.0);
  EXPECT_EQ(spent(anything, {"probe=4", "hard=majority n=10", "middle=stop", "hard_at=0.9", "temperature=1"}), 4 + 10);
  EXPECT_EQ(spent(anything, {"probe=4", "hard=stop", "middle=majority n=7", "hard_at=0.1", "temperature=1"}), 4 + 7);
}

TEST(Auto, TheProbeVotes) {
  World world(words({0.55, 0.45}));
  int64_t more = 0;
  for (const auto& row : world.run(
           *make_strategy("auto", {"probe=8", "easy_at=2", "hard_at=0", "middle=majority n=1", "temperature=1"}), 40)) {
    const auto votes = [&](const char* answer) {
      return std::ranges::count_if(row.result.candidates, [&](const Candidate& c) { return c.answer == answer; });
    };
    EXPECT_EQ(row.result.answer, votes("a") >= votes("b") ? "a" : "b");
    more += votes("a") + votes("b");
  }
  EXPECT_EQ(more, 40 * 9);
}

TEST(Auto, ATreeMayFollowTheProbe) {
  World world(fake::path_game(3, {0.4, 0.3, 0.3}, [](const std::vector<int>& p) { return p == std::vector{1, 2, 1}; }));
  int64_t right = 0;
  for (const auto& row : world.run(
           *make_strategy("auto", {"easy_at=2", "hard_at=0", "middle=mcts sims=100 width=12", "temperature=1"}), 20))
    right += world.right(row.result);
  EXPECT_GE(right, 19);
}

TEST(Auto, WhatFollowsIsTheAnswerOfThatSearch) {
  // Greedy always says the likeliest word; a probe at a high temperature may say anything.
  World world(words({0.4, 0.3, 0.3}));
  const auto strategy = make_strategy("auto", {"easy_at=2", "hard_at=0", "middle=greedy", "temperature=1", "probe=1"});
  for (const auto& row : world.run(*strategy, 20)) EXPECT_EQ(row.result.answer, "a");
}

// The discriminator's scores and the likelihood of a probe's samples are no common measure.
TEST(Auto, TheProbeDoesNotWinByAnotherMeasure) {
  World world(words({0.5, 0.3, 0.2}));
  world.codec.asks = false;
  for (const std::string signal : {"agreement", "score"}) {
    const auto strategy = make_strategy("auto", {"easy_at=2", "hard_at=0", "middle=rstar sims=20 finalists=1",
                                                 "temperature=1", "signal=" + signal, "guide=likelihood"});
    for (const auto& row : world.run(*strategy, 20)) {
      std::map<std::string, int> votes;
      for (const Candidate& c : row.result.candidates)
        if (c.answer) ++votes[*c.answer];
      for (const auto& [answer, count] : votes) EXPECT_GE(votes[*row.result.answer], count);
    }
  }
}

TEST(Auto, WrongWordsAreFoundBeforeAnythingIsSpent) {
  for (const char* hard : {"hard=mctss", "hard=mcts sims=x", "hard="}) {
    World world(words({1}));
    EXPECT_THROW(world.run(*make_strategy("auto", {hard}), 1), Error) << hard;
    EXPECT_EQ(world.policy.requests, 0);
  }
}

// ---- Tables ---------------------------------------------------------------------------------------------------------

std::string in_file(const std::string& text) {
  const std::string path = base::join_path(testing::TempDir(), "auto_table.json");
  base::write_file_atomic(path, text);
  return path;
}

AutoTable two_budgets() {
  AutoTable table;
  table.probe = 6, table.easy_at = 0.9, table.hard_at = 0.8;
  table.budgets = {{100, "majority n=1", "stop", "majority n=8"}, {1000, "stop", "stop", "majority,n=20"}};
  table.learned_on = {instance_id("2 3 5"), instance_id("1 2 3")};
  std::ranges::sort(table.learned_on);
  return table;
}

TEST(AutoTable, SaysWhatFollowsAtEachBudget) {
  const std::string table = "table=" + in_file(to_json(two_budgets()).dump(1));
  const std::vector<double> anything(12, 1.0);
  EXPECT_EQ(spent(anything, {table, "temperature=1"}, {.tokens = 400}), 6 + 8);
  EXPECT_EQ(spent(anything, {table, "temperature=1"}, {.tokens = 999}), 6 + 8);
  EXPECT_EQ(spent(anything, {table, "temperature=1"}, {.tokens = 1000}), 6 + 20);
  EXPECT_EQ(spent(anything, {table, "temperature=1"}, {.tokens = 90}), 6 + 8);  // less than any: as the smallest
  EXPECT_EQ(spent({1}, {table}, {.tokens = 400}), 6 + 1);
  EXPECT_EQ(spent({1}, {table}, {.tokens = 4000}), 6);
}

TEST(AutoTable, ItsProbeAndThresholdsCount) {
  AutoTable table = two_budgets();
  table.easy_at = 2, table.hard_at = 0;  // everything lies in between
  table.budgets = {{10, "majority n=1", "majority n=3", "majority n=2"}};
  const std::string option = "table=" + in_file(to_json(table).dump());
  EXPECT_EQ(spent({1}, {option}, {.tokens = 400}), 6 + 3);
  EXPECT_EQ(spent(std::vector<double>(12, 1.0), {option, "temperature=1"}, {.tokens = 400}), 6 + 3);
}

TEST(AutoTable, OptionsShowWhatCounts) {
  const auto strategy = make_strategy("auto", {"table=" + in_file(to_json(two_budgets()).dump())});
  const base::Json options = base::to_json(strategy->options());
  EXPECT_EQ(options.at("probe").as_int(), 6);
  EXPECT_EQ(options.at("easy_at").as_double(), 0.9);
  EXPECT_EQ(options.at("hard_at").as_double(), 0.8);
  for (const char* bin : {"easy", "middle", "hard"}) EXPECT_EQ(options.at(bin).as_string(), "table");
  strategy->settle();  // once more is no second opinion
}

TEST(AutoTable, ReadsBackAsItWasWritten) {
  const AutoTable table = two_budgets();
  const std::string path = in_file(to_json(table).dump(1));
  EXPECT_EQ(to_json(read_auto_table(path)).dump(), to_json(table).dump());
  EXPECT_EQ(read_auto_table(path).learned_on.size(), 2);
}

TEST(AutoTable, NeedsABudgetInTokensAndNoSecondOpinion) {
  const std::string table = "table=" + in_file(to_json(two_budgets()).dump());
  World world(words({1}));
  EXPECT_THROW(world.run(*make_strategy("auto", {table}), 1), Error);
  EXPECT_THROW(world.run(*make_strategy("auto", {table}), 1, {.budget = {.nodes = 50}}), Error);
  EXPECT_EQ(world.policy.requests, 0);
  for (const char* beside : {"probe=8", "easy_at=0.5", "hard=mcts"}) {
    try {
      (void)make_strategy("auto", {beside, table});
      ADD_FAILURE() << beside;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage);
      EXPECT_NE(e.message().find("leave out"), std::string::npos) << e.what();
    }
  }
}

TEST(AutoTable, WrongFilesAreErrorsThatNameTheKey) {
  const std::string good = to_json(two_budgets()).dump();
  struct Case {
    std::string from, to, where;
  };
  const Case cases[] = {{R"("auto-table")", R"("scaling")", ":kind"},
                        {R"("probe":6)", R"("probe":0)", ":probe"},
                        {R"("probe":6,)", "", ":probe"},
                        {R"("agreement")", R"("score")", ":signal"},
                        {R"("easy_at":0.9)", R"("easy_at":3)", ":easy_at"},
                        {R"("tokens":1000)", R"("tokens":100)", ":budgets[1].tokens"},
                        {R"("tokens":100,)", R"("tokens":"x",)", ":budgets[0].tokens"},
                        {R"("easy":"majority n=1")", R"("easy":"majorty n=1")", ":budgets[0].easy"},
                        {R"("hard":"majority n=8")", R"("hard":"majority m=8")", ":budgets[0].hard"},
                        {R"("hard":"majority n=8")", R"("hard":"auto")", ":budgets[0].hard"},
                        {R"("hard":"majority n=8")", R"("hart":"majority n=8")", ":budgets[0].hard"},
                        {R"("learned_on":[)", R"("learned_on":[1,)", ":learned_on"},
                        {R"("learned_on")", R"("learned")", ":learned_on"},
                        {R"("budgets":[)", R"("budgets":[],"old":[)", ":budgets"}};
  for (const Case& c : cases) {
    std::string text = good;
    ASSERT_NE(text.find(c.from), std::string::npos) << c.from;
    text.replace(text.find(c.from), c.from.size(), c.to);
    try {
      (void)make_strategy("auto", {"table=" + in_file(text)});
      ADD_FAILURE() << c.to;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      EXPECT_TRUE(e.where().ends_with("auto_table.json" + c.where)) << e.what();
    }
  }
  EXPECT_THROW(make_strategy("auto", {"table=" + in_file("[]")}), Error);
  EXPECT_THROW(make_strategy("auto", {"table=" + in_file("{")}), Error);
  EXPECT_THROW(make_strategy("auto", {"table=/nowhere/auto.json"}), Error);
}

// A search that was measured by itself is the same search behind a probe: `first` goes by no critic, whatever auto has.
TEST(AutoTable, WordsKeepASearchsOwnDefaults) {
  EXPECT_EQ(words_for_auto("mcts width=3"), "mcts width=3");
  EXPECT_EQ(words_for_auto("first"), "first guide=likelihood");
  EXPECT_EQ(words_for_auto("first guide=vote"), "first guide=likelihood guide=vote");
  EXPECT_THROW(words_for_auto("mctss"), Error);
  EXPECT_THROW(words_for_auto("auto probe=2"), Error);
}

TEST(AutoTable, SomeBudgetMayHaveAUseForASecondModel) {
  AutoTable table = two_budgets();
  const auto asks = [](const AutoTable& t) {
    return make_strategy("auto", {"table=" + in_file(to_json(t).dump())})->asks_second();
  };
  EXPECT_FALSE(asks(table));
  table.budgets[1].middle = "rstar";
  EXPECT_TRUE(asks(table));
}

}  // namespace
}  // namespace ponder::search
