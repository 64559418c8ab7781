// The words of the task language with their ids, fixed for good: checkpoints hold them. Code that writes or reads many
// tokens (craft, tasks) uses these instead of looking words up.
#pragma once
#include <string>
#include <vector>

#include "ponder/core/token.h"

namespace ponder::text {

inline constexpr int kMaxNumber = 99;  // numbers 0 … 99 are single words; ids 0 … 99 are the numbers themselves

// In the order of task_words(), behind the numbers.
enum Word : core::Token {
  kPad = kMaxNumber + 1,
  kEnd,
  kQuestion,  // Q: a countdown problem
  kProgram,   // P: a vm problem
  kGreater,
  kLess,
  kColon,
  kSemicolon,
  kComma,
  kPlus,
  kMinus,
  kTimes,
  kDivide,
  kEquals,
  kAsk,  // ?
  kGoal,
  kAbove,
  kBelow,
  kTry,
  kBack,
  kTest,
  kUse,
  kYes,
  kNo,
  kWait,
  kStop,
  kAns,
  // Only in pre-training text: play, run, logic, tables.
  kPlay,
  kRun,
  kAnd,
  kOr,
  kNot,
  kIf,
  kThen,
  kGet,
  kSort,
  kMax,
  kMin,
  kNameA,  // names a … f of facts and table entries
  kNameF = kNameA + 5,
  kWordCount
};

const std::vector<std::string>& task_words();  // [kWordCount]

inline bool is_number(core::Token t) { return t >= 0 && t <= kMaxNumber; }
inline bool is_op(core::Token t) { return t >= kPlus && t <= kDivide; }

// The arithmetic of all tasks: a op b when it lies in 0 … 99, with floor division; −1 when it does not (or b = 0 in a /
// b).
inline int apply_op(core::Token op, int a, int b) {
  int r = -1;
  if (op == kPlus) r = a + b;
  if (op == kMinus) r = a - b;
  if (op == kTimes) r = a * b;
  if (op == kDivide && b > 0) r = a / b;
  return r >= 0 && r <= kMaxNumber ? r : -1;
}

}  // namespace ponder::text
