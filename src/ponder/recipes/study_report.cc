// What the finished runs of a study say together.
#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <optional>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/eval/report.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/study.h"

namespace ponder::recipes {
namespace {

using base::Json;

// The rows of one run, and its test problems' canonical instances.
struct RunRows {
  Recipe recipe;
  eval::Rows rows;
  std::map<std::string, std::vector<std::string>> clusters;  // by task

  // The first n; a task's test problems are the same in all runs of one seed.
  std::vector<std::string> clusters_of_first(const std::string& task, size_t n) {
    std::vector<std::string>& known = clusters[task];
    if (known.size() < n)
      known =
          clusters_of(tasks::make_problems(tasks::find_task(task), evaluation_split(recipe), n,
                                           base::RngKey(static_cast<uint64_t>(recipe.seed)).child(recipe.evaluate)));
    return {known.begin(), known.begin() + static_cast<int64_t>(n)};
  }
};

struct ArmRuns {
  std::string name;
  std::vector<RunRows> seeds;  // in the study's order; only finished runs
};

bool is_finished(const RunRows& run) {
  return std::ranges::all_of(run.recipe.stages, [&](const std::string& stage) {
    return std::ranges::find(run.rows.ledger, stage, &eval::LedgerRow::stage) != run.rows.ledger.end();
  });
}

const eval::OutcomeRow* find_outcomes(const RunRows& run, const std::string& task, const Study::Subject& s) {
  for (const eval::OutcomeRow& row : run.rows.outcomes)
    if (row.task == task && row.model == s.model && row.strategy == s.strategy && row.budget == s.budget) return &row;
  return nullptr;
}

// What a search spent on a problem, policy and critic together; nothing where that was not measured.
std::optional<double> find_tokens(const RunRows& run, const std::string& task, const Study::Subject& s) {
  for (const eval::SearchRow& row : run.rows.search)
    if (row.task == task && row.model == s.model && row.strategy == s.strategy && row.budget == s.budget)
      return row.tokens_per_problem + row.critic_tokens_per_problem;
  return std::nullopt;
}

std::vector<double> values_of(const std::string& outcomes) {
  std::vector<double> values;
  for (char c : outcomes) values.push_back(c == '1' ? 1.0 : 0.0);
  return values;
}

Json estimate_json(const eval::Estimate& e) {
  Json json = Json::object();
  json["value"] = e.value, json["stderr"] = e.std_error, json["ci_lo"] = e.ci.lo, json["ci_hi"] = e.ci.hi;
  json["n"] = e.n;
  return json;
}

// The spread of seeds alone: "seed_ci_lo", "seed_ci_hi".
void add_seed_interval(const Json& each, Json& json) {
  std::vector<double> values;
  for (const Json& value : each.as_array()) values.push_back(value.as_double());
  if (values.size() < 2) return;
  const eval::Interval ci = eval::t_interval(values);
  json["seed_ci_lo"] = ci.lo, json["seed_ci_hi"] = ci.hi;
}

base::RngKey bootstrap_key(const std::string& what) { return base::RngKey(0).child("study").child(what); }

eval::Estimate accuracy_over_runs(const std::vector<eval::ClusteredValues>& runs, const std::string& key) {
  eval::Estimate accuracy = eval::mean_over_runs(runs, bootstrap_key(key));
  if (accuracy.ci.lo == accuracy.ci.hi)  // all right or all wrong: the bootstrap sees no spread
    accuracy.ci = eval::wilson_interval(accuracy.value * static_cast<double>(accuracy.n), accuracy.n);
  return accuracy;
}

// Every outcome row that all seeds of an arm have, as an accuracy over seeds; with what each seed gave.
void add_accuracies(ArmRuns& arm, Json& list) {
  for (const eval::OutcomeRow& row : arm.seeds.front().rows.outcomes) {
    const Study::Subject subject{arm.name, row.model, row.strategy, row.budget};
    std::vector<eval::ClusteredValues> runs;
    Json each = Json::array();
    for (RunRows& run : arm.seeds) {
      const eval::OutcomeRow* found = find_outcomes(run, row.task, subject);
      if (!found) break;
      runs.push_back({values_of(found->outcomes), run.clusters_of_first(row.task, found->outcomes.size())});
      each.push_back(eval::mean(runs.back().values).value);
    }
    if (runs.size() != arm.seeds.size()) continue;
    Json json = estimate_json(accuracy_over_runs(runs, row.task));
    json["arm"] = arm.name, json["task"] = row.task, json["model"] = row.model;
    json["strategy"] = row.strategy, json["budget"] = row.budget;
    add_seed_interval(each, json);
    json["seeds"] = std::move(each);
    list.push_back(std::move(json));
  }
}

// Planted slips over seeds, each outcome in the cluster of its problem: a kind of a task, and all kinds together that
// no demonstration shows ("unlike SFT"), of a task and of all tasks ("all").
void add_slips(ArmRuns& arm, Json& list) {
  using Name = std::array<std::string, 3>;  // task, model, slip
  std::vector<Name> names;
  std::map<Name, std::vector<eval::ClusteredValues>> outcomes;  // one of each finished seed
  std::map<Name, double> alarms;                                // places that were doubted without a slip
  for (size_t s = 0; s < arm.seeds.size(); ++s) {
    RunRows& run = arm.seeds[s];
    for (const eval::ProbeRow& row : run.rows.probe) {
      if (row.outcomes.empty()) continue;
      const std::vector<std::string> clusters = run.clusters_of_first(row.task, row.outcomes.size());
      std::vector<Name> parts{{row.task, row.model, row.slip}};
      if (row.shown == "no")
        parts.insert(parts.end(), {{row.task, row.model, "unlike SFT"}, {"all", row.model, "unlike SFT"}});
      for (const Name& name : parts) {
        if (!outcomes.contains(name)) names.push_back(name);
        std::vector<eval::ClusteredValues>& runs = outcomes[name];
        runs.resize(arm.seeds.size());
        alarms[name] += row.false_alarms * static_cast<double>(row.repaired.n);
        for (size_t i = 0; i < row.outcomes.size(); ++i) {
          if (row.outcomes[i] == '-') continue;
          runs[s].values.push_back(row.outcomes[i] == '1' ? 1.0 : 0.0);
          runs[s].clusters.push_back(base::cat(row.task, " ", clusters[i]));
        }
      }
    }
  }
  for (const Name& name : names) {
    std::vector<eval::ClusteredValues>& runs = outcomes[name];
    if (std::ranges::any_of(runs, [](const eval::ClusteredValues& run) { return run.values.empty(); })) continue;
    Json each = Json::array();
    for (const eval::ClusteredValues& run : runs) each.push_back(eval::mean(run.values).value);
    Json json = estimate_json(accuracy_over_runs(runs, "slips"));
    json["arm"] = arm.name, json["task"] = name[0], json["model"] = name[1], json["slip"] = name[2];
    json["false_alarms"] = alarms[name] / json.at("n").as_double();
    add_seed_interval(each, json);
    json["seeds"] = std::move(each);
    list.push_back(std::move(json));
  }
}

// The rows of one kind of every seed, each with its arm and seed.
template <class Row>
void add_rows(const ArmRuns& arm, std::vector<Row> eval::Rows::*kind, Json& list) {
  for (const RunRows& run : arm.seeds)
    for (const Row& row : run.rows.*kind) {
      Json json = eval::to_json(row);
      json["arm"] = arm.name, json["seed"] = run.recipe.seed;
      list.push_back(std::move(json));
    }
}

ArmRuns* find_arm(std::vector<ArmRuns>& arms, const std::string& name) {
  const auto found = std::ranges::find(arms, name, &ArmRuns::name);
  return found == arms.end() ? nullptr : &*found;
}

// Mean tokens a problem of both sides over the seeds that were compared.
struct Spending {
  double a = 0, b = 0;
  int64_t seeds = 0, measured = 0;
  void add(std::optional<double> left, std::optional<double> right) {
    ++seeds;
    if (!left || !right) return;
    ++measured;
    a += *left, b += *right;
  }
  bool is_known() const { return seeds > 0 && measured == seeds; }
  double mean_a() const { return a / static_cast<double>(measured); }
  double mean_b() const { return b / static_cast<double>(measured); }
  // Why a claim at equal tokens cannot stand; "" when it can. Two searches with one budget were given the same, and
  // what b leaves over, because its next sample would not fit, is its own affair: there a may spend the budget, and no
  // more.
  std::string objection(const Study::Comparison& c) const {
    if (seeds == 0) return "";
    if (!is_known()) return "the tokens of one side were not measured";
    if (c.a.budget > 0 && c.a.budget == c.b.budget)
      return mean_a() > static_cast<double>(c.a.budget) ? "a spends more tokens than its budget" : "";
    return a > b ? "a spends more tokens than b" : "";
  }
};

const RunRows* find_seed(const ArmRuns& arm, int64_t seed) {
  const auto found = std::ranges::find(arm.seeds, seed, [](const RunRows& run) { return run.recipe.seed; });
  return found == arm.seeds.end() ? nullptr : &*found;
}

// a − b, paired by problem within each seed that both arms have; no value where rows are missing or tokens are unequal.
Json comparison_json(const Study::Comparison& c, std::vector<ArmRuns>& arms) {
  ArmRuns *a = find_arm(arms, c.a.arm), *b = find_arm(arms, c.b.arm);
  std::vector<eval::ClusteredValues> runs;
  Spending spending;
  size_t missing = 0;
  Json each = Json::array();
  for (size_t i = 0; a && b && i < a->seeds.size(); ++i) {
    RunRows& run_a = a->seeds[i];
    const RunRows* run_b = find_seed(*b, run_a.recipe.seed);
    if (!run_b) continue;
    const eval::OutcomeRow *left = find_outcomes(run_a, c.task, c.a), *right = find_outcomes(*run_b, c.task, c.b);
    if (!left || !right) {
      ++missing;
      continue;
    }
    const size_t n = std::min(left->outcomes.size(), right->outcomes.size());
    eval::ClusteredValues run{values_of(left->outcomes.substr(0, n)), run_a.clusters_of_first(c.task, n)};
    const std::vector<double> minus = values_of(right->outcomes.substr(0, n));
    for (size_t j = 0; j < n; ++j) run.values[j] -= minus[j];
    each.push_back(eval::mean(run.values).value);
    runs.push_back(std::move(run));
    spending.add(find_tokens(run_a, c.task, c.a), find_tokens(*run_b, c.task, c.b));
  }
  std::string objection = c.equal_tokens ? spending.objection(c) : "";
  if (missing > 0 && !runs.empty()) objection = base::cat("rows of ", missing, " seeds are missing");
  Json json = runs.empty() || !objection.empty() ? Json::object()
                                                 : estimate_json(eval::mean_over_runs(runs, bootstrap_key(c.name)));
  const auto name_of = [](const Study::Subject& s) {
    return base::cat(s.arm, " ", s.model, " ", s.strategy, s.budget ? base::cat("@", s.budget) : std::string());
  };
  json["name"] = c.name, json["task"] = c.task, json["a"] = name_of(c.a), json["b"] = name_of(c.b);
  add_seed_interval(each, json);
  json["seeds"] = std::move(each);
  if (spending.is_known()) json["a_tokens"] = spending.mean_a(), json["b_tokens"] = spending.mean_b();
  if (!objection.empty()) json["refused"] = objection;
  return json;
}

std::string points(const Json& json, const char* key) { return base::fixed(json.at(key).as_double() * 100, 1); }

// One line for each group of rows that differ in their seed alone: its name, then what each seed gave.
std::string by_seed(const Json& rows, const std::function<std::string(const Json&)>& name_of,
                    const std::function<std::string(const Json&)>& text_of) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Json& row : rows.as_array()) {
    const std::string name = name_of(row);
    auto line = std::ranges::find(lines, name, &std::pair<std::string, std::string>::first);
    if (line == lines.end()) line = lines.insert(line, {name, ""});
    line->second += base::cat(line->second.empty() ? "" : "; ", text_of(row));
  }
  std::string text;
  for (const auto& [name, seeds] : lines) text += base::cat("  ", name, ": ", seeds, "\n");
  return text;
}

std::string seeds_text(const Json& list) {
  std::string text;
  for (const Json& value : list.as_array())
    text += base::cat(text.empty() ? "" : " ", base::fixed(value.as_double() * 100, 1));
  return text;
}

}  // namespace

Json study_json(const Study& study, const std::vector<std::string>& overrides, const std::string& dir) {
  std::vector<ArmRuns> arms;
  for (const Study::Arm& arm : study.arms) {
    ArmRuns& runs = arms.emplace_back(ArmRuns{arm.name, {}});
    for (const int64_t seed : study.seeds) {
      Recipe recipe = arm_recipe(study, arm, seed, overrides);
      const std::string metrics = base::join_path(base::join_path(dir, recipe.name), "metrics.jsonl");
      if (!base::file_exists(metrics)) continue;
      RunRows run{std::move(recipe), eval::read_rows(metrics), {}};
      if (is_finished(run)) runs.seeds.push_back(std::move(run));
    }
  }
  Json json = Json::object();
  json["study"] = study.name;
  Json accuracies = Json::array(), comparisons = Json::array(), curves = Json::array(), probes = Json::array();
  Json stages = Json::array(), pass_at_k = Json::array(), slips = Json::array();
  for (ArmRuns& arm : arms) {
    if (arm.seeds.empty()) continue;
    add_accuracies(arm, accuracies);
    add_slips(arm, slips);
    add_rows(arm, &eval::Rows::accuracy, curves);
    add_rows(arm, &eval::Rows::probe, probes);
    add_rows(arm, &eval::Rows::pass_at_k, pass_at_k);
    add_rows(arm, &eval::Rows::ledger, stages);
  }
  for (const Study::Comparison& c : study.compare) comparisons.push_back(comparison_json(c, arms));
  json["comparisons"] = std::move(comparisons), json["accuracies"] = std::move(accuracies);
  json["pass_at_k"] = std::move(pass_at_k), json["slips"] = std::move(slips), json["probes"] = std::move(probes);
  json["train_curves"] = std::move(curves), json["stages"] = std::move(stages);
  return json;
}

std::string study_table(const Json& study) {
  std::string text = "Accuracy over seeds, %, 95% intervals over seeds and problems\n";
  for (const Json& row : study.at("accuracies").as_array()) {
    const int64_t budget = row.at("budget").as_int();
    text +=
        base::cat("  ", row.at("arm").as_string(), " ", row.at("task").as_string(), " ", row.at("model").as_string(),
                  " ", row.at("strategy").as_string(), budget ? base::cat("@", budget) : std::string(), ": ",
                  points(row, "value"), " [", points(row, "ci_lo"), ", ", points(row, "ci_hi"), "]  seeds ",
                  seeds_text(row.at("seeds")), "  n ", row.at("n").as_int(), "\n");
  }
  text += "\nComparisons, points\n";
  for (const Json& row : study.at("comparisons").as_array()) {
    text += base::cat("  ", row.at("name").as_string(), " (", row.at("task").as_string(), "; ", row.at("a").as_string(),
                      " - ", row.at("b").as_string(), "): ");
    if (row.find("a_tokens"))
      text += base::cat("[", base::fixed(row.at("a_tokens").as_double(), 0), " against ",
                        base::fixed(row.at("b_tokens").as_double(), 0), " tokens] ");
    if (row.find("refused")) {
      text += base::cat("refused, ", row.at("refused").as_string(), "\n");
      continue;
    }
    if (!row.find("value")) {
      text += "no rows yet\n";
      continue;
    }
    text += base::cat(points(row, "value"), " [", points(row, "ci_lo"), ", ", points(row, "ci_hi"), "]  seeds ",
                      seeds_text(row.at("seeds")));
    if (row.find("seed_ci_lo"))
      text +=
          base::cat(" (from their spread alone [", points(row, "seed_ci_lo"), ", ", points(row, "seed_ci_hi"), "])");
    text += base::cat("  n ", row.at("n").as_int(), "\n");
  }
  const auto whose = [](const Json& row) {
    return base::cat(row.at("arm").as_string(), " ", row.at("task").as_string(), " ", row.at("model").as_string());
  };
  text += "\nGreedy thoughts, a seed: tokens, tries, wrong equations in %\n";
  text += by_seed(
      study.at("train_curves"),
      [](const Json& row) {
        return base::cat(row.at("arm").as_string(), " ", row.at("task").as_string(), " ", row.at("stage").as_string(),
                         " ", row.at("step").as_int());
      },
      [](const Json& row) {
        const Json& counts = row.at("behaviours");
        const auto number = [&](const char* key, double factor, int digits) {
          const Json* value = counts.find(key);
          return value && !value->is_null() ? base::fixed(value->as_double() * factor, digits) : std::string("-");
        };
        return base::cat(base::fixed(row.at("thought_tokens").as_double(), 0), ", ", number("tries", 1, 1), ", ",
                         number("wrong_equation_share", 100, 1));
      });
  text += "\nPass@k, %, a seed\n";
  text += by_seed(
      study.at("pass_at_k"), [&](const Json& row) { return base::cat(whose(row), " k=", row.at("k").as_int()); },
      [](const Json& row) {
        return base::cat(points(row, "value"), " @ ", base::fixed(row.at("tokens_per_problem").as_double(), 0));
      });
  text += "\nPlanted slips, %, a seed: repaired (false alarms at the same places without a slip)\n";
  text += by_seed(
      study.at("probes"), [&](const Json& row) { return base::cat(whose(row), " ", row.at("slip").as_string()); },
      [](const Json& row) {
        return base::cat(points(row, "repaired"), " [", points(row, "ci_lo"), ", ", points(row, "ci_hi"), "] n ",
                         row.at("n").as_int(), " (", points(row, "false_alarms"), ")");
      });
  text += "\nPlanted slips that were repaired, over seeds, %, 95% intervals over seeds and problems\n";
  for (const Json& row : study.at("slips").as_array())
    text += base::cat("  ", whose(row), " ", row.at("slip").as_string(), ": ", points(row, "value"), " [",
                      points(row, "ci_lo"), ", ", points(row, "ci_hi"), "]  seeds ", seeds_text(row.at("seeds")),
                      "  n ", row.at("n").as_int(), "; false alarms ", points(row, "false_alarms"), "\n");
  return text;
}

}  // namespace ponder::recipes
