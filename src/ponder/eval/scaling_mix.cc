#include "ponder/eval/scaling_mix.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "ponder/base/cat.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {

using base::Json;

namespace {

constexpr int kSteps = 10;  // of the grid from 0 to 1

std::optional<double> mixed(const ScalingRow& row, size_t i, double lambda) {
  const std::optional<double> score = score_of(row, i), likelihood = row.found[i].likelihood;
  if (!score || !likelihood) return std::nullopt;
  return lambda * *likelihood + (1 - lambda) * *score;
}

double within_of(const Signal& signal) {
  const std::vector<double> once(signal.problems.size(), 1);
  return auroc_within(signal.problems, once);
}

std::vector<Pairs> pairs_of(const Signal& signal) {
  std::vector<Pairs> pairs;
  for (const SignalProblem& problem : signal.problems) pairs.push_back(pairs_of(problem));
  return pairs;
}

std::string verdict(const Interval& difference, int64_t clusters) {
  if (clusters < kFewestClusters) return "too few problems to tell";
  return difference.lo > 0 ? "better" : difference.hi < 0 ? "worse" : "not told apart";
}

// The mix against one signal, on the same answers.
Json against(const Signal& mix, const Signal& single, base::RngKey key) {
  std::vector<std::string> clusters;
  for (const SignalProblem& problem : mix.problems) clusters.push_back(problem.cluster);
  const std::vector<Pairs> of_mix = pairs_of(mix), of_single = pairs_of(single);
  const Estimate within = clustered_figure(clusters, key, [&](std::span<const double> weights) {
    return auroc_within(of_mix, weights) - auroc_within(of_single, weights);
  });
  Json json = Json::object();
  json["name"] = single.name, json["auroc_within"] = within_of(single);
  json["difference"] = within.value, json["low"] = within.ci.lo, json["high"] = within.ci.hi;
  json["verdict"] = verdict(within.ci, clusters_with_pairs(mix.problems));
  const std::vector<double> right = right_by(mix.problems), single_right = right_by(single.problems);
  json["accuracy"] = mean(single_right).value;
  const Estimate accuracy = paired_difference(right, single_right, clusters, key);
  json["accuracy_difference"] = accuracy.value;
  json["accuracy_low"] = accuracy.ci.lo, json["accuracy_high"] = accuracy.ci.hi;
  return json;
}

}  // namespace

Signal signal_of_mix(std::span<const ScalingRow* const> pool, double lambda) {
  return signal_of(pool, base::cat("mix=", base::fixed(lambda, 1)), false,
                   [lambda](const ScalingRow& row, size_t i) { return mixed(row, i, lambda); });
}

Json mix_json(std::span<const ScalingRow* const> pool, base::RngKey key) {
  Json out = Json::object();
  if (pool.empty() || pool[0]->guide != "critic") return out;
  std::vector<const ScalingRow*> dev, other;
  for (const ScalingRow* row : pool) (half_of(row->cluster) == 0 ? dev : other).push_back(row);
  out["own"] = "likelihood", out["problems"] = static_cast<int64_t>(other.size());
  out["dev_problems"] = static_cast<int64_t>(dev.size());
  double lambda = 0, best = -1;
  Json grid = Json::array(), on_dev = Json::array();
  for (int step = 0; step <= kSteps; ++step) {
    const double weight = static_cast<double>(step) / kSteps, value = within_of(signal_of_mix(dev, weight));
    grid.push_back(weight), on_dev.push_back(std::isfinite(value) ? Json(value) : Json());
    if (value > best) best = value, lambda = weight;
  }
  out["grid"] = std::move(grid), out["dev"] = std::move(on_dev), out["lambda"] = Json();
  const Signal mix = signal_of_mix(other, lambda);
  if (best < 0 || !std::isfinite(within_of(mix))) return out;
  out["lambda"] = lambda, out["signal"] = signals_json({&mix, 1}, key).as_array()[0];
  out["accuracy"] = mean(right_by(mix.problems)).value;
  Signal likelihood = signal_of_mix(other, 1), critic = signal_of_mix(other, 0);
  likelihood.name = "likelihood", critic.name = "critic";
  const Signal vote = signal_of(other, "vote", false, [](const ScalingRow& row, size_t i) -> std::optional<double> {
    if (!mixed(row, i, 0)) return std::nullopt;
    return vote_of(row, i);
  });
  Json rivals = Json::array();
  for (const Signal* single : std::initializer_list<const Signal*>{&likelihood, &critic, &vote})
    rivals.push_back(against(mix, *single, key));
  out["against"] = std::move(rivals);
  return out;
}

std::string mix_sentence(const Json& mix) {
  const Json* lambda = mix.find("lambda");
  if (!lambda || lambda->is_null()) return "";
  std::string text;
  for (const Json& one : mix.at("against").as_array()) {
    const auto number = [&](const char* field) {
      const double value = one.at(field).as_double();
      return base::cat(value > 0 ? "+" : "", base::fixed(value, 2));
    };
    text += base::cat(text.empty() ? "" : "; ", one.at("name").as_string(), " ", number("difference"), " [",
                      number("low"), ", ", number("high"), "] ", one.at("verdict").as_string());
  }
  return base::cat("guide=mix: of the weights 0, 0.1 to 1, ", base::fixed(lambda->as_double(), 1),
                   " was chosen on one half of the problems; on the other ", mix.at("problems").as_int(),
                   " its AUROC within a problem is ", base::fixed(mix.at("signal").at("auroc_within").as_double(), 2),
                   ", against ", text, ".");
}

}  // namespace ponder::eval
