// `ponder scaling search`: every strategy on the same problems at growing budgets, and what that says. The directory
// holds a file of rows for each search that is done; a study that is stopped goes on behind them, and the page is made
// from them alone.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "ponder/base/clock.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/base/rng.h"
#include "ponder/engine/policy.h"
#include "ponder/eval/scaling.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/search_stage.h"
#include "ponder/recipes/solver.h"
#include "ponder/search/auto_table.h"
#include "ponder/search/guide.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

constexpr const char* kPool = "samples";
constexpr int64_t kPoolSamples = 64;  // for coverage; more where these do not spend the largest budget
constexpr const char* kSamplingFamily[] = {"sample", "majority", "bon"};     // out of one pool
constexpr const char* kInWords[] = {"revise", "mctsr", "decompose", "rap"};  // ask the model about its own work
constexpr const char* kControls[] = {"first", "agree"};
// What they have found on the way says nothing of a smaller budget: they share it out beforehand, or end a thought by
// it.
constexpr const char* kBudgetIsPartOfThem[] = {"rstar", "auto", "budget-force"};
constexpr const char* kOneCompletion[] = {"greedy", "sample"};

template <size_t N>
bool is_one_of(const std::string& name, const char* const (&names)[N]) {
  return std::ranges::find(names, name) != std::end(names);
}

// One search over all problems.
struct Unit {
  std::string name;                  // of its curve
  std::string search;                // the strategy
  std::vector<std::string> options;  // "key=value", the user's
  int64_t budget = 0;
  int64_t tokens = 0;      // what it may spend, where that is not the budget of its curve
  std::string shift = {};  // names the problems out of distribution, if it is over these
  std::string file() const {
    return shift.empty() ? base::cat(name, "-", budget, ".jsonl") : base::cat("shift-", shift, ".jsonl");
  }
};

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    if (end > begin) words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

// Growing; an eighth, a quarter, a half, all of the largest where the user says nothing.
std::vector<int64_t> budgets_of(const ScalingArgs& args) {
  std::vector<int64_t> budgets = args.budgets;
  if (budgets.empty())
    for (int64_t part : {8, 4, 2, 1}) budgets.push_back(std::max<int64_t>(1, args.search.budget_tokens / part));
  std::ranges::sort(budgets);
  const auto [first, last] = std::ranges::unique(budgets);
  budgets.erase(first, last);
  if (budgets.front() < 1) throw Error(ErrorCode::kUsage, "a budget has at least one token", "--budgets");
  return budgets;
}

// The strategies that the user names, or all that this model can run.
std::vector<std::string> chosen_strategies(const ScalingArgs& args, const Solver& solver,
                                           const core::Problem& problem) {
  if (!args.strategies.empty()) return args.strategies;
  const bool can_ask = solver.codec->asking(problem, {core::Ask::kPlan, {}}).has_value();
  std::vector<std::string> names;
  for (const std::string& name : search::strategy_names())
    if (!is_one_of(name, kControls) && (can_ask || !is_one_of(name, kInWords))) names.push_back(name);
  return names;
}

std::vector<Unit> plan_units(const ScalingArgs& args, const std::vector<std::string>& strategies,
                             const std::vector<int64_t>& budgets) {
  std::vector<Unit> units;
  bool pool = false;
  for (const std::string& text : strategies) {
    std::vector<std::string> words = words_of(text);
    if (words.empty()) throw Error(ErrorCode::kUsage, "an empty name is no strategy", "command line");
    const std::string search = words[0];
    words.erase(words.begin());
    (void)search::make_strategy(search, words);  // wrong names are found before any work
    if (is_one_of(search, kSamplingFamily) && words.empty()) {
      pool = true;
      continue;
    }
    std::string name = search;
    for (const std::string& option : words) name += " " + option;
    std::ranges::replace(name, '/', '_');
    // With one large budget alone, smaller ones are read off it where that says something.
    const bool at_each =
        !is_one_of(search, kOneCompletion) && (!args.anytime || is_one_of(search, kBudgetIsPartOfThem));
    if (at_each)
      for (int64_t budget : budgets) units.push_back({name, search, words, budget});
    else
      units.push_back({name, search, words, is_one_of(search, kOneCompletion) ? 0 : budgets.back()});
  }
  if (pool) units.insert(units.begin(), {kPool, "bon", {base::cat("n=", args.pool > 0 ? args.pool : kPoolSamples)}});
  for (size_t i = 0; i < units.size(); ++i)
    for (size_t k = 0; k < i; ++k)
      if (units[i].file() == units[k].file())
        throw Error(ErrorCode::kUsage, base::cat("\"", units[i].name, "\" is named twice"), "command line");
  return units;
}

// How a search chooses among what it has found; of those that look at more than candidates, the nearest such rule.
std::string rule_of(search::Strategy& strategy) {
  const base::Json options = base::to_json(strategy.options());
  const base::Json* select = options.find("select");
  if (!select) return strategy.name() == "majority" ? "maj" : "last";
  const std::string& rule = select->as_string();
  if (rule == "visits") return "wmaj";
  if (rule == "goal") return "first";
  return rule == "auto" ? "rm" : rule;
}

// Who scores a search's answers: of the pool whichever judge the model has, of other strategies the guide that the user
// names, which says something of a signal only where it alone gives the scores ("" elsewhere: `auto` marks its probe's
// answers with 0, and eval= and judge= may ask the model in words).
std::string guide_of(const Unit& unit, search::Strategy& strategy, const Models& models, const core::Problem& problem) {
  const base::Json options = base::to_json(strategy.options());
  const bool is_named =
      std::ranges::any_of(unit.options, [](const std::string& option) { return option.starts_with("guide="); });
  if (!options.find("guide") || unit.search == "auto" || (unit.name != kPool && !is_named)) return "";
  for (const char* judge : {"eval", "judge"})
    if (const base::Json* who = options.find(judge); who && who->as_string() != "score") return "";
  const std::string guide = options.at("guide").as_string();
  if (guide == "verifier" || guide == "heuristic") return "";  // of an answer they say what the grade says
  if (guide != "auto") return guide;
  if (models.critic) return "critic";
  core::Ports ports;
  ports.confidence = models.confidence;
  core::SampleParams params;
  params.temperature = options.double_at("temperature"), params.top_k = options.int_at("top_k");
  params.top_p = options.double_at("top_p"), params.min_p = options.double_at("min_p");
  const bool fitted = search::guide_named("auto", 0, ports, problem, params).kind == search::GuideKind::kConfidence;
  return fitted ? "confidence" : "likelihood";
}

// Who chooses among a search's answers, and who scores them.
struct Judges {
  std::string rule, guide;
};

eval::ScalingRow graded_row(const text::ProblemCodec& codec, const core::Item& item, const std::string& cluster,
                            const Unit& unit, const Judges& judges, const SearchFlops& flops,
                            const search::SearchRow& row) {
  eval::ScalingRow out;
  out.strategy = unit.name, out.budget = unit.budget, out.problem = item.problem.id, out.cluster = cluster;
  out.select = judges.rule, out.guide = judges.guide, out.error = row.error;
  if (!row.ok()) return out;
  const search::SearchResult& result = row.result;
  const auto right = [&](const core::Tokens& tokens) { return grade(codec, item, codec.decode(tokens)).correct(); };
  out.answered = result.answer.has_value();
  out.correct = out.answered && right(result.completion);
  out.generated = result.usage.generated, out.read = result.usage.read();
  const std::vector<int64_t> revises = search::revised_candidates(result);
  for (const search::Candidate& c : result.candidates) {
    eval::Found found;
    found.revises = revises[out.found.size()], found.cut = c.cut;
    core::Usage usage = c.usage;
    usage.critic_processed = usage.critic;  // it is complete when it is written, and read a moment later
    found.flops = flops.of(usage, result), found.critic_flops = flops.of_critic(usage, result);
    found.generated = c.usage.generated, found.read = c.usage.read();
    found.answered = c.answer.has_value(), found.answer = c.answer.value_or("");
    found.correct = found.answered && right(c.tokens), found.score = c.score;
    const search::Node& end = result.tree[c.node];
    found.scored = end.scored, found.length = static_cast<int64_t>(c.tokens.size());
    if (end.path_length > 0) found.likelihood = std::exp(end.path_logp / end.path_length);
    out.found.push_back(std::move(found));
  }
  out.costs = eval::RowCosts{.processed = result.usage.processed,
                             .unique = search::unique_tokens(result),
                             .discarded = search::discarded_tokens(result),
                             .recomputed = search::recomputed_tokens(result),
                             .flops = flops.of(result),
                             .seconds = row.seconds};
  return out;
}

struct ScalingStudy {
  const ScalingArgs& args;
  Solver solver;
  ProblemFile problems;
  std::vector<std::string> clusters;
  std::vector<int64_t> budgets;
  std::vector<Unit> units;
  int64_t pool_tokens = 0;  // what a pool may cost so that its samples alone spend the largest budget
  ProblemFile shift = {};   // out of distribution
  std::vector<std::string> shift_clusters = {};

  const ProblemFile& problems_of(const Unit& unit) const { return unit.shift.empty() ? problems : shift; }
  const std::vector<std::string>& clusters_of(const Unit& unit) const {
    return unit.shift.empty() ? clusters : shift_clusters;
  }
  std::string path(const std::string& file) const { return base::join_path(args.out, file); }
};

// The rows of a unit for these of the problems.
void search_these(const ScalingStudy& study, const Unit& unit, const std::vector<size_t>& which,
                  std::vector<eval::ScalingRow>& rows, const std::function<void(int64_t done)>& done) {
  SolveArgs args = study.args.search;
  args.search = unit.search;
  args.search_options = unit.options;
  const StrategyFactory factory = [&] {
    return search::make_strategy(args.search, search_options(args, study.solver));
  };
  EngineStats stats;
  Models models = models_of(args, study.solver);
  models.may_stop = true, models.stats = &stats;
  const std::unique_ptr<search::Strategy> strategy = factory();
  const SearchFlops flops(study.solver, *strategy);
  const Judges judges{rule_of(*strategy), guide_of(unit, *strategy, models, study.problems_of(unit).items[0].problem)};
  core::Budget budget;
  if (unit.budget > 0 || unit.tokens > 0) budget.tokens = unit.budget > 0 ? unit.budget : unit.tokens;
  const text::ProblemCodec& codec = *study.solver.codec;
  std::vector<core::Item> items;
  for (size_t i : which) items.push_back(study.problems_of(unit).items[i]);
  std::atomic<int64_t> count = 0, failed = 0;
  const base::Stopwatch watch;
  search_problems(models, codec, search_inputs(codec, items), factory, budget,
                  base::RngKey(static_cast<uint64_t>(args.seed)).child("scaling").child(unit.search),
                  [&](size_t k, search::SearchRow& row) {
                    if (!row.ok() && failed++ == 0)
                      base::log_error(base::cat(unit.name, ", ", items[k].problem.id, ": ", row.error));
                    rows[which[k]] =
                        graded_row(codec, items[k], study.clusters_of(unit)[which[k]], unit, judges, flops, row);
                    row = {};  // a tree can be large
                    done(++count);
                  });
  const double seconds = watch.seconds();
  for (size_t i : which) {
    if (!rows[i].costs) continue;
    eval::RowCosts& costs = *rows[i].costs;
    costs.batch = static_cast<int64_t>(which.size()), costs.batch_seconds = seconds;
    costs.batch_kv_peak_bytes = stats.kv_peak_bytes;
  }
}

// Where the pool's samples are short they do not spend the largest budget: there it goes on until they have. A search
// with more samples begins with the same ones.
void fill_pool(const ScalingStudy& study, Unit unit, std::vector<eval::ScalingRow>& rows) {
  std::vector<size_t> short_ones;
  for (size_t i = 0; i < rows.size(); ++i)
    if (rows[i].error.empty() && rows[i].generated < study.budgets.back()) short_ones.push_back(i);
  if (short_ones.empty()) return;
  unit.options = {"n=0"}, unit.tokens = study.pool_tokens;
  search_these(study, unit, short_ones, rows, [](int64_t) {});
}

// All rows of a unit, or none: its file is written when it is whole.
void run_unit(const ScalingStudy& study, const Unit& unit, base::Progress& progress, int64_t done_before) {
  std::vector<eval::ScalingRow> rows(study.problems_of(unit).items.size());
  std::vector<size_t> all;
  for (size_t i = 0; i < rows.size(); ++i) all.push_back(i);
  search_these(study, unit, all, rows, [&](int64_t done) { progress.update(done_before + done, unit.name); });
  if (unit.name == kPool && study.args.pool == 0) fill_pool(study, unit, rows);
  std::string text;
  for (const eval::ScalingRow& row : rows) text += eval::to_json(row).dump() + "\n";
  base::write_file_atomic(study.path(unit.file()), text);
}

std::vector<eval::ScalingRow> read_rows(const ScalingStudy& study, bool shift) {
  std::vector<eval::ScalingRow> rows;
  for (const Unit& unit : study.units) {
    const std::string path = study.path(unit.file());
    if (unit.shift.empty() == shift || !base::file_exists(path)) continue;
    const std::string text = base::read_file(path);
    int64_t line = 0;
    for (size_t begin = 0; begin < text.size();) {
      const size_t end = std::min(text.find('\n', begin), text.size());
      const std::string where = base::cat(path, ":", ++line);
      rows.push_back(eval::scaling_row(base::Json::parse(text.substr(begin, end - begin), where), where));
      begin = end + 1;
    }
  }
  return rows;
}

// What must not change between two calls that share a directory.
base::Json identity(const ScalingStudy& study) {
  const SolveArgs& a = study.args.search;
  base::Json json = base::Json::object();
  json["model"] = a.model, json["problems"] = a.problems, json["n"] = static_cast<int64_t>(study.problems.items.size());
  json["seed"] = a.seed, json["weights"] = a.weights, json["adapter"] = a.adapter, json["pool"] = study.args.pool;
  json["kv_dtype"] = a.decode.kv_dtype, json["speculate"] = a.decode.speculate, json["draft"] = a.decode.draft;
  json["draft_tokens"] = a.decode.draft_tokens;
  if (!a.discriminator.empty()) json["discriminator"] = a.discriminator;  // studies without one go on as they are
  // Whatever stands in these files by then, and however the model is asked.
  json["weights_id"] = base::hex64(engine::weights_id(study.solver.model.policy));
  if (study.solver.model.critic) json["critic_id"] = base::hex64(engine::weights_id(*study.solver.model.critic));
  if (study.solver.discriminator)
    json["discriminator_id"] = base::hex64(engine::weights_id(study.solver.discriminator->policy));
  std::string prompts;
  for (const core::Item& item : study.problems.items)
    for (const core::Token token : study.solver.codec->prompt(item.problem)) prompts += base::cat(token, " ");
  json["prompts_id"] = base::hex64(base::hash64(prompts));
  return json;
}

void check_identity(const ScalingStudy& study) {
  const std::string path = study.path("study.json"), text = identity(study).dump(1) + "\n";
  if (base::file_exists(path) && base::read_file(path) != text)
    throw Error(ErrorCode::kUsage,
                base::cat("this directory holds a study of something else (see study.json); name another --out"),
                study.args.out);
  base::write_file_atomic(path, text);
}

base::Json write_page(const ScalingStudy& study) {
  eval::ScalingSetup setup;
  setup.model = study.args.search.model, setup.task = study.args.search.problems;
  if (setup.task.starts_with("task:")) setup.task = setup.task.substr(5);
  setup.budgets = study.budgets, setup.seed = study.args.search.seed, setup.more = identity(study);
  setup.shift = study.args.shift;
  if (setup.shift.starts_with("task:")) setup.shift = setup.shift.substr(5);
  base::Json json = eval::scaling_json(read_rows(study, false), setup, read_rows(study, true));
  base::write_file_atomic(study.path("scaling.json"), json.dump(1) + "\n");
  base::write_file_atomic(study.path("scaling.html"), eval::scaling_html(json));
  return json;
}

// What `auto` is to go by on other problems; nothing without a pool of samples. Where the study cannot tell, its
// sentences say so, and no table of an earlier call stays behind.
void write_auto_table(const ScalingStudy& study, const base::Json& scaling) {
  const std::string path = study.path("auto.json");
  const auto table = eval::auto_table(scaling, study.clusters);
  if (!table) return base::remove_all(path);
  base::Json json = search::to_json(*table);
  for (const char* told : {"model", "task", "n", "seed"}) json[told] = scaling.at(told);
  base::write_file_atomic(path, json.dump(1) + "\n");
  base::log_info(base::cat("table for --search auto: ", path));
}

// The pool of the problems out of distribution, as it is drawn of the study's own. Its file is named after what they
// are, so that a study can be given others later.
void add_shift(ScalingStudy& study) {
  SolveArgs args = study.args.search;
  args.problems = study.args.shift, args.task = "";
  if (!is_task_spec(args.problems) && !args.problems.ends_with(".jsonl")) args.problems = "task:" + args.problems;
  study.shift = readable_problems(args, study.solver);
  for (const RowError& error : study.shift.errors) base::log_error(error.message);
  if (study.shift.items.empty())
    throw Error(ErrorCode::kInput, "there is no problem that could be read", args.problems);
  study.shift_clusters = clusters_of(study.shift.items);
  const auto pool = std::ranges::find(study.units, kPool, &Unit::name);
  if (pool == study.units.end())
    throw Error(ErrorCode::kUsage, "signals are compared over the pool of samples; name majority or bon as well",
                "--shift");
  std::string prompts;
  for (const core::Item& item : study.shift.items)
    for (const core::Token token : study.solver.codec->prompt(item.problem)) prompts += base::cat(token, " ");
  Unit unit = *pool;
  unit.shift = base::cat(base::file_name(args.problems), "-", base::hex64(base::hash64(prompts)));
  std::ranges::replace(unit.shift, ':', '-');
  study.units.insert(pool + 1, unit);
}

ScalingStudy open_study(const ScalingArgs& args) {
  ScalingStudy study{args, open_solver(args.search), {}, {}, budgets_of(args), {}, 0};
  study.problems = readable_problems(args.search, study.solver);
  for (const RowError& error : study.problems.errors) base::log_error(error.message);
  if (study.problems.items.empty())
    throw Error(ErrorCode::kInput, "there is no problem that could be read", args.search.problems);
  study.clusters = clusters_of(study.problems.items);
  const std::vector<std::string> strategies = chosen_strategies(args, study.solver, study.problems.items[0].problem);
  size_t prompt = 0;
  for (const core::Item& item : study.problems.items)
    prompt = std::max(prompt, study.solver.codec->prompt(item.problem).size());
  // A critic reads each sample, and the prompt once.
  const int64_t largest = study.budgets.back();
  study.pool_tokens = study.solver.model.critic ? 2 * largest + static_cast<int64_t>(prompt) : largest;
  study.units = plan_units(args, strategies, study.budgets);
  std::vector<bool> uses;
  for (const Unit& unit : study.units) {
    const auto strategy = search::make_strategy(unit.search, unit.options);
    check_not_learned(*strategy, study.problems.items);
    uses.push_back(strategy->asks_second());
  }
  check_discriminator(args.search, uses);
  if (!args.shift.empty()) add_shift(study);
  base::make_directories(args.out);
  check_identity(study);
  return study;
}

// What a strategy cannot do with this model shows in its first steps: with a token to spend, before any long work.
void try_all(const ScalingStudy& study) {
  std::string tried;
  for (const Unit& unit : study.units) {
    if (base::file_exists(study.path(unit.file())) || (unit.name == tried && unit.shift.empty())) continue;
    tried = unit.name;
    SolveArgs args = study.args.search;
    args.search = unit.search, args.search_options = unit.options;
    const text::ProblemCodec& codec = *study.solver.codec;
    check_room(models_of(args, study.solver),
               longest_sequence(codec, study.problems_of(unit).items,
                                *search::make_strategy(args.search, search_options(args, study.solver))));
    search_problems(
        models_of(args, study.solver), codec, search_inputs(codec, {study.problems_of(unit).items[0]}),
        [&] { return search::make_strategy(args.search, search_options(args, study.solver)); }, {.tokens = 1},
        base::RngKey(1));
  }
}

}  // namespace

int command_scaling(const ScalingArgs& given) {
  ScalingArgs args = given;
  if (args.what != "search")
    throw Error(ErrorCode::kUsage, base::cat("\"", args.what, "\" is not something that is scaled; valid: search"),
                "command line");
  if (args.search.problems.empty()) {
    if (args.search.task.empty())
      throw Error(ErrorCode::kUsage, "give --task NAME or --problems FILE.jsonl", "command line");
    args.search.problems = base::cat("task:", args.search.task);
  }
  if (args.out.empty()) args.out = base::cat("runs/scaling-", args.search.task.empty() ? "problems" : args.search.task);
  tensor::set_operator_threads(1);
  const ScalingStudy study = open_study(args);
  try_all(study);
  const auto n = static_cast<int64_t>(study.problems.items.size());
  const auto count = static_cast<int64_t>(study.units.size());
  {
    base::Progress progress("scaling", n * count, "searches");
    for (int64_t u = 0; u < count; ++u) {
      const Unit& unit = study.units[static_cast<size_t>(u)];
      if (base::file_exists(study.path(unit.file()))) continue;
      try {
        run_unit(study, unit, progress, u * n);
      } catch (const Error& e) {
        if (e.code() != ErrorCode::kStopped) throw;
        write_page(study);
        throw Error(ErrorCode::kStopped, base::cat("stopped in ", unit.name, ", search ", u + 1, " of ", count,
                                                   "; the same command goes on from here"));
      }
    }
  }
  const base::Json json = write_page(study);
  write_auto_table(study, json);
  base::print_result(args.search.json ? json.dump() : eval::scaling_table(json));
  base::log_info(base::cat("page: ", study.path("scaling.html")));
  return study.problems.errors.empty() && study.shift.errors.empty() && json.at("errors").size() == 0 ? 0 : 1;
}

}  // namespace ponder::recipes
