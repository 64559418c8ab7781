// The weight of a mix, and signals out of distribution.
#include "ponder/eval/scaling_mix.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ponder/base/cat.h"
#include "ponder/eval/scaling.h"
#include "ponder/eval/scaling_shift.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {
namespace {

using base::Json;

// Pools of 12 answers, 4 of them right. Likelihood and critic see that through noise of their own, so strong as said.
std::vector<ScalingRow> pools(int problems, double likelihood_knows, double critic_knows, const char* prefix = "p") {
  std::vector<ScalingRow> rows;
  for (int i = 0; i < problems; ++i) {
    ScalingRow row;
    row.strategy = "samples", row.problem = base::cat(prefix, i), row.cluster = row.problem, row.guide = "critic";
    row.select = "wmaj";
    base::Rng rng(base::RngKey(5).child(row.problem));
    for (int s = 0; s < 12; ++s) {
      Found f{10 * (s + 1), 0, base::cat(s % 3 == 0 ? "r" : "w", s % 4), true, s % 3 == 0};
      f.scored = true, f.likelihood = 0.4 + likelihood_knows * f.correct + 0.1 * rng.normal();
      f.score = 0.4 + critic_knows * f.correct + 0.1 * rng.normal(), f.length = 10;
      row.found.push_back(std::move(f));
    }
    row.generated = 120;
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<const ScalingRow*> pointers(const std::vector<ScalingRow>& rows) {
  std::vector<const ScalingRow*> out;
  for (const ScalingRow& row : rows) out.push_back(&row);
  return out;
}

Json mix_of(const std::vector<ScalingRow>& rows) { return mix_json(pointers(rows), base::RngKey(3)); }

const Json& rival(const Json& mix, const std::string& name) {
  for (const Json& one : mix.at("against").as_array())
    if (one.at("name").as_string() == name) return one;
  throw std::runtime_error("no such signal");
}

// Φ(d/√2) for a distance of d standard deviations; the mean of two equally good signals has √2 times as much.
double auroc_at(double deviations) { return 0.5 * std::erfc(-deviations / 2); }

TEST(Mix, TwoSignalsAreBetterThanEither) {
  const Json mix = mix_of(pools(200, 0.1, 0.1));
  EXPECT_EQ(mix.at("grid").size(), 11u);
  EXPECT_NEAR(mix.at("lambda").as_double(), 0.5, 0.21);
  EXPECT_EQ(mix.at("problems").as_int() + mix.at("dev_problems").as_int(), 200);
  EXPECT_NEAR(mix.at("signal").at("auroc_within").as_double(), auroc_at(std::sqrt(2)), 0.03);
  for (const char* name : {"likelihood", "critic"}) {
    const Json& one = rival(mix, name);
    EXPECT_NEAR(one.at("auroc_within").as_double(), auroc_at(1), 0.03);
    EXPECT_GT(one.at("low").as_double(), 0);
    EXPECT_EQ(one.at("verdict").as_string(), "better");
    EXPECT_NEAR(one.at("accuracy").as_double() + one.at("accuracy_difference").as_double(),
                mix.at("accuracy").as_double(), 1e-12);
  }
  EXPECT_NE(mix_sentence(mix).find("was chosen on one half of the problems"), std::string::npos);
}

TEST(Mix, OneThatKnowsNothingIsLeftOut) {
  const Json mix = mix_of(pools(200, 0.2, 0));
  EXPECT_GE(mix.at("lambda").as_double(), 0.8);
  EXPECT_NE(rival(mix, "likelihood").at("verdict").as_string(), "better");
  EXPECT_EQ(rival(mix, "critic").at("verdict").as_string(), "better");
  EXPECT_LE(mix_of(pools(200, 0, 0.2)).at("lambda").as_double(), 0.2);
}

// The verdicts of the half that is reported choose nothing; those of the other half are reported nowhere.
TEST(Mix, IsChosenOnOneHalfAndReportedOnTheOther) {
  const auto rows = pools(100, 0.1, 0.05);
  const Json before = mix_of(rows);
  for (int half : {0, 1}) {
    auto turned = rows;
    for (ScalingRow& row : turned)
      if (half_of(row.cluster) == half)
        for (Found& f : row.found) f.correct = !f.correct;
    const Json after = mix_of(turned);
    EXPECT_EQ(after.at("dev") == before.at("dev"), half == 1);
    if (half == 1) {
      EXPECT_EQ(after.at("lambda"), before.at("lambda"));
      EXPECT_NEAR(after.at("signal").at("auroc_within").as_double(),
                  1 - before.at("signal").at("auroc_within").as_double(), 1e-12);
    }
  }
}

TEST(Mix, IsTheGuidesOwnSum) {
  auto rows = pools(1, 0, 0);
  rows[0].found[2].scored = false, rows[0].found[3].answered = false, rows[0].found[4].likelihood.reset();
  const Signal mix = signal_of_mix(pointers(rows), 0.3);
  ASSERT_EQ(mix.problems[0].values.size(), 9u);
  const Found& f = rows[0].found[1];
  EXPECT_DOUBLE_EQ(mix.problems[0].values[1], 0.3 * *f.likelihood + 0.7 * f.score);
}

TEST(Mix, NeedsACriticAndProblems) {
  auto rows = pools(30, 0.1, 0.1);
  for (ScalingRow& row : rows) row.guide = "confidence";
  EXPECT_EQ(mix_of(rows).size(), 0u);
  EXPECT_EQ(mix_sentence(mix_of(rows)), "");
  rows = pools(30, 0.1, 0.1);
  for (ScalingRow& row : rows)
    for (Found& f : row.found) f.correct = true;
  EXPECT_TRUE(mix_of(rows).at("lambda").is_null());
  EXPECT_EQ(mix_sentence(mix_of(rows)), "");
  const Json few = mix_of(pools(8, 0.1, 0.1));
  EXPECT_EQ(rival(few, "critic").at("verdict").as_string(), "too few problems to tell");
}

// ---- Out of distribution --------------------------------------------------------------------------------------------

// Newcombe 1998, table II, (a): 56/70 and 48/80 by method 10.
TEST(Shift, ADifferenceOfTwoIntervals) {
  const Interval d = difference_interval(56. / 70, wilson_interval(56, 70), 48. / 80, wilson_interval(48, 80));
  EXPECT_NEAR(d.lo, 0.0524, 5e-5);
  EXPECT_NEAR(d.hi, 0.3339, 5e-5);
}

const Json& drop_named(const Json& study, const std::string& name) {
  for (const Json& row : study.at("shift").at("drops").as_array())
    if (row.at("name").as_string() == name) return row;
  throw std::runtime_error("no such drop");
}

TEST(Shift, ASignalThatIsLostElsewhereIsSeen) {
  const auto home = pools(80, 0.2, 0.1), away = pools(60, 0, 0.1, "q");
  ScalingSetup setup{"m", "t", {120}, 1, 4, Json::object()};
  setup.shift = "other";
  const Json study = scaling_json(home, setup, away);
  EXPECT_EQ(study.at("shift").at("task").as_string(), "other");
  EXPECT_EQ(study.at("shift").at("n").as_int(), 60);
  for (const char* figure : {"auroc", "auroc_within"}) {
    const Json& likelihood = drop_named(study, "likelihood").at(figure);
    EXPECT_NEAR(likelihood.at("drop").as_double(), auroc_at(2) - 0.5, 0.05);
    EXPECT_GT(likelihood.at("low").as_double(), 0.3);
    EXPECT_LT(likelihood.at("high").as_double(), 0.6);
    EXPECT_EQ(likelihood.at("verdict").as_string(), "lower there");
    EXPECT_EQ(drop_named(study, "critic").at(figure).at("verdict").as_string(), "not told apart");
  }
  EXPECT_EQ(drop_named(study, "random").at("auroc_within").at("verdict").as_string(), "not told apart");
  EXPECT_TRUE(drop_named(study, "random").at("control").as_bool());
  const Json& gain = drop_named(study, "likelihood").at("gain");
  EXPECT_LE(gain.at("low").as_double(), gain.at("drop").as_double());
  EXPECT_GE(gain.at("high").as_double(), gain.at("drop").as_double());
  // The mix goes there with the weight that was chosen at home.
  const Json& mix = study.at("mix");
  const std::string name = mix.at("signal").at("name").as_string();
  EXPECT_DOUBLE_EQ(drop_named(study, name).at("auroc_within").at("home").as_double(),
                   mix.at("signal").at("auroc_within").as_double());
  const std::string text = scaling_table(study);
  EXPECT_NE(text.find("on other"), std::string::npos) << text;
  EXPECT_NE(text.find("lower there: likelihood"), std::string::npos) << text;
  EXPECT_NE(scaling_html(study).find("lower there"), std::string::npos);

  // What was measured at home does not change.
  const Json alone = scaling_json(home, {"m", "t", {120}, 1, 4, Json::object()});
  EXPECT_EQ(alone.at("signals"), study.at("signals"));
  EXPECT_EQ(alone.at("shift").size(), 0u);
}

TEST(Shift, FewProblemsAndFailedOnes) {
  auto away = pools(8, 0, 0.1, "q");
  away[0].error = "broken";
  for (size_t i = 3; i < away.size(); ++i)
    for (Found& f : away[i].found) f.correct = false;
  ScalingSetup setup{"m", "t", {120}, 1, 4, Json::object()};
  setup.shift = "other";
  const Json study = scaling_json(pools(20, 0.2, 0.1), setup, away);
  EXPECT_EQ(study.at("shift").at("n").as_int(), 7);
  EXPECT_EQ(study.at("errors").at("samples of other").as_int(), 1);
  EXPECT_EQ(drop_named(study, "likelihood").at("auroc_within").at("verdict").as_string(), "too few problems to tell");
  for (ScalingRow& row : away)
    for (Found& f : row.found) f.correct = false;
  const Json wrong = scaling_json(pools(20, 0.2, 0.1), setup, away);
  EXPECT_TRUE(drop_named(wrong, "likelihood").at("auroc").is_null());
  EXPECT_FALSE(drop_named(wrong, "likelihood").at("gain").is_null());
}

}  // namespace
}  // namespace ponder::eval
