// A run in progress: its recipe, its directory and the weights as they stand. The stages take it and change it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ponder/eval/rows.h"
#include "ponder/learn/learner.h"
#include "ponder/recipes/adapter_base.h"
#include "ponder/recipes/recipe.h"
#include "ponder/recipes/rollout.h"
#include "ponder/recipes/training_files.h"
#include "ponder/store/metrics.h"
#include "ponder/store/record_log.h"
#include "ponder/store/run_dir.h"
#include "ponder/tasks/task.h"
#include "ponder/text/problem_codec.h"

namespace ponder::recipes {

struct Cost {
  int64_t tokens = 0;  // that ran through a model
  double flops = 0;
  double seconds = 0;
  double evaluation_seconds = 0;  // of the seconds: measuring the model, which taught it nothing
  double training_seconds() const { return seconds - evaluation_seconds; }
  Cost& operator+=(const Cost& o) {
    tokens += o.tokens, flops += o.flops, seconds += o.seconds, evaluation_seconds += o.evaluation_seconds;
    return *this;
  }
};

void put_cost(const Cost& cost, base::Json& json);  // adds its fields to an object
Cost cost_from(const base::Json& json);             // reads them back

class Run {
 public:
  // Opens or resumes DIR. Error(kUsage) when it holds a run with another configuration.
  Run(Recipe recipe, const std::string& dir);

  // Fixed.
  const Recipe recipe;
  const int workers;
  const base::RngKey key;
  const std::map<std::string, std::string> tokenizer_files;  // by name, see start.h; part of every checkpoint
  const std::shared_ptr<const text::ProblemCodec> codec_owner;
  const text::ProblemCodec& codec;
  const std::optional<AdapterBase> adapter_base;  // of a run that trains an adapter

  // What the stages have made so far.
  store::RunDirectory directory;
  store::RecordLog records;     // of rollouts, see records.h
  model::Parameters policy;     // config.vocab > 0 from the start; weights after pretrain, or those of init.from
  model::Parameters before_rl;  // the policy when rl began (or as it is, before that)
  std::optional<model::Parameters> critic, critic_before_rl;
  std::optional<core::Confidence> confidence, confidence_before_rl;  // instead of critics where critic.kind says so
  int64_t policy_version = 0;                                        // optimizer steps behind policy
  Cost cost;                                                         // of the stages that are finished
  std::optional<TrainingFiles> files;                                // sft.data, from a new run's start until sft

  // A row of metrics.jsonl; stage and step let a resumed run take rows back.
  void write(base::Json row, const std::string& stage, int64_t step);
  void rewind(const std::string& stage, int64_t step) { rows_.rewind(stage, step), records.rewind(stage, step); }
  // Error(kInput) when less than this is on disk; from now on rewind() does not cut behind it. Never takes a hold back.
  void hold(const store::Extent& committed);
  void sync() { rows_.sync(), records.sync(); }  // before anything is saved that relies on the rows

  // Ends a stage: its cost goes into the ledger, a checkpoint's path and what else it left into the run's state.
  void finish(const std::string& stage, const Cost& stage_cost, const std::string& checkpoint,
              base::Json left = base::Json::object());
  bool is_finished(const std::string& stage) const { return directory.finished(stage) != nullptr; }

  Models models(const model::Parameters& weights, const model::Parameters* critic = nullptr) const;
  // The same weights on the device that the recipe names.
  model::Parameters on_device(model::Parameters weights) const;
  // There, what a checkpoint of this run holds; an adapter beside the weights that the run started from.
  model::Parameters load_checkpoint(const std::string& directory) const;
  // The fixed test problems of a task; a smaller n gives the first of a larger one's.
  std::vector<core::Item> test_problems(const std::string& task, int64_t n) const;

 private:
  void restore(const std::string& stage, const base::Json& finished);

  store::Metrics rows_;
  store::Extent held_;
  model::Parameters start_;  // of a run that trains an adapter: the base, held once for all adapters beside it
};

// The stages, in the order of the road. Each goes on where an earlier process stopped, and ends at a step count.
void run_pretrain(Run& run);
void run_base(Run& run);
void run_sft(Run& run);
void run_critic(Run& run, const std::string& stage);  // "critic" or "critic_rl": for the policy as it stands
void run_rl(Run& run);
void run_search(Run& run);
void run_probe(Run& run);  // short: a kill begins it again
void run_report(Run& run);

// All stages of a recipe, in DIR; goes on where an earlier process stopped.
void run_recipe(const Recipe& recipe, const std::string& dir);

}  // namespace ponder::recipes
