// What methods of str and filters of the same name share.
#pragma once
#include <string_view>
#include <vector>

#include "ponder/text/jinja_interpreter.h"

namespace ponder::text::jinja {

enum class Case { kUpper, kLower, kTitle, kCapital, kSwap };
const Text* change_case(Interpreter& in, const Text& text, Case to);
bool is_in_case(std::string_view text, bool upper);  // str.isupper, str.islower

// str.strip: of white space when chars is None, else of these characters.
Value strip(Interpreter& in, const Text& text, const Value& chars, bool left, bool right);
// str.replace; count < 0: all.
Value replace(Interpreter& in, const Text& text, const Text& old, const Text& fresh, int64_t count);
// To `width` characters; the share of the padding that goes to the left is 0, 0.5 or 1.
Value pad(Interpreter& in, const Text& text, int64_t width, std::string_view fill, double left_share);

struct Line {
  size_t begin, end, behind;  // behind its line break
};
std::vector<Line> lines_of(Interpreter& in, const Text& text);  // str.splitlines

}  // namespace ponder::text::jinja
