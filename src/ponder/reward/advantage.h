// Rewards of grouped samples → advantages, one number a sample. Plain numbers: no model, no tensors; runs again from
// records. Called by recipes between rewards and learning, and by `ponder loss`.
//
// r_i: reward of sample i, G: samples of the same problem, μ and σ: mean and standard deviation (n − 1) of the group.
//   grpo            (r_i − μ) / (σ + eps)                        DeepSeekMath, arXiv 2402.03300, §4.1.2
//   dr_grpo         r_i − μ                                      Dr. GRPO, arXiv 2503.20783, §3.2
//   rloo            r_i − (Σ_{j≠i} r_j) / (G − 1)                RLOO, arXiv 2402.14740, eq. 7 (= G/(G−1) · (r_i − μ))
//   reinforce       r_i                                          Williams 1992
//   reinforce_mean  r_i − mean of the whole batch                Williams 1992, with a constant baseline
//   reinforce++     (r_i − mean) / (std + eps) of the whole batch   REINFORCE++, arXiv 2501.03262, eq. 9
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/core/trajectory.h"

namespace ponder::reward {

struct AdvantageOptions {
  std::string estimator = "grpo";
  double eps = 1e-4;
  void fields(base::Fields& f);
};

const std::vector<std::string>& advantage_estimators();  // the names above

struct Advantages {
  std::vector<double> values;  // [B]
  int64_t groups = 0;
  int64_t zero_variance_groups = 0;  // all rewards equal: nothing to learn from; found by max == min on raw rewards
  int64_t all_best_groups = 0;       // zero-variance groups whose common reward is the highest of the batch: too easy
};

// groups[i] names the group of row i; equal numbers need not stand side by side. In a zero-variance group (also: of one
// sample) the group-relative advantages (grpo, dr_grpo, rloo) are exactly 0. Error(kInput) for NaN or infinite rewards.
Advantages group_advantages(std::span<const double> rewards, std::span<const int64_t> groups,
                            const AdvantageOptions& options);

// Fills group.advantages of every group from group.rewards; .values is left empty.
Advantages fill_advantages(std::vector<core::Group>& groups, const AdvantageOptions& options);

}  // namespace ponder::reward
