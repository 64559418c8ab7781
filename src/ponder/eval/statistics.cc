#include "ponder/eval/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "ponder/base/error.h"

namespace ponder::eval {
namespace {

constexpr double kZ95 = 1.959963984540054;

// Dense cluster numbers in order of first appearance, so that results do not depend on a hash table's order.
struct Clusters {
  std::vector<int> of;  // [n]
  int count = 0;
};

Clusters number_clusters(std::span<const std::string> names) {
  Clusters clusters;
  std::unordered_map<std::string, int> seen;
  clusters.of.reserve(names.size());
  for (const auto& name : names) {
    auto [it, is_new] = seen.try_emplace(name, clusters.count);
    clusters.count += is_new;
    clusters.of.push_back(it->second);
  }
  return clusters;
}

// Linear interpolation between order statistics.
double quantile(const std::vector<double>& sorted, double q) {
  double at = q * (sorted.size() - 1);
  size_t below = static_cast<size_t>(at);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

// Standard error and percentile interval of a bootstrap distribution.
void set_spread(Estimate& estimate, std::vector<double> resampled) {
  if (resampled.empty()) return;
  double center = std::accumulate(resampled.begin(), resampled.end(), 0.0) / resampled.size();
  double squares = 0;
  for (double v : resampled) squares += (v - center) * (v - center);
  estimate.std_error = resampled.size() > 1 ? std::sqrt(squares / (resampled.size() - 1)) : 0;
  std::sort(resampled.begin(), resampled.end());
  estimate.ci = {quantile(resampled, 0.025), quantile(resampled, 0.975)};
}

// weights[c] = how often cluster c was drawn in one resample.
void draw_clusters(base::Rng& rng, std::vector<int>& weights) {
  std::fill(weights.begin(), weights.end(), 0);
  for (size_t i = 0; i < weights.size(); ++i) ++weights[rng.below(static_cast<int64_t>(weights.size()))];
}

double average(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Of each cluster: the sum of its values and how many there are.
struct ClusterSums {
  std::vector<double> sums, sizes;
  ClusterSums(std::span<const double> values, const Clusters& clusters)
      : sums(clusters.count, 0.0), sizes(clusters.count, 0.0) {
    for (size_t i = 0; i < values.size(); ++i) {
      sums[clusters.of[i]] += values[i];
      sizes[clusters.of[i]] += 1;
    }
  }
  double resampled_mean(base::Rng& rng, std::vector<int>& weights) const {
    weights.resize(sums.size());
    draw_clusters(rng, weights);
    return weighted_mean(weights);
  }
  double weighted_mean(const std::vector<int>& weights) const {
    double sum = 0, size = 0;
    for (size_t c = 0; c < sums.size(); ++c) {
      sum += weights[c] * sums[c];
      size += weights[c] * sizes[c];
    }
    return sum / size;
  }
};

Estimate bootstrap_mean(std::span<const double> values, const Clusters& clusters, base::RngKey key, int resamples) {
  const ClusterSums sums(values, clusters);
  Estimate estimate{.value = average(values), .n = static_cast<int64_t>(values.size())};
  std::vector<int> weights;
  std::vector<double> resampled(resamples);
  base::Rng rng(key);
  for (double& r : resampled) r = sums.resampled_mean(rng, weights);
  set_spread(estimate, std::move(resampled));
  return estimate;
}

// Binomial probability of c successes in n; 0^0 = 1. Logarithms, so that n may be large.
double binomial(int64_t n, int64_t c, double p) {
  if (c < 0 || c > n) return 0;
  if (p <= 0) return c == 0;
  if (p >= 1) return c == n;
  return std::exp(std::lgamma(n + 1.0) - std::lgamma(c + 1.0) - std::lgamma(n - c + 1.0) + c * std::log(p) +
                  (n - c) * std::log1p(-p));
}

void check_pool(std::span<const PoolSample> pool, int64_t k) {
  PONDER_CHECK(k >= 1 && k <= static_cast<int64_t>(pool.size()), "k must be between 1 and the pool's ", pool.size(),
               " samples, got ", k);
}

struct AnswerClass {
  std::string answer;
  int64_t count = 0;
  bool correct = false;
};

std::vector<AnswerClass> group_answers(std::span<const PoolSample> pool) {
  std::vector<AnswerClass> classes;
  std::unordered_map<std::string, size_t> seen;
  for (const auto& sample : pool) {
    if (!sample.answered) continue;
    auto [it, is_new] = seen.try_emplace(sample.answer, classes.size());
    if (is_new) classes.push_back({sample.answer, 0, sample.correct});
    ++classes[it->second].count;
  }
  return classes;
}

// Distribution of (samples drawn, classes at the top count) over some answer classes, none of which exceeds `top`:
// table[drawn][tied].
using TieTable = std::vector<std::vector<double>>;

TieTable tie_table(const std::vector<AnswerClass>& classes, bool correct, int64_t top, int64_t k, double p) {
  const int64_t most_tied = k / top;
  TieTable table(k + 1, std::vector<double>(most_tied + 1, 0.0));
  table[0][0] = 1;
  for (const auto& c : classes) {
    if (c.correct != correct) continue;
    TieTable next(k + 1, std::vector<double>(most_tied + 1, 0.0));
    for (int64_t take = 0; take <= std::min({top, c.count, k}); ++take) {
      const double chance = binomial(c.count, take, p);
      const int64_t tied = take == top;
      for (int64_t drawn = 0; drawn + take <= k; ++drawn)
        for (int64_t t = 0; t + tied <= most_tied; ++t) next[drawn + take][t + tied] += chance * table[drawn][t];
    }
    table = std::move(next);
  }
  return table;
}

// Samples in order of score with runs of equal scores, found once for all resamples.
struct ScoreOrder {
  std::vector<size_t> order;     // [n] indices, ascending score
  std::vector<size_t> run_ends;  // end of each run of equal scores in `order`
};

ScoreOrder order_by_score(std::span<const double> scores) {
  ScoreOrder result;
  result.order.resize(scores.size());
  std::iota(result.order.begin(), result.order.end(), size_t{0});
  std::stable_sort(result.order.begin(), result.order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  for (size_t i = 1; i <= scores.size(); ++i)
    if (i == scores.size() || scores[result.order[i]] != scores[result.order[i - 1]]) result.run_ends.push_back(i);
  return result;
}

// Weighted Mann–Whitney statistic; −1 when one kind of label has no weight.
template <class Weight>
double weighted_auroc(const ScoreOrder& sorted, std::span<const int> labels, Weight weight) {
  double wrong_below = 0, right_total = 0, won = 0;
  size_t i = 0;
  for (size_t end : sorted.run_ends) {
    double right = 0, wrong = 0;
    for (; i < end; ++i) (labels[sorted.order[i]] ? right : wrong) += weight(sorted.order[i]);
    won += right * (wrong_below + wrong / 2);
    wrong_below += wrong;
    right_total += right;
  }
  return right_total == 0 || wrong_below == 0 ? -1 : won / (right_total * wrong_below);
}

void check_labels(std::span<const double> scores, std::span<const int> labels) {
  PONDER_CHECK(!scores.empty() && scores.size() == labels.size(), "one label a score is needed, got ", labels.size(),
               " for ", scores.size());
}

}  // namespace

Estimate mean(std::span<const double> values) {
  PONDER_CHECK(!values.empty(), "a mean needs at least one value");
  Estimate estimate{.value = average(values), .n = static_cast<int64_t>(values.size())};
  if (values.size() > 1) {
    double squares = 0;
    for (double v : values) squares += (v - estimate.value) * (v - estimate.value);
    estimate.std_error = std::sqrt(squares / (values.size() - 1) / values.size());
  }
  estimate.ci = {estimate.value - kZ95 * estimate.std_error, estimate.value + kZ95 * estimate.std_error};
  return estimate;
}

Interval wilson_interval(double successes, int64_t n, double z) {
  PONDER_CHECK(n > 0 && successes >= 0 && successes <= n, "a proportion needs 0 <= successes <= n and n > 0, got ",
               successes, " of ", n);
  const double p = successes / n, z2 = z * z / n;
  const double center = (p + z2 / 2) / (1 + z2);
  const double half = z / (1 + z2) * std::sqrt(p * (1 - p) / n + z2 / (4.0 * n));
  // At 0 and n the bound is exactly 0 or 1; rounding must not move it.
  return {successes == 0 ? 0.0 : std::max(0.0, center - half), successes == n ? 1.0 : std::min(1.0, center + half)};
}

Estimate proportion(int64_t successes, int64_t n) {
  Interval ci = wilson_interval(static_cast<double>(successes), n);
  const double p = static_cast<double>(successes) / n;
  return {.value = p, .std_error = std::sqrt(p * (1 - p) / n), .ci = ci, .n = n};
}

Estimate clustered_mean(std::span<const double> values, std::span<const std::string> names, base::RngKey key,
                        int resamples) {
  PONDER_CHECK(!values.empty() && values.size() == names.size(), "one cluster name a value is needed, got ",
               names.size(), " for ", values.size());
  const Clusters clusters = number_clusters(names);
  const auto [lo, hi] = std::minmax_element(values.begin(), values.end());
  if (*lo == *hi && *lo >= 0 && *hi <= 1) {
    return {.value = *lo,
            .std_error = 0,
            .ci = wilson_interval(*lo * clusters.count, clusters.count),
            .n = static_cast<int64_t>(values.size())};
  }
  return bootstrap_mean(values, clusters, key, resamples);
}

Estimate paired_difference(std::span<const double> a, std::span<const double> b, std::span<const std::string> names,
                           base::RngKey key, int resamples) {
  PONDER_CHECK(!a.empty() && a.size() == b.size() && a.size() == names.size(),
               "pairs and clusters must have the same length, got ", a.size(), ", ", b.size(), " and ", names.size());
  std::vector<double> differences(a.size());
  for (size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  return bootstrap_mean(differences, number_clusters(names), key, resamples);
}

Interval difference_interval(double a, const Interval& of_a, double b, const Interval& of_b) {
  return {a - b - std::hypot(a - of_a.lo, of_b.hi - b), a - b + std::hypot(of_a.hi - a, b - of_b.lo)};
}

Estimate clustered_figure(std::span<const std::string> names, base::RngKey key,
                          const std::function<double(std::span<const double> weights)>& figure, int resamples) {
  PONDER_CHECK(!names.empty(), "a figure needs at least one value");
  const Clusters clusters = number_clusters(names);
  std::vector<double> weights(names.size(), 1);
  Estimate estimate{.value = figure(weights), .n = static_cast<int64_t>(names.size())};
  estimate.ci = {estimate.value, estimate.value};
  std::vector<int> drawn(clusters.count);
  std::vector<double> resampled;
  base::Rng rng(key);
  for (int r = 0; r < resamples; ++r) {
    draw_clusters(rng, drawn);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = drawn[clusters.of[i]];
    const double value = figure(weights);
    if (std::isfinite(value)) resampled.push_back(value);
  }
  set_spread(estimate, std::move(resampled));
  return estimate;
}

Estimate mean_over_runs(std::span<const ClusteredValues> runs, base::RngKey key, int resamples) {
  PONDER_CHECK(!runs.empty(), "a mean over runs needs at least one run");
  Estimate estimate;
  const auto count = static_cast<double>(runs.size());
  std::vector<std::string> names;
  for (const ClusteredValues& run : runs) {
    PONDER_CHECK(!run.values.empty() && run.values.size() == run.clusters.size(),
                 "one cluster name a value is needed, got ", run.clusters.size(), " for ", run.values.size());
    names.insert(names.end(), run.clusters.begin(), run.clusters.end());
    estimate.value += average(run.values) / count;
    estimate.n += static_cast<int64_t>(run.values.size());
  }
  const Clusters all = number_clusters(names);
  std::vector<ClusterSums> sums;
  auto next = all.of.begin();
  for (const ClusteredValues& run : runs) {
    const auto end = next + static_cast<std::ptrdiff_t>(run.values.size());
    sums.emplace_back(run.values, Clusters{{next, end}, all.count});
    next = end;
  }
  // Drawing S of S runs spreads by (S−1)/S of what another S runs would.
  const double stretch = runs.size() > 1 ? std::sqrt(count / (count - 1)) : 0;
  std::vector<int> weights(static_cast<size_t>(all.count));
  std::vector<double> means(runs.size()), resampled(resamples);
  base::Rng rng(key);
  for (double& r : resampled) {
    draw_clusters(rng, weights);
    double picked = 0, mean = 0;
    for (size_t i = 0; i < runs.size(); ++i) {
      means[i] = sums[i].weighted_mean(weights);
      if (!std::isfinite(means[i])) means[i] = average(runs[i].values);  // none of its few clusters was drawn
      mean += means[i] / count;
    }
    for (size_t i = 0; i < runs.size(); ++i) picked += rng.pick(means) / count;
    r = mean + stretch * (picked - mean);
  }
  set_spread(estimate, std::move(resampled));
  return estimate;
}

Interval t_interval(std::span<const double> values) {
  PONDER_CHECK(values.size() >= 2, "an interval from the spread of values needs at least two");
  constexpr double kQuantiles[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
  const size_t freedom = values.size() - 1;
  const double f = static_cast<double>(freedom), z = kZ95, z3 = z * z * z, z5 = z3 * z * z;
  // Behind the table: Cornish and Fisher's first terms.
  const double t = freedom <= std::size(kQuantiles)
                       ? kQuantiles[freedom - 1]
                       : z + (z3 + z) / (4 * f) + (5 * z5 + 16 * z3 + 3 * z) / (96 * f * f);
  const Estimate e = mean(values);
  return {e.value - t * e.std_error, e.value + t * e.std_error};
}

double pass_at_k(int64_t n, int64_t c, int64_t k) {
  PONDER_CHECK(k >= 1 && k <= n && c >= 0 && c <= n, "pass@k needs 1 <= k <= n and 0 <= c <= n, got n = ", n,
               ", c = ", c, ", k = ", k);
  if (n - c < k) return 1;
  double none_correct = 1;  // C(n−c,k)/C(n,k) as a product of c factors ≤ 1: no large number is ever formed
  for (int64_t i = n - c + 1; i <= n; ++i) none_correct *= 1 - static_cast<double>(k) / i;
  return 1 - none_correct;
}

double majority_at_k(std::span<const PoolSample> pool, int64_t k) {
  check_pool(pool, k);
  const int64_t n = static_cast<int64_t>(pool.size());
  const auto classes = group_answers(pool);
  int64_t answered = 0, largest = 0;
  for (const auto& c : classes) {
    answered += c.count;
    largest = std::max(largest, c.count);
  }
  // Binomial counts with p = k/n, given that they add up to k, are hypergeometric: this keeps every factor near 1.
  const double p = static_cast<double>(k) / n;
  double won = 0;
  for (int64_t top = 1; top <= std::min(k, largest); ++top) {
    const TieTable right = tie_table(classes, true, top, k, p), wrong = tie_table(classes, false, top, k, p);
    const int64_t most_tied = k / top;
    for (int64_t r = top; r <= k; ++r) {
      for (int64_t w = 0; r + w <= k; ++w) {
        const double abstained = binomial(n - answered, k - r - w, p);
        if (abstained == 0) continue;
        for (int64_t tr = 1; tr <= most_tied; ++tr) {
          for (int64_t tw = 0; tr + tw <= most_tied; ++tw)
            won += abstained * right[r][tr] * wrong[w][tw] * tr / static_cast<double>(tr + tw);
        }
      }
    }
  }
  return std::min(1.0, won / binomial(n, k, p));
}

double best_of_k(std::span<const PoolSample> pool, int64_t k) {
  check_pool(pool, k);
  const int64_t n = static_cast<int64_t>(pool.size());
  std::vector<const PoolSample*> order;
  for (const auto& sample : pool)
    if (sample.answered) order.push_back(&sample);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->score > b->score; });
  double accuracy = 0, none_before = 1;  // none_before: chance that nothing with a higher score was drawn
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    double correct = 0;
    while (end < order.size() && order[end]->score == order[i]->score) correct += order[end++]->correct;
    const double none_here = 1 - pass_at_k(n, static_cast<int64_t>(end), k);
    accuracy += (none_before - none_here) * correct / static_cast<double>(end - i);
    none_before = none_here;
    i = end;
  }
  return accuracy;
}

double weighted_majority_at_k(std::span<const PoolSample> pool, int64_t k, base::RngKey key, int draws) {
  check_pool(pool, k);
  const int64_t n = static_cast<int64_t>(pool.size());
  if (k == 1) {
    int64_t correct = 0;
    for (const auto& sample : pool) correct += sample.answered && sample.correct;
    return static_cast<double>(correct) / n;
  }
  std::vector<int> answer_of(n, -1);  // dense number of each sample's answer; −1 where it did not answer
  std::unordered_map<std::string, int> seen;
  for (int64_t i = 0; i < n; ++i)
    if (pool[i].answered) answer_of[i] = seen.try_emplace(pool[i].answer, static_cast<int>(seen.size())).first->second;
  std::vector<double> sums(seen.size());
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), 0);
  base::Rng rng(key);
  int64_t won = 0;
  for (int d = 0; d < draws; ++d) {
    std::fill(sums.begin(), sums.end(), 0.0);
    int best = -1;
    bool best_correct = false;
    for (int64_t i = 0; i < k; ++i) {
      std::swap(order[i], order[i + rng.below(n - i)]);
      const int a = answer_of[order[i]];
      if (a < 0) continue;
      sums[a] += pool[order[i]].score;
      // Scores are not negative, so whoever overtakes last holds the highest sum, and a tie stays with the first.
      if (best < 0 || (a != best && sums[a] > sums[best])) {
        best = a;
        best_correct = pool[order[i]].correct;
      }
    }
    won += best_correct;
  }
  return static_cast<double>(won) / draws;
}

double random_of_k(std::span<const PoolSample> pool, int64_t k) {
  check_pool(pool, k);
  int64_t answered = 0, correct = 0;
  for (const auto& sample : pool) {
    answered += sample.answered;
    correct += sample.answered && sample.correct;
  }
  if (answered == 0) return 0;
  return pass_at_k(static_cast<int64_t>(pool.size()), answered, k) * correct / answered;
}

double auroc(std::span<const double> scores, std::span<const int> labels) {
  check_labels(scores, labels);
  const double value = weighted_auroc(order_by_score(scores), labels, [](size_t) { return 1.0; });
  return value < 0 ? 0.5 : value;
}

Estimate auroc(std::span<const double> scores, std::span<const int> labels, std::span<const std::string> names,
               base::RngKey key, int resamples) {
  check_labels(scores, labels);
  PONDER_CHECK(names.size() == scores.size(), "one cluster name a score is needed, got ", names.size(), " for ",
               scores.size());
  const ScoreOrder sorted = order_by_score(scores);
  const Clusters clusters = number_clusters(names);
  Estimate estimate{.value = auroc(scores, labels), .ci = {0, 1}, .n = static_cast<int64_t>(scores.size())};
  std::vector<int> weights(clusters.count);
  std::vector<double> resampled;
  base::Rng rng(key);
  for (int r = 0; r < resamples; ++r) {
    draw_clusters(rng, weights);
    const double value = weighted_auroc(sorted, labels, [&](size_t i) { return weights[clusters.of[i]]; });
    if (value >= 0) resampled.push_back(value);
  }
  set_spread(estimate, std::move(resampled));
  return estimate;
}

double expected_calibration_error(std::span<const double> scores, std::span<const int> labels, int bins) {
  check_labels(scores, labels);
  PONDER_CHECK(bins >= 1, "at least one bin is needed, got ", bins);
  std::vector<double> excess(bins, 0.0);  // Σ (label − score) of each bin
  for (size_t i = 0; i < scores.size(); ++i) {
    PONDER_CHECK(scores[i] >= 0 && scores[i] <= 1, "a score must be a probability, got ", scores[i]);
    excess[std::min(bins - 1, static_cast<int>(scores[i] * bins))] += labels[i] - scores[i];
  }
  double error = 0;
  for (double e : excess) error += std::abs(e);
  return error / static_cast<double>(scores.size());
}

double brier_score(std::span<const double> scores, std::span<const int> labels) {
  check_labels(scores, labels);
  double squares = 0;
  for (size_t i = 0; i < scores.size(); ++i) squares += (labels[i] - scores[i]) * (labels[i] - scores[i]);
  return squares / static_cast<double>(scores.size());
}

}  // namespace ponder::eval
