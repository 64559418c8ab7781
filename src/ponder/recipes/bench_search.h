// The part of `ponder bench` that searches: how near tree searches of many problems come to the engine's own speed. For
// bench_cases.cc.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ponder/model/weights.h"
#include "ponder/recipes/bench_cases.h"

namespace ponder::recipes {

// `problems` prompts of their own, searched side by side until each has spent its budget.
struct SearchShape {
  const char* search = "mcts";
  std::vector<std::string> options = {};
  int64_t problems = 64, prompt_tokens = 64, budget = 2048, max_tokens = 128, step_tokens = 8;  // budget 0: none
  bool critic = false;  // a model of the same shape scores; otherwise the policy's own log-probs do
  int64_t kv_mib = 0;   // of keys and values in all policies together, as --kv-memory; 0: room for the rows in work
};

// tokens/s written, and beside them:
//   recomputed      tokens that ran through the model ÷ those that had to (search::needed_tokens(); 1: none twice)
//   live_rows       mean of the sequences in work ÷ those that may be, while there is work
//   overhead        share of the time that is not the model's
//   kv_peak_mib     the most that keys and values took, in all policies and critics together
//   nodes           of all trees;   node_bytes: memory of the trees a node, their tokens not counted
//   to_sampling     tokens/s ÷ those of plain sampling with as many sequences in work
//   to_one          tokens/s ÷ those of one problem after the other
std::function<BenchRun()> make_search_bench(const model::Parameters& model, int workers, const SearchShape& shape);

}  // namespace ponder::recipes
