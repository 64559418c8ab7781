// What a mathematical answer says: the tree that math_parse reads from LaTeX or plain text and math_equal compares.
// Nothing is computed here, and nothing of an answer is ever executed.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tasks {

enum class MathKind {
  kNumber,        // text: digits with at most one point ("12", "0.50"), separators of thousands removed
  kSymbol,        // text: a name with its subscript: "x", "x_{1}", "\\pi", "e", "i", "\\infty"
  kWords,         // text: words that are no formula
  kSum,           // args
  kProduct,       // args
  kNegation,      // 1 arg
  kQuotient,      // 2 args
  kPower,         // 2 args
  kPlusMinus,     // 2 args: a ± b, which stands for two values
  kFactorial,     // 1 arg
  kPercent,       // 1 arg
  kDegrees,       // 1 arg
  kFunction,      // text: name; args
  kMatrix,        // rows; args row by row
  kQuantity,      // 1 arg and its unit as text
  kList,          // a, b, c without brackets
  kSet,           // {a, b, c}
  kTuple,         // text: the brackets "()", "[)", …; an interval or a tuple, which only a comparison can tell apart
  kUnion,         // 2 args
  kIntersection,  // 2 args
  kDifference,    // 2 args: sets
  kRelation,      // a < b ≤ c: text holds one kRelation… character a pair of neighbours, args one more
  kMember,        // x ∈ S: 2 args
  kRatio,         // a : b : c
};

inline constexpr char kEqual = '=', kNotEqual = '!', kLess = '<', kGreater = '>', kAtMost = '(', kAtLeast = ')',
                      kAbout = '~';

struct MathNode {
  MathKind kind = MathKind::kWords;
  std::string text;
  int rows = 0;
  std::vector<MathNode> args;

  bool is(MathKind k) const { return kind == k; }
  bool is_symbol(std::string_view name) const { return kind == MathKind::kSymbol && text == name; }
};

// A node of each shape, for parsers and comparisons.
MathNode make_node(MathKind kind, std::string text, std::vector<MathNode> args = {});
MathNode make_number(std::string digits);
// a − b
MathNode difference_of(MathNode a, MathNode b);

// The tree as text in one fixed notation, for people and for votes: equal trees, equal texts.
std::string math_text(const MathNode& node);

}  // namespace ponder::tasks
