#include "ponder/eval/scaling_allocation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <ranges>

#include "ponder/base/file.h"
#include "ponder/base/rng.h"
#include "ponder/eval/scaling.h"
#include "ponder/search/strategies.h"

namespace ponder::eval {
namespace {

using base::Json;

std::vector<std::string> clusters(size_t n, const std::function<bool(const std::string&)>& wanted = {}) {
  std::vector<std::string> names;
  for (int i = 0; names.size() < n; ++i)
    if (const std::string name = base::cat("c", i); !wanted || wanted(name)) names.push_back(name);
  return names;
}

// The dev split is one class of sixteen of the canonical hash (tasks::split_of_canonical); its halves are halves too.
TEST(Allocation, ASplitFallsIntoTwoHalves) {
  for (uint64_t split : {0u, 4u, 15u}) {
    int64_t second = 0;
    for (const std::string& name : clusters(400, [&](const std::string& c) { return base::hash64(c) % 16 == split; }))
      second += half_of(name);
    EXPECT_GT(second, 150) << split;
    EXPECT_LT(second, 250) << split;
  }
}

TEST(Allocation, BinsBeginWhereAutosDo) {
  const search::AutoTable table;
  EXPECT_EQ(kEasyAt, table.easy_at);
  EXPECT_EQ(kHardAt, table.hard_at);
  EXPECT_EQ(bin_of(1), 0u);
  EXPECT_EQ(bin_of(0.75), 1u);
  EXPECT_EQ(bin_of(0.5), 1u);
  EXPECT_EQ(bin_of(0.25), 2u);
  double ease = 0;
  for (int i = 0; i < 10; ++i) ease += 0.1;
  EXPECT_LT(ease, 1);
  EXPECT_EQ(bin_of(ease), 0u);
}

TEST(Allocation, ABinGetsWhatHasMostRightThereAndStopsWhereNothingHasMore) {
  const std::vector<double> ease = {1, 1, 0.25, 0.25, 0.25};
  const std::vector<double> none(5, 0);
  const std::vector<Choice> choices = {{kStop, {1, 1, 0, 0, 0}, none},  // what the probe's vote knows
                                       {"a", {1, 0, 1, 0, 1}, none},    // good at hard ones
                                       {"b", {1, 1, 1, 1, 0}, none}};   // as good there, better over all
  const auto best = best_of_bins(ease, choices);
  EXPECT_EQ(choices[best[0]].name, kStop);  // nothing has more right than it
  EXPECT_EQ(choices[best[1]].name, "b");    // there is no such problem: what is best over all, and not stop
  EXPECT_EQ(choices[best[2]].name, "b");
}

// What is used on a half is known from the other half alone.
TEST(Allocation, AHalfIsToldNothingOfItself) {
  const auto names = clusters(60);
  std::vector<double> ease(60, 0.25), good, bad, tokens(60, 7);
  for (const std::string& name : names) good.push_back(half_of(name) == 0 ? 1 : 0), bad.push_back(1 - good.back());
  const std::vector<Choice> choices = {{"first-half", good, tokens}, {"second-half", bad, tokens}};
  const Allocated out = allocate(ease, choices, names);
  for (double right : out.correct) EXPECT_EQ(right, 0);  // each half was sent what is right in the other one
  EXPECT_EQ(out.bins[2].n, 60);
  EXPECT_EQ(out.bins[2].chosen, (std::array<size_t, 2>{1, 0}));
  EXPECT_EQ(out.bins[0].n, 0);
  EXPECT_EQ(out.tokens, tokens);
}

// Sixteen samples of 10 tokens a problem: of easy problems all are right, of hard ones two.
std::vector<ScalingRow> pool(int problems) {
  std::vector<ScalingRow> rows;
  for (int i = 0; i < problems; ++i) {
    ScalingRow row;
    row.strategy = "samples", row.problem = base::cat(1000 + i), row.cluster = row.problem, row.select = "wmaj";
    for (int s = 0; s < 16; ++s) {
      const bool right = i % 2 == 0 || s % 8 == 7;
      row.found.push_back({10 * (s + 1), 0, right ? "r" : base::cat("w", s % 4), true, right, right ? 0.0 : 0.5});
    }
    row.generated = 160;
    rows.push_back(std::move(row));
  }
  return rows;
}

void add(std::vector<ScalingRow>& rows, const char* name, int64_t budget, int64_t spent,
         const std::function<bool(int)>& right) {
  for (int i = 0; i < 80; ++i) {
    ScalingRow row;
    row.strategy = name, row.budget = budget, row.problem = base::cat(1000 + i), row.cluster = row.problem,
    row.select = "rm";
    row.answered = true, row.correct = right(i), row.generated = spent;
    row.found = {{spent, 0, row.correct ? "r" : "w", true, row.correct, 1}};
    rows.push_back(std::move(row));
  }
}

Json study_of(const std::vector<ScalingRow>& rows, const std::vector<int64_t>& budgets = {20, 160}, int64_t probe = 4) {
  return scaling_json(rows, {"m", "t", budgets, 1, probe, Json::object()});
}

// A search that spends its whole budget and has answered after `first` tokens of it.
void add_early(std::vector<ScalingRow>& rows, const char* name, int64_t budget, int64_t first,
               const std::function<bool(int)>& right) {
  const size_t before = rows.size();
  add(rows, name, budget, first, right);
  for (size_t i = before; i < rows.size(); ++i) {
    rows[i].generated = budget;
    rows[i].found.push_back(rows[i].found[0]);
    rows[i].found.back().generated = budget;
  }
}

bool says(const Json& study, const std::string& words) {
  return std::ranges::any_of(study.at("sentences").as_array(), [&](const Json& sentence) {
    return sentence.as_string().find(words) != std::string::npos;
  });
}

// `auto` is such a choice itself: the opponents are the fixed strategies, each of them.
TEST(Allocation, IsHeldAgainstEachFixedStrategy) {
  auto rows = pool(80);
  add(rows, "mcts width=3", 160, 100, [](int i) { return i % 2 == 1; });
  add(rows, "beam", 160, 100, [](int i) { return i % 8 == 1; });
  for (const char* name : {"auto", "auto table=t"}) add(rows, name, 160, 100, [](int) { return true; });
  const Json study = study_of(rows);
  const Json& allocation = study.at("allocation");
  EXPECT_EQ(allocation.at("predicted").at("accuracy").as_double(), 1);
  EXPECT_DOUBLE_EQ(allocation.at("predicted").at("tokens_per_problem").as_double(), (40 + 140) / 2.0);
  std::map<std::string, double> gains;
  for (const Json& row : allocation.at("against").as_array()) {
    gains[row.at("strategy").as_string()] = row.at("accuracy").as_double();
    EXPECT_NEAR(row.at("accuracy").as_double(), 1 - row.at("fixed_accuracy").as_double(), 1e-12);
    EXPECT_GT(row.at("ci_lo").as_double(), 0);
    EXPECT_LT(row.at("ci_lo").as_double(), row.at("ci_hi").as_double());
  }
  EXPECT_EQ(gains.size(), 5u);
  EXPECT_DOUBLE_EQ(gains.at("mcts width=3"), 0.5);
  EXPECT_DOUBLE_EQ(gains.at("beam"), 1 - 1 / 8.0);
  EXPECT_TRUE(gains.contains("majority") && gains.contains("bon") && gains.contains("bon-wmaj"));
  const std::string best = allocation.at("best_fixed").as_string();
  EXPECT_EQ(allocation.at("gain").at("accuracy").as_double(), std::ranges::min(gains | std::views::values));
  EXPECT_EQ(allocation.at("gain").at("accuracy").as_double(), gains.at(best));
  EXPECT_TRUE(says(study, "against the best fixed one (" + best + ", picked on all of these problems in hindsight)"));
  EXPECT_TRUE(says(study, "Of 5 fixed strategies it is above 5, below 0"));
}

TEST(Allocation, LearnsATableThatAutoReads) {
  auto rows = pool(80);
  for (int64_t budget : {80, 160}) add_early(rows, "mcts width=3", budget, 30, [](int) { return true; });
  const Json study = study_of(rows, {80, 160});
  const auto table = auto_table(study, {"b", "a", "b"});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->probe, 4);
  ASSERT_EQ(table->budgets.size(), 2u);
  EXPECT_EQ(table->budgets[0].tokens, 80);
  for (const auto& row : table->budgets) {
    EXPECT_EQ(row.easy, "stop");
    EXPECT_EQ(row.hard, "mcts width=3");  // it had its answer by what the probe leaves of either budget
  }
  EXPECT_EQ(table->learned_on.size(), 2u);

  const std::string path = base::join_path(testing::TempDir(), "learned.json");
  base::write_file_atomic(path, search::to_json(*table).dump());
  EXPECT_NO_THROW(search::make_strategy("auto", {"table=" + path}));
  EXPECT_TRUE(says(study, "must not be scored on them"));
  EXPECT_TRUE(says(study, "It is a lower bound"));
}

// The probe takes the same from the vote as from a tree.
TEST(Allocation, EverySearchHasWhatTheProbeLeaves) {
  auto rows = pool(80);
  for (ScalingRow& row : rows)
    for (size_t s = 4; s < 16; ++s)
      row.found[s].answer = "r", row.found[s].correct = true;  // of hard problems the vote is right at 60 tokens
  add_early(rows, "mcts", 160, 60, [](int i) { return i % 2 == 1; });
  const Json study = study_of(rows, {80, 100, 160});
  const auto hard = [](const Json& of, size_t i) {
    return of.at("allocation").at("table").as_array()[i].at("hard").as_string();
  };
  EXPECT_EQ(hard(study, 0), "stop");  // 40 are left, for nothing that is right
  EXPECT_NE(hard(study, 1), "stop");
  // The tree is read off its run with 160 tokens, as the vote is read off the pool.
  std::erase_if(rows, [](const ScalingRow& row) { return row.strategy == "samples"; });
  const auto weak = pool(80);
  rows.insert(rows.begin(), weak.begin(), weak.end());
  EXPECT_EQ(hard(study_of(rows, {80, 100, 160}), 1), "mcts");
}

// An answer at the very end of a search says nothing of a smaller budget: such a strategy may not lose for that.
TEST(Allocation, NoTableWhereTheStudyCannotTell) {
  auto rows = pool(80);
  add(rows, "mcts", 160, 160, [](int) { return true; });  // as with --anytime
  const Json blind = study_of(rows, {80, 160});
  EXPECT_FALSE(auto_table(blind, {}));
  EXPECT_TRUE(says(blind, "No table for auto is learned."));
  EXPECT_TRUE(says(blind, "at 80 tokens of mcts; at 160 tokens of mcts"));
  EXPECT_TRUE(says(blind, "mcts counts as wrong on 100% of the problems"));
  EXPECT_EQ(blind.at("allocation").at("unknown").at("mcts").as_double(), 1);

  // By the run with 80 tokens, which the rest of 160 pays for.
  add(rows, "mcts", 80, 80, [](int) { return true; });
  const Json seen = study_of(rows, {80, 160});
  const auto table = auto_table(seen, {});
  ASSERT_TRUE(table);
  ASSERT_EQ(table->budgets.size(), 1u);
  EXPECT_EQ(table->budgets[0].tokens, 160);
  EXPECT_EQ(table->budgets[0].hard, "mcts");
  EXPECT_EQ(seen.at("allocation").at("unknown").size(), 0u);
  EXPECT_TRUE(says(seen, "(at 80 tokens of mcts)"));
}

// `auto` counts the samples that its budget pays for: three of four agree at most.
TEST(Allocation, ABudgetBelowTheProbeHasTheBinsThatAutoSees) {
  const Json study = study_of(pool(80), {30, 160});
  const auto& table = study.at("allocation").at("table").as_array();
  EXPECT_EQ(table[0].at("problems").dump(), "[0,40,40]");
  EXPECT_EQ(table[1].at("problems").dump(), "[40,0,40]");
  EXPECT_EQ(table[0].at("cannot_tell").size(), 0u);  // nothing is left, so nothing is unknown
}

// Curves of the pool have names of their own.
TEST(Allocation, WordsOfTheSamplingFamily) {
  auto rows = pool(80);
  for (ScalingRow& row : rows)
    for (Found& f : row.found) f.score = f.correct ? 1 : 0;  // best-of-n knows
  const auto table = auto_table(study_of(rows), {});
  ASSERT_TRUE(table);
  EXPECT_EQ(table->budgets[1].hard, "bon select=rm");
}

TEST(Allocation, NoTableWithoutAProbe) {
  auto rows = pool(80);
  EXPECT_FALSE(auto_table(study_of(rows, {20, 160}, 17), {}));
  std::erase_if(rows, [](const ScalingRow&) { return true; });
  EXPECT_FALSE(auto_table(study_of(rows), {}));
  add(rows, "mcts", 160, 100, [](int) { return true; });
  EXPECT_FALSE(auto_table(study_of(rows), {}));
}

}  // namespace
}  // namespace ponder::eval
