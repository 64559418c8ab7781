// The parts of an RL step that need no model: rl.cc takes them while it learns, replay.cc again from the records.
#pragma once
#include <vector>

#include "ponder/core/trajectory.h"
#include "ponder/eval/rows.h"
#include "ponder/recipes/recipe.h"

namespace ponder::recipes {

using Groups = std::vector<core::Group>;

// Verdicts and rewards of the samples; `step` counts from 0.
void judge_groups(const Recipe& recipe, base::RngKey key, int64_t step, Groups& groups);

// What a step's row says of its samples; policy_version: of the weights that learn from them.
eval::RlRow measure_groups(const Recipe& recipe, const Groups& groups, const reward::Advantages& advantages,
                           int64_t policy_version);

}  // namespace ponder::recipes
