// Worked solutions as examples to learn from. Called by supervised fine-tuning on the tasks whose problems come from
// files.
#pragma once
#include <string>

#include "ponder/base/rng.h"
#include "ponder/core/example.h"
#include "ponder/text/problem_codec.h"

namespace ponder::craft {

// The problem's prompt, read with weight 0, and the solution with its end, learned with weight 1. Error(kInput) where
// the codec cannot render the problem.
core::Example solution_example(const text::ProblemCodec& codec, const core::Problem& problem,
                               const std::string& solution);

// Practice in reckoning: lines like "34 + 58 = 92" that are made up from the key, `lines` of them, of which only the
// results are learned (what comes next on a sheet of sums is nothing to learn). No problem that the task arithmetic
// holds out.
core::Example practice_sheet(const text::Tokenizer& tokenizer, base::RngKey key, int64_t lines);

}  // namespace ponder::craft
