// Stage "base": what a real model can do before anything is learned, behind worked examples (few-shot prompting, Brown
// et al. 2020, arXiv 2005.14165). Later stages say what they add to it.
#include "ponder/base/clock.h"
#include "ponder/base/log.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/start.h"

namespace ponder::recipes {

void run_base(Run& run) {
  const BaseOptions& o = run.recipe.base;
  run.rewind("base", -1);
  const base::Stopwatch watch;
  const auto codec = make_base_codec(run.recipe);
  Models models = run.models(run.policy);
  models.may_stop = true;
  Cost cost;
  base::Json left = base::Json::object();
  for (const std::string& task : o.tasks) {
    const std::vector<core::Item> items = run.test_problems(task, o.problems);
    base::Progress progress("base " + task, static_cast<int64_t>(items.size()), "problems");
    const GreedyAnswers answers =
        answer_greedily(models, *codec, items, o.max_tokens, [&](int64_t done) { progress.update(done, ""); });
    eval::AccuracyRow row = accuracy_row(task, items, answers, run.key.child("bootstrap").child(task));
    row.stage = "base";
    run.write(eval::to_json(row), "base", 0);
    left[task] = outcome_text(answers.correct);
    run.write(eval::to_json(eval::OutcomeRow{task, "base", "greedy", 0, left.string_at(task)}), "base", 0);
    cost.tokens += answers.processed;
    cost.flops += static_cast<double>(answers.processed) *
                  model::forward_flops(run.recipe.model, static_cast<double>(longest_prompt(run.recipe)));
  }
  cost.seconds = cost.evaluation_seconds = watch.seconds();
  run.finish("base", cost, "", std::move(left));
}

}  // namespace ponder::recipes
