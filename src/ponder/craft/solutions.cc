#include "ponder/craft/solutions.h"

#include "ponder/tasks/dataset.h"

namespace ponder::craft {

core::Example solution_example(const text::ProblemCodec& codec, const core::Problem& problem,
                               const std::string& solution) {
  core::Example example;
  example.tokens = codec.prompt(problem);
  example.weights.assign(example.tokens.size(), 0.0f);
  const core::Tokens response = codec.response(solution);
  example.tokens.insert(example.tokens.end(), response.begin(), response.end());
  example.weights.resize(example.tokens.size(), 1.0f);
  return example;
}

core::Example practice_sheet(const text::Tokenizer& tokenizer, base::RngKey key, int64_t lines) {
  const auto& task = dynamic_cast<const tasks::ArithmeticTask&>(tasks::find_dataset_task("arithmetic"));
  base::Rng rng(key);
  core::Example example;
  const auto add = [&](const std::string& text, bool first, float weight) {
    const core::Tokens ids = tokenizer.encode(text, {.add_special = first});
    example.tokens.insert(example.tokens.end(), ids.begin(), ids.end());
    example.weights.resize(example.tokens.size(), weight);
  };
  for (int64_t line = 0; line < lines;) {
    const tasks::Sum sum = tasks::draw_sum(rng);
    if (task.is_held_out(task.problem_of(sum, "").problem)) continue;
    add(base::cat(sum.text, " ="), line == 0, 0.0f);
    add(base::cat(" ", sum.value, "\n"), false, 1.0f);
    ++line;
  }
  return example;
}

}  // namespace ponder::craft
