// Stage 5: test-time compute. Every task is searched with every strategy at growing token budgets; what a
// budget buys is graded afterwards, with verifiers that the searches never see.
#include "ponder/recipes/search_stage.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "ponder/base/clock.h"
#include "ponder/base/log.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/problems.h"

namespace ponder::recipes {
namespace {

// One piece of the stage: finished as a whole, repeated as a whole after a kill.
struct Unit {
  std::string model;  // "sft" or "rl"
  std::string task;
  std::string strategy;  // "samples": greedy and the family that shares one pool of samples
  int64_t budget = 0;    // tokens; "samples" covers all budgets at once
  int64_t problems = 0;
  bool harder = false;
  std::string name() const {
    return base::cat(model, " ", task, " ", strategy, budget ? base::cat(" ", budget) : std::string());
  }
};

std::vector<Unit> plan_units(const Run& run) {
  const SearchStageOptions& o = run.recipe.search;
  const bool after_rl = run.is_finished("rl");
  const std::string model = after_rl ? "rl" : "sft";  // the policy as it stands
  std::vector<Unit> units;
  for (size_t t = 0; t < o.tasks.size(); ++t) {
    if (o.before_rl && after_rl) units.push_back({"sft", o.tasks[t], "samples", 0, o.problems[t]});
    units.push_back({model, o.tasks[t], "samples", 0, o.problems[t]});
    for (const std::string& strategy : o.tree_strategies)
      for (int64_t budget : o.budgets) units.push_back({model, o.tasks[t], strategy, budget, o.problems[t]});
    if (t > 0) continue;
    for (const std::string& strategy : o.stopping_strategies)
      for (int64_t budget : o.stopping_budgets) units.push_back({model, o.tasks[t], strategy, budget, o.problems[t]});
    if (o.oracle == "yes")
      for (int64_t budget : o.stopping_budgets) units.push_back({model, o.tasks[t], "oracle", budget, o.problems[t]});
  }
  for (const std::string& task : o.harder_tasks) units.push_back({model, task, "samples", 0, o.harder_problems, true});
  return units;
}

struct UnitContext {
  Run& run;
  const Unit& unit;
  int64_t step;  // number of the unit
  std::vector<core::Item> items;
  std::vector<std::string> clusters;
  Models models;
  base::RngKey key;
  Cost cost;
  base::Json left = base::Json::object();  // per-problem outcomes that later units compare themselves with

  bool is_before_rl() const { return unit.model == "sft" && run.is_finished("rl"); }
  void write(base::Json row) const { run.write(std::move(row), "search", step); }
  base::RngKey bootstrap() const { return run.key.child("bootstrap").child(unit.task); }
};

// Tokens that ran through the policy or the critic, which are of one size.
void add_tokens(UnitContext& c, int64_t tokens) {
  const double context = static_cast<double>(c.run.recipe.search.max_tokens) / 2;
  c.cost.tokens += tokens;
  c.cost.flops += static_cast<double>(tokens) * model::forward_flops(c.run.recipe.model, context);
}

void write_search_row(UnitContext& c, const std::string& strategy, int64_t budget, double tokens, double critic_tokens,
                      const std::vector<double>& correct) {
  eval::SearchRow row;
  row.task = c.unit.task, row.model = c.unit.model, row.strategy = strategy, row.budget = budget;
  row.tokens_per_problem = tokens, row.critic_tokens_per_problem = critic_tokens;
  row.accuracy = eval::clustered_mean(correct, c.clusters, c.bootstrap());
  c.write(eval::to_json(row));
  const std::string outcomes = outcome_text(correct);
  c.write(eval::to_json(eval::OutcomeRow{c.unit.task, c.unit.model, strategy, budget, outcomes}));
  c.left[base::cat(strategy, "@", budget)] = outcomes;
}

using Pools = std::vector<search::SearchResult>;

// The first samples of one problem's pool that a budget pays for, and what they cost. The next one, which the budget
// would cut short, is not paid for: that favours these baselines, for nobody knows beforehand that it will not fit.
struct Affordable {
  std::vector<search::Candidate> samples;
  int64_t generated = 0, critic = 0;
};

Affordable affordable(const std::vector<search::Candidate>& pool, int64_t prompt_tokens, int64_t budget, bool critic) {
  Affordable a;
  for (const search::Candidate& sample : pool) {
    const auto written = static_cast<int64_t>(sample.tokens.size());
    int64_t read = critic && sample.answer ? written : 0;
    if (read > 0 && a.critic == 0) read += prompt_tokens;
    if (a.generated + a.critic + written + read > budget) break;
    a.generated += written, a.critic += read;
    a.samples.push_back(sample);
  }
  return a;
}

// What one rule of the sampling family chooses at one budget.
struct Selected {
  std::vector<double> correct;           // a problem
  double tokens = 0, critic_tokens = 0;  // mean a problem
};

Selected select_at_budget(const UnitContext& c, const Pools& pools, const std::string& how, int64_t budget) {
  const bool critic = c.models.critic && (how == "rm" || how == "wmaj");  // a confidence reads nothing
  const auto n = static_cast<double>(pools.size());
  Selected s;
  for (size_t i = 0; i < pools.size(); ++i) {
    const core::Problem& problem = c.items[i].problem;
    const auto prompt = static_cast<int64_t>(c.run.codec.prompt(problem).size());
    Affordable a = affordable(pools[i].candidates, prompt, budget, critic);
    s.tokens += static_cast<double>(a.generated) / n, s.critic_tokens += static_cast<double>(a.critic) / n;
    if (how == "random") std::erase_if(a.samples, [](const search::Candidate& x) { return !x.answer; });
    const int64_t chosen = search::select_candidate(a.samples, how, c.key.child(problem.id));
    const bool right =
        chosen >= 0 &&
        grade(c.run.codec, c.items[i], c.run.codec.decode(a.samples[static_cast<size_t>(chosen)].tokens)).correct();
    s.correct.push_back(right ? 1.0 : 0.0);
  }
  return s;
}

std::vector<double> write_selected(UnitContext& c, const Pools& pools, const std::string& strategy,
                                   const std::string& how, int64_t budget) {
  Selected s = select_at_budget(c, pools, how, budget);
  write_search_row(c, strategy, budget, s.tokens, s.critic_tokens, s.correct);
  return std::move(s.correct);
}

// What must not work: the same samples, one of them picked blindly.
void write_random_control(UnitContext& c, const Pools& pools, int64_t budget) {
  eval::ControlRow row;
  row.name = "random selector";
  row.task = c.unit.task;
  row.note = base::cat("one of the samples that ", budget,
                       " tokens pay for and that claim an answer, picked without looking: what voting and "
                       "scoring have to beat");
  row.accuracy = eval::clustered_mean(select_at_budget(c, pools, "random", budget).correct, c.clusters, c.bootstrap());
  c.write(eval::to_json(row));
}

void write_vote_gain(UnitContext& c, const std::vector<double>& majority, const std::vector<double>& greedy,
                     int64_t budget) {
  eval::CompareRow row;
  row.name = "search-majority";
  row.task = c.unit.task;
  row.note = base::cat("majority vote at ", budget,
                       " tokens minus greedy, the same problems; bootstrap over canonical instances");
  row.difference = eval::paired_difference(majority, greedy, c.clusters, c.bootstrap());
  c.write(eval::to_json(row));
}

using GradedPools = std::vector<std::vector<eval::PoolSample>>;

GradedPools graded(const UnitContext& c, const Pools& pools) {
  GradedPools out;
  for (size_t i = 0; i < pools.size(); ++i) {
    std::vector<eval::PoolSample>& samples = out.emplace_back();
    for (const search::Candidate& sample : pools[i].candidates) {
      const bool right = grade(c.run.codec, c.items[i], c.run.codec.decode(sample.tokens)).correct();
      samples.push_back({sample.answer.value_or(""), sample.answer.has_value(), right, sample.score});
    }
  }
  return out;
}

void write_pass_at_k(UnitContext& c, const Pools& pools, const GradedPools& graded) {
  const int64_t pool = c.run.recipe.search.pool;
  double tokens = 0;
  for (const search::SearchResult& result : pools)
    for (const search::Candidate& sample : result.candidates) tokens += static_cast<double>(sample.tokens.size());
  for (int64_t k = 1; k <= pool; k *= 2) {
    std::vector<double> values;
    for (const std::vector<eval::PoolSample>& samples : graded)
      values.push_back(eval::pass_at_k(pool, std::ranges::count(samples, true, &eval::PoolSample::correct), k));
    eval::PassAtKRow row;
    row.task = c.unit.task, row.model = c.unit.model, row.k = k, row.samples = pool;
    row.tokens_per_problem =
        tokens / static_cast<double>(pools.size()) * static_cast<double>(k) / static_cast<double>(pool);
    row.value = eval::clustered_mean(values, c.clusters, c.bootstrap());
    c.write(eval::to_json(row));
  }
}

// What votes of k samples gain over greedy answers, whatever the budget: over all sets of k out of the pool, so that a
// larger pool says it more exactly.
void write_majority_at_k(UnitContext& c, const GradedPools& graded, const std::vector<double>& greedy) {
  constexpr int64_t kMost = 64;
  for (int64_t k = 2; k <= std::min(c.run.recipe.search.pool, kMost); k *= 2) {
    std::vector<double> majority;
    for (const std::vector<eval::PoolSample>& samples : graded) majority.push_back(eval::majority_at_k(samples, k));
    eval::CompareRow row;
    row.name = base::cat("majority-at-", k, c.is_before_rl() ? "-before-rl" : "");
    row.task = c.unit.task;
    row.note = base::cat("expected majority vote of ", k, " of the pool's ", c.run.recipe.search.pool,
                         " samples minus greedy, the same problems; bootstrap over canonical instances");
    row.difference = eval::paired_difference(majority, greedy, c.clusters, c.bootstrap());
    c.write(eval::to_json(row));
  }
}

Pools collect(UnitContext& c, std::vector<search::SearchRow> rows) {
  Pools pools;
  for (search::SearchRow& row : rows) {
    if (!row.ok()) throw Error(ErrorCode::kInternal, row.error, base::cat("search of ", c.unit.name()));
    add_tokens(c, row.result.usage.processed + row.result.usage.critic_processed);
    pools.push_back(std::move(row.result));
  }
  return pools;
}

Pools run_strategy(UnitContext& c, const StrategyFactory& factory, int64_t budget_tokens,
                   const std::function<void(int64_t)>& done) {
  core::Budget budget;
  if (budget_tokens > 0) budget.tokens = budget_tokens;
  std::atomic<int64_t> finished = 0;
  return collect(c, search_problems(c.models, c.run.codec, search_inputs(c.run.codec, c.items), factory, budget, c.key,
                                    [&](size_t, search::SearchRow&) { done(++finished); }));
}

// A greedy answer that is longer than the budget is cut before its end.
void write_greedy(UnitContext& c, const GreedyAnswers& answers) {
  for (int64_t budget : c.run.recipe.search.budgets) {
    std::vector<double> correct = answers.correct;
    double tokens = 0;
    for (size_t i = 0; i < correct.size(); ++i) {
      tokens += static_cast<double>(std::min(answers.tokens[i], budget));
      if (answers.tokens[i] > budget) correct[i] = 0;
    }
    write_search_row(c, "greedy", budget, tokens / static_cast<double>(correct.size()), 0, correct);
  }
}

// Greedy before and after RL on the same problems: transcripts by a rule that looks at no outcome, or the paired gain
// of a harder task.
void compare_with_before(UnitContext& c, const GreedyAnswers& after) {
  const GreedyAnswers before =
      answer_greedily(c.run.models(c.run.before_rl), c.run.codec, c.items, c.run.recipe.search.max_tokens);
  add_tokens(c, before.processed);
  if (c.unit.harder) {  // rl compares the tasks that it trains on
    c.write(eval::to_json(gain_row(c.unit.task, c.items, before.correct, after.correct, c.bootstrap())));
    return;
  }
  // The transcripts are shared out evenly; the first tasks get what is left over.
  const std::vector<std::string>& tasks = c.run.recipe.search.tasks;
  const auto share = std::div(c.run.recipe.report.transcripts, static_cast<int64_t>(tasks.size()));
  const auto place = std::ranges::find(tasks, c.unit.task) - tasks.begin();
  const int64_t shown = share.quot + (place < share.rem ? 1 : 0);
  for (int64_t i = 0; i < std::min<int64_t>(shown, static_cast<int64_t>(c.items.size())); ++i)
    for (const GreedyAnswers* answers : {&before, &after}) {
      const core::Item& item = c.items[static_cast<size_t>(i)];
      const core::Verdict& verdict = answers->verdicts[static_cast<size_t>(i)];
      eval::TranscriptRow t;
      t.task = c.unit.task, t.problem = item.problem.id, t.question = item.problem.question;
      t.model = answers == &before ? "sft" : "rl";
      t.text = answers->texts[static_cast<size_t>(i)];
      t.answer = verdict.extracted, t.verdict = core::verdict_name(verdict.kind), t.reason = verdict.reason;
      t.tokens = answers->tokens[static_cast<size_t>(i)];
      c.write(eval::to_json(t));
    }
}

void run_samples_unit(UnitContext& c, const std::function<void(int64_t)>& done) {
  const SearchStageOptions& o = c.run.recipe.search;
  const GreedyAnswers greedy = answer_greedily(c.models, c.run.codec, c.items, o.max_tokens);
  add_tokens(c, greedy.processed);
  write_greedy(c, greedy);
  if (c.unit.model == "rl") compare_with_before(c, greedy);
  const bool critic = c.models.critic || c.models.confidence;
  const Pools pools = run_strategy(
      c,
      [&] {
        return search::make_strategy(
            "bon", {base::cat("n=", o.pool), base::cat("temperature=", o.temperature),
                    base::cat("max_tokens=", o.max_tokens), base::cat("select=", critic ? "wmaj" : "maj")});
      },
      0, done);
  for (int64_t budget : o.budgets) {
    const std::vector<double> majority = write_selected(c, pools, "majority", "maj", budget);
    if (critic) {
      write_selected(c, pools, "bon", "rm", budget);
      write_selected(c, pools, "bon-wmaj", "wmaj", budget);
    }
    if (budget != o.budgets.back() || c.is_before_rl()) continue;
    write_vote_gain(c, majority, greedy.correct, budget);
    write_random_control(c, pools, budget);
  }
  const GradedPools samples = graded(c, pools);
  write_pass_at_k(c, pools, samples);
  write_majority_at_k(c, samples, greedy.correct);
}

// The recipe's options, with the sampling of the pool: strategies are compared at the same temperature and length.
template <class Options>
void set_options(search::Strategy& strategy, Options options, const SearchStageOptions& o) {
  options.temperature = o.temperature;
  options.max_tokens = o.max_tokens;
  base::read_fields(strategy.options(), base::parse_yaml(base::to_yaml(options), "recipe"), "recipe");
}

std::unique_ptr<search::Strategy> recipe_strategy(const SearchStageOptions& o, const std::string& name) {
  auto strategy = search::make_strategy(name);
  if (name == "reject") set_options(*strategy, o.reject, o);
  if (name == "first") set_options(*strategy, o.first, o);
  if (name == "agree") set_options(*strategy, o.agree, o);
  if (name == "beam") set_options(*strategy, o.beam, o);
  if (name == "dvts") set_options(*strategy, o.dvts, o);
  if (name == "mcts") set_options(*strategy, o.mcts, o);
  if (name == "best-first") set_options(*strategy, o.best_first, o);
  return strategy;
}

// The paired difference to majority voting at the same budget, from the outcomes that the samples unit left.
void compare_with_majority(UnitContext& c, const std::vector<double>& correct) {
  for (int64_t earlier = 0; earlier < c.step; ++earlier) {
    const base::Json* unit = c.run.directory.finished(base::cat("search/", earlier));
    const base::Json* outcomes = unit ? unit->find(base::cat("majority@", c.unit.budget)) : nullptr;
    if (!outcomes || unit->at("task").as_string() != c.unit.task || unit->at("model").as_string() != c.unit.model)
      continue;
    std::vector<double> majority;
    for (char x : outcomes->as_string()) majority.push_back(x == '1' ? 1.0 : 0.0);
    eval::CompareRow row;
    row.name = base::cat(c.unit.strategy, "-majority@", c.unit.budget);
    row.task = c.unit.task;
    row.note = "same problems, same token budget (critic tokens counted); bootstrap over canonical instances";
    row.difference = eval::paired_difference(correct, majority, c.clusters, c.bootstrap());
    c.write(eval::to_json(row));
  }
}

// The row of one strategy at one budget; gives what was right.
std::vector<double> write_results(UnitContext& c, const Pools& results) {
  std::vector<double> correct;
  double generated = 0, read = 0;
  for (size_t i = 0; i < results.size(); ++i) {
    correct.push_back(grade(c.run.codec, c.items[i], c.run.codec.decode(results[i].completion)).correct() ? 1.0 : 0.0);
    generated += static_cast<double>(results[i].usage.generated), read += static_cast<double>(results[i].usage.read());
  }
  const auto n = static_cast<double>(results.size());
  write_search_row(c, c.unit.strategy, c.unit.budget, generated / n, read / n, correct);
  return correct;
}

void run_tree_unit(UnitContext& c, const std::function<void(int64_t)>& done) {
  const SearchStageOptions& o = c.run.recipe.search;
  const Pools results = run_strategy(
      c, [&] { return recipe_strategy(o, c.unit.strategy); }, c.unit.budget, done);
  compare_with_majority(c, write_results(c, results));
  if (c.unit.budget != o.budgets.back()) return;
  const core::Verdict verdict = grade(c.run.codec, c.items[0], c.run.codec.decode(results[0].completion));
  eval::TreeRow tree;
  tree.task = c.unit.task, tree.problem = c.items[0].problem.id, tree.model = c.unit.model;
  tree.strategy = c.unit.strategy, tree.question = c.items[0].problem.question;
  tree.answer = verdict.extracted, tree.verdict = core::verdict_name(verdict.kind);
  tree.tokens = results[0].usage.generated;
  tree.tree = search::tree_json(results[0].tree, c.run.codec);
  c.write(eval::to_json(tree));
}

// What reject would reach with a perfect judge: whether its way of stopping can work at all. The only unit whose search
// is told right from wrong.
void run_oracle_unit(UnitContext& c, const std::function<void(int64_t)>& done) {
  const SearchStageOptions& o = c.run.recipe.search;
  c.models.oracle = &c.items;
  const Pools results = run_strategy(
      c,
      [&] {
        auto strategy = search::make_strategy("reject");
        search::RejectOptions options;
        options.guide = "critic";
        set_options(*strategy, options, o);
        return strategy;
      },
      c.unit.budget, done);
  const std::vector<double> correct = write_results(c, results);
  eval::ControlRow row;
  row.name = base::cat("oracle@", c.unit.budget);
  row.task = c.unit.task;
  row.note =
      "reject with a verifier who knows the right answers in the critic's place, its reading paid for as a critic's: "
      "what a perfect judge would be worth, no strategy";
  row.accuracy = eval::clustered_mean(correct, c.clusters, c.bootstrap());
  c.write(eval::to_json(row));
}

void run_unit(Run& run, const Unit& unit, int64_t step, base::Progress& progress) {
  const bool before_rl = unit.model == "sft" && run.is_finished("rl");
  const model::Parameters& weights = before_rl ? run.before_rl : run.policy;
  const auto& critic = before_rl ? run.critic_before_rl : run.critic;
  UnitContext c{run,
                unit,
                step,
                run.test_problems(unit.task, unit.problems),
                {},
                run.models(weights, critic ? &*critic : nullptr),
                run.key.child("search").child(unit.model).child(unit.strategy),
                {}};
  const auto& confidence = before_rl ? run.confidence_before_rl : run.confidence;
  c.models.confidence = confidence ? &*confidence : nullptr;
  c.models.may_stop = true;  // a unit that was begun is begun again
  c.clusters = clusters_of(c.items);
  const base::Stopwatch watch;
  const auto done = [&](int64_t n) { progress.update(step, base::cat(unit.name(), "  ", n, "/", unit.problems)); };
  if (unit.strategy == "samples") {
    run_samples_unit(c, done);
  } else if (unit.strategy == "oracle") {
    run_oracle_unit(c, done);
  } else {
    run_tree_unit(c, done);
  }
  c.cost.seconds = watch.seconds();
  c.left["task"] = unit.task, c.left["model"] = unit.model;
  put_cost(c.cost, c.left);
  run.sync();
  run.directory.finish(base::cat("search/", step), std::move(c.left));
}

// A unit can take minutes, so a stop does not wait for its end; a resumed run begins it again.
void run_unit_or_stop(Run& run, const Unit& unit, int64_t step, int64_t count, base::Progress& progress) {
  try {
    run_unit(run, unit, step, progress);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kStopped) throw;
    throw Error(ErrorCode::kStopped, base::cat("stopped in stage search after unit ", step, " of ", count,
                                               "; the same command goes on from here"));
  }
}

}  // namespace

void run_search(Run& run) {
  PONDER_CHECK(run.policy.exists(), "stage search needs a policy; put pretrain, sft or rl before it");
  const std::vector<Unit> units = plan_units(run);
  const auto count = static_cast<int64_t>(units.size());
  int64_t first = 0;
  while (first < count && run.directory.finished(base::cat("search/", first))) ++first;
  run.rewind("search", first - 1);
  {
    base::Progress progress("search", count, "units");
    for (int64_t step = first; step < count; ++step) {
      const Unit& unit = units[static_cast<size_t>(step)];
      run_unit_or_stop(run, unit, step, count, progress);
      progress.update(step + 1, unit.name());
    }
  }
  Cost total;
  for (int64_t step = 0; step < count; ++step) {
    total += cost_from(*run.directory.finished(base::cat("search/", step)));
  }
  run.finish("search", total, "");
}

}  // namespace ponder::recipes
