// Outcome rewards: a verifier's verdict becomes the number that reinforcement learning sees. Called by recipes after
// tasks has graded a group.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/core/problem.h"
#include "ponder/core/trajectory.h"

namespace ponder::reward {

struct OutcomeOptions {
  double correct = 1.0;
  double wrong = 0.0;
  double format = 0.0;
  void fields(base::Fields& f);
};

// "outcome": `correct` for a correct verdict, `wrong` for all others. "format": `format` whenever an answer could be
// read (correct or wrong), else 0, so that the form of an answer can be paid for apart from its truth; absent where
// `format` is 0, which pays nobody.
std::vector<core::RewardPart> outcome_parts(const core::Verdict& verdict, const OutcomeOptions& options);

// The reward itself, added up in the parts' order.
double sum_of(const std::vector<core::RewardPart>& parts);

// Fills group.reward_parts and group.rewards from group.verdicts.
void fill_rewards(core::Group& group, const OutcomeOptions& options);

// How often each kind of verdict was given.
class VerdictCounts {
 public:
  void add(const core::Verdict& verdict) { ++counts_[static_cast<size_t>(verdict.kind)]; }
  int64_t of(core::VerdictKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  int64_t total() const;
  // Share of correct answers among those that could be judged; 0 when there are none.
  double accuracy() const;
  base::Json to_json() const;  // {"correct": 3, "wrong": 1, …}, every kind

 private:
  std::array<int64_t, 5> counts_{};
};

}  // namespace ponder::reward
