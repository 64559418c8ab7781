// verify, problems, loss: no model at all.
#include <cstdio>
#include <memory>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/learn/loss_command.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/problem_file.h"
#include "ponder/reward/advantage.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/judge_pool.h"
#include "ponder/tasks/math.h"
#include "ponder/tasks/task.h"
#include "ponder/text/word_tokenizer.h"

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

// The processes of math-verify that a command asks for, told to the math tasks while it runs.
class MathVerify {
 public:
  explicit MathVerify(const VerifyArgs& args) {
    if (args.math_verify == 0) return;
    tasks::JudgePoolOptions options;
    options.command.clear();
    for (std::string_view word : text::split_words(args.math_verify_command)) options.command.emplace_back(word);
    options.workers = args.math_verify;
    pool_ = std::make_unique<tasks::JudgePool>(std::move(options));
    tasks::set_second_opinion({pool_.get(), args.math_verify_all});
  }
  ~MathVerify() { tasks::set_second_opinion({}); }
  void report() const {
    if (!pool_) return;
    const tasks::JudgeCounts c = pool_->counts();
    base::log_info(base::cat("math-verify was asked ", c.asked, " times: same ", c.same, ", different ", c.different,
                             ", could not tell ", c.unsure, ", took too long ", c.killed, ", lost ", c.lost));
  }

 private:
  std::unique_ptr<tasks::JudgePool> pool_;
};

}  // namespace

// Row by row: a file of any length is graded in the memory of one row.
int command_verify(const VerifyArgs& args) {
  if (!args.task.empty()) tasks::find_task(args.task);
  const MathVerify math_verify(args);
  int64_t bad = 0, graded = 0, correct = 0;
  const auto report = [&](const std::string& message, int64_t line) {
    ++bad;
    report_unjudged(line, message, args.json);
  };
  const auto grade = [&](const base::Json& row, int64_t line) {
    const core::Item item = read_problem(row, args.task, line, RowUse::kGrade);
    const base::Json* answer = row.find("answer");
    if (!answer || !answer->is_string())
      throw Error(ErrorCode::kInput, base::cat("\"answer\" is ", answer ? answer->type_name() : "missing",
                                               "; it must be the answer as a string, for example \"13 * 2 ; 26 - 8\""));
    const core::Verdict verdict = tasks::find_task(item.problem.task).verify(item, answer->as_string());
    ++graded;
    correct += verdict.correct();
    print_verdict(item, verdict, args.json);
  };
  base::read_jsonl(
      args.in,
      [&](base::Json&& row, int64_t line) {
        try {
          grade(row, line);
        } catch (const Error& e) {
          if (e.code() != ErrorCode::kInput && e.code() != ErrorCode::kUsage) throw;
          report(base::cat(args.in, ":", line, ": ", e.message()), line);
        }
      },
      report);
  math_verify.report();
  if (!args.json) {
    const std::string rows =
        bad > 0 ? base::cat("; ", graded, " of ", graded + bad, " rows graded, ", bad, " bad") : "";
    base::print_result(base::cat(correct, " of ", graded, " correct", rows));
  }
  return bad > 0 ? 1 : 0;
}

int command_problems(const ProblemsArgs& args) {
  if (!args.data.empty()) tasks::set_data_folder(args.data);
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
