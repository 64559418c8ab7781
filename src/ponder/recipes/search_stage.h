// Running one search strategy on many problems with all workers, and grading what it chose. Called by the search stage,
// by `ponder solve` and `ponder eval`.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ponder/recipes/rollout.h"
#include "ponder/search/run.h"

namespace ponder::recipes {

using StrategyFactory = std::function<std::unique_ptr<search::Strategy>()>;

// Rows in the order of the problems. The strategies see problems and prompts, never an Item. done(finished) is called
// from worker threads.
std::vector<search::SearchRow> search_problems(const Models& models, const core::Codec& codec,
                                               const std::vector<core::Problem>& problems,
                                               const StrategyFactory& make_strategy, core::Budget budget,
                                               base::RngKey key, const std::function<void(int64_t)>& done = {});

std::vector<core::Problem> problems_of(const std::vector<core::Item>& items);

}  // namespace ponder::recipes
