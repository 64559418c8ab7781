// Demonstrations for policy initialization: imperfect traces of an impatient teacher in text/format.h's
// language, with analysis, decomposition, alternatives, self-evaluation and self-correction. Imperfect on purpose:
// about half of them give up, so that reinforcement learning has something to find. Called by the sft recipe.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/base/rng.h"
#include "ponder/core/example.h"
#include "ponder/craft/puzzle.h"
#include "ponder/tasks/task.h"

namespace ponder::craft {

struct DemoOptions {
  std::vector<std::string> tasks = {"countdown3", "countdown4", "vm3"};
  std::vector<double> shares = {0.4, 0.3, 0.3};  // of each task, any positive scale
  std::string style = "reason";
  double intuition = 0.25;
  std::vector<double> patience = {0.15, 0.55, 0.20, 0.04, 0.02, 0.02, 0.01, 0.01};
  double smart = 1;
  double back = 0.75;
  double slip = 0.08;
  void fields(base::Fields& f);
};

// Row `row` of the set that `set` names: a training problem and its demonstration; depends on nothing else.
core::Example demonstration(const DemoOptions& options, base::RngKey set, int64_t row);

// A demonstration of this problem: prompt, thought and answer (or "stop"). Error(kInput) when the problem is held out,
// or when it has no solution and the style is "direct".
core::Example demonstrate(const tasks::Task& task, const core::Item& item, const DemoOptions& options,
                          base::RngKey key);

// The same for a bare puzzle, appended to `out`: what demonstrate() and the small dialogues of pre-training share.
void write_demonstration(const Puzzle& puzzle, const DemoOptions& options, base::Rng& rng, core::Example& out);

}  // namespace ponder::craft
