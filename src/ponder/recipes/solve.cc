// `ponder solve` and `ponder eval`: problems through a search. What the search gets has no gold answer in it; eval
// grades afterwards.
#include <algorithm>
#include <mutex>
#include <optional>

#include "ponder/base/clock.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/base/thread.h"
#include "ponder/eval/costs.h"
#include "ponder/eval/flips.h"
#include "ponder/eval/statistics.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/problem_file.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/recipe.h"
#include "ponder/recipes/search_stage.h"
#include "ponder/recipes/solver.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/word_codec.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

using Take = std::function<void(size_t i, const search::SearchRow& row, const std::string& text)>;

// Hands the rows that workers finish on, one at a time and in the order of the problems.
class InOrder {
 public:
  InOrder(size_t n, const text::ProblemCodec& codec, Take take) : rows_(n), codec_(codec), take_(std::move(take)) {}

  // The row's number, counted as they come.
  int64_t put(size_t i, search::SearchRow row) {
    const std::lock_guard lock(mutex_);
    rows_[i] = std::move(row);
    for (; next_ < rows_.size() && rows_[next_]; ++next_) hand_on(next_);
    return ++done_;
  }
  // After a stop there are rows behind ones that never came.
  void rest() {
    for (; next_ < rows_.size(); ++next_)
      if (rows_[next_]) hand_on(next_);
  }
  int64_t done() const { return done_; }

 private:
  void hand_on(size_t i) {
    take_(i, *rows_[i], codec_.decode(rows_[i]->result.completion));
    rows_[i].reset();  // a tree can be large
  }

  std::mutex mutex_;
  std::vector<std::optional<search::SearchRow>> rows_;
  const text::ProblemCodec& codec_;
  Take take_;
  size_t next_ = 0;  // all before it are handed on
  int64_t done_ = 0;
};

struct Solved {
  int64_t done = 0;
  double seconds = 0;
  int64_t kv_peak_bytes = 0;
  bool stopped = false;
};

// Before any work: what can be known to fail at its end.
void check_outputs(const SolveArgs& args) {
  if (args.dump.ends_with('/')) base::make_directories(args.dump);
  if (!args.dump.empty() && !base::is_directory(args.dump)) base::check_output_file(args.dump);
  if (!args.rows.empty()) base::check_output_file(args.rows);
}

// What the rows of one command have in common.
struct Job {
  const SolveArgs& args;
  const Solver& solver;
  const ProblemFile& file;
  std::unique_ptr<search::Strategy> strategy = search::make_strategy(args.search, search_options(args, solver));
  SearchFlops flops = SearchFlops(solver, *strategy);
  const text::ProblemCodec& codec() const { return *solver.codec; }
};

eval::Costs costs_of(const Job& job, const search::SearchRow& row) {
  return eval::costs_of(row.result, job.flops.of(row.result), row.seconds);
}

void put_costs(const eval::Costs& costs, base::Json& json) {
  const core::Usage& usage = costs.usage;
  json["tokens_generated"] = usage.generated, json["tokens_processed"] = usage.processed;
  json["tokens_unique"] = costs.unique, json["tokens_discarded"] = costs.discarded;
  json["tokens_recomputed"] = costs.recomputed;
  json["critic_tokens"] = usage.read(), json["flops"] = costs.flops;
  if (usage.second_processed > 0) json["discriminator_processed"] = usage.second_processed;
  if (usage.drafted > 0) json["tokens_drafted"] = usage.drafted, json["tokens_accepted"] = usage.accepted;
}

base::Json solve_row(const Job& job, const core::Item& item, const search::SearchRow& row, const std::string& text) {
  base::Json json = base::Json::object();
  json["id"] = item.problem.id;
  if (!row.ok()) {
    json["error"] = row.error;
    return json;
  }
  json["answer"] = row.result.answer ? base::Json(*row.result.answer) : base::Json();
  json["thought"] = job.codec().thought(text);
  json["text"] = job.codec().shown(text);
  put_costs(costs_of(job, row), json);
  json["seconds"] = row.seconds, json["batch"] = static_cast<int64_t>(job.file.items.size());
  if (job.args.budget_seconds > 0) json["reproducible"] = false;
  json["search"] = search::search_json(*job.strategy, row.result);
  return json;
}

// With --dump FILE the first problem's tree is written, with --dump DIR/ every one's.
bool dumps_all(const SolveArgs& args) { return args.dump.ends_with('/') || base::is_directory(args.dump); }

// What `ponder tree` reads: the problem's row with what was asked of whom, and the nodes.
void dump_tree(const Job& job, const core::Item& item, size_t i, const search::SearchRow& row) {
  const SolveArgs& args = job.args;
  if (args.dump.empty() || (i > 0 && !dumps_all(args))) return;
  const text::ProblemCodec& codec = job.codec();
  base::Json json = solve_row(job, item, row, codec.decode(row.result.completion));
  json["question"] = item.problem.question;
  json["model"] = args.model;
  if (!args.discriminator.empty()) json["discriminator"] = args.discriminator;
  json["seed"] = args.seed;
  if (row.ok()) {
    json["search"]["given"] = base::Json::list(args.search_options);
    json["search"]["options"] = base::to_json(job.strategy->options());
  }
  base::Json prompts = base::Json::array();
  for (const core::Tokens& prompt : row.result.prompts) prompts.push_back(codec.decode(prompt));
  json["prompts"] = std::move(prompts);
  const base::Json tree = search::tree_json(row.result.tree, codec);
  for (const auto& [key, value] : tree.as_object()) json[key] = value;
  std::string number = base::cat(i + 1);
  if (number.size() < 4) number.insert(0, 4 - number.size(), '0');
  base::write_file_atomic(dumps_all(args) ? base::join_path(args.dump, number + ".json") : args.dump,
                          json.dump(1) + "\n");
}

// take is called as soon as a problem and all before it are done; after a stop for every one that was done by then.
Solved solve(const Job& job, const Take& take) {
  tensor::set_operator_threads(1);
  const SolveArgs& args = job.args;
  const Solver& solver = job.solver;
  const std::vector<core::Item>& items = job.file.items;
  const text::ProblemCodec& codec = job.codec();
  const StrategyFactory factory = [&] { return search::make_strategy(args.search, search_options(args, solver)); };
  EngineStats stats;
  Models models = models_of(args, solver);
  models.stats = &stats;
  check_room(models, longest_sequence(codec, items, *factory()));
  if (args.budget_seconds > 0)
    base::log_info("with a budget in seconds the answers depend on the machine; they are not reproducible to the bit");
  InOrder rows(items.size(), codec, take);
  Solved solved;
  const base::Stopwatch watch;
  try {
    base::Progress progress("solve", static_cast<int64_t>(items.size()), "problems");
    search_problems(models, codec, search_inputs(codec, items), factory, budget_of(args, job.flops),
                    base::RngKey(static_cast<uint64_t>(args.seed)).child("solve"),
                    [&](size_t i, search::SearchRow& row) {
                      dump_tree(job, items[i], i, row);
                      progress.update(rows.put(i, std::move(row)), "");
                    });
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kStopped) throw;
    solved.stopped = true;
  }
  rows.rest();
  solved.done = rows.done();
  solved.seconds = watch.seconds();
  solved.kv_peak_bytes = stats.kv_peak_bytes;
  return solved;
}

void report_bad_row(const RowError& error, bool json) {
  base::log_error(error.message);
  if (!json) return;
  base::Json row = base::Json::object();
  row["line"] = error.line, row["error"] = error.message;
  base::print_result(row.dump());
}

void print_answer(const Job& job, const core::Item& item, const search::SearchRow& row, const std::string& text) {
  if (!row.ok()) base::log_error(base::cat(item.problem.id, ": ", row.error));
  if (job.args.json) {
    base::print_result(solve_row(job, item, row, text).dump());
  } else if (row.ok()) {
    base::print_result(base::cat(item.problem.id, "  ", item.problem.question, "\n  ", job.codec().shown(text),
                                 "\n  answer: ", row.result.answer ? *row.result.answer : "none",
                                 "\n  cost: ", eval::costs_line(costs_of(job, row)),
                                 job.file.items.size() > 1 ? " beside the others" : ""));
  }
}

void print_lines(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  base::print_result(text);
}

// What all problems together have cost: --stats.
void print_stats(const SolveArgs& args, const eval::Costs& costs, const Solved& solved) {
  if (!args.json) {
    print_lines(eval::costs_table(costs, solved.seconds, solved.kv_peak_bytes));
    return;
  }
  base::Json stats = base::Json::object();
  stats["problems"] = costs.problems;
  put_costs(costs, stats);
  stats["seconds"] = solved.seconds;
  stats["tokens_per_second"] = solved.seconds > 0 ? static_cast<double>(costs.usage.generated) / solved.seconds : 0.0;
  stats["kv_peak_bytes"] = solved.kv_peak_bytes;
  base::Json line = base::Json::object();
  line["stats"] = std::move(stats);
  base::print_result(line.dump());
}

// What eval adds up over the problems that are done.
struct Graded {
  std::vector<double> correct;
  std::vector<std::string> clusters;
  std::string rows;  // JSON lines
  eval::Costs costs;
  std::vector<eval::Flips> flips;
  int64_t failed = 0;

  void add(const Job& job, const core::Item& item, const search::SearchRow& row, const std::string& text) {
    const core::Verdict verdict = row.ok() ? grade(job.codec(), item, text) : core::Verdict{};
    failed += !row.ok();
    correct.push_back(verdict.correct() ? 1.0 : 0.0);
    clusters.push_back(clusters_of({item})[0]);
    costs += costs_of(job, row);
    add_flips(job, item, row.result);
    base::Json json = solve_row(job, item, row, text);
    json["verdict"] = core::verdict_name(verdict.kind);
    if (!verdict.reason.empty()) json["reason"] = verdict.reason;
    rows += json.dump() + "\n";
  }

  // The search is over: what it revised is graded, and nothing of that goes back.
  void add_flips(const Job& job, const core::Item& item, const search::SearchResult& result) {
    const std::vector<int64_t> revises = search::revised_candidates(result);
    if (std::ranges::all_of(revises, [](int64_t before) { return before < 0; })) return;
    std::vector<bool> right, cut;
    for (const search::Candidate& c : result.candidates) {
      right.push_back(c.answer && grade(job.codec(), item, job.codec().decode(c.tokens)).correct());
      cut.push_back(c.cut);
    }
    eval::add_flips(revises, right, cut, flips);
  }
};

void print_accuracy(const SolveArgs& args, const Graded& graded, const Solved& solved, size_t problems) {
  const auto n = static_cast<double>(graded.correct.size());
  const core::Usage& usage = graded.costs.usage;
  const auto generated = static_cast<double>(usage.generated), read = static_cast<double>(usage.read());
  const base::Json flips = eval::flips_json(graded.flips);
  const eval::Estimate accuracy =
      eval::clustered_mean(graded.correct, graded.clusters, base::RngKey(0).child("bootstrap"));
  if (!args.json) {
    print_lines(base::cat("accuracy ", base::fixed(accuracy.value, 3), "  95% interval [",
                          base::fixed(accuracy.ci.lo, 3), ", ", base::fixed(accuracy.ci.hi, 3), "]  n ", accuracy.n,
                          "  ", base::fixed((generated + read) / n, 0), " tokens a problem  (", args.search, ", seed ",
                          args.seed, ")\n", eval::costs_table(graded.costs, solved.seconds, solved.kv_peak_bytes),
                          eval::flips_table(flips)));
    return;
  }
  base::Json out = base::Json::object();
  out["n"] = accuracy.n, out["accuracy"] = accuracy.value, out["stderr"] = accuracy.std_error;
  out["ci_lo"] = accuracy.ci.lo, out["ci_hi"] = accuracy.ci.hi;
  out["tokens_per_problem"] = generated / n, out["critic_tokens_per_problem"] = read / n;
  out["tokens_processed_per_problem"] = static_cast<double>(usage.processed) / n;
  out["tokens_unique_per_problem"] = static_cast<double>(graded.costs.unique) / n;
  out["tokens_discarded_per_problem"] = static_cast<double>(graded.costs.discarded) / n;
  out["tokens_recomputed_per_problem"] = static_cast<double>(graded.costs.recomputed) / n;
  out["flops_per_problem"] = graded.costs.flops / n, out["seconds_per_problem"] = solved.seconds / n;
  if (args.budget_seconds > 0) out["reproducible"] = false;
  if (usage.drafted > 0) out["tokens_drafted"] = usage.drafted, out["tokens_accepted"] = usage.accepted;
  if (!graded.flips.empty()) out["flips"] = flips;
  out["tokens_per_second"] = solved.seconds > 0 ? generated / solved.seconds : 0.0;
  out["kv_peak_bytes"] = solved.kv_peak_bytes;
  out["seconds"] = solved.seconds, out["search"] = args.search, out["seed"] = args.seed;
  out["failed_rows"] = graded.failed, out["problems"] = problems, out["stopped"] = solved.stopped;
  base::print_result(out.dump());
}

}  // namespace

std::string search_help() { return search::strategies_help(); }

int command_solve(const SolveArgs& args) {
  check_outputs(args);
  check_discriminator(args, {uses_discriminator(args)});
  const Solver solver = open_solver(args);
  (void)search::make_strategy(args.search, search_options(args, solver));  // wrong options before any reading
  const ProblemFile file = readable_problems(args, solver);
  const Job job{args, solver, file};
  if (const int64_t learned = learned_by_table(*job.strategy, file.items); learned > 0)
    base::log_info(base::cat("auto's table was learned on instances of ", learned,
                             " of these problems: how good it is they cannot say"));
  BadRows bad_rows(file, [&](const RowError& error) { report_bad_row(error, args.json); });
  auto failed = static_cast<int64_t>(file.errors.size());
  eval::Costs costs;
  const Solved solved = solve(job, [&](size_t i, const search::SearchRow& row, const std::string& text) {
    bad_rows.before(file.lines[i]);
    failed += !row.ok();
    costs += costs_of(job, row);
    print_answer(job, file.items[i], row, text);
  });
  bad_rows.rest();
  if (args.stats) print_stats(args, costs, solved);
  if (solved.stopped)
    throw Error(ErrorCode::kStopped, base::cat("stopped by the user; the answers of ", solved.done, " of ",
                                               file.items.size(), " problems are above"));
  return failed > 0 ? 1 : 0;
}

int command_eval(const SolveArgs& args) {
  check_outputs(args);
  check_discriminator(args, {uses_discriminator(args)});
  const Solver solver = open_solver(args);
  (void)search::make_strategy(args.search, search_options(args, solver));  // wrong options before any reading
  const ProblemFile file = readable_problems(args, solver);
  const Job job{args, solver, file};
  for (const RowError& error : file.errors) report_bad_row(error, false);
  if (file.items.empty()) throw Error(ErrorCode::kInput, "there is no problem that could be read", args.problems);
  check_not_learned(*job.strategy, file.items);
  Graded graded;
  graded.failed = static_cast<int64_t>(file.errors.size());
  const Solved solved = solve(job, [&](size_t i, const search::SearchRow& row, const std::string& text) {
    graded.add(job, file.items[i], row, text);
  });
  if (!args.rows.empty()) base::write_file_atomic(args.rows, graded.rows);
  if (solved.done > 0) print_accuracy(args, graded, solved, file.items.size());
  if (solved.stopped)
    throw Error(ErrorCode::kStopped,
                base::cat("stopped by the user; ", solved.done, " of ", file.items.size(),
                          " problems are done. Problems that end early are not a fair sample of all"));
  return graded.failed > 0 ? 1 : 0;
}

}  // namespace ponder::recipes
