// Words of a mathematical text: LaTeX commands, numbers, letters, marks. math_parse alone calls it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tasks {

struct MathToken {
  enum Kind { kNumber, kLetter, kWord, kCommand, kText, kMark, kEnd };
  Kind kind = kEnd;
  std::string text;     // a command without its backslash; a mark is one character; digits of a number
  bool spaced = false;  // white space stands before it
};

// What a comma between digits is. kThousands: "1,234" is 1234 and "1,23" a list. kDecimal: "1,23" is 1.23. kList:
// always a list.
enum class Comma { kThousands, kDecimal, kList };

// Spacing and styling commands, $ and currency signs are dropped; Unicode signs become their LaTeX commands. Ends with
// a kEnd token.
std::vector<MathToken> lex_math(std::string_view text, Comma comma);

}  // namespace ponder::tasks
