// The rows of a scaling study: what each search of each problem found, and when. Written by recipes/scaling_command.cc,
// read by scaling.cc.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::eval {

// A finished candidate of one search, graded afterwards.
struct Found {
  int64_t generated = 0, read = 0;  // tokens that the search had spent when it was complete
  std::string answer;
  bool answered = false, correct = false;
  double score = 0;
  // What signals are made of; rows of older studies have none of it.
  bool scored = false;                    // score is what somebody gave it, not a 0 for nobody
  std::optional<double> likelihood = {};  // exp(mean log-prob) of its tokens, as they were drawn; in (0, 1]
  std::optional<int64_t> length = {};     // tokens
  int64_t revises = -1;                   // the number of the candidate that it is written anew from; -1: none
  bool cut = false;                       // the budget ended it before it had an answer
  // FLOPs that had run when it was complete, and those of them for a critic (of what the search was charged for its
  // reading); rows of older studies have none.
  std::optional<double> flops = {}, critic_flops = {};
};

// What a search cost beside its tokens. Searches share the machine: `seconds` is wall time from its start to its end,
// beside the others, so what all took is batch_seconds and not their sum.
struct RowCosts {
  int64_t processed = 0, unique = 0, discarded = 0, recomputed = 0;  // tokens (search::unique_tokens(), …)
  double flops = 0, seconds = 0;
  int64_t batch = 1;                // searches that were started together, this one among them
  double batch_seconds = 0;         // wall time of all of them
  int64_t batch_kv_peak_bytes = 0;  // the most that their keys and values took, in all workers together
};

// One search of one problem.
struct ScalingRow {
  std::string strategy;  // "samples": the pool that the sampling family shares
  int64_t budget = 0;    // tokens that it was given; 0: none
  std::string problem, cluster;
  std::string guide = {};  // whose scores those of its candidates are; "" where that is not said
  std::string error;       // why it failed; "" when it did not
  bool answered = false;   // what it chose
  bool correct = false;    //
  int64_t generated = 0, read = 0;
  std::string select;                  // how it chooses among candidates: "rm", "maj", "wmaj", "first", "last"
  std::vector<Found> found;            // in the order in which they were complete
  std::optional<RowCosts> costs = {};  // of a search that did not fail; rows of older studies have none
};
base::Json to_json(const ScalingRow& row);
ScalingRow scaling_row(const base::Json& json, const std::string& where);  // Error(kInput)

// 0 or 1: the half of the problems that this canonical instance is in. By another hash than tasks::split_of_canonical:
// the dev split is one class of that.
int half_of(const std::string& cluster);

// Candidates that a budget had paid for, and whether the choice among them is right.
struct AtBudget {
  double generated = 0, read = 0;
  bool correct = false;
  double flops = 0;  // NaN where that is not known
};
// reads: whether reading counts against the budget (a vote reads nothing of what a critic read in the same pool), and
// among the FLOPs.
AtBudget at_budget(const std::vector<Found>& found, const std::string& select, int64_t budget, bool reads);

}  // namespace ponder::eval
