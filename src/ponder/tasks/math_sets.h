// Shapes that a comparison brings into one form first: inequalities as intervals, unions as parts, sums of matrices as
// one.
#pragma once
#include <optional>
#include <vector>

#include "ponder/tasks/math_tree.h"

namespace ponder::tasks {

char turned_around(char relation);  // < for >, …; = and ≠ stay

// The numbers that satisfy an inequality in one unknown which stands alone: x < 5, 1 ≤ |z| ≤ 3/2, 0 < f(x) < 1.
std::optional<MathNode> solution_set(const MathNode& relation);
// A ∪ B ∪ … as its parts, {a, b} ∪ … as {a}, {b}; a set that is no union is its only part.
std::vector<MathNode> union_parts(const MathNode& set);
// Sums, products and multiples of matrices worked out; the node itself where that does not go.
MathNode folded_matrix(const MathNode& node);

}  // namespace ponder::tasks
