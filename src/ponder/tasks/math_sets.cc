#include "ponder/tasks/math_sets.h"

namespace ponder::tasks {
namespace {

MathNode infinity(bool negative) {
  MathNode node = make_node(MathKind::kSymbol, "\\infty");
  return negative ? make_node(MathKind::kNegation, "", {std::move(node)}) : node;
}

bool has_unknown(const MathNode& n) {
  if (n.is(MathKind::kSymbol)) return n.text != "\\pi" && n.text != "e" && n.text != "\\infty";
  for (const MathNode& arg : n.args)
    if (has_unknown(arg)) return true;
  return false;
}

bool is_unknown(const MathNode& n) {
  if (n.is(MathKind::kSymbol)) return has_unknown(n);
  return n.is(MathKind::kFunction) && n.text.size() == 1 && n.args.size() == 1;
}
bool is_absolute(const MathNode& n) { return n.is(MathKind::kFunction) && n.text == "abs" && is_unknown(n.args[0]); }

bool is_strict(char op) { return op == kLess || op == kGreater; }

MathNode interval(MathNode low, bool open_low, MathNode high, bool open_high) {
  std::string brackets{open_low ? '(' : '[', open_high ? ')' : ']'};
  return make_node(MathKind::kTuple, brackets, {std::move(low), std::move(high)});
}

struct Bounds {
  MathNode unknown;
  std::optional<MathNode> low, high;
  bool open_low = true, open_high = true;
};

std::optional<Bounds> bounds_of(const MathNode& relation) {
  const auto& args = relation.args;
  Bounds out;
  if (args.size() == 2) {
    bool left = !has_unknown(args[1]);
    char op = left ? relation.text[0] : turned_around(relation.text[0]);
    out.unknown = args[left ? 0 : 1];
    const MathNode& bound = args[left ? 1 : 0];
    if (has_unknown(bound)) return std::nullopt;
    if (op == kLess || op == kAtMost)
      out.high = bound, out.open_high = is_strict(op);
    else if (op == kGreater || op == kAtLeast)
      out.low = bound, out.open_low = is_strict(op);
    else
      return std::nullopt;
    return out;
  }
  if (args.size() != 3 || has_unknown(args[0]) || has_unknown(args[2])) return std::nullopt;
  bool rising = (relation.text[0] == kLess || relation.text[0] == kAtMost) &&
                (relation.text[1] == kLess || relation.text[1] == kAtMost);
  bool falling = (relation.text[0] == kGreater || relation.text[0] == kAtLeast) &&
                 (relation.text[1] == kGreater || relation.text[1] == kAtLeast);
  if (!rising && !falling) return std::nullopt;
  out.unknown = args[1];
  out.low = args[rising ? 0 : 2], out.high = args[rising ? 2 : 0];
  out.open_low = is_strict(relation.text[rising ? 0 : 1]), out.open_high = is_strict(relation.text[rising ? 1 : 0]);
  return out;
}

MathNode negated(MathNode n) { return make_node(MathKind::kNegation, "", {std::move(n)}); }

bool is_scalar_shape(const MathNode& n) { return !n.is(MathKind::kMatrix); }

MathNode matrix_like(const MathNode& shape) {
  MathNode out = make_node(MathKind::kMatrix, shape.text);
  out.rows = shape.rows;
  return out;
}

std::optional<MathNode> matrix_sum(const MathNode& a, const MathNode& b) {
  if (a.rows != b.rows || a.args.size() != b.args.size()) return std::nullopt;
  MathNode out = matrix_like(a);
  for (size_t i = 0; i < a.args.size(); ++i) out.args.push_back(make_node(MathKind::kSum, "", {a.args[i], b.args[i]}));
  return out;
}

std::optional<MathNode> matrix_product(const MathNode& a, const MathNode& b) {
  if (is_scalar_shape(a) || is_scalar_shape(b)) {
    const MathNode& matrix = is_scalar_shape(a) ? b : a;
    const MathNode& factor = is_scalar_shape(a) ? a : b;
    MathNode out = matrix_like(matrix);
    for (const MathNode& entry : matrix.args) out.args.push_back(make_node(MathKind::kProduct, "", {factor, entry}));
    return out;
  }
  size_t rows = static_cast<size_t>(a.rows), inner = static_cast<size_t>(b.rows);
  if (rows == 0 || inner == 0 || a.args.size() != rows * inner || b.args.size() % inner) return std::nullopt;
  size_t columns = b.args.size() / inner;
  if (rows * columns * inner > 1000) return std::nullopt;
  MathNode out = matrix_like(a);
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < columns; ++j) {
      MathNode entry = make_node(MathKind::kSum, "");
      for (size_t k = 0; k < inner; ++k)
        entry.args.push_back(make_node(MathKind::kProduct, "", {a.args[i * inner + k], b.args[k * columns + j]}));
      out.args.push_back(std::move(entry));
    }
  }
  return out;
}

}  // namespace

char turned_around(char relation) {
  switch (relation) {
    case kLess:
      return kGreater;
    case kGreater:
      return kLess;
    case kAtMost:
      return kAtLeast;
    case kAtLeast:
      return kAtMost;
    default:
      return relation;
  }
}

std::optional<MathNode> solution_set(const MathNode& relation) {
  auto bounds = bounds_of(relation);
  if (!bounds) return std::nullopt;
  MathNode low = bounds->low ? *bounds->low : infinity(true), high = bounds->high ? *bounds->high : infinity(false);
  if (is_unknown(bounds->unknown)) return interval(low, bounds->open_low, high, bounds->open_high);
  if (!is_absolute(bounds->unknown)) return std::nullopt;
  if (!bounds->low) return interval(negated(high), bounds->open_high, high, bounds->open_high);
  return make_node(MathKind::kUnion, "",
                   {interval(negated(high), bounds->open_high, negated(low), bounds->open_low),
                    interval(low, bounds->open_low, high, bounds->open_high)});
}

std::vector<MathNode> union_parts(const MathNode& set) {
  std::vector<MathNode> parts;
  if (set.is(MathKind::kUnion)) {
    for (const MathNode& arg : set.args)
      for (MathNode& part : union_parts(arg)) parts.push_back(std::move(part));
  } else if (set.is(MathKind::kSet)) {
    for (const MathNode& arg : set.args) parts.push_back(make_node(MathKind::kSet, "", {arg}));
  } else {
    parts.push_back(set);
  }
  return parts;
}

MathNode folded_matrix(const MathNode& node) {
  if (node.is(MathKind::kMatrix)) return node;
  if (node.is(MathKind::kNegation)) {
    MathNode inside = folded_matrix(node.args[0]);
    if (!inside.is(MathKind::kMatrix)) return node;
    return matrix_product(make_node(MathKind::kNegation, "", {make_number("1")}), inside).value_or(node);
  }
  if (!node.is(MathKind::kSum) && !node.is(MathKind::kProduct)) return node;
  MathNode total = folded_matrix(node.args[0]);
  for (size_t i = 1; i < node.args.size(); ++i) {
    MathNode next = folded_matrix(node.args[i]);
    bool both = total.is(MathKind::kMatrix) && next.is(MathKind::kMatrix);
    bool any = total.is(MathKind::kMatrix) || next.is(MathKind::kMatrix);
    std::optional<MathNode> folded;
    if (node.is(MathKind::kSum) && both) folded = matrix_sum(total, next);
    if (node.is(MathKind::kProduct))
      folded =
          any ? matrix_product(total, next) : std::optional<MathNode>(make_node(MathKind::kProduct, "", {total, next}));
    if (!folded) return node;
    total = std::move(*folded);
  }
  return total;
}

}  // namespace ponder::tasks
