#include "ponder/reward/aggregate.h"

#include <algorithm>

#include "ponder/base/error.h"

namespace ponder::reward {

const std::vector<std::string>& aggregate_names() {
  static const std::vector<std::string> names = {"min", "prod", "last", "mean"};  // in the order of enum Aggregate
  return names;
}

Aggregate parse_aggregate(const std::string& name) {
  const auto& names = aggregate_names();
  const auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) {
    throw Error(ErrorCode::kUsage, base::cat("unknown aggregation \"", name, "\"; it must be min, prod, last or mean"));
  }
  return static_cast<Aggregate>(it - names.begin());
}

double aggregate(std::span<const float> step_scores, Aggregate how) {
  PONDER_CHECK(!step_scores.empty(), "a solution needs at least one scored step");
  double product = 1, sum = 0;
  for (float s : step_scores) product *= s, sum += s;
  switch (how) {
    case Aggregate::kMin:
      return *std::min_element(step_scores.begin(), step_scores.end());
    case Aggregate::kProd:
      return product;
    case Aggregate::kLast:
      return step_scores.back();
    case Aggregate::kMean:
      return sum / static_cast<double>(step_scores.size());
  }
  return 0;
}

}  // namespace ponder::reward
