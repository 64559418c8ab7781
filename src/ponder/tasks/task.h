// A task family with its rules: generator, strict verifier, step checker, oracle solver. Everything that can judge
// lives here; search and sampling see only core::Problem.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/core/ports.h"
#include "ponder/core/problem.h"

namespace ponder::tasks {

enum class Split { kTrain, kDev, kTest };
const char* split_name(Split split);  // "train", "dev", "test"

// Splits hold out whole canonical instances: 4 of 16 hash classes are test (25%), 1 of 16 dev, the rest train.
Split split_of_canonical(const std::string& canonical);

// What the step checker says of one step of a thought.
struct StepVerdict {
  bool parsed = false;  // it has the form of a step
  bool valid = false;   // it follows from the state before it (numbers at hand, right result)
  std::string reason;
};

class Task : public core::Verifier {
 public:
  virtual std::string name() const = 0;
  virtual std::string family() const = 0;       // "countdown", "vm"
  virtual std::string description() const = 0;  // one line for people: rules, sizes

  // A solvable problem of one split, with what its verifier needs. The same key gives the same problem.
  virtual core::Item generate(base::RngKey key, Split split) const = 0;
  // A user's row, for example {"id":"a","numbers":[13,8,2],"target":18}. Error(kInput) says which field is wrong and
  // what would be right. A missing id becomes `default_id`.
  virtual core::Item parse(const base::Json& row, const std::string& default_id) const = 0;
  // A row to grade, whose "answer" is the answer to judge and says nothing about the problem.
  virtual core::Item parse_graded(const base::Json& row, const std::string& default_id) const {
    return parse(row, default_id);
  }
  // The row that parse() reads back.
  virtual base::Json to_row(const core::Item& item) const = 0;

  // What a split holds out: the sorted multiset of numbers, the sorted bag of instructions, …
  virtual std::string canonical(const core::Problem& problem) const = 0;
  // Whether it belongs to the dev or test problems, so that nothing may learn from it.
  virtual bool is_held_out(const core::Problem& problem) const {
    return split_of_canonical(canonical(problem)) != Split::kTrain;
  }
  // The whole instance (with its target): duplicates within a set have the same.
  virtual std::string instance(const core::Problem& problem) const = 0;

  // Strict: reads the answer text alone, accepts nothing but a complete answer that obeys every rule.
  core::Verdict verify(const core::Item& item, const std::string& answer) const override = 0;
  // Checks the steps of a thought one by one, in the trace format of text/format.h.
  virtual std::vector<StepVerdict> check_steps(const core::Problem& problem, const std::string& thought) const = 0;
  // Whether verify() needs no more than the problem, so that looking for what it accepts is a search like any other.
  virtual bool judges_alone() const { return false; }
  // A heuristic of such tasks for search: how near the state that a thought has reached looks to a solution, 0 to 1.
  // Nothing where the task has none.
  virtual std::optional<double> outlook(const core::Problem& /*problem*/, const std::string& /*thought*/) const {
    return std::nullopt;
  }
  // Some correct answer, or nothing when the problem has none. Exact.
  virtual std::optional<std::string> solve(const core::Problem& problem) const = 0;
};

// Explicit table of the tasks that make their own problems: countdown3, countdown4, countdown5, vm3, vm4.
const std::vector<const Task*>& all_tasks();
// Those whose problems come from files: math, gsm8k, gsm8k2000, svamp (dataset.h).
const std::vector<const Task*>& dataset_tasks();
// In either table. Error(kUsage) with the nearest name when there is none.
const Task& find_task(const std::string& name);
class DatasetTask;
const DatasetTask& find_dataset_task(const std::string& name);  // those of files alone

// n different problems of a split (by instance), in an order that depends on the key alone. Error(kUsage) when the
// split does not hold n of them.
std::vector<core::Item> make_problems(const Task& task, Split split, size_t n, base::RngKey key);

}  // namespace ponder::tasks
