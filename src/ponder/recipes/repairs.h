// Keeps self-correction alive while RL rewards answers alone. Traces of others teach to mend slips in contexts
// that the policy soon leaves (the distribution mismatch of Kumar et al. 2024, arXiv 2409.12917, §4), so slips are
// planted into thoughts that the policy has just written. Called by rl.
#pragma once
#include <vector>

#include "ponder/learn/pack.h"
#include "ponder/recipes/rl.h"

namespace ponder::recipes {

// For each of `count` samples, drawn from all of a step's, two rows with a constant advantage: the thought up to a
// planted slip of a kind that demonstrations show, then "wait" and the right word; and the same thought with the right
// word, then what followed it, so that doubting everything does not pay. Only those last words are learned. Fewer rows
// when thoughts have no place for a slip. logp_old is left empty.
std::vector<learn::Row> repair_rows(const Groups& groups, int64_t count, double advantage, base::RngKey key);

}  // namespace ponder::recipes
