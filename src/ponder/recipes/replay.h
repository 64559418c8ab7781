// Verdicts, rewards and advantages of one RL step again, from its records: no model, no weights. Called by
// `ponder replay`.
#pragma once
#include <string>
#include <vector>

#include "ponder/core/trajectory.h"
#include "ponder/eval/rows.h"

namespace ponder::recipes {

// A number that came out otherwise than it was recorded.
struct Mismatch {
  int64_t group = -1, sample = -1;  // −1: of the whole step
  std::string
      field;  // "verdict", "answer", "reward_parts", "reward", "advantage", "prompt", "row", or a key of the step's row
  std::string recorded, replayed;
};

struct Replay {
  int64_t step = 0;
  eval::RlRow row;                  // of the step, from the records alone
  std::vector<core::Group> groups;  // as replayed
  std::vector<Mismatch> mismatches;
};

// Error(kInput) when the directory holds no records of that step (it names those that there are) or they are damaged.
Replay replay_step(const std::string& run_dir, int64_t step);

}  // namespace ponder::recipes
