// Step scores of a process reward model → one score of the whole solution. Lightman et al., arXiv 2305.20050, use the
// product; min is the weakest step; last is what a value head estimates. Called by eval and recipes when they rank
// answers.
#pragma once
#include <span>
#include <string>
#include <vector>

namespace ponder::reward {

enum class Aggregate { kMin, kProd, kLast, kMean };

const std::vector<std::string>& aggregate_names();                    // "min", "prod", "last", "mean"
Aggregate parse_aggregate(const std::string& name);                   // Error(kUsage) names what would be right
double aggregate(std::span<const float> step_scores, Aggregate how);  // scores in [0, 1], at least one

}  // namespace ponder::reward
