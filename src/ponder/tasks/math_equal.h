// Do two mathematical answers say the same? Numbers, expressions, lists, tuples, intervals, sets, matrices, equations
// and inequalities are compared by what they mean; the rules stand in docs/math-answers.md.
#pragma once
#include <string>

#include "ponder/tasks/math_budget.h"
#include "ponder/tasks/math_tree.h"

namespace ponder::tasks {

inline constexpr int64_t kMathSteps = 4000000;  // of one comparison; some tenths of a second at most

enum class MathVerdict { kEqual, kDifferent, kSpent };

// gold is trusted, answer is a model's: an answer "x + y = 12" says 12, a gold "x + y = 12" is that equation.
MathVerdict compare_math(const MathNode& gold, const MathNode& answer, int64_t steps = kMathSteps);

}  // namespace ponder::tasks
