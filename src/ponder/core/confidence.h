// A critic that reads nothing: what the log-probs with which a policy wrote an answer say about that answer. A number
// that was miscopied is one that the policy itself found unlikely. Fitted by reward/confidence.h; searches ask it under
// guide=confidence.
#pragma once
#include <span>
#include <vector>

namespace ponder::core {

struct Confidence {
  std::vector<double> weights;  // of the last log-probs of a completion, the last one first
  double earlier = 0;           // of the sum of all before those
  double length = 0;            // of the number of tokens
  double bias = 0;
  double temperature = 1;  // of the samples that it was fitted to, all words allowed; others have other log-probs

  // Estimated chance in (0, 1) that a completion that ends in an answer is right, from its log-probs in order, nats.
  double value(std::span<const float> logps) const;
};

}  // namespace ponder::core
