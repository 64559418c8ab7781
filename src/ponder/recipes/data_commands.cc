// verify, problems, loss: no model at all.
#include <cstdio>

#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/learn/loss_command.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/problem_file.h"
#include "ponder/reward/advantage.h"
#include "ponder/tasks/task.h"

namespace ponder::recipes {

namespace {

void report_unjudged(int64_t line, const std::string& message, bool json) {
  base::log_error(message);
  if (!json) return;
  base::Json row = base::Json::object();
  row["line"] = line, row["verdict"] = core::verdict_name(core::VerdictKind::kCannotJudge);
  row["extracted"] = base::Json(), row["error"] = message;
  base::print_result(row.dump());
}

void print_verdict(const core::Item& item, const core::Verdict& verdict, bool json) {
  if (!json) {
    base::print_result(base::cat(item.problem.id, "  ", core::verdict_name(verdict.kind),
                                 verdict.reason.empty() ? "" : ": ", verdict.reason));
    return;
  }
  base::Json row = base::Json::object();
  row["id"] = item.problem.id, row["verdict"] = core::verdict_name(verdict.kind), row["extracted"] = verdict.extracted;
  if (!verdict.reason.empty()) row["reason"] = verdict.reason;
  base::print_result(row.dump());
}

}  // namespace

int command_verify(const VerifyArgs& args) {
  if (!args.task.empty()) tasks::find_task(args.task);
  const ProblemFile file = read_problems(args.in, args.task);
  int64_t bad = 0, graded = 0, correct = 0;
  const auto report = [&](int64_t line, const std::string& message) {
    ++bad;
    report_unjudged(line, message, args.json);
  };
  BadRows bad_rows(file, [&](const RowError& error) { report(error.line, error.message); });
  for (size_t i = 0; i < file.items.size(); ++i) {
    bad_rows.before(file.lines[i]);
    const base::Json* answer = file.rows[i].find("answer");
    if (!answer || !answer->is_string()) {
      report(file.lines[i],
             base::cat(args.in, ":", file.lines[i], ": \"answer\" is ", answer ? answer->type_name() : "missing",
                       "; it must be the answer as a string, for example \"13 * 2 ; 26 - 8\""));
      continue;
    }
    const core::Item& item = file.items[i];
    const core::Verdict verdict = tasks::find_task(item.problem.task).verify(item, answer->as_string());
    ++graded;
    correct += verdict.correct();
    print_verdict(item, verdict, args.json);
  }
  bad_rows.rest();
  if (!args.json) {
    const std::string rows =
        bad > 0 ? base::cat("; ", graded, " of ", graded + bad, " rows graded, ", bad, " bad") : "";
    base::print_result(base::cat(correct, " of ", graded, " correct", rows));
  }
  return bad > 0 ? 1 : 0;
}

int command_problems(const ProblemsArgs& args) {
  const ProblemFile file = draw_problems(base::cat("task:", args.task, ":", args.split), args.n, args.seed);
  for (const base::Json& row : file.rows) std::printf("%s\n", row.dump().c_str());
  return 0;
}

int command_loss(const LossArgs& args) {
  const base::Json input = base::Json::parse(base::read_file(args.in), args.in);
  const base::Json out = learn::evaluate_loss(
      args.algo, input,
      [](const std::string& estimator, double eps, std::span<const double> rewards, std::span<const int64_t> groups) {
        return reward::group_advantages(rewards, groups, {estimator, eps}).values;
      });
  std::printf("%s\n", out.dump(args.json ? -1 : 2).c_str());
  return 0;
}

}  // namespace ponder::recipes
