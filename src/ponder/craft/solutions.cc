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
  std::string sheet;
  std::vector<bool> learned;  // of each byte: the results, and the line ends that say where they end
  for (int64_t line = 0; line < lines;) {
    const tasks::Sum sum = tasks::draw_sum(rng);
    if (task.is_held_out(task.problem_of(sum, "").problem)) continue;
    base::append(sheet, base::cat(sum.text, " ="));
    learned.resize(sheet.size(), false);
    base::append(sheet, base::cat(" ", sum.value, "\n"));
    learned.resize(sheet.size(), true);
    ++line;
  }
  const text::Encoding encoding = tokenizer.encode_with_ranges(sheet, {.add_special = true});
  core::Example example;
  example.tokens = encoding.ids;
  for (const text::ByteRange& range : encoding.ranges)
    example.weights.push_back(range.end > range.begin && learned[range.end - 1] ? 1.0f : 0.0f);
  return example;
}

}  // namespace ponder::craft
