#include "ponder/recipes/problems.h"

#include "ponder/text/format.h"

namespace ponder::recipes {

core::Item draw_problem(const TaskMix& mix, base::RngKey key) {
  base::Rng rng(key.child("task"));
  const tasks::Task& task = tasks::find_task(mix.tasks[rng.weighted(mix.weights)]);
  return task.generate(key.child("problem"), tasks::Split::kTrain);
}

core::Verdict grade(const core::Item& item, const std::string& completion) {
  const auto answer = text::claimed_answer(completion);
  if (!answer) return {core::VerdictKind::kUnparsable, "", "no answer: there is no \"ans … end\""};
  return tasks::find_task(item.problem.task).verify(item, *answer);
}

core::SampleRequest request_for(const core::Problem& problem, const core::SampleParams& params, base::RngKey key) {
  return {text::render_prompt(text::task_tokenizer(), problem), params, key};
}

}  // namespace ponder::recipes
