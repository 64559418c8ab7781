// Running one search strategy on many problems with all workers, and grading what it chose. Called by the search stage,
// by `ponder solve` and `ponder eval`.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ponder/recipes/rollout.h"
#include "ponder/search/run.h"
#include "ponder/text/problem_codec.h"

namespace ponder::recipes {

using StrategyFactory = std::function<std::unique_ptr<search::Strategy>()>;

// Rows in the order of the inputs. The strategies see problems and prompts, never an Item. finished(i, row) is called
// as soon as row i is done, in any order and from worker threads; it may move things out of the row. Error(kStopped)
// at once when the user asked to stop.
std::vector<search::SearchRow> search_problems(const Models& models, const text::ProblemCodec& codec,
                                               const std::vector<search::SearchInput>& inputs,
                                               const StrategyFactory& make_strategy, core::Budget budget,
                                               base::RngKey key,
                                               const std::function<void(size_t, search::SearchRow&)>& finished = {});

// Problems without their gold, with prompts in the model's own tokens.
std::vector<search::SearchInput> search_inputs(const text::ProblemCodec& codec, const std::vector<core::Item>& items);

}  // namespace ponder::recipes
