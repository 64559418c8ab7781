// What a critic learns from: completions of training problems with their labels. Called by critic.cc.
#pragma once
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/learn/pack.h"
#include "ponder/recipes/recipe.h"
#include "ponder/reward/monte_carlo.h"
#include "ponder/text/problem_codec.h"

namespace ponder::recipes {

struct Labelled {
  core::Item item;
  core::Tokens prompt, completion;
  std::vector<int64_t> ends;                    // prefix lengths within the completion
  std::vector<reward::MonteCarloLabel> labels;  // one an end
  bool correct = false;                         // the whole completion
};

// A row a completion: soft labels at the chosen step ends of the thought, the verdict at the step ends of an answer and
// at its end. A right completion may have a second row in which its answer is spoiled (craft::spoil_answer) and worth
// nothing from there on: policies are mostly right once they claim an answer, so their own wrong ones are too few.
// Completions with nothing to label have no row.
std::vector<learn::Row> critic_rows(const CriticOptions& options, const text::ProblemCodec& codec,
                                    const std::vector<Labelled>& completions, base::RngKey key);

}  // namespace ponder::recipes
