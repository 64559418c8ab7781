#include "ponder/craft/solutions.h"

#include <gtest/gtest.h>

#include "ponder/text/format.h"

namespace ponder::craft {
namespace {

TEST(Solutions, ThePromptIsReadAndTheSolutionLearned) {
  const text::TaskCodec codec(text::task_tokenizer());
  core::Problem problem;
  problem.question = "Q 13 8 2 > 10";
  const std::string solution = "13 - 8 = 5 ; ans 5 end";
  const core::Example example = solution_example(codec, problem, solution);
  const size_t prompt = codec.prompt(problem).size();
  ASSERT_EQ(example.weights.size(), example.tokens.size());
  EXPECT_EQ(codec.decode(example.tokens), problem.question + " " + solution);
  for (size_t i = 0; i < example.weights.size(); ++i) EXPECT_EQ(example.weights[i], i < prompt ? 0.0f : 1.0f) << i;
}

}  // namespace
}  // namespace ponder::craft
