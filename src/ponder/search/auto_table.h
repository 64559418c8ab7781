// Which search is worth its tokens on problems that look how hard, as `ponder scaling search` has learned it: a row a
// budget. eval/scaling_allocation.cc makes one, `auto table=FILE` goes by it.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::search {

struct AutoTable {
  struct Row {
    int64_t tokens = 0;              // the budget of a problem, the probe's tokens included
    std::string easy, middle, hard;  // as AutoOptions has them: "mcts width=3", or "stop"
  };
  // The probe and what its agreement says, as AutoOptions has them.
  int64_t probe = 4;
  double easy_at = 1.0, hard_at = 0.5;
  std::vector<Row> budgets;             // growing; at least one
  std::vector<std::string> learned_on;  // instance_id() of the problems, sorted

  const Row& at(int64_t tokens) const;  // of the largest budget that these pay for; of the smallest where none is
};

// Of a problem's canonical instance (tasks::Task::canonical).
std::string instance_id(const std::string& canonical);

base::Json to_json(const AutoTable& table);
// Error(kInput) says which key of the file is wrong, and what would be right.
AutoTable read_auto_table(const std::string& path);

// The words with which `auto` runs a search as it is by itself ("mcts width=3"): defaults that it has of its own, and
// that `auto` would replace by what it hands on, are spelled out. Error(kUsage) for wrong ones.
std::string words_for_auto(const std::string& words);

}  // namespace ponder::search
