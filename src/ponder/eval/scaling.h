// Scaling of search at test time: what each strategy has found when so many tokens are spent, the laws behind
// it, and which strategy is worth the tokens. Made from rows alone; recipes/scaling_command.cc writes them.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/eval/scaling_rows.h"

namespace ponder::eval {

// All of it as the page and scripts read it. budgets: growing. Strategies that were run at one budget have curves of
// what they had found on the way; those that were run at several have each of them.
struct ScalingSetup {
  std::string model, task;
  std::vector<int64_t> budgets;
  int64_t seed = 0, probe = 4;
  base::Json more = base::Json::object();  // options, version: quoted as they are
};
base::Json scaling_json(const std::vector<ScalingRow>& rows, const ScalingSetup& setup);
std::string scaling_table(const base::Json& scaling);  // for the terminal
std::string scaling_html(const base::Json& scaling);

}  // namespace ponder::eval
