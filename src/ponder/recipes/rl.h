// An RL step and its parts. Those that need no model rl.cc takes while it learns and replay.cc again from the records.
#pragma once
#include <vector>

#include "ponder/core/trajectory.h"
#include "ponder/eval/rows.h"
#include "ponder/recipes/doctor.h"
#include "ponder/recipes/recipe.h"
#include "ponder/recipes/train_loop.h"

namespace ponder::recipes {

using Groups = std::vector<core::Group>;

// The policy version of samples that other weights wrote than the policy that learns from them.
inline constexpr int64_t kOtherWeights = -1;

// Verdicts and rewards of the samples; `step` counts from 0.
void judge_groups(const Recipe& recipe, const text::ProblemCodec& codec, base::RngKey key, int64_t step,
                  Groups& groups);

// What a step's row says of its samples; policy_version: of the weights that learn from them.
eval::RlRow measure_groups(const Recipe& recipe, const text::ProblemCodec& codec, const Groups& groups,
                           const reward::Advantages& advantages, int64_t policy_version);

// Largest |log-prob of the sampler − of these weights|, both at the temperature that was drawn at, on one sample of
// each group.
double sampler_gap(const model::Parameters& parameters, const Groups& groups, double temperature,
                   const learn::LearnerOptions& options, int workers);

// One whole step, counted from 0. `sampler`: the weights to sample from, which must be the policy that learns; the
// doctor stops the run where they are not.
StepReport take_rl_step(Run& run, const model::Parameters& sampler, learn::Learner& learner, LiveDoctor& doctor,
                        int64_t step, const Cost& before);

}  // namespace ponder::recipes
