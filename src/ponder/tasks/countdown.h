// Countdown: combine all given numbers, each exactly once, with + - * into the target; every result stays in 0 … 99.
// The rules here serve the verifier, the generator and craft's demonstrations.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/core/token.h"
#include "ponder/tasks/task.h"

namespace ponder::tasks {

struct Countdown {
  std::vector<int> numbers;
  int target = 0;
};

// One line of a solution: two numbers at hand become one.
struct CountdownMove {
  int a = 0;
  core::Token op = 0;  // text::kPlus, kMinus, kTimes
  int b = 0;
  int result = 0;
  std::vector<int> left;  // the result, then the numbers that remain
};

inline constexpr int kCountdownMaxGenerated = 13;  // numbers of generated problems are 1 … 13
inline constexpr int kCountdownMinTarget = 10, kCountdownMaxTarget = 60;

// All different legal moves (by a, op, b), in the order of the numbers.
std::vector<CountdownMove> countdown_moves(const std::vector<int>& numbers);
// A path of random moves down to one number; * is drawn twice as often as + and -.
std::vector<CountdownMove> random_countdown_path(std::vector<int> numbers, base::Rng& rng);
// A path to the target, or nothing. Exact: looks at every path.
std::optional<std::vector<CountdownMove>> solve_countdown(const std::vector<int>& numbers, int target);

std::string countdown_canonical(std::vector<int> numbers);  // the sorted multiset
Countdown countdown_of(const core::Problem& problem);

class CountdownTask : public Task {
 public:
  explicit CountdownTask(int count) : count_(count) {}
  std::string name() const override;
  std::string family() const override { return "countdown"; }
  std::string description() const override;
  core::Item generate(base::RngKey key, Split split) const override;
  core::Item parse(const base::Json& row, const std::string& default_id) const override;
  base::Json to_row(const core::Item& item) const override;
  std::string canonical(const core::Problem& problem) const override;
  std::string instance(const core::Problem& problem) const override;
  core::Verdict verify(const core::Item& item, const std::string& answer) const override;
  bool judges_alone() const override { return true; }
  std::vector<StepVerdict> check_steps(const core::Problem& problem, const std::string& thought) const override;
  // Of the numbers at hand, how far they are from factors of the target: 1 / (1 + mean distance to the nearest one),
  // after the "multiply" heuristic of Gandhi et al. 2024 (arXiv 2404.03683). Of a last number whether it is the target.
  std::optional<double> outlook(const core::Problem& problem, const std::string& thought) const override;
  std::optional<std::string> solve(const core::Problem& problem) const override;

 private:
  core::Item make_item(std::string id, const Countdown& countdown) const;
  int count_;  // numbers in a problem
};

}  // namespace ponder::tasks
