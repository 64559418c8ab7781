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
  }
  return "stop";
}

}  // namespace ponder::core
