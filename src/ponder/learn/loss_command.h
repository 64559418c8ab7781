// `ponder loss`: one loss on given numbers, without a model. Called by recipes, which also hand in the advantages of
// room reward (a room that this one does not see).
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::learn {

// (estimator, eps, rewards [B], groups [B]) → advantages [B]; reward::group_advantages behind it.
using AdvantageFunction = std::function<std::vector<double>(
    const std::string& estimator, double eps, std::span<const double> rewards, std::span<const int64_t> groups)>;

// input: {"logp": [[…]], "logp_old", "logp_ref", "mask", "rewards": [B] or "advantages": [B] or [B,T], "groups": [B],
// "chosen", "rejected": row numbers, "labels", "scores", "options": {…}}. Rows may have different lengths. Without
// groups all rows are one group. bt, orm and prm read "scores" (before the sigmoid; [B] or [B,T]), or "logp" in their
// place; orm and prm take "labels" ([B] or [B,T]), or "rewards". options are LossOptions' knobs, "eps" and "advantage"
// (an estimator). Result: {"loss", "advantages", "grad_logp": [[…]], "clip_fraction", "kl", "accuracy"}; null where a
// loss has no such number (kl: no logp_ref). Error(kInput, …, key) says what is wrong with which key and what would be
// right.
base::Json evaluate_loss(const std::string& algo, const base::Json& input, const AdvantageFunction& advantages);

}  // namespace ponder::learn
