#include "ponder/craft/demonstrations.h"

#include <numeric>

#include "ponder/base/error.h"
#include "ponder/craft/trace.h"
#include "ponder/text/format.h"

namespace ponder::craft {
namespace {

// From "try" or "back" to the verdict; true when the target was reached.
bool write_try(const Puzzle& puzzle, const TryOrder::Try& attempt, TraceWriter& out) {
  const TracePath& path = attempt.path;
  if (attempt.goes_back) {
    out.put({text::kBack});
    out.put(puzzle.state(path[0]));
    out.put({text::kSemicolon});
  } else {
    out.put({text::kTry});
  }
  size_t begin = attempt.goes_back ? 1 : 0;
  for (size_t i = begin; i < path.size(); ++i) {
    if (i > begin) out.put({text::kSemicolon});
    if (puzzle.lists_rest())
      out.equation_and_rest(path[i]);
    else
      out.equation(path[i]);
  }
  bool reached = puzzle.reaches_target(path);
  if (path.back().result >= 0) out.check(puzzle.target(), reached);
  out.put({text::kSemicolon});
  return reached;
}

// The program on the second unit test; true when it passes, and where there is no such test.
bool write_test(const Puzzle& puzzle, const TracePath& path, TraceWriter& out) {
  TracePath run = puzzle.test_run(path);
  if (run.empty()) return true;
  out.put({text::kTest});
  for (size_t i = 0; i < run.size(); ++i) {
    if (i > 0) out.put({text::kSemicolon});
    out.equation(run[i]);
  }
  bool passed = run.back().result == puzzle.test_target();
  if (run.back().result >= 0) out.check(puzzle.test_target(), passed);
  out.put({text::kSemicolon});
  return passed;
}

void write_answer(const Puzzle& puzzle, const TracePath& path, TraceWriter& out) {
  out.put({text::kAns});
  out.put(puzzle.answer(path));
  out.put({text::kEnd});
}

// Only the answer, no thought: the control without reasoning behaviours.
core::Example direct(const tasks::Task& task, const core::Item& item) {
  auto answer = task.solve(item.problem);
  if (!answer)
    throw Error(ErrorCode::kInput, "a direct demonstration needs a problem with a solution", item.problem.id);
  core::Example out;
  out.tokens = text::render_prompt(text::task_tokenizer(), item.problem);
  out.weights.assign(out.tokens.size(), 0);
  core::Tokens response = text::task_tokenizer().encode(base::cat("ans ", *answer, " end"));
  out.tokens.insert(out.tokens.end(), response.begin(), response.end());
  out.weights.resize(out.tokens.size(), 1);
  return out;
}

}  // namespace

void DemoOptions::fields(base::Fields& f) {
  std::vector<std::string> names;
  for (const tasks::Task* task : tasks::all_tasks()) names.push_back(task->name());
  f.field("tasks", tasks, {.help = "task families to demonstrate", .choices = names});
  f.field("shares", shares, {.min = 0, .help = "share of each task, in the same order"});
  f.field("style", style,
          {.help = "reason: a thought before the answer; direct: the answer alone", .choices = {"reason", "direct"}});
  f.field("intuition", intuition, {.min = 0, .max = 1, .help = "chance that the first try is right"});
  f.field("patience", patience, {.min = 0, .help = "weights of giving up after 1, 2, 3, … tries"});
  f.field("smart", smart,
          {.min = 0, .max = 1, .help = "chance that the last step aims at the goal instead of trying each"});
  f.field("back", back, {.min = 0, .max = 1, .help = "chance to go on from the first step instead of starting anew"});
  f.field("slip", slip, {.min = 0, .max = 1, .help = "chance that a step is first written wrong, then corrected"});
}

void write_demonstration(const Puzzle& puzzle, const DemoOptions& options, base::Rng& rng, core::Example& out) {
  TraceWriter writer(out, options.slip, rng);
  writer.prompt(puzzle.prompt());
  writer.put({text::kGoal, puzzle.target(), puzzle.is_above() ? text::kAbove : text::kBelow, text::kSemicolon});
  size_t patience = 1 + rng.weighted(options.patience);
  std::optional<TracePath> intuition;
  if (rng.chance(options.intuition)) intuition = puzzle.random_solution(rng);
  TryOrder order(puzzle, options.smart, rng);
  for (size_t i = 0; i < patience; ++i) {
    std::optional<TryOrder::Try> attempt;
    if (i == 0 && intuition)
      attempt = TryOrder::Try{std::move(*intuition), false};
    else
      attempt = order.next(options.back);
    if (!attempt) break;
    if (write_try(puzzle, *attempt, writer) && write_test(puzzle, attempt->path, writer))
      return write_answer(puzzle, attempt->path, writer);
  }
  writer.put({text::kStop, text::kEnd});
}

core::Example demonstrate(const tasks::Task& task, const core::Item& item, const DemoOptions& options,
                          base::RngKey key) {
  if (tasks::split_of_canonical(task.canonical(item.problem)) != tasks::Split::kTrain)
    throw Error(ErrorCode::kInput, "this problem is held out for tests; demonstrations are made of training problems",
                item.problem.id);
  if (options.style == "direct") return direct(task, item);
  base::Rng rng(key);
  core::Example out;
  auto puzzle =
      task.family() == "vm" ? make_puzzle(tasks::vm_of(item.problem)) : make_puzzle(tasks::countdown_of(item.problem));
  write_demonstration(*puzzle, options, rng, out);
  return out;
}

core::Example demonstration(const DemoOptions& options, base::RngKey set, int64_t row) {
  if (options.tasks.size() != options.shares.size() || options.tasks.empty())
    throw Error(ErrorCode::kUsage, base::cat("shares must hold one number for each of the ", options.tasks.size(),
                                             " tasks, got ", options.shares.size()));
  base::RngKey key = set.child(static_cast<uint64_t>(row));
  const tasks::Task& task = tasks::find_task(options.tasks[base::Rng(key.child("task")).weighted(options.shares)]);
  core::Item item = task.generate(key.child("problem"), tasks::Split::kTrain);
  return demonstrate(task, item, options, key.child("trace"));
}

}  // namespace ponder::craft
