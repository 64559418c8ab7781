// Numbers with their uncertainty: what every accuracy, difference and calibration figure of a run is computed with.
// Recipes and `ponder eval` call it; all randomness is keyed, so the same inputs give the same intervals.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ponder/base/rng.h"

namespace ponder::eval {

struct Interval {
  double lo = 0, hi = 0;
};

// A figure that may be shown to people: never without its n and its 95% interval.
struct Estimate {
  double value = 0;
  double std_error = 0;
  Interval ci = {};  // 95%
  int64_t n = 0;     // observations behind value
};

inline constexpr int kResamples = 2000;  // bootstrap resamples behind a 95% interval

// Mean, its standard error (n − 1) and the normal interval, of independent values.
Estimate mean(std::span<const double> values);

// Interval of a proportion; sane at 0 and 1. Wilson 1927; eq. 4 in Brown, Cai, DasGupta 2001.
Interval wilson_interval(double successes, int64_t n, double z = 1.959963984540054);
Estimate proportion(int64_t successes, int64_t n);

// The mean of values that come in clusters (several samples of a problem, problems with the same canonical instance):
// percentile interval over resampled clusters. clusters[i] names the cluster of values[i]. Where all values are equal
// the bootstrap sees no spread; for values in [0, 1] the interval is then Wilson's with n = number of clusters.
Estimate clustered_mean(std::span<const double> values, std::span<const std::string> clusters, base::RngKey key,
                        int resamples = kResamples);

// mean(a − b) where a[i] and b[i] answer the same problem; resampled by cluster as above.
Estimate paired_difference(std::span<const double> a, std::span<const double> b, std::span<const std::string> clusters,
                           base::RngKey key, int resamples = kResamples);

// 95% interval of a − b from the intervals of two independent figures, whose asymmetry it keeps: Newcombe 1998,
// Stat. Med. 17, method 10; for any figures Zou & Donner 2008, Stat. Med. 27.
Interval difference_interval(double a, const Interval& of_a, double b, const Interval& of_b);

// Any other figure of values in clusters: figure(weights) is it when value i is there weights[i] times, NaN where there
// is none then. value: of all weights 1; ci: percentiles over resampled clusters that have the figure, {value, value}
// where none has.
Estimate clustered_figure(std::span<const std::string> clusters, base::RngKey key,
                          const std::function<double(std::span<const double> weights)>& figure,
                          int resamples = kResamples);

// The mean over several runs (seeds) of clustered means: resamples clusters, the same ones for all runs that have them,
// and runs, so the interval holds both what another seed and what other problems would have changed. n counts all
// values. At least one run, none empty. With three runs it is narrow where runs differ much: show t_interval beside it.
struct ClusteredValues {
  std::vector<double> values;
  std::vector<std::string> clusters;
};
Estimate mean_over_runs(std::span<const ClusteredValues> runs, base::RngKey key, int resamples = kResamples);

// 95% interval of the mean of a few independent normal values (one a seed), from their spread alone: Student 1908.
Interval t_interval(std::span<const double> values);

// Chance that k draws without replacement from n samples, c of them correct, hold a correct one: 1 − C(n−c,k)/C(n,k).
// Unbiased for every k ≤ n. Chen et al. 2021, eq. 1.
double pass_at_k(int64_t n, int64_t c, int64_t k);

// One of the n samples that were drawn for a problem; accuracy at k < n is computed from the pool, not sampled again.
struct PoolSample {
  std::string answer;     // canonical text: votes count equal texts
  bool answered = false;  // false: gave up or was cut off; such a sample does not vote and loses against any answer
  bool correct = false;
  double score = 0;  // the critic's, ≥ 0; used by best-of-k and the weighted vote
};

// Expected accuracy of a selection rule given k samples of the pool in random order; 1 ≤ k ≤ n. Nothing answered =
// wrong. Majority vote; the first answer to reach the highest count wins. Exact: over a random order, tied answers are
// equally likely to be first, so it is a sum over the multivariate hypergeometric distribution of the counts.
double majority_at_k(std::span<const PoolSample> pool, int64_t k);
// The answered sample with the highest score; equal scores: the first. Exact.
double best_of_k(std::span<const PoolSample> pool, int64_t k);
// The answer with the highest sum of scores; equal sums: the first to reach it. The mean of `draws` keyed ordered
// subsets (exact for k = 1).
double weighted_majority_at_k(std::span<const PoolSample> pool, int64_t k, base::RngKey key, int draws = kResamples);
// Any answered sample, drawn evenly: the control that every selector has to beat. Exact.
double random_of_k(std::span<const PoolSample> pool, int64_t k);

// Scores against outcomes. labels[i] is 1 where the answer was correct.
// Chance that a correct answer scores above a wrong one, ties half; 0.5 when one kind is missing.
double auroc(std::span<const double> scores, std::span<const int> labels);
// With a bootstrap interval over clusters: samples of one problem are not independent. n counts samples; resamples that
// hold only one kind of outcome are left out.
Estimate auroc(std::span<const double> scores, std::span<const int> labels, std::span<const std::string> clusters,
               base::RngKey key, int resamples = kResamples);
// Expected calibration error over equal-width bins of [0, 1]: Σ_b n_b/n · |mean label − mean score|. Guo et al. 2017,
// eq. 3.
double expected_calibration_error(std::span<const double> scores, std::span<const int> labels, int bins = 10);
double brier_score(std::span<const double> scores, std::span<const int> labels);  // mean (score − label)²

}  // namespace ponder::eval
