// What scores steps and answers: signals of the model's own, which are cheap and move with it, and judges from
// outside. Search::use_guide() takes one by name; options.cc lists them for people.
//
//   likelihood   exp(mean log-prob) of the path
//   entropy      exp(−mean entropy) of the model's distributions along the path; a lookahead does not count
//   confidence   what was fitted to the log-probs of answers (core/confidence.h); steps: likelihood
//   vote         the share of the answers so far that an answer has; steps: likelihood
//   semantic     1 − semantic entropy / ln k over k continuations of a step; answers: vote
//   p-true       of four replies of the model the share that calls an answer right, or a step promising
//   critic       the value head
//   verifier     what the problem itself says, without any gold answer (core::Judge), where it says something;
//                elsewhere likelihood
//   heuristic    the same, but of steps the task's rule of thumb where it has one (core::Judge::outlook)
//   mix          λ · (confidence or likelihood) + (1 − λ) · critic
//   auto         critic, confidence or likelihood: the first that there is
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/core/ports.h"

namespace ponder::search {

enum class GuideKind { kLikelihood, kEntropy, kConfidence, kVote, kSemantic, kTrue, kCritic, kVerifier, kHeuristic };

struct Guide {
  GuideKind kind = GuideKind::kLikelihood;
  std::optional<double> own_share = {};  // λ of a mix, whose own signal is `kind`
};

// Error(kUsage): the ports have no such guide for this problem (a confidence for samples that are drawn otherwise than
// by `params` is none).
Guide guide_named(const std::string& name, double own_share, const core::Ports& ports, const core::Problem& problem,
                  const core::SampleParams& params);

// −Σ_c p(c) ln p(c) over classes of equal answers, in nats; one that is missing is a class of its own.
double semantic_entropy(const std::vector<std::optional<std::string>>& answers);

}  // namespace ponder::search
