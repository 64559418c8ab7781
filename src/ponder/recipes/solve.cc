// `ponder solve` and `ponder eval`: problems through a search. What the search gets has no gold answer in it; eval
// grades afterwards.
#include <cstdio>

#include "ponder/base/clock.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/base/thread.h"
#include "ponder/eval/statistics.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/problem_file.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/recipe.h"
#include "ponder/recipes/search_stage.h"
#include "ponder/tensor/device.h"
#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

struct Solved {
  std::vector<search::SearchRow> rows;
  std::vector<std::string> texts;  // [n] chosen completions
  double seconds = 0;
};

ProblemFile problems_for(const SolveArgs& args) {
  if (!args.prompt.empty()) {
    ProblemFile file;
    core::Item item;
    item.problem.id = "prompt";
    item.problem.question = args.prompt;
    file.items.push_back(std::move(item));
    file.lines.push_back(1);
    return file;
  }
  if (args.problems.empty())
    throw Error(ErrorCode::kUsage, "give --prompt TEXT or --problems FILE.jsonl", "command line");
  ProblemFile file = is_task_spec(args.problems) ? draw_problems(args.problems, args.n > 0 ? args.n : 200, args.seed)
                                                 : read_problems(args.problems, args.task);
  if (args.n > 0 && static_cast<int64_t>(file.items.size()) > args.n) file.items.resize(static_cast<size_t>(args.n));
  return file;
}

// Takes out the rows whose prompt this model cannot read, and says why.
void drop_unreadable(const SolveArgs& args, const OpenedModel& model, ProblemFile& file) {
  ProblemFile kept;
  kept.errors = std::move(file.errors);
  const int64_t context = model.policy.config.context;
  for (size_t i = 0; i < file.items.size(); ++i) {
    std::string reason;
    try {
      const auto length = static_cast<int64_t>(text::render_prompt(model.tokenizer, file.items[i].problem).size());
      if (length < 1 || length >= context)
        reason = base::cat("the prompt has ", length, " tokens; this model reads 1 to ", context - 1,
                           " and writes the rest");
    } catch (const Error& e) {
      reason = e.message();
    }
    if (reason.empty()) {
      kept.items.push_back(std::move(file.items[i]));
      kept.lines.push_back(file.lines[i]);
    } else if (!args.prompt.empty()) {
      throw Error(ErrorCode::kUsage, reason, "--prompt");
    } else {
      kept.errors.push_back({file.lines[i], base::cat(args.problems, ":", file.lines[i], ": ", reason)});
    }
  }
  file = std::move(kept);
}

// Before any work: what can be known to fail at its end.
void check_outputs(const SolveArgs& args) {
  for (const std::string& path : {args.dump, args.rows})
    if (!path.empty() && !base::is_directory(base::parent_path(path)))
      throw Error(ErrorCode::kUsage, "the folder of this file does not exist; make it first", path);
}

// The strategy's options; completions may fill the model's context unless the user says otherwise.
std::vector<std::string> search_options(const SolveArgs& args, const OpenedModel& model) {
  std::vector<std::string> options = {
      base::cat("max_tokens=", std::max<int64_t>(1, model.policy.config.context - kLongestPrompt))};
  options.insert(options.end(), args.search_options.begin(), args.search_options.end());
  return options;
}

Solved solve(const SolveArgs& args, const OpenedModel& model, const std::vector<core::Item>& items) {
  tensor::set_operator_threads(1);
  const StrategyFactory factory = [&] { return search::make_strategy(args.search, search_options(args, model)); };
  factory();  // a wrong name or option is an error before any work
  Models models;
  models.policy = &model.policy;
  models.critic = model.critic ? &*model.critic : nullptr;
  models.workers = args.workers > 0 ? static_cast<int>(args.workers) : base::hardware_threads();
  core::Budget budget;
  if (args.budget_tokens > 0) budget.tokens = args.budget_tokens;
  if (args.budget_nodes > 0) budget.nodes = args.budget_nodes;
  const text::TaskCodec codec(model.tokenizer);
  Solved solved;
  const base::Stopwatch watch;
  {
    base::Progress progress("solve", static_cast<int64_t>(items.size()), "problems");
    solved.rows = search_problems(models, codec, search_inputs(model.tokenizer, items), factory, budget,
                                  base::RngKey(static_cast<uint64_t>(args.seed)).child("solve"),
                                  [&](int64_t done) { progress.update(done, ""); });
  }
  solved.seconds = watch.seconds();
  for (const search::SearchRow& row : solved.rows) solved.texts.push_back(codec.decode(row.result.completion));
  if (!args.dump.empty() && !solved.rows.empty())
    base::write_file_atomic(args.dump, search::tree_json(solved.rows[0].result.tree, codec).dump(1) + "\n");
  return solved;
}

base::Json solve_row(const search::Strategy& strategy, const core::Item& item, const search::SearchRow& row,
                     const std::string& text, double seconds) {
  base::Json json = base::Json::object();
  json["id"] = item.problem.id;
  if (!row.ok()) {
    json["error"] = row.error;
    return json;
  }
  json["answer"] = row.result.answer ? base::Json(*row.result.answer) : base::Json();
  json["thought"] = text::thought_of(text);
  json["text"] = text;
  json["tokens_generated"] = row.result.usage.generated;
  json["tokens_processed"] = row.result.usage.processed;
  json["critic_tokens"] = row.result.usage.critic;
  json["seconds"] = seconds;
  json["search"] = search::search_json(strategy, row.result);
  return json;
}

void report_bad_rows(const ProblemFile& file, bool json) {
  for (const RowError& error : file.errors) {
    std::fprintf(stderr, "error: %s\n", error.message.c_str());
    if (!json) continue;
    base::Json row = base::Json::object();
    row["line"] = error.line, row["error"] = error.message;
    std::printf("%s\n", row.dump().c_str());
  }
}

}  // namespace

std::string search_help() { return search::strategies_help(); }

int command_solve(const SolveArgs& args) {
  check_outputs(args);
  const OpenedModel model = open_model(args.model);
  ProblemFile file = problems_for(args);
  drop_unreadable(args, model, file);
  report_bad_rows(file, args.json);
  const Solved solved = solve(args, model, file.items);
  const auto strategy = search::make_strategy(args.search, search_options(args, model));
  int64_t failed = static_cast<int64_t>(file.errors.size());
  for (size_t i = 0; i < solved.rows.size(); ++i) {
    const search::SearchRow& row = solved.rows[i];
    const core::Item& item = file.items[i];
    if (!row.ok()) {
      ++failed;
      std::fprintf(stderr, "error: %s: %s\n", item.problem.id.c_str(), row.error.c_str());
    }
    const double seconds = solved.seconds / static_cast<double>(solved.rows.size());
    if (args.json) {
      std::printf("%s\n", solve_row(*strategy, item, row, solved.texts[i], seconds).dump().c_str());
    } else if (row.ok()) {
      std::printf("%s  %s\n  %s\n  answer: %s   (%lld tokens)\n", item.problem.id.c_str(),
                  item.problem.question.c_str(), solved.texts[i].c_str(),
                  row.result.answer ? row.result.answer->c_str() : "none",
                  static_cast<long long>(row.result.usage.generated));
    }
  }
  return failed > 0 ? 1 : 0;
}

int command_eval(const SolveArgs& args) {
  check_outputs(args);
  const OpenedModel model = open_model(args.model);
  ProblemFile file = problems_for(args);
  drop_unreadable(args, model, file);
  report_bad_rows(file, false);
  if (file.items.empty()) throw Error(ErrorCode::kInput, "there is no problem that could be read", args.problems);
  const Solved solved = solve(args, model, file.items);
  const auto strategy = search::make_strategy(args.search, search_options(args, model));
  std::vector<double> correct;
  std::string rows;
  double generated = 0, critic = 0;
  int64_t failed = static_cast<int64_t>(file.errors.size());
  for (size_t i = 0; i < solved.rows.size(); ++i) {
    const search::SearchRow& row = solved.rows[i];
    const core::Verdict verdict = row.ok() ? grade(file.items[i], solved.texts[i]) : core::Verdict{};
    failed += !row.ok();
    correct.push_back(verdict.correct() ? 1.0 : 0.0);
    generated += static_cast<double>(row.result.usage.generated),
        critic += static_cast<double>(row.result.usage.critic);
    base::Json json = solve_row(*strategy, file.items[i], row, solved.texts[i],
                                solved.seconds / static_cast<double>(solved.rows.size()));
    json["verdict"] = core::verdict_name(verdict.kind);
    if (!verdict.reason.empty()) json["reason"] = verdict.reason;
    rows += json.dump() + "\n";
  }
  if (!args.rows.empty()) base::write_file_atomic(args.rows, rows);
  const auto n = static_cast<double>(correct.size());
  const eval::Estimate accuracy =
      eval::clustered_mean(correct, clusters_of(file.items), base::RngKey(0).child("bootstrap"));
  if (!args.json) {
    std::printf("accuracy %s  95%% interval [%s, %s]  n %lld  %s tokens a problem  (%s, seed %lld)\n",
                base::fixed(accuracy.value, 3).c_str(), base::fixed(accuracy.ci.lo, 3).c_str(),
                base::fixed(accuracy.ci.hi, 3).c_str(), static_cast<long long>(accuracy.n),
                base::fixed((generated + critic) / n, 0).c_str(), args.search.c_str(),
                static_cast<long long>(args.seed));
    return failed > 0 ? 1 : 0;
  }
  base::Json out = base::Json::object();
  out["n"] = accuracy.n, out["accuracy"] = accuracy.value, out["stderr"] = accuracy.std_error;
  out["ci_lo"] = accuracy.ci.lo, out["ci_hi"] = accuracy.ci.hi;
  out["tokens_per_problem"] = generated / n, out["critic_tokens_per_problem"] = critic / n;
  out["seconds"] = solved.seconds, out["search"] = args.search, out["seed"] = args.seed, out["failed_rows"] = failed;
  std::printf("%s\n", out.dump().c_str());
  return failed > 0 ? 1 : 0;
}

}  // namespace ponder::recipes
