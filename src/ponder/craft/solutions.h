// Problems with their worked solutions as examples to learn from (P2). Called by the stage sft.
#pragma once
#include <string>

#include "ponder/core/example.h"
#include "ponder/text/problem_codec.h"

namespace ponder::craft {

// The problem's prompt, which is read, and the solution with its end, which is learned. Error(kInput) as the codec's.
core::Example solution_example(const text::ProblemCodec& codec, const core::Problem& problem,
                               const std::string& solution);

}  // namespace ponder::craft
