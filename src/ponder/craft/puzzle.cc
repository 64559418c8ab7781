#include "ponder/craft/puzzle.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

#include "ponder/base/error.h"
#include "ponder/craft/held_out.h"
#include "ponder/text/words.h"

namespace ponder::craft {
namespace {

class CountdownPuzzle : public Puzzle {
 public:
  explicit CountdownPuzzle(const tasks::Countdown& countdown) {
    PONDER_CHECK(countdown.numbers.size() >= 2, "a countdown problem has at least two numbers");
    target_ = countdown.target;
    depth_ = static_cast<int>(countdown.numbers.size()) - 1;
    start_value_ = countdown.numbers[0];
    start_rest_.assign(countdown.numbers.begin() + 1, countdown.numbers.end());
  }

  core::Tokens prompt() const override {
    core::Tokens t{text::kQuestion, start_value_};
    t.insert(t.end(), start_rest_.begin(), start_rest_.end());
    t.insert(t.end(), {text::kGreater, target_, text::kColon});
    return t;
  }

  bool is_above() const override {
    return target_ > std::accumulate(start_rest_.begin(), start_rest_.end(), start_value_);
  }

  TracePath steps(int value, const core::Tokens& rest) const override {
    std::vector<int> numbers{value};
    numbers.insert(numbers.end(), rest.begin(), rest.end());
    TracePath path;
    for (const auto& move : tasks::countdown_moves(numbers))
      if (!is_held_out_numbers(move.left))
        path.push_back({move.a, move.op, move.b, move.result, {move.left.begin() + 1, move.left.end()}});
    return path;
  }

  bool lists_rest() const override { return true; }

  core::Tokens state(const TraceStep& step) const override {
    core::Tokens t{step.result};
    t.insert(t.end(), step.rest.begin(), step.rest.end());
    return t;
  }

  core::Tokens answer(const TracePath& path) const override {
    core::Tokens t;
    for (const TraceStep& step : path) {
      if (!t.empty()) t.push_back(text::kSemicolon);
      t.insert(t.end(), {step.a, step.op, step.b});
    }
    return t;
  }

  TracePath test_run(const TracePath&) const override { return {}; }
  int test_target() const override { return target_; }
};

class VmPuzzle : public Puzzle {
 public:
  explicit VmPuzzle(const tasks::Vm& vm) : use_(vm.use), tests_(vm.tests) {
    PONDER_CHECK(tests_.size() == tasks::kVmTests, "a vm problem has two visible tests, got ", tests_.size());
    target_ = tests_[0].y;
    depth_ = vm.use;
    start_value_ = tests_[0].x;
    start_rest_ = instruction_tokens(vm.bag);
  }

  core::Tokens prompt() const override {
    core::Tokens t{text::kProgram};
    t.insert(t.end(), start_rest_.begin(), start_rest_.end());
    t.insert(t.end(), {text::kUse, use_, text::kColon, tests_[0].x, text::kGreater, tests_[0].y, text::kComma,
                       tests_[1].x, text::kGreater, tests_[1].y, text::kColon});
    return t;
  }

  bool is_above() const override { return tests_[0].y > tests_[0].x; }

  TracePath steps(int value, const core::Tokens& rest) const override {
    TracePath path;
    for (size_t i = 0; i + 1 < rest.size(); i += 2) {
      TraceStep step{value, rest[i], rest[i + 1], text::apply_op(rest[i], value, rest[i + 1]), rest};
      step.rest.erase(step.rest.begin() + i, step.rest.begin() + i + 2);
      path.push_back(std::move(step));
    }
    return path;
  }

  bool lists_rest() const override { return false; }

  core::Tokens state(const TraceStep& step) const override {
    if (is_held_out_bag(step.rest)) return {};
    core::Tokens t{step.result, text::kComma};
    t.insert(t.end(), step.rest.begin(), step.rest.end());
    return t;
  }

  core::Tokens answer(const TracePath& path) const override {
    core::Tokens t;
    for (const TraceStep& step : path) {
      if (!t.empty()) t.push_back(text::kSemicolon);
      t.insert(t.end(), {step.op, step.b});
    }
    return t;
  }

  TracePath test_run(const TracePath& path) const override {
    TracePath run;
    int value = tests_[1].x;
    for (const TraceStep& step : path) {
      run.push_back({value, step.op, step.b, text::apply_op(step.op, value, step.b), {}});
      value = run.back().result;
      if (value < 0) break;
    }
    return run;
  }

  int test_target() const override { return tests_[1].y; }

 private:
  int use_;
  std::vector<tasks::UnitTest> tests_;
};

bool find_solution(const Puzzle& puzzle, TracePath& path, TracePath steps, base::Rng& rng) {
  rng.shuffle(steps);
  for (TraceStep& step : steps) {
    if (step.result < 0) continue;
    path.push_back(std::move(step));
    if (static_cast<int>(path.size()) == puzzle.depth()) {
      if (puzzle.is_solved(path)) return true;
    } else if (find_solution(puzzle, path, puzzle.steps(path.back().result, path.back().rest), rng)) {
      return true;
    }
    path.pop_back();
  }
  return false;
}

}  // namespace

bool Puzzle::reaches_target(const TracePath& path) const {
  return static_cast<int>(path.size()) == depth_ && path.back().result == target_;
}

bool Puzzle::is_solved(const TracePath& path) const {
  if (!reaches_target(path)) return false;
  TracePath run = test_run(path);
  return run.empty() || run.back().result == test_target();
}

std::optional<TracePath> Puzzle::random_solution(base::Rng& rng) const {
  TracePath path;
  if (!find_solution(*this, path, first_steps(), rng)) return std::nullopt;
  return path;
}

std::unique_ptr<Puzzle> make_puzzle(const tasks::Countdown& countdown) {
  return std::make_unique<CountdownPuzzle>(countdown);
}
std::unique_ptr<Puzzle> make_puzzle(const tasks::Vm& vm) { return std::make_unique<VmPuzzle>(vm); }

core::Tokens instruction_tokens(const std::vector<tasks::Instruction>& instructions) {
  core::Tokens t;
  for (const auto& i : instructions) t.insert(t.end(), {i.op, i.k});
  return t;
}

TryOrder::TryOrder(const Puzzle& puzzle, double smart, base::Rng& rng)
    : puzzle_(puzzle), smart_(smart), rng_(rng), firsts_(puzzle.first_steps()), firsts_left_(firsts_.size()) {
  if (!firsts_.empty()) first_ = rng.below(static_cast<int64_t>(firsts_.size()));
}

std::optional<TryOrder::Try> TryOrder::next(double back) {
  bool goes_back = tries_left_ > 0 && !puzzle_.state(firsts_[first_]).empty() && rng_.chance(back);
  if (!goes_back) {
    do {
      if (firsts_left_ == 0) return std::nullopt;
      --firsts_left_;
      first_ = (first_ + 1) % firsts_.size();
      open_branch();
    } while (tries_.empty());  // every state behind this first step is held out
  }
  Try next{tries_[try_], goes_back};
  try_ = (try_ + 1) % tries_.size();
  --tries_left_;
  return next;
}

void TryOrder::open_branch() {
  tries_.clear();
  TracePath path{firsts_[first_]};
  complete(path);
  tries_left_ = tries_.size();
  try_ = tries_.empty() ? 0 : rng_.below(static_cast<int64_t>(tries_.size()));
}

// Appends to tries_ every try that starts with `path`.
void TryOrder::complete(TracePath& path) {
  int depth = static_cast<int>(path.size());
  if (path.back().result < 0 || depth == puzzle_.depth()) {
    tries_.push_back(path);
  } else if (depth + 1 == puzzle_.depth()) {
    finish(path);
  } else {
    for (TraceStep& step : puzzle_.steps(path.back().result, path.back().rest)) {
      path.push_back(std::move(step));
      complete(path);
      path.pop_back();
    }
  }
}

// Appends the try, or the tries, that the last step makes of `path`.
void TryOrder::finish(TracePath& path) {
  TracePath last = puzzle_.steps(path.back().result, path.back().rest);
  auto add = [&](TraceStep& step) {
    path.push_back(std::move(step));
    tries_.push_back(path);
    path.pop_back();
  };
  bool aims = rng_.chance(smart_), hit = false;
  for (TraceStep& step : last)
    if (!aims || step.result == puzzle_.target()) {  // programs: each hit may be right, the second test decides
      hit = true;
      add(step);
    }
  if (hit) return;
  auto distance = [&](const TraceStep& s) { return s.result < 0 ? 1000 : std::abs(s.result - puzzle_.target()); };
  add(*std::min_element(last.begin(), last.end(),
                        [&](const TraceStep& a, const TraceStep& b) { return distance(a) < distance(b); }));
}

}  // namespace ponder::craft
