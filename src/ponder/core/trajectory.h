// What sampling leaves behind: the record that verifiers, rewards, learning and reports read.
#pragma once
#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/core/problem.h"
#include "ponder/core/token.h"

namespace ponder::core {

enum class StopReason { kStopToken, kMaxTokens, kContextFull, kCancelled, kDeadline };
const char* stop_reason_name(StopReason reason);  // "stop", "length", "context", "cancelled", "deadline"

struct Trajectory {
  Tokens prompt;                     // [P]
  Tokens tokens;                     // [n] what the policy wrote, the stop token included
  std::vector<float> logp_behavior;  // [n] natural log of the probability with which each token was drawn
  int64_t policy_version = 0;        // optimizer steps behind the weights that wrote it
  StopReason stop = StopReason::kStopToken;
  base::RngKey key;
};

// One of the numbers that a reward is the sum of: "outcome", "format", …
struct RewardPart {
  std::string name;
  double value = 0;
  bool operator==(const RewardPart&) const = default;
};

// All samples of one problem in one step, with their verdicts and rewards.
struct Group {
  Item item;
  std::vector<Trajectory> trajectories = {};               // [G]
  std::vector<Verdict> verdicts = {};                      // [G]
  std::vector<std::vector<RewardPart>> reward_parts = {};  // [G], each a list without repeated names
  std::vector<float> rewards = {};                         // [G], the sum of the parts
  std::vector<float> advantages = {};                      // [G], one number for the whole answer (outcome reward)
};

}  // namespace ponder::core
