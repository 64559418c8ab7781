// Problems for the stages: drawn from a mix of tasks, rendered, graded.
#pragma once
#include <string>
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/recipes/recipe.h"
#include "ponder/tasks/task.h"
#include "ponder/text/problem_codec.h"

namespace ponder::recipes {

// A problem of the train split of a task drawn from the mix; a pure function of the key.
core::Item draw_problem(const TaskMix& mix, base::RngKey key);

// The verdict on a whole completion: its claimed answer is judged by the rules of the problem's task; a completion that
// claims none is unparsable.
core::Verdict grade(const text::ProblemCodec& codec, const core::Item& item, const std::string& completion);

// A sampling request for a problem's prompt.
core::SampleRequest request_for(const text::ProblemCodec& codec, const core::Problem& problem,
                                core::SampleParams params, base::RngKey key);

}  // namespace ponder::recipes
