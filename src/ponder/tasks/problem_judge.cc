#include "ponder/tasks/problem_judge.h"

#include "ponder/tasks/task.h"

namespace ponder::tasks {
namespace {

// Null where the problem's task does not judge alone.
const Task* judging_task(const core::Problem& problem) {
  for (const Task* task : all_tasks())
    if (task->name() == problem.task) return task->judges_alone() ? task : nullptr;
  return nullptr;
}

}  // namespace

bool ProblemJudge::knows(const core::Problem& problem) const { return judging_task(problem) != nullptr; }

std::optional<double> ProblemJudge::value(const core::Problem& problem, core::TokenSpan completion) const {
  const Task* task = judging_task(problem);
  if (!task) return std::nullopt;
  const std::string text = codec_.decode(completion);
  if (const auto claimed = codec_.claimed(text)) return task->verify({problem, {}}, *claimed).correct() ? 1.0 : 0.0;
  const std::vector<StepVerdict> steps = task->check_steps(problem, codec_.thought(text));
  if (!steps.empty() && steps.back().parsed && !steps.back().valid) return 0.0;
  return std::nullopt;
}

std::optional<double> ProblemJudge::outlook(const core::Problem& problem, core::TokenSpan completion) const {
  const Task* task = judging_task(problem);
  return task ? task->outlook(problem, codec_.thought(codec_.decode(completion))) : std::nullopt;
}

}  // namespace ponder::tasks
