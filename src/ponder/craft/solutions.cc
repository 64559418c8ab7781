#include "ponder/craft/solutions.h"

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

}  // namespace ponder::craft
