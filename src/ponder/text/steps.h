// A thought taken apart into its steps, as format.h defines them. tasks hold their rules against these.
#pragma once
#include <string_view>
#include <vector>

#include "ponder/core/token.h"
#include "ponder/text/words.h"

namespace ponder::text {

enum class StepKind { kGoal, kTry, kBack, kTest, kMove, kStop, kUnparsed };

struct ThoughtStep {
  StepKind kind = StepKind::kUnparsed;
  int target = 0;  // goal
  bool above = false;
  int a = 0, b = 0, result = 0;  // try, test, move: a op b = result; −1 where the step says "no"
  core::Token op = 0;
  core::Tokens left;  // what stands behind "," in an equation, or behind "back"
  bool checked = false, check_yes = false;
  int check_target = 0;  // "? T yes|no"
};

// The steps between ";". Corrections are applied first; words that the language does not have make a step kUnparsed.
std::vector<ThoughtStep> parse_thought(std::string_view thought);

// "X wait Y" becomes "Y", for numbers and for yes and no.
core::Tokens apply_corrections(core::TokenSpan tokens);

}  // namespace ponder::text
