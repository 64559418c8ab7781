#include <cmath>

#include "ponder/core/confidence.h"
#include "ponder/core/problem.h"
#include "ponder/core/trajectory.h"

namespace ponder::core {

const char* verdict_name(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kCorrect:
      return "correct";
    case VerdictKind::kWrong:
      return "wrong";
    case VerdictKind::kUnparsable:
      return "unparsable";
    case VerdictKind::kTimeout:
      return "timeout";
    case VerdictKind::kCannotJudge:
      return "cannot_judge";
  }
  return "cannot_judge";
}

const char* stop_reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kStopToken:
      return "stop";
    case StopReason::kMaxTokens:
      return "length";
    case StopReason::kContextFull:
      return "context";
    case StopReason::kCancelled:
      return "cancelled";
    case StopReason::kDeadline:
      return "deadline";
  }
  return "stop";
}

double Confidence::value(std::span<const float> logps) const {
  double z = bias + length * static_cast<double>(logps.size());
  for (size_t i = 0; i < logps.size(); ++i) {
    const double logp = logps[logps.size() - 1 - i];
    z += (i < weights.size() ? weights[i] : earlier) * logp;
  }
  return 1 / (1 + std::exp(-z));
}

}  // namespace ponder::core
