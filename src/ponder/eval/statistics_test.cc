#include "ponder/eval/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>

#include "ponder/base/error.h"

namespace ponder::eval {
namespace {

std::vector<std::string> singletons(size_t n) {
  std::vector<std::string> names;
  for (size_t i = 0; i < n; ++i) names.push_back(base::cat("c", i));
  return names;
}

// All ordered draws of k from the pool, each equally likely: the definition that the formulas are held against.
double over_all_orders(const std::vector<PoolSample>& pool, int64_t k,
                       const std::function<bool(const std::vector<const PoolSample*>&)>& wins) {
  std::vector<const PoolSample*> drawn;
  std::vector<bool> used(pool.size());
  double won = 0, total = 0;
  std::function<void()> draw = [&] {
    if (static_cast<int64_t>(drawn.size()) == k) {
      won += wins(drawn);
      total += 1;
      return;
    }
    for (size_t i = 0; i < pool.size(); ++i) {
      if (used[i]) continue;
      used[i] = true;
      drawn.push_back(&pool[i]);
      draw();
      drawn.pop_back();
      used[i] = false;
    }
  };
  draw();
  return won / total;
}

// The vote as a search does it: sample by sample, the first answer to reach the highest total wins.
bool vote(const std::vector<const PoolSample*>& samples, bool weighted) {
  std::map<std::string, double> totals;
  double highest = -1;
  bool correct = false;
  for (const auto* s : samples) {
    if (!s->answered) continue;
    double total = totals[s->answer] += weighted ? s->score : 1;
    if (total > highest) {
      highest = total;
      correct = s->correct;
    }
  }
  return correct;
}

bool best(const std::vector<const PoolSample*>& samples) {
  const PoolSample* chosen = nullptr;
  for (const auto* s : samples)
    if (s->answered && (!chosen || s->score > chosen->score)) chosen = s;
  return chosen && chosen->correct;
}

std::vector<PoolSample> random_pool(base::Rng& rng, int64_t n) {
  std::vector<PoolSample> pool(n);
  for (auto& s : pool) {
    const int64_t a = rng.below(5);
    s = {.answer = base::cat("a", a), .answered = !rng.chance(0.2), .correct = a % 2 == 0, .score = rng.below(4) / 4.0};
  }
  return pool;
}

TEST(Statistics, MeanMatchesTextbook) {
  const std::vector<double> values = {1, 2, 3, 4};
  const Estimate e = mean(values);
  EXPECT_DOUBLE_EQ(e.value, 2.5);
  EXPECT_NEAR(e.std_error, std::sqrt(5.0 / 3 / 4), 1e-12);
  EXPECT_EQ(e.n, 4);
  EXPECT_NEAR(e.ci.hi - e.ci.lo, 2 * 1.959963985 * e.std_error, 1e-9);
  EXPECT_THROW(mean({}), Error);
}

TEST(Statistics, WilsonMatchesPublishedValuesAndIsSaneAtTheEnds) {
  const Interval none = wilson_interval(0, 10), all = wilson_interval(10, 10), some = wilson_interval(15, 50);
  EXPECT_EQ(none.lo, 0);
  EXPECT_NEAR(none.hi, 0.2775, 1e-4);  // z²/(n + z²)
  EXPECT_EQ(all.hi, 1);
  EXPECT_NEAR(all.lo, 1 - 0.2775, 1e-4);
  EXPECT_NEAR(some.lo, 0.1910, 1e-4);
  EXPECT_NEAR(some.hi, 0.4375, 1e-4);
  EXPECT_THROW(wilson_interval(3, 2), Error);
}

TEST(Statistics, WilsonCoversTheTruth) {
  base::Rng rng(base::RngKey(1));
  int covered = 0;
  for (int r = 0; r < 2000; ++r) {
    int64_t correct = 0;
    for (int i = 0; i < 60; ++i) correct += rng.chance(0.85);
    const Interval ci = wilson_interval(static_cast<double>(correct), 60);
    covered += ci.lo <= 0.85 && 0.85 <= ci.hi;
  }
  EXPECT_NEAR(covered / 2000.0, 0.95, 0.02);
}

TEST(Statistics, BootstrapOfIndependentValuesAgreesWithTheFormula) {
  base::Rng rng(base::RngKey(2));
  std::vector<double> values;
  for (int i = 0; i < 300; ++i) values.push_back(rng.chance(0.4));
  const auto names = singletons(values.size());
  const Estimate boot = clustered_mean(values, names, base::RngKey(3)), formula = mean(values);
  EXPECT_DOUBLE_EQ(boot.value, formula.value);
  EXPECT_NEAR(boot.std_error, formula.std_error, 0.05 * formula.std_error);
  EXPECT_NEAR(boot.ci.lo, formula.ci.lo, 0.01);
  EXPECT_NEAR(boot.ci.hi, formula.ci.hi, 0.01);
}

TEST(Statistics, ClustersWidenTheInterval) {
  // 40 clusters of 10 equal values hold the information of 40 values: the error grows by √10.
  base::Rng rng(base::RngKey(4));
  std::vector<double> values;
  std::vector<std::string> names;
  for (int c = 0; c < 40; ++c) {
    const double v = rng.chance(0.5);
    for (int i = 0; i < 10; ++i) {
      values.push_back(v);
      names.push_back(base::cat(c));
    }
  }
  const double clustered = clustered_mean(values, names, base::RngKey(5)).std_error;
  const double naive = clustered_mean(values, singletons(values.size()), base::RngKey(5)).std_error;
  EXPECT_NEAR(clustered / naive, std::sqrt(10.0), 0.25);
}

TEST(Statistics, BootstrapDependsOnItsKeyAlone) {
  const std::vector<double> values = {0, 1, 1, 0, 1, 0.5};
  const auto names = singletons(6);
  const Estimate a = clustered_mean(values, names, base::RngKey(6)), b = clustered_mean(values, names, base::RngKey(6));
  EXPECT_EQ(a.ci.lo, b.ci.lo);
  EXPECT_EQ(a.std_error, b.std_error);
}

TEST(Statistics, EqualValuesDoNotClaimCertainty) {
  const std::vector<double> ones(20, 1.0);
  std::vector<std::string> names = singletons(20);
  const Estimate e = clustered_mean(ones, names, base::RngKey(7));
  EXPECT_EQ(e.ci.hi, 1);
  EXPECT_NEAR(e.ci.lo, wilson_interval(20, 20).lo, 1e-12);
  for (auto& name : names) name = "one cluster";
  EXPECT_LT(clustered_mean(ones, names, base::RngKey(7)).ci.lo, 0.25);
}

TEST(Statistics, PairingRemovesWhatProblemsShare) {
  base::Rng rng(base::RngKey(8));
  std::vector<double> a, b;
  for (int i = 0; i < 400; ++i) {
    const double difficulty = rng.uniform();
    a.push_back(difficulty + 0.1 + 0.01 * rng.normal());
    b.push_back(difficulty + 0.01 * rng.normal());
  }
  const Estimate d = paired_difference(a, b, singletons(400), base::RngKey(9));
  EXPECT_NEAR(d.value, 0.1, 0.005);
  EXPECT_LT(d.std_error, 0.002);  // each mean alone has 0.015
  EXPECT_LT(d.ci.lo, d.value);
  EXPECT_GT(d.ci.hi, d.value);
}

TEST(Statistics, TheIntervalOverRunsHoldsRunsAndProblems) {
  std::vector<ClusteredValues> runs;
  const auto add = [&runs](double p, const std::string& prefix) {
    ClusteredValues run;
    for (int i = 0; i < 1000; ++i) run.values.push_back(i < 1000 * p), run.clusters.push_back(base::cat(prefix, i));
    runs.push_back(std::move(run));
  };
  // Runs with means 0.2, 0.5 and 0.8: their spread dominates, 0.3 a run.
  for (double p : {0.2, 0.5, 0.8}) add(p, "");
  const Estimate spread = mean_over_runs(runs, base::RngKey(21));
  EXPECT_NEAR(spread.value, 0.5, 1e-12);
  EXPECT_EQ(spread.n, 3000);
  EXPECT_NEAR(spread.std_error, 0.3 / std::sqrt(3), 0.01);
  // Equal runs: what is left is the error of the problems. Runs on problems of their own seem to differ by it, so that
  // it counts twice.
  runs.clear();
  for (const char* prefix : {"a", "b", "c"}) add(0.5, prefix);
  EXPECT_NEAR(mean_over_runs(runs, base::RngKey(22)).std_error, std::sqrt(2 * 0.25 / 3000), 0.002);
  runs.clear();
  for (int i = 0; i < 3; ++i) add(0.5, "a");
  EXPECT_NEAR(mean_over_runs(runs, base::RngKey(23)).std_error, std::sqrt(0.25 / 1000), 0.001);
  runs.resize(1);
  EXPECT_NEAR(mean_over_runs(runs, base::RngKey(24)).std_error, std::sqrt(0.25 / 1000), 0.001);
}

TEST(Statistics, TIntervals) {
  const std::vector<double> values = {1, 2, 3};  // standard error 1/√3
  EXPECT_NEAR(t_interval(values).lo, 2 - 4.303 / std::sqrt(3), 1e-3);
  EXPECT_NEAR(t_interval(values).hi, 2 + 4.303 / std::sqrt(3), 1e-3);
  std::vector<double> many;
  for (int i = 0; i < 21; ++i) many.push_back(i);
  EXPECT_NEAR(t_interval(many).hi, 10 + 2.086 * mean(many).std_error, 0.01);
  EXPECT_THROW(t_interval(std::span(values).first(1)), Error);
}

TEST(Statistics, PassAtKIsTheShareOfSubsetsWithACorrectSample) {
  for (int64_t n = 1; n <= 8; ++n) {
    for (int64_t c = 0; c <= n; ++c) {
      for (int64_t k = 1; k <= n; ++k) {
        int64_t subsets = 0, hit = 0;
        for (int64_t mask = 0; mask < (int64_t{1} << n); ++mask) {
          if (__builtin_popcountll(mask) != k) continue;
          ++subsets;
          hit += (mask & ((int64_t{1} << c) - 1)) != 0;
        }
        EXPECT_NEAR(pass_at_k(n, c, k), static_cast<double>(hit) / subsets, 1e-12) << n << " " << c << " " << k;
      }
    }
  }
  EXPECT_NEAR(pass_at_k(10000, 1, 5000), 0.5, 1e-9);  // binomial coefficients of this size overflow
  EXPECT_THROW(pass_at_k(4, 2, 5), Error);
}

TEST(Statistics, SelectorsMatchAllOrders) {
  base::Rng rng(base::RngKey(10));
  for (int trial = 0; trial < 60; ++trial) {
    const int64_t n = rng.between(1, 6), k = rng.between(1, n);
    const auto pool = random_pool(rng, n);
    EXPECT_NEAR(majority_at_k(pool, k), over_all_orders(pool, k, [](auto& s) { return vote(s, false); }), 1e-9);
    EXPECT_NEAR(best_of_k(pool, k), over_all_orders(pool, k, best), 1e-9);
    EXPECT_NEAR(weighted_majority_at_k(pool, k, base::RngKey(trial), 20000),
                over_all_orders(pool, k, [](auto& s) { return vote(s, true); }), 0.02);
    const double by_chance = over_all_orders(pool, k, [](auto& s) {
      for (const auto* sample : s)
        if (sample->answered) return sample->correct;
      return false;
    });
    EXPECT_NEAR(random_of_k(pool, k), by_chance, 1e-9);
  }
}

TEST(Statistics, SelectorsOnALargePool) {
  base::Rng rng(base::RngKey(11));
  const auto pool = random_pool(rng, 64);
  for (int64_t k : {1, 7, 32, 64}) {
    int64_t won = 0;
    const int draws = 4000;
    for (int d = 0; d < draws; ++d) {
      std::vector<const PoolSample*> order;
      for (const auto& s : pool) order.push_back(&s);
      rng.shuffle(order);
      order.resize(k);
      won += vote(order, false);
    }
    EXPECT_NEAR(majority_at_k(pool, k), static_cast<double>(won) / draws, 0.03) << k;
  }
}

TEST(Statistics, BestOfKWithAnOracleIsPassAtK) {
  std::vector<PoolSample> pool(12);
  for (int i = 0; i < 12; ++i) pool[i] = {base::cat(i), true, i < 3, i < 3 ? 1.0 : 0.0};
  for (int64_t k = 1; k <= 12; ++k) EXPECT_NEAR(best_of_k(pool, k), pass_at_k(12, 3, k), 1e-12);
}

TEST(Statistics, NothingAnsweredIsWrong) {
  const std::vector<PoolSample> pool(4, PoolSample{.answer = "", .answered = false, .correct = true, .score = 1});
  EXPECT_EQ(majority_at_k(pool, 3), 0);
  EXPECT_EQ(best_of_k(pool, 3), 0);
  EXPECT_EQ(weighted_majority_at_k(pool, 3, base::RngKey(1)), 0);
  EXPECT_EQ(random_of_k(pool, 3), 0);
}

TEST(Statistics, AurocCountsPairs) {
  base::Rng rng(base::RngKey(12));
  std::vector<double> scores;
  std::vector<int> labels;
  for (int i = 0; i < 80; ++i) {
    scores.push_back(rng.below(10) / 10.0);  // many ties
    labels.push_back(rng.chance(0.3));
  }
  double won = 0, pairs = 0;
  for (int i = 0; i < 80; ++i) {
    for (int j = 0; j < 80; ++j) {
      if (labels[i] != 1 || labels[j] != 0) continue;
      pairs += 1;
      won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
    }
  }
  EXPECT_NEAR(auroc(scores, labels), won / pairs, 1e-12);
  const Estimate e = auroc(scores, labels, singletons(80), base::RngKey(13));
  EXPECT_LT(e.ci.lo, e.value);
  EXPECT_GT(e.ci.hi, e.value);
  const std::vector<double> two = {0.1, 0.9};
  EXPECT_EQ(auroc(two, std::vector<int>{0, 1}), 1);
  EXPECT_EQ(auroc(two, std::vector<int>{1, 0}), 0);
  EXPECT_EQ(auroc(two, std::vector<int>{1, 1}), 0.5);
}

// A weighted mean is a figure like another: the same resamples, the same interval as clustered_mean.
TEST(Statistics, AFigureOfClustersIsResampledAsAMeanIs) {
  base::Rng rng(base::RngKey(14));
  std::vector<double> values;
  std::vector<std::string> clusters;
  for (int i = 0; i < 60; ++i) values.push_back(rng.uniform()), clusters.push_back(base::cat(i / 3));
  const auto mean_of = [&](std::span<const double> weights) {
    double sum = 0, size = 0;
    for (size_t i = 0; i < values.size(); ++i) sum += weights[i] * values[i], size += weights[i];
    return sum / size;
  };
  const Estimate figure = clustered_figure(clusters, base::RngKey(15), mean_of);
  const Estimate expected = clustered_mean(values, clusters, base::RngKey(15));
  EXPECT_NEAR(figure.value, expected.value, 1e-12);
  EXPECT_NEAR(figure.ci.lo, expected.ci.lo, 1e-12);
  EXPECT_NEAR(figure.ci.hi, expected.ci.hi, 1e-12);
  EXPECT_EQ(figure.n, 60);
  // Resamples without the figure are left out.
  const Estimate some = clustered_figure(
      clusters, base::RngKey(15), [&](std::span<const double> weights) { return weights[0] > 0 ? 1.0 : std::nan(""); });
  EXPECT_EQ(some.ci.lo, 1);
  EXPECT_EQ(some.ci.hi, 1);
}

TEST(Statistics, CalibrationOfKnownScores) {
  // Ten answers scored 0.75, seven of them correct; ten scored 0.25, three correct.
  std::vector<double> scores(10, 0.75);
  scores.resize(20, 0.25);
  std::vector<int> labels = {1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
  EXPECT_NEAR(expected_calibration_error(scores, labels), 0.05, 1e-12);
  EXPECT_NEAR(brier_score(scores, labels), (7 * 0.0625 + 3 * 0.5625 + 3 * 0.5625 + 7 * 0.0625) / 20, 1e-12);
  EXPECT_NEAR(expected_calibration_error(std::vector<double>{1.0}, std::vector<int>{1}), 0, 1e-12);
}

}  // namespace
}  // namespace ponder::eval
