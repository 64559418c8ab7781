#include "ponder/recipes/problems.h"

#include "ponder/base/cat.h"

namespace ponder::recipes {

core::Item draw_problem(const TaskMix& mix, base::RngKey key) {
  base::Rng rng(key.child("task"));
  const tasks::Task& task = tasks::find_task(mix.tasks[rng.weighted(mix.weights)]);
  return task.generate(key.child("problem"), tasks::Split::kTrain);
}

core::Verdict grade(const text::ProblemCodec& codec, const core::Item& item, const std::string& completion) {
  const auto answer = codec.claimed(completion);
  if (!answer) return {core::VerdictKind::kUnparsable, "", base::cat("no answer: ", codec.no_answer())};
  return tasks::find_task(item.problem.task).verify(item, *answer);
}

core::SampleRequest request_for(const text::ProblemCodec& codec, const core::Problem& problem,
                                core::SampleParams params, base::RngKey key) {
  params.endings = codec.endings();
  return {codec.prompt(problem), std::move(params), key};
}

}  // namespace ponder::recipes
