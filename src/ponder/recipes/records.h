// Every rollout of RL on disk, as tokens: rollouts.jsonl.zst with its index (store/record_log.h), a row a sample. rl.cc
// writes them; replay, doctor and people read them.
//
//   {"stage":"rl","step":3,"group":0,"sample":1,"task":"countdown3","problem":{"id":…,"numbers":[…],"target":…},
//    "prompt":[…],"tokens":[…],"logp":"…","policy_version":562,"key":"9f86d081884c7d65","stop":"stop",
//    "verdict":"wrong","answer":"13 * 2 ; 26 + 8","reward_parts":{"outcome":0},"reward":0,
//     "advantage":-0.35}
//
// problem: the task's row, with what its verifier needs. logp: base64 of little-endian 32-bit floats, nats, one a
// token; with them a row reads back to the bit. key: of the sample's randomness, hexadecimal. step counts from 1 as in
// metrics.jsonl. reward_parts: what the reward is the sum of; "shuffle" is what a control that permutes rewards put on
// top.
#pragma once
#include <string>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/core/trajectory.h"
#include "ponder/store/record_log.h"

namespace ponder::recipes {

inline constexpr const char* kRollouts = "rollouts";  // name of the log in a run's directory

std::vector<base::Json> rollout_rows(const std::string& stage, int64_t step, const std::vector<core::Group>& groups);
// The groups of one block. Error(kInput) names the row and the key that cannot be read.
std::vector<core::Group> read_rollouts(const std::string& run_dir, const store::RecordBlock& block);

std::string encode_floats(const std::vector<float>& values);  // base64, RFC 4648, with padding
std::vector<float> decode_floats(const std::string& text);    // Error(kInput)

}  // namespace ponder::recipes
