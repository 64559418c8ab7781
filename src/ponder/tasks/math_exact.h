// Exact comparison. Expressions become quotients of polynomials with rational coefficients (GMP) whose variables are
// symbols, roots of primes, i, π, e, and functions of such quotients: √8 = 2√2, 1/√2 = √2/2, x/7 + 2/7 = (x+2)/7. Roots
// of different primes are linearly independent over the rationals (Besicovitch 1940), so for these a difference is a
// proof as well.
#pragma once
#include <optional>
#include <string>

#include "ponder/tasks/math_budget.h"
#include "ponder/tasks/math_tree.h"

namespace ponder::tasks {

// kYes and kNo are proofs. Throws MathBudgetSpent.
Same exactly_equal(const MathNode& a, const MathNode& b, MathBudget& budget);
// Is a = c·b for a rational c ≠ 0? (Equations a = 0 and b = 0 then say the same.) c's sign, or 0 when there is none.
int proportional_sign(const MathNode& a, const MathNode& b, MathBudget& budget);

// The value of an expression that is a rational number, as "p/q" or "p"; nothing for all others.
std::optional<std::string> rational_text(const MathNode& node);
// The value rounded half away from zero to `decimals` places, as an integer times 10^-decimals; for rational values
// alone.
std::optional<std::string> rational_rounded(const MathNode& node, int decimals);

}  // namespace ponder::tasks
