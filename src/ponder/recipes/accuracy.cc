#include "ponder/recipes/accuracy.h"

#include "ponder/recipes/problems.h"

namespace ponder::recipes {
namespace {

// Mean counts a completion, by the names that reports show. Wrong equations are a share of all equations.
std::map<std::string, double> mean_behaviours(const std::vector<text::BehaviourCounts>& counts) {
  text::BehaviourCounts sum;
  for (const auto& c : counts) {
    sum.analysis += c.analysis, sum.tries += c.tries, sum.backs += c.backs, sum.checks += c.checks;
    sum.tests += c.tests, sum.corrections += c.corrections, sum.gave_up += c.gave_up, sum.answered += c.answered;
    sum.equations += c.equations, sum.wrong_equations += c.wrong_equations;
  }
  const double n = std::max<double>(1, static_cast<double>(counts.size()));
  std::map<std::string, double> means = {
      {"analysis", sum.analysis / n}, {"tries", sum.tries / n},       {"backs", sum.backs / n},
      {"checks", sum.checks / n},     {"tests", sum.tests / n},       {"corrections", sum.corrections / n},
      {"gave_up", sum.gave_up / n},   {"answered", sum.answered / n}, {"equations", sum.equations / n}};
  means["wrong_equation_share"] =
      sum.equations ? static_cast<double>(sum.wrong_equations) / static_cast<double>(sum.equations) : 0.0;
  return means;
}

}  // namespace

GreedyAnswers answer_greedily(const Models& models, const text::ProblemCodec& codec,
                              const std::vector<core::Item>& items, int64_t max_tokens,
                              const std::function<void(int64_t)>& done) {
  core::SampleParams params;
  params.temperature = 0;
  params.max_tokens = max_tokens;
  std::vector<core::SampleRequest> requests;
  for (const core::Item& item : items) requests.push_back(request_for(codec, item.problem, params, base::RngKey(0)));
  const auto completions = sample_requests(models, std::move(requests), 1, done);

  GreedyAnswers out;
  std::vector<text::BehaviourCounts> counts;
  for (size_t i = 0; i < items.size(); ++i) {
    const std::string text = codec.decode(completions[i].tokens);
    out.verdicts.push_back(grade(codec, items[i], text));
    out.correct.push_back(out.verdicts.back().correct() ? 1.0 : 0.0);
    out.tokens.push_back(static_cast<int64_t>(completions[i].tokens.size()));
    out.thought_tokens +=
        static_cast<double>(codec.tokenizer().encode(codec.thought(text), {false}).size()) / items.size();
    out.processed += completions[i].processed;
    counts.push_back(codec.behaviours(text));
    out.texts.push_back(text);
  }
  out.behaviours = mean_behaviours(counts);
  return out;
}

std::vector<std::string> clusters_of(const std::vector<core::Item>& items) {
  std::vector<std::string> clusters;
  for (const core::Item& item : items) clusters.push_back(tasks::find_task(item.problem.task).canonical(item.problem));
  return clusters;
}

std::string outcome_text(const std::vector<double>& correct) {
  std::string text;
  for (double x : correct) text += x > 0.5 ? '1' : '0';
  return text;
}

eval::AccuracyRow accuracy_row(const std::string& task, const std::vector<core::Item>& items,
                               const GreedyAnswers& answers, base::RngKey key) {
  eval::AccuracyRow row;
  row.task = task;
  row.accuracy = eval::clustered_mean(answers.correct, clusters_of(items), key);
  row.thought_tokens = answers.thought_tokens;
  row.behaviours = answers.behaviours;
  return row;
}

eval::CompareRow gain_row(const std::string& task, const std::vector<core::Item>& items,
                          const std::vector<double>& before, const std::vector<double>& after, base::RngKey key) {
  eval::CompareRow row;
  row.name = "rl-sft";
  row.task = task;
  row.note = "greedy accuracy after RL minus before, the same test problems; bootstrap over canonical instances";
  row.difference = eval::paired_difference(after, before, clusters_of(items), key);
  return row;
}

void write_sft_gain(Run& run, int64_t step, const Outcomes& after) {
  const base::Json* finished = run.directory.finished("base");
  if (!finished) return;
  for (const auto& [task, correct] : after) {
    const base::Json* found = finished->find(task);
    if (!found) continue;
    const size_t n = std::min(correct.size(), found->as_string().size());
    std::vector<double> before;
    for (char x : found->as_string().substr(0, n)) before.push_back(x == '1' ? 1.0 : 0.0);
    const std::vector<core::Item> items = run.test_problems(task, static_cast<int64_t>(n));
    eval::CompareRow row = gain_row(task, items, before, {correct.begin(), correct.begin() + static_cast<int64_t>(n)},
                                    run.key.child("bootstrap").child(task));
    row.name = "sft-base";
    row.note =
        "greedy accuracy after SFT minus that of the base model behind worked examples, the same test problems; "
        "bootstrap over canonical instances";
    run.write(eval::to_json(row), "sft", step);
  }
}

void write_rl_gain(Run& run, int64_t step, int64_t n) {
  for (const std::string& task : run.recipe.rl.mix.tasks) {
    const std::vector<core::Item> items = run.test_problems(task, n);
    const GreedyAnswers before = answer_greedily(run.models(run.before_rl), run.codec, items, run.recipe.rl.max_tokens);
    const GreedyAnswers after = answer_greedily(run.models(run.policy), run.codec, items, run.recipe.rl.max_tokens);
    run.write(
        eval::to_json(gain_row(task, items, before.correct, after.correct, run.key.child("bootstrap").child(task))),
        "rl", step);
  }
}

Outcomes write_greedy_accuracy(Run& run, const std::string& stage, int64_t step, const Cost& stage_cost, int64_t n,
                               std::string& summary) {
  summary.clear();
  Outcomes outcomes;
  for (const std::string& task : run.recipe.rl.mix.tasks) {
    const std::vector<core::Item> items = run.test_problems(task, n);
    const GreedyAnswers answers = answer_greedily(run.models(run.policy), run.codec, items, run.recipe.rl.max_tokens);
    eval::AccuracyRow row = accuracy_row(task, items, answers, run.key.child("bootstrap").child(task));
    row.stage = stage;
    row.step = step;
    row.tokens = run.cost.tokens + stage_cost.tokens;
    row.flops = run.cost.flops + stage_cost.flops;
    row.seconds = run.cost.training_seconds() + stage_cost.training_seconds();
    run.write(eval::to_json(row), stage, step);
    run.write(eval::to_json(eval::OutcomeRow{task, stage, "greedy", 0, outcome_text(answers.correct)}), stage, step);
    summary += base::cat(summary.empty() ? "" : "  ", task, " ", base::fixed(row.accuracy.value, 3));
    outcomes[task] = answers.correct;
  }
  return outcomes;
}

}  // namespace ponder::recipes
