// What a demonstration needs of a problem, the same for all task families: a tree of states (a value and what is left),
// steps between them, and tries in an order that never repeats. Used by demonstrations and pre-training text.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/core/token.h"
#include "ponder/tasks/countdown.h"
#include "ponder/tasks/vm.h"

namespace ponder::craft {

// "a op b = result"; rest: the numbers that remain besides the result, or the instructions "op k …" not yet used.
struct TraceStep {
  int a = 0;
  core::Token op = 0;
  int b = 0;
  int result = -1;  // −1: leaves 0 … 99, so the try ends here
  core::Tokens rest;
};
using TracePath = std::vector<TraceStep>;

class Puzzle {
 public:
  virtual ~Puzzle() = default;
  virtual core::Tokens prompt() const = 0;
  virtual bool is_above() const = 0;  // "goal T above|below"
  int target() const { return target_; }
  int depth() const { return depth_; }  // steps of a complete try
  TracePath first_steps() const { return steps(start_value_, start_rest_); }
  // In a fixed order, no two the same; steps into held-out states are left out.
  virtual TracePath steps(int value, const core::Tokens& rest) const = 0;
  virtual bool lists_rest() const = 0;  // behind every equation, not only behind "back"
  // The state behind a step as "back" names it; empty when it must not be shown.
  virtual core::Tokens state(const TraceStep& step) const = 0;
  virtual core::Tokens answer(const TracePath& path) const = 0;
  // Programs: the same instructions on the second unit test, up to the first that leaves 0 … 99. Else empty.
  virtual TracePath test_run(const TracePath& path) const = 0;
  virtual int test_target() const = 0;

  bool reaches_target(const TracePath& path) const;  // complete and the first test's output, or the target
  bool is_solved(const TracePath& path) const;       // and the second test's output

  // Some solution, each kind of path about equally likely; nothing when all are held out.
  std::optional<TracePath> random_solution(base::Rng& rng) const;

 protected:
  int target_ = 0, depth_ = 0, start_value_ = 0;
  core::Tokens start_rest_;
};

std::unique_ptr<Puzzle> make_puzzle(const tasks::Countdown& countdown);
std::unique_ptr<Puzzle> make_puzzle(const tasks::Vm& vm);
core::Tokens instruction_tokens(const std::vector<tasks::Instruction>& instructions);  // "op k op k …"

// Tries in order: from a random first step on, all tries behind it, then the next first step. Before the last step of a
// try, with probability `smart` only the step that reaches the target, or comes nearest, is looked at, else each in
// turn.
class TryOrder {
 public:
  struct Try {
    TracePath path;
    bool goes_back = false;  // shares its first step with the try before
  };
  TryOrder(const Puzzle& puzzle, double smart, base::Rng& rng);
  // With probability `back` behind the same first step as the last try, if something is left there and it may be shown.
  // Nothing when all has been tried.
  std::optional<Try> next(double back);

 private:
  void open_branch();
  void complete(TracePath& path);
  void finish(TracePath& path);

  const Puzzle& puzzle_;
  const double smart_;
  base::Rng& rng_;
  TracePath firsts_;
  size_t first_ = 0, firsts_left_ = 0;
  std::vector<TracePath> tries_;  // behind the current first step
  size_t try_ = 0, tries_left_ = 0;
};

}  // namespace ponder::craft
