// Source to tree, by Jinja's grammar. What stands outside the subset of chat templates (inheritance, includes,
// autoescape) is a SyntaxError that says so.
#pragma once
#include <string_view>

#include "ponder/text/jinja_ast.h"

namespace ponder::text::jinja {

inline constexpr int kMaxNesting = 100;         // of brackets and blocks in the source
inline constexpr uint32_t kMaxExprDepth = 400;  // of operators in a row

Tree parse_template(std::string_view source);  // SyntaxError

}  // namespace ponder::text::jinja
