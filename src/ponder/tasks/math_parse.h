// LaTeX or plain text to a tree. The text is a model's: every length, depth and count is bounded, and what does not
// parse as a whole gives nothing.
#pragma once
#include <optional>
#include <string_view>

#include "ponder/tasks/math_lex.h"
#include "ponder/tasks/math_tree.h"

namespace ponder::tasks {

inline constexpr size_t kMaxMathBytes = 20000;  // of one expression; a number of 10,000 digits is one
inline constexpr size_t kMaxMathNodes = 4000;
inline constexpr int kMaxMathDepth = 400;  // of the parser's own calls: some 50 nested brackets

std::optional<MathNode> parse_math(std::string_view text, Comma comma = Comma::kThousands);

}  // namespace ponder::tasks
