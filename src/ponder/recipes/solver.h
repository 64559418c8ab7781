// What the commands that search have in common: a model with its way of meeting problems, the problems, and the options
// of a search where the user says nothing. Called by `ponder solve`, `eval` and `scaling`.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/problem_file.h"
#include "ponder/recipes/rollout.h"
#include "ponder/search/strategies.h"

namespace ponder::recipes {

// What answers: a model and how it meets problems.
struct Solver {
  OpenedModel model;
  std::shared_ptr<const text::ProblemCodec> codec = nullptr;
  bool in_words = false;                  // not in the tasks' own language
  std::optional<OpenedModel> draft = {};  // guesses what the model will write
  std::optional<OpenedModel> discriminator = {};
};
Solver open_solver(const SolveArgs& args);
// Borrows the solver. A discriminator is among them where the search has a use for one.
Models models_of(const SolveArgs& args, const Solver& solver);

// Error(kUsage) where a discriminator is named and none of these searches has a use for one.
void check_discriminator(const SolveArgs& args, const std::vector<bool>& uses);
// Whether the search of `args` has one. Error(kUsage) for wrong options of the search.
bool uses_discriminator(const SolveArgs& args);

// The problems to solve; rows whose prompt this model cannot read are among the bad ones.
ProblemFile readable_problems(const SolveArgs& args, const Solver& solver);

// The strategy's options. A completion in the tasks' own language may fill the model's context, one in words has room
// for a solution, and its steps are lines; unless the user says otherwise.
std::vector<std::string> search_options(const SolveArgs& args, const Solver& solver);

// FLOPs of a token in each of the models, with the attention of a sequence of `longest` tokens: at most that. 0 where
// there is no such model.
struct TokenFlops {
  double policy = 0, critic = 0, second = 0, draft = 0;
  double of(const core::Usage& usage) const;  // what really ran
};
TokenFlops token_flops(const Solver& solver, int64_t longest);
core::Budget budget_of(const SolveArgs& args, const TokenFlops& flops);

// Tokens of the longest prompt with the longest completion behind it, as far as the strategy's options say; of one that
// asks the model about its own work, whose questions hold what it wrote, with two.
int64_t longest_sequence(const text::ProblemCodec& codec, const std::vector<core::Item>& items,
                         search::Strategy& strategy);

}  // namespace ponder::recipes
