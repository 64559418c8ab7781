#include "ponder/eval/scaling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <regex>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/eval/scaling_laws.h"
#include "ponder/eval/scaling_signals.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {
namespace {

using base::Json;

TEST(CoverageLaw, FindsThePlantedOne) {
  std::vector<std::pair<double, double>> seen;
  for (double k = 1; k <= 1024; k *= 2) seen.emplace_back(k, std::exp(-2.5 * std::pow(k, -0.4)));
  const CoverageLaw law = fit_coverage(seen);
  ASSERT_TRUE(law.fitted());
  EXPECT_NEAR(law.a, -2.5, 1e-9);
  EXPECT_NEAR(law.b, -0.4, 1e-9);
  EXPECT_NEAR(law.at(100), std::exp(-2.5 * std::pow(100, -0.4)), 1e-9);
}

// p ~ Beta(α, ·): coverage's slope goes to −α.
TEST(CoverageLaw, ProblemsOfBetaDifficultyGiveTheirExponent) {
  base::Rng rng(base::RngKey(3));
  constexpr double kAlpha = 0.3;
  std::vector<std::pair<double, double>> seen;
  std::vector<double> p;
  for (int i = 0; i < 20000; ++i) p.push_back(std::pow(rng.uniform(), 1 / kAlpha));  // Beta(α, 1)
  for (double k = 16; k <= 16384; k *= 2) {
    double covered = 0;
    for (double x : p) covered += 1 - std::pow(1 - x, k);
    seen.emplace_back(k, covered / static_cast<double>(p.size()));
  }
  EXPECT_NEAR(fit_coverage(seen).b, -kAlpha, 0.06);
}

TEST(CoverageLaw, NeedsTwoPointsInside) {
  EXPECT_FALSE(fit_coverage({{1, 0.0}, {2, 1.0}, {4, 0.5}}).fitted());
  EXPECT_FALSE(fit_coverage({}).fitted());
}

TEST(OverOptimisation, FindsThePlantedPeakFromSmallN) {
  const double alpha = 0.4, beta = 0.12;
  std::vector<std::pair<double, double>> seen;
  for (double n = 1; n <= 32; n *= 2) seen.emplace_back(n, bon_distance(n) * (alpha - beta * bon_distance(n)));
  const OverOptimisation fit = fit_over_optimisation(seen);
  EXPECT_NEAR(fit.alpha, alpha, 1e-9);
  EXPECT_NEAR(fit.beta, beta, 1e-9);
  EXPECT_NEAR(fit.peak(), alpha / (2 * beta), 1e-9);
  EXPECT_NEAR(bon_distance(samples_at(fit.peak())), fit.peak(), 1e-6);
}

TEST(OverOptimisation, WhatOnlyRisesHasNoPeak) {
  std::vector<std::pair<double, double>> seen;
  for (double n = 1; n <= 64; n *= 2) seen.emplace_back(n, 0.2 * bon_distance(n));
  EXPECT_NEAR(fit_over_optimisation(seen).beta, 0, 1e-9);
  EXPECT_TRUE(std::isinf(OverOptimisation{0.2, -0.1, 5}.peak()));
  EXPECT_TRUE(std::isinf(samples_at(1e9)));
}

Found found(int64_t generated, int64_t read, const char* answer, bool correct, double score = 0) {
  return {generated, read, answer, answer[0] != 0, correct, score};
}

TEST(AtBudget, CountsWhatWasPaidForAndChoosesAmongIt) {
  const std::vector<Found> all = {found(10, 0, "a", false, 0.9), found(20, 5, "b", true, 0.2),
                                  found(30, 9, "b", true, 0.3)};
  EXPECT_FALSE(at_budget(all, "maj", 9, true).correct);
  EXPECT_EQ(at_budget(all, "maj", 9, true).generated, 0);
  EXPECT_FALSE(at_budget(all, "maj", 24, true).correct);  // 20 + 5 are too many
  EXPECT_EQ(at_budget(all, "maj", 24, false).generated, 20);
  EXPECT_TRUE(at_budget(all, "maj", 100, true).correct);
  EXPECT_EQ(at_budget(all, "maj", 100, true).read, 9);
  EXPECT_FALSE(at_budget(all, "rm", 100, true).correct);
  EXPECT_TRUE(at_budget(all, "last", 100, true).correct);
  EXPECT_FALSE(at_budget(all, "first", 100, true).correct);
}

// Problems of which `right` of 16 samples are right, each sample of 10 tokens; scores tell right from wrong, or not.
std::vector<ScalingRow> pool(int problems, const std::function<int(int)>& right, bool score_knows) {
  std::vector<ScalingRow> rows;
  for (int i = 0; i < problems; ++i) {
    ScalingRow row;
    row.strategy = "samples", row.problem = base::cat(1000 + i), row.cluster = row.problem, row.select = "wmaj";
    base::Rng rng(base::RngKey(9).child(static_cast<uint64_t>(i)));
    std::vector<int> correct(16);
    for (int s = 0; s < 16; ++s) correct[static_cast<size_t>(s)] = s < right(i);
    rng.shuffle(correct);
    for (int s = 0; s < 16; ++s) {
      const bool ok = correct[static_cast<size_t>(s)] != 0;
      const std::string wrong = base::cat("w", rng.below(3));
      row.found.push_back(found(10 * (s + 1), 0, ok ? "r" : wrong.c_str(), ok, score_knows ? ok : rng.uniform()));
    }
    row.generated = 160;
    rows.push_back(std::move(row));
  }
  return rows;
}

// A strategy that is right on problems where `right` says so, at the end of its budget.
void add_strategy(std::vector<ScalingRow>& rows, const char* name, int problems, const std::function<bool(int)>& right,
                  int64_t budget = 160) {
  for (int i = 0; i < problems; ++i) {
    ScalingRow row;
    row.strategy = name, row.budget = budget, row.problem = base::cat(1000 + i), row.cluster = row.problem,
    row.select = "rm";
    row.found = {found(150, 0, right(i) ? "r" : "w", right(i), 1)};
    row.answered = true, row.correct = right(i), row.generated = 150;
    rows.push_back(std::move(row));
  }
}

const Json& point_of(const Json& study, const char* strategy, int64_t budget) {
  for (const Json& p : study.at("curves").as_array())
    if (p.at("strategy").as_string() == strategy && p.at("budget").as_int() == budget) return p;
  throw std::runtime_error("no such point");
}

TEST(Scaling, TheSamplingFamilySharesOnePool) {
  const auto rows = pool(
      60, [](int) { return 8; }, true);
  const Json study = scaling_json(rows, {"m", "t", {10, 160}, 1, 4, Json::object()});
  EXPECT_EQ(study.at("n").as_int(), 60);
  EXPECT_NEAR(point_of(study, "majority", 10).at("accuracy").as_double(), 0.5, 0.2);
  EXPECT_EQ(point_of(study, "majority", 160).at("accuracy").as_double(), 1);
  EXPECT_EQ(point_of(study, "bon", 160).at("accuracy").as_double(), 1);
  EXPECT_LT(point_of(study, "random", 160).at("accuracy").as_double(), 0.8);
  EXPECT_EQ(point_of(study, "majority", 160).at("tokens_per_problem").as_double(), 160);
  EXPECT_TRUE(point_of(study, "random", 160).at("control").as_bool());
  const Json& pass = study.at("pass_at_k").as_array().front();
  EXPECT_DOUBLE_EQ(pass.at("accuracy").as_double(), 0.5);
  EXPECT_NEAR(pass.at("majority").as_double(), 0.5, 1e-9);
}

TEST(Scaling, AStrategyIsComparedWithTheVoteOnTheSameProblems) {
  auto rows = pool(
      60, [](int i) { return i % 2 ? 14 : 1; }, false);
  add_strategy(rows, "good", 60, [](int) { return true; });
  add_strategy(rows, "same", 60, [](int i) { return i % 2 == 1; });
  const Json study = scaling_json(rows, {"m", "t", {40, 160}, 1, 4, Json::object()});
  for (const Json& row : study.at("comparisons").as_array()) {
    if (row.at("budget").as_int() != 160) continue;
    if (row.at("strategy").as_string() == "good") {
      EXPECT_NEAR(row.at("accuracy").as_double(), 0.5, 1e-9);
      EXPECT_GT(row.at("ci_lo").as_double(), 0.3);
    }
    if (row.at("strategy").as_string() == "same") {
      EXPECT_EQ(row.at("accuracy").as_double(), 0);
    }
  }
  EXPECT_EQ(point_of(study, "good", 40).at("accuracy").as_double(), 0);  // nothing was complete by then
  EXPECT_TRUE(point_of(study, "good", 40).at("anytime").as_bool());
  EXPECT_FALSE(point_of(study, "good", 160).at("anytime").as_bool());
  bool said = false;
  for (const Json& sentence : study.at("sentences").as_array())
    said |= sentence.as_string().find("At 160 tokens good has the highest accuracy, 100.0%, +50.0 points") == 0;
  EXPECT_TRUE(said);
}

// A proxy that knows nothing gains nothing; one that prefers the wrong answers loses as n grows.
TEST(Scaling, SeesAnOverOptimisedProxy) {
  auto rows = pool(
      200, [](int) { return 8; }, true);
  for (ScalingRow& row : rows)
    for (Found& f : row.found) f.score = f.correct ? 0.1 : 0.9;
  const Json study = scaling_json(rows, {"m", "t", {160}, 1, 4, Json::object()});
  const Json& over = study.at("over_optimisation");
  EXPECT_EQ(over.at("best_k").as_double(), 1);
  EXPECT_LT(over.at("fall").at("ci_hi").as_double(), -0.3);
  bool said = false;
  for (const Json& sentence : study.at("sentences").as_array())
    said |= sentence.as_string().find("is over-optimised: best at n = 1") != std::string::npos;
  EXPECT_TRUE(said);
}

// Easy problems (the first samples agree) are solved by the vote, hard ones by another strategy alone: to allocate by
// difficulty is better than either, and the probe is not free.
TEST(Scaling, AllocationFindsWhatIsGoodForEachBin) {
  const auto study = [](int64_t budget, int64_t answers_at) {
    auto rows = pool(
        120, [](int i) { return i % 2 ? 16 : 2; }, false);
    add_strategy(
        rows, "beam", 120, [](int i) { return i % 2 == 0; }, budget);
    for (ScalingRow& row : rows)
      if (row.strategy == "beam") row.found[0].generated = answers_at;
    return scaling_json(rows, {"m", "t", {budget}, 1, 4, Json::object()});
  };
  const Json wide = study(200, 150), tight = study(160, 150), early = study(160, 110);
  EXPECT_GT(wide.at("allocation").at("predicted").at("accuracy").as_double(), 0.9);
  EXPECT_GT(wide.at("allocation").at("gain").at("ci_lo").as_double(), 0.3);
  // The strategy needs 150 of 160 tokens: what the probe takes, it lacks, and there is no run with fewer.
  EXPECT_LT(tight.at("allocation").at("predicted").at("accuracy").as_double(), 0.65);
  EXPECT_GT(tight.at("allocation").at("by_difficulty").at("accuracy").as_double(), 0.9);
  EXPECT_EQ(tight.at("allocation").at("unknown").at("beam").as_double(), 1);
  EXPECT_FALSE(auto_table(tight, {}));
  // It goes on to 150, but has had its answer by the 120 that the probe leaves.
  EXPECT_GT(early.at("allocation").at("predicted").at("accuracy").as_double(), 0.9);
  EXPECT_TRUE(auto_table(early, {}));
}

TEST(Scaling, ProblemsThatASearchFailedOnCountNowhere) {
  auto rows = pool(
      10, [](int) { return 8; }, true);
  add_strategy(rows, "good", 10, [](int) { return true; });
  rows.back().error = "broken";
  add_strategy(rows, "other", 10, [](int) { return true; });
  rows.back().error = "torn";
  const Json study = scaling_json(rows, {"m", "t", {160}, 1, 4, Json::object()});
  EXPECT_EQ(study.at("n").as_int(), 9);
  EXPECT_EQ(study.at("errors").at("good").as_int(), 1);
  EXPECT_NE(study.dump().find("good failed on 1 problem, which count nowhere: good, 1009: broken"), std::string::npos);
  EXPECT_NE(study.dump().find("other failed on 1 problem, which count nowhere: other, 1009: torn"), std::string::npos);
}

TEST(Scaling, RowsReadBackAndBadOnesAreErrors) {
  for (const ScalingRow& row : pool(
           3, [](int i) { return i; }, true)) {
    const Json json = to_json(row);
    EXPECT_EQ(to_json(scaling_row(Json::parse(json.dump()), "f:1")).dump(), json.dump());
  }
  EXPECT_THROW(scaling_row(Json::parse(R"({"strategy":"x"})"), "f:1"), Error);
  EXPECT_THROW(scaling_row(Json::parse("[]"), "f:1"), Error);
}

// What is read off a larger run is shown, and compared with nothing; what was run with less alone is not shown.
TEST(Scaling, ReadOffPointsAreNoOpponents) {
  auto rows = pool(
      20, [](int) { return 8; }, true);
  add_strategy(rows, "good", 20, [](int) { return true; });
  const Json study = scaling_json(rows, {"m", "t", {80, 160, 320}, 1, 4, Json::object()});
  std::set<std::pair<std::string, int64_t>> compared, shown;
  for (const Json& row : study.at("comparisons").as_array())
    compared.emplace(row.at("strategy").as_string(), row.at("budget").as_int());
  for (const Json& row : study.at("curves").as_array())
    shown.emplace(row.at("strategy").as_string(), row.at("budget").as_int());
  EXPECT_TRUE(compared.contains({"good", 160}));
  EXPECT_FALSE(compared.contains({"good", 80}));
  EXPECT_TRUE(shown.contains({"good", 80}));
  EXPECT_FALSE(shown.contains({"good", 320}));
  EXPECT_NE(study.dump().find("The pool of samples ended before 320 tokens were spent on 100%"), std::string::npos);
}

// A search that ended before its budget answers what it answered, whatever its rule would say of its candidates.
TEST(Scaling, ASearchThatEndedStaysAsItEnded) {
  auto rows = pool(
      10, [](int) { return 8; }, true);
  add_strategy(rows, "accepts", 10, [](int) { return true; });
  for (ScalingRow& row : rows)
    if (row.strategy == "accepts")
      row.found = {found(20, 0, "w", false, 0.9), found(40, 0, "r", true, 0.1)}, row.generated = 40;
  const Json study = scaling_json(rows, {"m", "t", {30, 50, 160}, 1, 4, Json::object()});
  EXPECT_EQ(point_of(study, "accepts", 30).at("accuracy").as_double(), 0);
  EXPECT_EQ(point_of(study, "accepts", 50).at("accuracy").as_double(), 1);
  EXPECT_EQ(point_of(study, "accepts", 50).at("tokens_per_problem").as_double(), 40);
}

// Every search of "own" has run with its own budget, in two batches of 15 problems that took 3 and 6 seconds.
void add_costs(std::vector<ScalingRow>& rows) {
  for (ScalingRow& row : rows) {
    const double before = 1e6;  // FLOPs, of the prompt
    for (Found& f : row.found) f.flops = before + 1e4 * static_cast<double>(f.generated), f.critic_flops = 5e5;
    const bool late = row.problem >= "1015";
    row.costs = RowCosts{.processed = row.generated + 20,
                         .unique = row.generated + 12,
                         .discarded = 3,
                         .recomputed = 8,
                         .flops = 7e6,
                         .seconds = 2.5,
                         .batch = 15,
                         .batch_seconds = late ? 6.0 : 3.0,
                         .batch_kv_peak_bytes = late ? 2 << 20 : 1 << 20};
  }
}

TEST(Scaling, CostsStandBesideTokensWhereTheyAreKnown) {
  auto rows = pool(
      30, [](int) { return 8; }, true);
  add_strategy(rows, "own", 30, [](int) { return true; });
  add_costs(rows);
  const Json study = scaling_json(rows, {"m", "t", {80, 160}, 1, 4, Json::object()});
  const Json& own = point_of(study, "own", 160);
  EXPECT_DOUBLE_EQ(own.at("tokens_processed_per_problem").as_double(), 170);
  EXPECT_DOUBLE_EQ(own.at("tokens_unique_per_problem").as_double(), 162);
  EXPECT_DOUBLE_EQ(own.at("tokens_discarded_per_problem").as_double(), 3);
  EXPECT_DOUBLE_EQ(own.at("tokens_recomputed_per_problem").as_double(), 8);
  EXPECT_DOUBLE_EQ(own.at("flops_per_problem").as_double(), 7e6);
  EXPECT_DOUBLE_EQ(own.at("seconds_per_problem").as_double(), (3.0 + 6.0) / 30);  // and not 2.5, which overlap
  EXPECT_EQ(own.at("kv_peak_bytes").as_int(), 2 << 20);
  // Read off the larger search: nothing but its tokens is known.
  for (const char* field :
       {"flops_per_problem", "seconds_per_problem", "tokens_processed_per_problem", "tokens_unique_per_problem",
        "tokens_discarded_per_problem", "tokens_recomputed_per_problem", "kv_peak_bytes"})
    EXPECT_TRUE(point_of(study, "own", 80).at(field).is_null()) << field;
  // Read off the pool: FLOPs too; what a critic read in it is no part of a vote.
  EXPECT_DOUBLE_EQ(point_of(study, "majority", 80).at("flops_per_problem").as_double(), 1e6 + 80e4 - 5e5);
  EXPECT_DOUBLE_EQ(point_of(study, "bon", 80).at("flops_per_problem").as_double(), 1e6 + 80e4);
  EXPECT_TRUE(point_of(study, "majority", 80).at("seconds_per_problem").is_null());
  EXPECT_EQ(own.find("flips"), nullptr);

  const std::string text = scaling_table(study);
  EXPECT_NE(text.find("spent of 160 tokens"), std::string::npos) << text;
  EXPECT_NE(text.find("7.00M    0.300"), std::string::npos) << text;
  for (const ScalingRow& row : rows) {
    const Json json = to_json(row);
    EXPECT_EQ(json.at("batch").as_int(), 15);
    EXPECT_EQ(to_json(scaling_row(Json::parse(json.dump()), "f:1")).dump(), json.dump());
  }
}

TEST(Scaling, OneRowWithoutCostsLeavesTheMeanUnknown) {
  auto rows = pool(
      10, [](int) { return 8; }, true);
  add_strategy(rows, "own", 10, [](int) { return true; });
  add_costs(rows);
  rows.back().costs.reset();
  rows.front().found[0].flops.reset();
  const Json study = scaling_json(rows, {"m", "t", {160}, 1, 4, Json::object()});
  for (const char* field : {"flops_per_problem", "seconds_per_problem", "tokens_processed_per_problem"})
    EXPECT_TRUE(point_of(study, "own", 160).at(field).is_null()) << field;
  EXPECT_TRUE(point_of(study, "majority", 160).at("flops_per_problem").is_null());
  // Tokens, which are known, then figures that are not.
  const std::string text = scaling_table(study);
  EXPECT_TRUE(std::regex_search(text, std::regex("own +150 +0( +-){6}"))) << text;
}

// A chain of three answers a problem: wrong, right, and wrong again in every second problem.
TEST(Scaling, RevisionsSayWhatTheyFlipped) {
  auto rows = pool(
      10, [](int) { return 8; }, true);
  for (int64_t budget : {80, 160})
    add_strategy(
        rows, "revise", 10, [](int i) { return i % 2 == 0; }, budget);
  for (ScalingRow& row : rows) {
    if (row.strategy != "revise") continue;
    row.found = {found(20, 0, "w", false), found(40, 0, "r", true), found(60, 0, row.correct ? "r" : "w", row.correct)};
    row.found[1].revises = 0, row.found[2].revises = 1;
    row.generated = 60;
    EXPECT_EQ(scaling_row(to_json(row), "f:1").found[2].revises, 1);
  }
  const Json study = scaling_json(rows, {"m", "t", {40, 80, 160}, 1, 4, Json::object()});
  EXPECT_EQ(point_of(study, "revise", 160).at("flips").dump(),
            R"([{"round":1,"n":10,"incorrect_to_correct":10,"correct_to_incorrect":0,)"
            R"("correct_before":0,"correct_after":10,"cut":0},)"
            R"({"round":2,"n":10,"incorrect_to_correct":0,"correct_to_incorrect":5,)"
            R"("correct_before":10,"correct_after":5,"cut":0}])");
  EXPECT_EQ(point_of(study, "revise", 40).find("flips"), nullptr);  // read off: its search went on
  EXPECT_EQ(point_of(study, "majority", 160).find("flips"), nullptr);
  const std::string text = scaling_table(study);
  EXPECT_NE(text.find("revise, 160 tokens"), std::string::npos) << text;
  EXPECT_NE(text.find("wrong to right"), std::string::npos);
  Json broken = to_json(rows.back());
  broken["found"] = Json::array();
  Json first = to_json(rows.back()).at("found").as_array()[1];
  broken["found"].push_back(std::move(first));
  EXPECT_THROW(scaling_row(broken, "f:1"), Error);
}

TEST(Scaling, AnEmptyStudySaysSo) {
  const Json study = scaling_json({}, {"m", "t", {160}, 1, 4, Json::object()});
  EXPECT_EQ(study.at("n").as_int(), 0);
  EXPECT_NE(scaling_table(study).find("No problem has been answered"), std::string::npos);
  EXPECT_NE(scaling_html(study).find("No problem"), std::string::npos);
}

TEST(Scaling, ThePageHoldsTheNumbersAndNoMarkupOfOthers) {
  auto rows = pool(
      6, [](int i) { return 2 * i; }, true);
  const std::string evil = "</script><b>";
  add_strategy(rows, evil.c_str(), 6, [](int) { return true; });
  const Json study = scaling_json(rows, {evil, evil, {40, 160}, 1, 4, Json::object()});
  EXPECT_NE(study.dump().find(evil), std::string::npos);
  EXPECT_EQ(scaling_html(study).find(evil), std::string::npos);
  EXPECT_NE(scaling_table(study).find("majority"), std::string::npos);
}

// ---- Signals --------------------------------------------------------------------------------------------------------

const std::vector<double> kOnce(4, 1);

// Four problems, one of which has no answer; .9 stands in the first twice, right and wrong.
std::vector<SignalProblem> four_problems() {
  return {{"a", {.9, .5, .9}, {1, 0, 0}}, {"b", {.2, .6, .4}, {1, 1, 0}}, {"c", {.8}, {0}}, {"d", {}, {}}};
}

TEST(Signals, AurocWithinAProblemCountsItsPairs) {
  const auto problems = four_problems();
  // a: 1 and a half of 2 pairs; b: 0 and 1 of 2; c and d have none.
  EXPECT_DOUBLE_EQ(auroc_within(problems, kOnce), 2.5 / 4);
  EXPECT_DOUBLE_EQ(auroc_within(problems, std::vector<double>{2, 1, 1, 1}), 4.0 / 6);
  EXPECT_TRUE(std::isnan(auroc_within(problems, std::vector<double>{0, 0, 1, 1})));
  const Signal signal{"s", "samples", false, problems};
  const Json json = signals_json({&signal, 1}, base::RngKey(1)).as_array().front();
  EXPECT_DOUBLE_EQ(json.at("auroc_within").as_double(), 2.5 / 4);
  // .9 is above .5, .4 and .8 and equals .9; .2 is above none; .6 above .5 and .4.
  EXPECT_DOUBLE_EQ(json.at("auroc").as_double(), (3.5 + 0 + 2) / 12);
  EXPECT_EQ(json.at("n").as_int(), 7);
  EXPECT_EQ(json.at("clusters").as_int(), 2);
  EXPECT_EQ(json.at("within_clusters").as_int(), 2);
  EXPECT_EQ(json.at("within_verdict").as_string(), "too few problems to tell");
}

TEST(Signals, RiskIsThatOfTheMostConfidentProblems) {
  const auto problems = four_problems();
  // In order: a (.9, the first of its equals is right), c (.8, wrong), b (.6, right), d (no answer).
  const RiskCoverage curve = risk_coverage(problems, kOnce);
  ASSERT_EQ(curve.risk.size(), 4);
  EXPECT_DOUBLE_EQ(curve.risk[0], 0);
  EXPECT_DOUBLE_EQ(curve.risk[1], 1.0 / 2);
  EXPECT_DOUBLE_EQ(curve.risk[2], 1.0 / 3);
  EXPECT_DOUBLE_EQ(curve.risk[3], 2.0 / 4);
  EXPECT_DOUBLE_EQ(curve.aurc, (0 + 1.0 / 2 + 1.0 / 3 + 2.0 / 4) / 4);
  EXPECT_DOUBLE_EQ(curve.error, 2.0 / 4);
  const RiskCoverage twice = risk_coverage(problems, std::vector<double>{2, 0, 1, 1});  // a, a, c, d
  ASSERT_EQ(twice.risk.size(), 4);
  EXPECT_DOUBLE_EQ(twice.risk[1], 0);
  EXPECT_DOUBLE_EQ(twice.risk[2], 1.0 / 3);

  const Signal signal{"s", "samples", false, problems};
  const Json json = signals_json({&signal, 1}, base::RngKey(1)).as_array().front();
  const auto& points = json.at("risk_coverage").as_array();
  ASSERT_EQ(points.size(), 10);
  const int answered[] = {1, 1, 2, 2, 2, 3, 3, 4, 4, 4};  // at least 10%, 20%, … of four
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(points[i].at("problems").as_int(), answered[i]);
    EXPECT_DOUBLE_EQ(points[i].at("risk").as_double(), curve.risk[static_cast<size_t>(answered[i]) - 1]);
  }
}

// The order of the rows says nothing: among equally confident problems the risk is what it is in the mean.
TEST(Signals, EquallyConfidentProblemsShareTheirRisk) {
  const std::vector<SignalProblem> problems = {{"a", {.7}, {0}}, {"b", {.7}, {1}}, {"c", {.1}, {1}}};
  const RiskCoverage curve = risk_coverage(problems, std::vector<double>(3, 1));
  EXPECT_DOUBLE_EQ(curve.risk[0], 1.0 / 2);
  EXPECT_DOUBLE_EQ(curve.risk[1], 1.0 / 2);
  EXPECT_DOUBLE_EQ(curve.risk[2], 1.0 / 3);
}

// The pool with signals: likelihood knows something, the critic everything, and right answers are longer.
std::vector<ScalingRow> pool_with_signals(int problems) {
  auto rows = pool(
      problems, [](int i) { return 4 + i % 8; }, true);
  base::Rng rng(base::RngKey(21));
  for (ScalingRow& row : rows) {
    row.guide = "critic";
    for (Found& f : row.found) {
      f.scored = true, f.length = f.correct ? 30 : 20;
      f.likelihood = 0.5 + 0.2 * f.correct + 0.3 * rng.uniform();
    }
  }
  return rows;
}

const Json& signal_named(const Json& study, const std::string& name) {
  for (const Json& s : study.at("signals").as_array())
    if (s.at("name").as_string() == name) return s;
  throw std::runtime_error("no such signal");
}

std::vector<std::string> signal_names(const Json& study) {
  std::vector<std::string> names;
  for (const Json& s : study.at("signals").as_array()) names.push_back(s.at("name").as_string());
  return names;
}

TEST(Signals, PlantedOnesAreFoundAndARandomOneIsNot) {
  const auto rows = pool_with_signals(60);
  const Json study = scaling_json(rows, {"m", "t", {160}, 1, 4, Json::object()});
  EXPECT_EQ(signal_names(study), (std::vector<std::string>{"likelihood", "vote", "critic", "length", "random"}));
  const Json& likelihood = signal_named(study, "likelihood");
  // U + 2/3 against U', both uniform: 1 − (1/3)²/2.
  EXPECT_NEAR(likelihood.at("auroc_within").as_double(), 17.0 / 18, 0.02);
  EXPECT_LT(likelihood.at("within_low").as_double(), 17.0 / 18);
  EXPECT_GT(likelihood.at("within_high").as_double(), 17.0 / 18);
  EXPECT_EQ(likelihood.at("within_verdict").as_string(), "better than chance");
  EXPECT_EQ(likelihood.at("n").as_int(), 60 * 16);
  EXPECT_LE(likelihood.at("aurc").as_double(), likelihood.at("error").as_double());

  const Json& critic = signal_named(study, "critic");
  EXPECT_EQ(critic.at("auroc").as_double(), 1);
  EXPECT_LT(critic.at("low").as_double(), 1);  // equal in all resamples, yet of 60 problems
  EXPECT_EQ(critic.at("error").as_double(), 0);
  EXPECT_EQ(signal_named(study, "length").at("verdict").as_string(), "worse than chance");

  const Json& random = signal_named(study, "random");
  EXPECT_NEAR(random.at("auroc").as_double(), 0.5, 0.05);
  EXPECT_EQ(random.at("verdict").as_string(), "not told from chance");
  EXPECT_EQ(random.at("within_verdict").as_string(), "not told from chance");
  EXPECT_LT(random.at("gain_low").as_double(), 0);
  EXPECT_GT(random.at("gain_high").as_double(), 0);

  bool said = false;
  for (const Json& sentence : study.at("sentences").as_array())
    said |= sentence.as_string().find("not told from chance: random 0.") != std::string::npos;
  EXPECT_TRUE(said);
  EXPECT_NE(scaling_table(study).find("within a problem"), std::string::npos);
}

// Samples without an answer do not count.
TEST(Signals, AVoteIsTheShareOfTheAnswersOfItsProblem) {
  ScalingRow row;
  row.strategy = "samples", row.problem = row.cluster = "p";
  row.found = {found(1, 0, "a", true), found(2, 0, "b", false), found(3, 0, "", false), found(4, 0, "a", true)};
  const ScalingRow* rows[] = {&row};
  const std::vector<Signal> signals = signals_of_pool(rows, base::RngKey(1));
  const auto vote = std::ranges::find(signals, "vote", &Signal::name);
  ASSERT_NE(vote, signals.end());
  EXPECT_EQ(vote->problems[0].values, (std::vector<double>{2.0 / 3, 1.0 / 3, 2.0 / 3}));
  EXPECT_EQ(vote->problems[0].correct, (std::vector<int>{1, 0, 1}));
}

// Likelihood as the guide is one signal, not two; answers that nobody scored have none.
TEST(Signals, ScoresAreThoseOfTheGuideThatIsNamed) {
  auto rows = pool_with_signals(10);
  for (ScalingRow& row : rows) row.guide = "likelihood";
  EXPECT_EQ(signal_names(scaling_json(rows, {"m", "t", {160}, 1, 4, Json::object()})),
            (std::vector<std::string>{"likelihood", "vote", "length", "random"}));
  for (ScalingRow& row : rows) row.guide = "critic", row.found[0].scored = false;
  add_strategy(
      rows, "bon guide=entropy", 10, [](int i) { return i % 2 == 0; }, 80);
  add_strategy(rows, "bon guide=entropy", 10, [](int i) { return i % 2 == 0; });
  add_strategy(rows, "mcts", 10, [](int i) { return i % 2 == 0; });
  for (ScalingRow& row : rows) {
    if (row.strategy == "samples") continue;
    row.guide = row.strategy == "mcts" ? "" : "entropy";
    row.found[0].scored = true, row.found[0].score = row.budget == 160 && row.correct ? 0.9 : 0.1;
  }
  const Json study = scaling_json(rows, {"m", "t", {80, 160}, 1, 4, Json::object()});
  EXPECT_EQ(signal_names(study),
            (std::vector<std::string>{"likelihood", "vote", "critic", "length", "random", "entropy"}));
  EXPECT_EQ(signal_named(study, "critic").at("n").as_int(), 10 * 15);
  const Json& entropy = signal_named(study, "entropy");
  EXPECT_EQ(entropy.at("of").as_string(), "bon guide=entropy");
  EXPECT_EQ(entropy.at("n").as_int(), 10);
  EXPECT_EQ(entropy.at("auroc").as_double(), 1);  // at its largest budget; at the smaller one it knows nothing
  EXPECT_TRUE(entropy.at("auroc_within").is_null());
}

TEST(Signals, FewProblemsTellNothing) {
  const Json few = scaling_json(pool_with_signals(5), {"m", "t", {160}, 1, 4, Json::object()});
  EXPECT_EQ(signal_named(few, "critic").at("verdict").as_string(), "too few problems to tell");
  auto rows = pool(
      10, [](int) { return 16; }, true);
  const Json all_right = scaling_json(rows, {"m", "t", {160}, 1, 4, Json::object()});
  EXPECT_TRUE(signal_named(all_right, "vote").at("auroc").is_null());
  EXPECT_EQ(signal_named(all_right, "vote").at("aurc").as_double(), 0);
  EXPECT_NE(scaling_table(all_right).find("vote"), std::string::npos);
}

// Rows from before there were signals: what they hold is enough for a vote.
TEST(Signals, OldRowsAreRead) {
  const char* old =
      R"({"kind":"scaling","strategy":"samples","budget":0,"problem":"p","cluster":"p","error":"","answered":true,)"
      R"("correct":true,"generated":8,"read":0,"select":"wmaj","found":[{"generated":8,"read":0,"correct":true,)"
      R"("score":0.5,"answer":"a"}]})";
  const ScalingRow row = scaling_row(Json::parse(old), "f:1");
  EXPECT_EQ(row.guide, "");
  EXPECT_FALSE(row.found[0].scored || row.found[0].likelihood || row.found[0].length);
  EXPECT_EQ(signal_names(scaling_json({row}, {"m", "t", {160}, 1, 4, Json::object()})),
            (std::vector<std::string>{"vote", "random"}));
  EXPECT_EQ(scaling_json({}, {"m", "t", {160}, 1, 4, Json::object()}).find("signals"), nullptr);
  for (const ScalingRow& now : pool_with_signals(2)) {
    const Json json = to_json(now);
    EXPECT_NE(json.dump().find("likelihood"), std::string::npos);
    EXPECT_EQ(to_json(scaling_row(Json::parse(json.dump()), "f:1")).dump(), json.dump());
  }
}

}  // namespace
}  // namespace ponder::eval
