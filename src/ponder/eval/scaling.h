// Scaling of search at test time: what each strategy has found when so many tokens are spent, the laws behind
// it, and which strategy is worth the tokens. Made from rows alone; recipes/scaling_command.cc writes them.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ponder/eval/scaling_rows.h"
#include "ponder/search/auto_table.h"

namespace ponder::eval {

// All of it as the page and scripts read it. budgets: growing. Strategies that were run at one budget have curves of
// what they had found on the way; those that were run at several have each of them.
struct ScalingSetup {
  std::string model, task;
  std::vector<int64_t> budgets;
  int64_t seed = 0, probe = 4;
  base::Json more = base::Json::object();  // options, version: quoted as they are
  std::string shift = {};                  // what the problems of another kind are
};
// shift: a pool of samples of problems out of distribution; only its signals are looked at.
base::Json scaling_json(const std::vector<ScalingRow>& rows, const ScalingSetup& setup,
                        const std::vector<ScalingRow>& shift = {});
// What `auto` is to go by on other problems, learned on all of these, without the budgets at which the study cannot
// tell of some strategy behind the probe (`cannot_tell` of a row of allocation.table). Nothing where none is left, and
// where the study has no pool of samples, or one that is smaller than the probe. instances: the canonical ones of its
// problems.
std::optional<search::AutoTable> auto_table(const base::Json& scaling, const std::vector<std::string>& instances);
std::string scaling_table(const base::Json& scaling);  // for the terminal
std::string scaling_html(const base::Json& scaling);

}  // namespace ponder::eval
