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

// How many of the problems are instances of what the table of `auto table=FILE` was learned on; 0 for other searches.
int64_t learned_by_table(search::Strategy& strategy, const std::vector<core::Item>& items);
// Error(kUsage) where there are any: a table is no better on new problems than on those that it has not seen.
void check_not_learned(search::Strategy& strategy, const std::vector<core::Item>& items);

// The problems to solve; rows whose prompt this model cannot read are among the bad ones.
ProblemFile readable_problems(const SolveArgs& args, const Solver& solver);

// The strategy's options. A completion in the tasks' own language may fill the model's context, one in words has room
// for a solution, and its steps are lines; unless the user says otherwise.
std::vector<std::string> search_options(const SolveArgs& args, const Solver& solver);

// What the tokens of a search cost in each of the models; nothing where there is no such model. Each is taken to stand
// at the end of the longest completion. Of a draft its guesses are counted, not what it read for them.
struct SearchFlops {
  SearchFlops(const Solver& solver, search::Strategy& strategy);
  double of(const search::SearchResult& result) const { return of(result.usage, result); }
  // What ran through the models when this search had spent so much, and what of it through the critic.
  double of(const core::Usage& usage, const search::SearchResult& result) const;
  double of_critic(const core::Usage& usage, const search::SearchResult& result) const;
  core::TokenFlops policy = {}, critic = {}, second = {}, draft = {};
  int64_t longest = 0;

 private:
  int64_t last_position(const search::SearchResult& result) const;
};
core::Budget budget_of(const SolveArgs& args, const SearchFlops& flops);

// Tokens of the longest completion, as far as the strategy's options say; of one that asks the model about its own
// work, whose questions hold what it wrote, as many again. An estimate: ballots and long plans can be longer.
int64_t longest_completion(search::Strategy& strategy);
// The same behind the longest prompt.
int64_t longest_sequence(const text::ProblemCodec& codec, const std::vector<core::Item>& items,
                         search::Strategy& strategy);

}  // namespace ponder::recipes
