// What a run will need, before it starts: memory, disk, tokens, floating-point operations, and an estimate of its time.
// Called by `ponder run --dry-run`; nothing is written.
#pragma once
#include <string>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/recipes/recipe.h"

namespace ponder::recipes {

struct StagePlan {
  std::string name;
  double tokens = 0;   // that run through a model
  double flops = 0;    // closed form, as the ledger counts them
  double seconds = 0;  // an estimate
};

struct Plan {
  int64_t parameters = 0;  // of the policy
  int64_t trained = 0;     // of these, or of the adapter beside them
  int64_t workers = 1;
  std::string device;
  // Bytes at the fullest moment. kv_cache and activations are of all workers; they are never there together.
  double program = 0, weights = 0, optimizer = 0, gradients = 0, logits = 0, activations = 0, kv_cache = 0;
  double memory = 0, memory_available = 0;
  double checkpoint = 0;   // bytes of one checkpoint of the policy, tokenizer files apart
  double checkpoints = 0;  // of all that are kept at once, the one being written included
  double rollouts = 0;
  double disk = 0, disk_free = 0;
  std::string files;      // what sft.data holds, for people; "" = the run reads none
  base::Json files_json;  // the same as numbers, or null
  double files_row = 0;   // tokens of its mean row
  double gemm_rate = 0;   // measured: operations a second of the model's largest product on all workers
  std::vector<StagePlan> stages;
};

// Measures for a quarter of a second how fast this machine multiplies and reads sft.data, with its errors; everything
// else is arithmetic.
Plan make_plan(const Recipe& recipe, const std::string& run_dir);
base::Json to_json(const Plan& plan);

// Prints the plan and gives 0. Error(kResource) behind it, with the numbers, when memory or disk do not suffice.
int print_plan(const Recipe& recipe, const std::string& run_dir, bool json);
// Error(kResource) when the memory does not suffice; measures nothing and takes no time. Called before a run.
void check_memory(const Recipe& recipe);
void check_resources(const Plan& plan, const std::string& run_dir);

}  // namespace ponder::recipes
