// Process labels without people: a step is worth the share of completions from its end that reach a correct answer.
// Math-Shepherd, arXiv 2312.08935, eq. 3 (hard) and 4 (soft). Recipes choose positions here, let the policy complete
// from each, have tasks grade the completions, and train the critic on the labels.
#pragma once
#include <cstdint>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/core/token.h"

namespace ponder::reward {

// n completions from one prefix, c of them correct.
struct MonteCarloLabel {
  int64_t n = 0;
  int64_t c = 0;
  void add(bool correct) { ++n, c += correct; }
  double hard() const { return c > 0 ? 1.0 : 0.0; }  // any completion is correct; rises with n: 1 − (1 − p)^n
  double soft() const;                               // c / n, unbiased
  double variance() const;                           // of soft(): unbiased estimate of p(1 − p)/n, needs n ≥ 2
};

// Chance that a hard label says 1 when each completion is correct with probability p.
double hard_label_rate(double p, int64_t n);

// Prefix lengths of a completion behind each of its step-end tokens: position k means that tokens [0, k) are the
// prefix. The end of the whole completion is not among them: its label is the verdict itself and needs no completions.
// When there are more than max_positions, a keyed uniform choice of that many is taken; ascending.
std::vector<int64_t> choose_step_ends(core::TokenSpan completion, core::TokenSpan step_end_tokens,
                                      int64_t max_positions, base::RngKey key);

}  // namespace ponder::reward
