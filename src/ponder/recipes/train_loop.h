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

struct StageWork {
  // A pure function of the step and the weights: then a killed and resumed stage ends in the same bits.
  std::function<StepReport(int64_t step, const Cost& before)> take_step;
  // Looks at the weights after `done` steps, which cost `so_far`; its own time counts as evaluation. It may add to the
  // live line.
  std::function<void(int64_t done, const Cost& so_far, std::string& metric)> measure = {};
  double seconds_before = 0;  // that the stage took to prepare, counted when it starts from step 0
};

// Takes the steps that a checkpoint does not yet hold, saves and finishes. Costs are those of this stage.
// Error(kStopped) after Ctrl-C, with everything up to the last whole step saved.
void train_stage(Run& run, const StageSpec& spec, model::Parameters& weights, learn::Learner& learner,
                 const StageWork& work);

// The error of a stop while a stage prepares its steps: it says which step a checkpoint holds.
Error stopped_before_steps(const Run& run, const StageSpec& spec);

}  // namespace ponder::recipes
