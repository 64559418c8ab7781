// Planted errors: one word of a step is wrong, "wait" follows, then the right word. Demonstrations hold the
// first four kinds; the others are kept for probes (behaviours.h), so that a probe asks for more than what was shown.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/core/token.h"

namespace ponder::craft {

enum class SlipKind {
  kNearResult,      // the result is off by one or by ten
  kOtherOperation,  // the result of another operation on the same two numbers
  kWrongLeft,       // what is left names an operand that was just used instead of a number that was not
  kNearCopy,        // what is left names a number off by one or by ten instead of the result
  kSwappedDigits,   // the result with its digits swapped
  kFarResult,       // the result is off by 3 to 8
  kOperandAgain,    // the result is one of the two operands
  kMiscopied,       // what is left names a number off by 3 to 8 instead of the result
  kFarRest,         // what is left names a number off by 3 to 8 instead of one that was not used
  kFalseVerdict,    // "? T" answered the wrong way round
};
inline constexpr int kTrainedSlipKinds = 4;
const std::vector<SlipKind>& all_slip_kinds();
const char* slip_name(SlipKind kind);  // "near_result", …

// "a op b = result , result rest…"; where a slip may be planted.
struct SlipSite {
  int a = 0;
  core::Token op = 0;
  int b = 0;
  int result = 0;
  core::TokenSpan rest;  // numbers left besides the result; empty in the last step and in programs
};

struct Slip {
  int at = 0;  // 0: the result; i ≥ 1: entry i of what is left, counted from 1, which is the result
  core::Token wrong = 0;
};
// Nothing when the step has no room for this kind (kFalseVerdict never has: it is planted in a verdict).
std::optional<Slip> draw_slip(SlipKind kind, const SlipSite& site, base::Rng& rng);

}  // namespace ponder::craft
