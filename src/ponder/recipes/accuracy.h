// Greedy accuracy of a policy on problems of one task: the points of the training curve.
#pragma once
#include <functional>
#include <map>
#include <vector>

#include "ponder/eval/rows.h"
#include "ponder/recipes/run.h"
#include "ponder/tasks/task.h"

namespace ponder::recipes {

struct GreedyAnswers {
  std::vector<std::string> texts;       // [n] whole completions
  std::vector<core::Verdict> verdicts;  // [n]
  std::vector<double> correct;          // [n] 0 or 1
  std::vector<int64_t> tokens;          // [n] written
  double thought_tokens = 0;            // mean, before the answer
  std::map<std::string, double> behaviours;
  int64_t processed = 0;  // tokens that ran through the model
};

GreedyAnswers answer_greedily(const Models& models, const text::ProblemCodec& codec,
                              const std::vector<core::Item>& items, int64_t max_tokens,
                              const std::function<void(int64_t)>& done = {});

// Canonical instances of the items: problems of one multiset are one cluster of every interval.
std::vector<std::string> clusters_of(const std::vector<core::Item>& items);

std::string outcome_text(const std::vector<double>& correct);  // "0110", as in eval::OutcomeRow

// Accuracy with its interval by bootstrap over canonical instances, behaviours, thought length; the position on the
// training axis is left to the caller.
eval::AccuracyRow accuracy_row(const std::string& task, const std::vector<core::Item>& items,
                               const GreedyAnswers& answers, base::RngKey key);

// The paired gain of greedy answers to the same problems.
eval::CompareRow gain_row(const std::string& task, const std::vector<core::Item>& items,
                          const std::vector<double>& before, const std::vector<double>& after, base::RngKey key);
// What is right, 0 or 1 a test problem, by task.
using Outcomes = std::map<std::string, std::vector<double>>;
// What SFT adds to the answers that stage base had, for every task that both answered; nothing without that stage.
void write_sft_gain(Run& run, int64_t step, const Outcomes& after);
// Writes it for every task that RL trains on: run.policy against run.before_rl on the first n test problems.
void write_rl_gain(Run& run, int64_t step, int64_t n);

// A row for every task that RL trains on: accuracy of run.policy on the first n test problems, at the point of training
// that the finished stages and `stage_cost` make. summary: "countdown3 .48  vm3 .51", for the live line.
Outcomes write_greedy_accuracy(Run& run, const std::string& stage, int64_t step, const Cost& stage_cost, int64_t n,
                               std::string& summary);

}  // namespace ponder::recipes
