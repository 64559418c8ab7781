#include "ponder/reward/monte_carlo.h"

#include <algorithm>
#include <cmath>

#include "ponder/base/error.h"

namespace ponder::reward {

double MonteCarloLabel::soft() const {
  PONDER_CHECK(n > 0, "a label needs at least one completion");
  return static_cast<double>(c) / static_cast<double>(n);
}

double MonteCarloLabel::variance() const {
  PONDER_CHECK(n > 1, "the variance of a label needs at least two completions, got ", n);
  const double p = soft();
  return p * (1 - p) / static_cast<double>(n - 1);
}

double hard_label_rate(double p, int64_t n) { return 1 - std::pow(1 - p, static_cast<double>(n)); }

std::vector<int64_t> choose_step_ends(core::TokenSpan completion, core::TokenSpan step_end_tokens,
                                      int64_t max_positions, base::RngKey key) {
  PONDER_CHECK(max_positions >= 0, "max_positions must not be negative, got ", max_positions);
  std::vector<int64_t> ends;
  for (size_t i = 0; i + 1 < completion.size(); ++i) {
    if (std::find(step_end_tokens.begin(), step_end_tokens.end(), completion[i]) != step_end_tokens.end()) {
      ends.push_back(static_cast<int64_t>(i) + 1);
    }
  }
  if (static_cast<int64_t>(ends.size()) > max_positions) {
    base::Rng rng(key);
    rng.shuffle(ends);
    ends.resize(static_cast<size_t>(max_positions));
    std::sort(ends.begin(), ends.end());
  }
  return ends;
}

}  // namespace ponder::reward
