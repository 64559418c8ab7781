// The loop that all learning stages share: steps, checkpoints, resuming, Ctrl-C, the live line.
#pragma once
#include <functional>
#include <string>

#include "ponder/recipes/run.h"

namespace ponder::recipes {

struct StageSpec {
  std::string name;
  int64_t steps = 0;
  int64_t checkpoint_every = 0;
  std::string subject = "policy";  // what learns: "policy" or "critic"
};

struct StepReport {
  base::Json row;      // for metrics.jsonl
  std::string metric;  // for the live line
  int64_t tokens = 0;  // that ran through a model in this step
  double flops = 0;
};

// Takes the steps that a checkpoint does not yet hold. take_step(step, cost of this stage before the step) must be a
// pure function of the step and the weights: then a killed and resumed stage ends in the same bits. Saves and finishes.
// seconds_before: time that the stage took to prepare, counted when it starts from step 0.
// Error(kStopped) after Ctrl-C, with everything up to the last whole step saved.
void train_stage(Run& run, const StageSpec& spec, model::Parameters& weights, learn::Learner& learner,
                 const std::function<StepReport(int64_t step, const Cost& before)>& take_step,
                 double seconds_before = 0);

}  // namespace ponder::recipes
