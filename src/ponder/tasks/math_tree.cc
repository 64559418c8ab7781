#include "ponder/tasks/math_tree.h"

#include "ponder/base/cat.h"

namespace ponder::tasks {
namespace {

std::string joined(const MathNode& node, std::string_view separator, size_t from = 0) {
  std::string out;
  for (size_t i = from; i < node.args.size(); ++i) {
    if (i > from) out += separator;
    out += math_text(node.args[i]);
  }
  return out;
}

std::string_view relation_sign(char op) {
  switch (op) {
    case kNotEqual:
      return " != ";
    case kLess:
      return " < ";
    case kGreater:
      return " > ";
    case kAtMost:
      return " <= ";
    case kAtLeast:
      return " >= ";
    case kAbout:
      return " ~ ";
    default:
      return " = ";
  }
}

std::string relation_text(const MathNode& node) {
  std::string out = math_text(node.args[0]);
  for (size_t i = 1; i < node.args.size(); ++i)
    base::append(out, base::cat(relation_sign(node.text[i - 1]), math_text(node.args[i])));
  return out;
}

}  // namespace

MathNode make_node(MathKind kind, std::string text, std::vector<MathNode> args) {
  MathNode node;
  node.kind = kind, node.text = std::move(text), node.args = std::move(args);
  return node;
}

MathNode make_number(std::string digits) { return make_node(MathKind::kNumber, std::move(digits)); }

MathNode difference_of(MathNode a, MathNode b) {
  return make_node(MathKind::kSum, "", {std::move(a), make_node(MathKind::kNegation, "", {std::move(b)})});
}

std::string math_text(const MathNode& node) {
  switch (node.kind) {
    case MathKind::kNumber:
    case MathKind::kSymbol:
    case MathKind::kWords:
      return node.text;
    case MathKind::kSum:
      return base::cat("(", joined(node, " + "), ")");
    case MathKind::kProduct:
      return base::cat("(", joined(node, "*"), ")");
    case MathKind::kNegation:
      return base::cat("-", math_text(node.args[0]));
    case MathKind::kQuotient:
      return base::cat("(", joined(node, "/"), ")");
    case MathKind::kPower:
      return base::cat("(", joined(node, "^"), ")");
    case MathKind::kPlusMinus:
      return base::cat("(", joined(node, " ± "), ")");
    case MathKind::kFactorial:
      return math_text(node.args[0]) + "!";
    case MathKind::kPercent:
      return math_text(node.args[0]) + "%";
    case MathKind::kDegrees:
      return math_text(node.args[0]) + "°";
    case MathKind::kFunction:
      return base::cat(node.text, "(", joined(node, ", "), ")");
    case MathKind::kMatrix:
      return base::cat("matrix", node.rows, "(", joined(node, ", "), ")");
    case MathKind::kQuantity:
      return base::cat(math_text(node.args[0]), " ", node.text);
    case MathKind::kList:
      return joined(node, ", ");
    case MathKind::kSet:
      return base::cat("{", joined(node, ", "), "}");
    case MathKind::kTuple:
      return base::cat(node.text.substr(0, 1), joined(node, ", "), node.text.substr(1));
    case MathKind::kUnion:
      return joined(node, " ∪ ");
    case MathKind::kIntersection:
      return joined(node, " ∩ ");
    case MathKind::kDifference:
      return joined(node, " \\ ");
    case MathKind::kRelation:
      return relation_text(node);
    case MathKind::kMember:
      return joined(node, " in ");
    case MathKind::kRatio:
      return joined(node, ":");
  }
  return "";
}

}  // namespace ponder::tasks
