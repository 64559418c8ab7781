#include "ponder/eval/scaling_signals.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "ponder/base/cat.h"
#include "ponder/base/error.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {

using base::Json;

Signal signal_of(std::span<const ScalingRow* const> rows, std::string name, bool control, const SignalValue& value) {
  Signal signal{std::move(name), rows.empty() ? "" : rows[0]->strategy, control, {}};
  for (const ScalingRow* row : rows) {
    SignalProblem problem{row->cluster, {}, {}};
    for (size_t i = 0; i < row->found.size(); ++i) {
      if (!row->found[i].answered) continue;
      const std::optional<double> v = value(*row, i);
      if (!v) continue;
      problem.values.push_back(*v), problem.correct.push_back(row->found[i].correct ? 1 : 0);
    }
    signal.problems.push_back(std::move(problem));
  }
  return signal;
}

std::optional<double> score_of(const ScalingRow& row, size_t i) {
  if (row.guide.empty() || !row.found[i].scored) return std::nullopt;
  return row.found[i].score;
}

double vote_of(const ScalingRow& row, size_t i) {
  const auto votes =
      std::ranges::count_if(row.found, [&](const Found& f) { return f.answered && f.answer == row.found[i].answer; });
  return static_cast<double>(votes) / static_cast<double>(std::ranges::count(row.found, true, &Found::answered));
}

Pairs pairs_of(const SignalProblem& problem) {
  const auto right = static_cast<double>(std::ranges::count(problem.correct, 1));
  const double all = right * (static_cast<double>(problem.correct.size()) - right);
  return {all > 0 ? auroc(problem.values, problem.correct) * all : 0, all};
}

double auroc_within(std::span<const Pairs> pairs, std::span<const double> weights) {
  double won = 0, all = 0;
  for (size_t i = 0; i < pairs.size(); ++i) won += weights[i] * pairs[i].won, all += weights[i] * pairs[i].all;
  return all > 0 ? won / all : std::nan("");
}

namespace {

bool has(const SignalProblem& problem, double verdict) {
  return std::ranges::find(problem.correct, verdict) != problem.correct.end();
}
bool has_pairs(const SignalProblem& problem) { return has(problem, 1) && has(problem, 0); }

// A problem's answer, by a signal. Without one: less confident than any.
struct Chosen {
  double value = -std::numeric_limits<double>::infinity();
  bool wrong = true;
};

// Problems with equal values, most confident first.
struct Confidences {
  std::vector<size_t> order;
  std::vector<size_t> run_ends;
  std::vector<Chosen> chosen;  // [problem]
};

Confidences confidences_of(std::span<const SignalProblem> problems) {
  Confidences c;
  for (const SignalProblem& problem : problems) {
    Chosen chosen;
    if (!problem.values.empty()) {
      const auto best = std::ranges::max_element(problem.values) - problem.values.begin();
      chosen = {problem.values[static_cast<size_t>(best)], problem.correct[static_cast<size_t>(best)] == 0};
    }
    c.order.push_back(c.order.size());
    c.chosen.push_back(chosen);
  }
  std::ranges::stable_sort(c.order, std::greater{}, [&](size_t i) { return c.chosen[i].value; });
  for (size_t i = 1; i <= c.order.size(); ++i)
    if (i == c.order.size() || c.chosen[c.order[i]].value != c.chosen[c.order[i - 1]].value) c.run_ends.push_back(i);
  return c;
}

RiskCoverage curve_of(const Confidences& c, std::span<const double> weights) {
  RiskCoverage curve;
  double before = 0, wrong_before = 0, area = 0;
  size_t i = 0;
  for (const size_t end : c.run_ends) {
    double size = 0, wrong = 0;
    for (; i < end; ++i) size += weights[c.order[i]], wrong += c.chosen[c.order[i]].wrong ? weights[c.order[i]] : 0;
    for (double k = 1; k <= size; ++k) {
      curve.risk.push_back((wrong_before + wrong * k / size) / (before + k));
      area += curve.risk.back();
    }
    before += size, wrong_before += wrong;
  }
  PONDER_CHECK(before > 0, "no problem has a weight");
  curve.aurc = area / before, curve.error = wrong_before / before;
  return curve;
}

int64_t clusters_of(std::span<const SignalProblem> problems, const std::function<bool(const SignalProblem&)>& counts) {
  std::set<std::string> clusters;
  for (const SignalProblem& problem : problems)
    if (counts(problem)) clusters.insert(problem.cluster);
  return static_cast<int64_t>(clusters.size());
}

// An AUROC against chance.
std::string verdict(const Estimate& e, int64_t clusters) {
  if (clusters < kFewestClusters) return "too few problems to tell";
  if (e.ci.lo > 0.5) return "better than chance";
  return e.ci.hi < 0.5 ? "worse than chance" : "not told from chance";
}

// {prefix: value, low, high, clusters, verdict}. The bootstrap of figures that are equal everywhere sees no spread; the
// interval is Wilson's then, as for means.
void put_auroc(Json& json, const std::string& prefix, const std::string& ends, Estimate e, int64_t clusters) {
  if (e.ci.lo == e.ci.hi) e.ci = wilson_interval(e.value * static_cast<double>(clusters), clusters);
  json[prefix] = e.value, json[ends + "low"] = e.ci.lo, json[ends + "high"] = e.ci.hi;
  json[ends + "clusters"] = clusters, json[ends + "verdict"] = verdict(e, clusters);
}

void put_no_auroc(Json& json, const std::string& prefix, const std::string& ends) {
  json[prefix] = Json(), json[ends + "low"] = Json(), json[ends + "high"] = Json();
  json[ends + "clusters"] = 0, json[ends + "verdict"] = "no right answer beside a wrong one";
}

Json points_of(const RiskCoverage& curve) {
  constexpr size_t kPoints = 10;
  const size_t n = curve.risk.size();
  Json points = Json::array();
  for (size_t tenth = 1; tenth <= kPoints; ++tenth) {
    const size_t k = (tenth * n + kPoints - 1) / kPoints;  // at least this share of the problems
    Json point = Json::object();
    point["coverage"] = static_cast<double>(tenth) / kPoints, point["problems"] = static_cast<int64_t>(k);
    point["risk"] = curve.risk[k - 1];
    points.push_back(std::move(point));
  }
  return points;
}

Json signal_json(const Signal& signal, base::RngKey key) {
  std::vector<double> values;
  std::vector<int> correct;
  std::vector<std::string> of_answers, of_problems;
  std::vector<Pairs> pairs;
  for (const SignalProblem& problem : signal.problems) {
    values.insert(values.end(), problem.values.begin(), problem.values.end());
    correct.insert(correct.end(), problem.correct.begin(), problem.correct.end());
    of_answers.insert(of_answers.end(), problem.values.size(), problem.cluster);
    of_problems.push_back(problem.cluster);
    pairs.push_back(pairs_of(problem));
  }
  Json json = Json::object();
  json["name"] = signal.name, json["of"] = signal.of, json["control"] = signal.control;
  json["n"] = static_cast<int64_t>(values.size()), json["problems"] = static_cast<int64_t>(signal.problems.size());

  const auto right = std::ranges::count(correct, 1);
  if (right > 0 && right < std::ssize(correct))
    put_auroc(json, "auroc", "", auroc(values, correct, of_answers, key),
              std::min(clusters_of(signal.problems, [](const SignalProblem& p) { return has(p, 1); }),
                       clusters_of(signal.problems, [](const SignalProblem& p) { return has(p, 0); })));
  else
    put_no_auroc(json, "auroc", "");
  if (std::ranges::any_of(signal.problems, has_pairs))
    put_auroc(json, "auroc_within", "within_",
              clustered_figure(of_problems, key, [&](std::span<const double> w) { return auroc_within(pairs, w); }),
              clusters_with_pairs(signal.problems));
  else
    put_no_auroc(json, "auroc_within", "within_");

  const Confidences confidences = confidences_of(signal.problems);
  const std::vector<double> once(signal.problems.size(), 1);
  const RiskCoverage curve = curve_of(confidences, once);
  json["risk_coverage"] = points_of(curve);
  json["aurc"] = curve.aurc, json["error"] = curve.error;
  const Estimate gain = clustered_figure(of_problems, key, [&](std::span<const double> weights) {
    const RiskCoverage again = curve_of(confidences, weights);
    return again.error - again.aurc;
  });
  json["gain"] = gain.value, json["gain_low"] = gain.ci.lo, json["gain_high"] = gain.ci.hi;
  return json;
}

}  // namespace

std::vector<Signal> signals_of_pool(std::span<const ScalingRow* const> pool, base::RngKey key) {
  std::vector<Signal> signals;
  const auto add = [&](std::string name, bool control, const SignalValue& value) {
    signals.push_back(signal_of(pool, std::move(name), control, value));
  };
  add("likelihood", false, [](const ScalingRow& row, size_t i) { return row.found[i].likelihood; });
  add("vote", false, vote_of);
  const std::string guide = pool.empty() ? "" : pool[0]->guide;
  if (!guide.empty() && guide != "likelihood") add(guide, false, score_of);
  add("length", true, [](const ScalingRow& row, size_t i) -> std::optional<double> {
    if (!row.found[i].length) return std::nullopt;
    return -static_cast<double>(*row.found[i].length);
  });
  add("random", true, [&](const ScalingRow& row, size_t i) -> std::optional<double> {
    return base::uniform_at(key.child("random").child(row.problem), i);
  });
  return signals;
}

Signal signal_of_guide(std::span<const ScalingRow* const> rows) {
  return signal_of(rows, rows.empty() ? "" : rows[0]->guide, false, score_of);
}

double auroc_within(std::span<const SignalProblem> problems, std::span<const double> weights) {
  std::vector<Pairs> pairs;
  for (const SignalProblem& problem : problems) pairs.push_back(pairs_of(problem));
  return auroc_within(pairs, weights);
}

int64_t clusters_with_pairs(std::span<const SignalProblem> problems) { return clusters_of(problems, has_pairs); }

std::vector<double> right_by(std::span<const SignalProblem> problems) {
  std::vector<double> right;
  for (const Chosen& chosen : confidences_of(problems).chosen) right.push_back(chosen.wrong ? 0 : 1);
  return right;
}

RiskCoverage risk_coverage(std::span<const SignalProblem> problems, std::span<const double> weights) {
  return curve_of(confidences_of(problems), weights);
}

Json signals_json(std::span<const Signal> signals, base::RngKey key) {
  Json list = Json::array();
  for (const Signal& signal : signals)
    if (std::ranges::any_of(signal.problems, [](const SignalProblem& p) { return !p.values.empty(); }))
      list.push_back(signal_json(signal, key));
  return list;
}

std::string signals_sentence(const Json& signals) {
  std::map<std::string, std::string> by_verdict;
  for (const Json& signal : signals.as_array()) {
    std::string& names = by_verdict[signal.at("within_verdict").as_string()];
    names += base::cat(names.empty() ? " " : ", ", signal.at("name").as_string());
    if (const std::string& of = signal.at("of").as_string(); of != "samples") names += base::cat(" of \"", of, "\"");
    if (signal.at("auroc_within").is_null()) continue;
    const auto number = [&](const char* field) { return base::fixed(signal.at(field).as_double(), 2); };
    names += base::cat(" ", number("auroc_within"), " [", number("within_low"), ", ", number("within_high"), "]");
  }
  std::string text;
  for (const auto& [verdict, names] : by_verdict) text += base::cat(text.empty() ? "" : "; ", verdict, ":", names);
  if (text.empty()) return "";
  return base::cat(
      "Right answers against wrong ones of the same problem by each signal (AUROC, 95% intervals, not corrected for "
      "their number): ",
      text, ".");
}

}  // namespace ponder::eval
