// The sentences on top of a report: what RL and search did to held-out accuracy, each with n and its 95% interval.
// A sentence says "raised" or "lowered" only where the interval of the difference excludes zero.
#pragma once
#include <string>
#include <vector>

#include "ponder/eval/rows.h"

namespace ponder::eval {

struct Headline {
  struct Point {
    std::string label;
    Estimate accuracy;
    double tokens_per_problem = kNotMeasured;
  };
  std::string topic;  // "learning", "search"
  std::string task;
  Point from, to;
  Estimate difference = {};
  bool paired = false;  // difference comes from a CompareRow, else from the two standard errors
  bool clear = false;   // its interval excludes zero
  std::string text = {};
};

// learning: last SFT row against last (not best) RL row of each task; paired through the CompareRow "rl-sft".
// search: greedy against one strategy at its largest budget, on the policy after RL where there is one; paired through
// the CompareRow "search-<strategy>". Sampling once is often worse than greedy, so without a greedy row the smallest
// budget stands in. The strategy is chosen by name (the first of majority, bon and the rest in file order), not by its
// result.
std::vector<Headline> make_headlines(const Rows& rows);

// "RL raised held-out accuracy on 2 of 4 tasks; …"
std::string summary_sentence(const std::vector<Headline>& headlines);

// Tasks in the order in which rows name them.
std::vector<std::string> task_names(const Rows& rows);

// The last accuracy row of a task's test split in a stage; null when there is none.
const AccuracyRow* last_accuracy(const Rows& rows, const std::string& stage, const std::string& task);

std::string percent(double share);              // "47.5%"
std::string interval_text(const Interval& ci);  // "[40.7, 54.4]", percent points

}  // namespace ponder::eval
