// The weight λ of guide=mix: λ · likelihood + (1 − λ) · critic, of answers that are there anyway. It is chosen on one
// half of the problems and reported on the other, against each single signal. For scaling.cc.
#pragma once
#include <span>
#include <string>

#include "ponder/base/rng.h"
#include "ponder/eval/scaling_signals.h"

namespace ponder::eval {

// The mix over a pool's answers that both signals say something of.
Signal signal_of_mix(std::span<const ScalingRow* const> pool, double lambda);

// grid: 0, 0.1 … 1; dev: AUROC within a problem at each of them, on the half that chooses (the smallest of equally good
// ones); lambda, signal (its figures) and against (paired differences, 95% intervals over resampled clusters) on the
// other half, whose verdicts the choice has not seen. lambda is null where a half has no right answer beside a wrong
// one; an empty object where the pool's guide is no critic.
base::Json mix_json(std::span<const ScalingRow* const> pool, base::RngKey key);
std::string mix_sentence(const base::Json& mix);  // "" without a λ

}  // namespace ponder::eval
