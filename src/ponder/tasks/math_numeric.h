// The second opinion on two expressions: their difference in interval arithmetic, at growing precision, and at several
// points where they hold variables.
#pragma once
#include "ponder/tasks/math_budget.h"
#include "ponder/tasks/math_tree.h"

namespace ponder::tasks {

// kNo is a proof: the difference lies in an interval without 0. kYes is none: numbers agree in 120 digits; expressions
// with variables do so at four or more points drawn from 2^30 rationals each, which two different functions of the
// kinds that are read here (analytic but for |x|) pass with a chance below 10^-6. kUnknown: not defined where it was
// tried, or a function that is not evaluated. Throws MathBudgetSpent.
Same numerically_equal(const MathNode& a, const MathNode& b, MathBudget& budget);

// Do a and b, numbers both, agree after rounding to `decimals` places? A difference below half a unit is demanded.
Same equal_when_rounded(const MathNode& a, const MathNode& b, int decimals, MathBudget& budget);
// The sign of a number: −1, 0 (not decided) or 1.
int sign_of(const MathNode& node, MathBudget& budget);

}  // namespace ponder::tasks
