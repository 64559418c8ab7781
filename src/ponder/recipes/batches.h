// Rows that are given, in epochs: which of them each step learns from. A function of the key, so a resumed run goes on
// with the same batches.
#pragma once
#include <vector>

#include "ponder/learn/pack.h"
#include "ponder/recipes/recipe.h"

namespace ponder::recipes {

// [steps] numbers of rows: epochs in keyed order, cut into batches of batch_tokens.
std::vector<std::vector<size_t>> plan_batches(const std::vector<learn::Row>& rows, int64_t steps, int64_t batch_tokens,
                                              base::RngKey key);

}  // namespace ponder::recipes
