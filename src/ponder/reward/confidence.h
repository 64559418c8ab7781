// Fits core::Confidence: logistic regression of the verdicts on answers on the log-probs with which they were written.
// Called by recipes; plain numbers.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "ponder/core/confidence.h"

namespace ponder::reward {

struct JudgedAnswer {
  std::vector<float> logps;  // nats, of the whole completion
  bool correct = false;
};

// Minimizes the mean log loss + ridge/2 · |w|², w the weights of standardized features (not the bias), by Newton's
// method. `window` log-probs at the end have a weight each. A feature that hardly varies (by less than a thousandth)
// gets the weight 0. There must be an answer. The temperature is left to the caller.
core::Confidence fit_confidence(std::span<const JudgedAnswer> answers, int64_t window, double ridge = 0.01);

}  // namespace ponder::reward
