// Worked solutions as examples to learn from. Called by supervised fine-tuning on the tasks whose problems come from
// files.
#pragma once
#include <string>

#include "ponder/core/example.h"
#include "ponder/text/problem_codec.h"

namespace ponder::craft {

// The problem's prompt, read with weight 0, and the solution with its end, learned with weight 1. Error(kInput) where
// the codec cannot render the problem.
core::Example solution_example(const text::ProblemCodec& codec, const core::Problem& problem,
                               const std::string& solution);

}  // namespace ponder::craft
