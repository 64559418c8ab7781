// The end of every search: which of the finished completions is the answer. No gold and no verifier: only what the
// completions say and how they were scored.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/core/budget.h"
#include "ponder/core/token.h"
#include "ponder/search/tree.h"

namespace ponder::search {

// A completion that can grow no more. usage is what the search had spent when it was complete, or where its score was
// asked for afterwards, when that was paid for: the candidates of one search with a large budget give the whole curve
// of accuracy against budget (see best_of_n.cc).
struct Candidate {
  core::Tokens tokens;
  std::optional<std::string> answer;  // nothing: it gave up, was cut, or made no sense
  double score = 0;                   // in [0, 1]; 0 without an answer or when nobody scored it
  NodeId node = kNoNode;
  bool cut = false;  // without an answer because the budget, in tokens or time, ended it before the model did
  core::Usage usage;
};

// rm:     argmax score, the first of equals
// maj:    argmax_a #{i: a_i = a}; the first answer to reach the winning count (Wang et al. 2022, arXiv 2203.11171)
// wmaj:   argmax_a Σ_i 1[a_i = a]·score_i, ties as for maj
// random: any candidate with equal chance, those without an answer too (a negative control: expected accuracy = pass@1)
// Candidates without an answer neither win nor vote. Returns an index, or -1 when no candidate can be chosen. For maj
// the first, for wmaj the best-scored candidate stands for its answer.
int64_t select_candidate(const std::vector<Candidate>& candidates, const std::string& how, base::RngKey key);

// The score of a path from the scores of its steps: "last", "min", "prod", "mean". 0 for no steps.
double aggregate_scores(const std::vector<double>& scores, const std::string& agg_strategy);

}  // namespace ponder::search
