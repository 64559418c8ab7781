#include "ponder/text/jinja_expressions.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "ponder/base/cat.h"

namespace ponder::text::jinja {

// --- Making nodes.

Expr* ExpressionParser::make(ExprKind kind, uint32_t offset, std::vector<Expr*> items) {
  Expr& e = *tree_.exprs.emplace_back(std::make_unique<Expr>());
  e.kind = kind;
  e.offset = offset;
  e.items = std::move(items);
  for (const Expr* item : e.items)
    if (item) deepen(e, *item);
  return &e;
}
void ExpressionParser::deepen(Expr& e, const Expr& child) const {
  e.depth = std::max(e.depth, child.depth + 1);
  if (e.depth > kMaxExprDepth) fail(base::cat("more than ", kMaxExprDepth, " operators in a row"), e.offset);
}
Expr* ExpressionParser::constant(Value value, uint32_t offset) {
  Expr* e = make(ExprKind::kConst, offset);
  e->constant = value;
  return e;
}
Expr* ExpressionParser::string_constant(std::string text, uint32_t offset) {
  Expr* e = make(ExprKind::kConst, offset);
  e->name = std::move(text);
  e->text.data = e->name.data();
  e->text.size = static_cast<uint32_t>(e->name.size());
  e->constant = Value::of(static_cast<const Text*>(&e->text));
  return e;
}

// --- Expressions, from the loosest operator to the tightest.

bool ExpressionParser::is_tuple_end() const {
  return token().is(TokenType::kVariableEnd) || token().is(TokenType::kBlockEnd) || token().is_op(")");
}

Expr* ExpressionParser::tuple(bool with_condition, std::string_view end, bool in_parentheses) {
  const uint32_t offset = token().offset;
  std::vector<Expr*> parts;
  bool is_tuple = false;
  while (!is_tuple_end() && !(!end.empty() && token().is_name(end))) {
    parts.push_back(expression(with_condition));
    if (!token().is_op(",")) break;
    advance();
    is_tuple = true;
  }
  if (!is_tuple && !parts.empty()) return parts[0];
  if (!is_tuple && !in_parentheses) fail_expected("an expression");
  return make(ExprKind::kTuple, offset, std::move(parts));
}

Expr* ExpressionParser::expression(bool with_condition) {
  Nested nested(*this);
  const uint32_t offset = token().offset;
  Expr* e = either();
  if (!with_condition) return e;
  while (skip_name("if")) {
    Expr* condition = either();
    Expr* otherwise = skip_name("else") ? expression() : nullptr;
    e = make(ExprKind::kCondition, offset, {condition, e, otherwise});
  }
  return e;
}

Expr* ExpressionParser::either() {
  Expr* e = both();
  while (token().is_name("or")) {
    const uint32_t offset = advance().offset;
    Expr* right = both();
    e = make(ExprKind::kOr, offset, {e, right});
  }
  return e;
}

Expr* ExpressionParser::both() {
  Expr* e = negation();
  while (token().is_name("and")) {
    const uint32_t offset = advance().offset;
    Expr* right = negation();
    e = make(ExprKind::kAnd, offset, {e, right});
  }
  return e;
}

Expr* ExpressionParser::negation() {
  if (!token().is_name("not")) return comparison();
  Nested nested(*this);
  const uint32_t offset = advance().offset;
  return make(ExprKind::kNot, offset, {negation()});
}

Expr* ExpressionParser::comparison() {
  const uint32_t offset = token().offset;
  std::vector<Expr*> operands = {sum()};
  std::vector<CompareOp> ops;
  static constexpr std::pair<std::string_view, CompareOp> kOps[] = {
      {"==", CompareOp::kEqual},     {"!=", CompareOp::kNotEqual}, {"<", CompareOp::kLess},
      {"<=", CompareOp::kLessEqual}, {">", CompareOp::kGreater},   {">=", CompareOp::kGreaterEqual}};
  while (true) {
    const auto* found =
        std::find_if(std::begin(kOps), std::end(kOps), [&](const auto& op) { return token().is_op(op.first); });
    if (found != std::end(kOps)) {
      advance();
      ops.push_back(found->second);
    } else if (skip_name("in")) {
      ops.push_back(CompareOp::kIn);
    } else if (token().is_name("not") && ahead().is_name("in")) {
      advance();
      advance();
      ops.push_back(CompareOp::kNotIn);
    } else {
      break;
    }
    operands.push_back(sum());
  }
  if (ops.empty()) return operands[0];
  Expr* e = make(ExprKind::kCompare, offset, std::move(operands));
  e->ops = std::move(ops);
  return e;
}

Expr* ExpressionParser::sum() {
  Expr* e = concatenation();
  while (token().is_op("+") || token().is_op("-")) {
    const Token op = advance();
    Expr* right = concatenation();
    e = make(op.text == "+" ? ExprKind::kAdd : ExprKind::kSubtract, op.offset, {e, right});
  }
  return e;
}

Expr* ExpressionParser::concatenation() {
  const uint32_t offset = token().offset;
  std::vector<Expr*> parts = {product()};
  while (skip_op("~")) parts.push_back(product());
  return parts.size() == 1 ? parts[0] : make(ExprKind::kConcat, offset, std::move(parts));
}

Expr* ExpressionParser::product() {
  Expr* e = power();
  static constexpr std::pair<std::string_view, ExprKind> kOps[] = {
      {"*", ExprKind::kMultiply}, {"/", ExprKind::kDivide}, {"//", ExprKind::kFloorDivide}, {"%", ExprKind::kModulo}};
  while (true) {
    const auto* found =
        std::find_if(std::begin(kOps), std::end(kOps), [&](const auto& op) { return token().is_op(op.first); });
    if (found == std::end(kOps)) return e;
    const uint32_t offset = advance().offset;
    Expr* right = power();
    e = make(found->second, offset, {e, right});
  }
}

Expr* ExpressionParser::power() {
  Expr* e = unary();
  while (token().is_op("**")) {
    const uint32_t offset = advance().offset;
    Expr* right = unary();
    e = make(ExprKind::kPower, offset, {e, right});
  }
  return e;
}

Expr* ExpressionParser::unary(bool with_filter) {
  const uint32_t offset = token().offset;
  Expr* e;
  if (token().is_op("-") || token().is_op("+")) {
    Nested nested(*this);
    const bool is_negative = advance().text == "-";
    e = make(is_negative ? ExprKind::kNegative : ExprKind::kPositive, offset, {unary(false)});
  } else {
    e = primary();
  }
  e = postfix(e);
  return with_filter ? filters_and_tests(e) : e;
}

Expr* ExpressionParser::primary() {
  const Token& t = token();
  const uint32_t offset = t.offset;
  switch (t.type) {
    case TokenType::kName: {
      const std::string name = advance().text;
      if (name == "true" || name == "True") return constant(Value::of(true), offset);
      if (name == "false" || name == "False") return constant(Value::of(false), offset);
      if (name == "none" || name == "None") return constant(Value::none(), offset);
      Expr* e = make(ExprKind::kName, offset);
      e->name = name;
      return e;
    }
    case TokenType::kString: {
      std::string text;
      while (token().is(TokenType::kString)) text += advance().text;
      return string_constant(std::move(text), offset);
    }
    case TokenType::kInteger:
      return constant(Value::of(advance().integer), offset);
    case TokenType::kFloat:
      return constant(Value::of(advance().number), offset);
    default:
      break;
  }
  if (skip_op("(")) {
    Expr* e = tuple(true, "", true);
    expect_op(")");
    return e;
  }
  if (skip_op("[")) return list(offset);
  if (skip_op("{")) return dict(offset);
  fail_expected("an expression");
}

Expr* ExpressionParser::list(uint32_t offset) {
  std::vector<Expr*> items;
  while (!token().is_op("]")) {
    if (!items.empty()) expect_op(",");
    if (token().is_op("]")) break;
    items.push_back(expression());
  }
  expect_op("]");
  return make(ExprKind::kList, offset, std::move(items));
}

Expr* ExpressionParser::dict(uint32_t offset) {
  std::vector<Expr*> items;
  while (!token().is_op("}")) {
    if (!items.empty()) expect_op(",");
    if (token().is_op("}")) break;
    items.push_back(expression());
    expect_op(":");
    items.push_back(expression());
  }
  expect_op("}");
  return make(ExprKind::kDict, offset, std::move(items));
}

Expr* ExpressionParser::postfix(Expr* e) {
  while (true) {
    if (token().is_op(".") || token().is_op("[")) {
      e = subscript(e);
    } else if (token().is_op("(")) {
      e = call(e);
    } else {
      return e;
    }
  }
}

Expr* ExpressionParser::filters_and_tests(Expr* e) {
  while (true) {
    if (token().is_op("|")) {
      e = filters(e);
    } else if (token().is_name("is")) {
      e = test(e);
    } else if (token().is_op("(")) {
      e = call(e);
    } else {
      return e;
    }
  }
}

Expr* ExpressionParser::subscript(Expr* e) {
  const Token op = advance();
  if (op.text == ".") {
    if (token().is(TokenType::kInteger)) {
      Expr* index = constant(Value::of(token().integer), token().offset);
      advance();
      return make(ExprKind::kGetItem, op.offset, {e, index});
    }
    Expr* attribute = make(ExprKind::kGetAttr, op.offset, {e});
    attribute->name = any_name("an attribute or a number");
    return attribute;
  }
  std::vector<Expr*> indices;
  while (!token().is_op("]")) {
    if (!indices.empty()) expect_op(",");
    const uint32_t offset = token().offset;
    Expr* begin = token().is_op(":") ? nullptr : expression();
    if (begin && !token().is_op(":")) {
      indices.push_back(begin);
      continue;
    }
    Expr* slice = slice_of(e, begin, offset);
    if (!indices.empty() || !token().is_op("]")) fail("a slice stands alone between its brackets", offset);
    advance();
    return slice;
  }
  if (indices.empty()) fail_expected("an index");
  expect_op("]");
  Expr* index = indices.size() == 1 ? indices[0] : make(ExprKind::kTuple, op.offset, std::move(indices));
  return make(ExprKind::kGetItem, op.offset, {e, index});
}

// Behind the first part of [begin:end:step]; the current token is the colon.
Expr* ExpressionParser::slice_of(Expr* e, Expr* begin, uint32_t offset) {
  const auto part = [&]() -> Expr* {
    return token().is_op(":") || token().is_op("]") || token().is_op(",") ? nullptr : expression();
  };
  expect_op(":");
  Expr* end = part();
  Expr* step = skip_op(":") ? part() : nullptr;
  return make(ExprKind::kSlice, offset, {e, begin, end, step});
}

void ExpressionParser::arguments(Expr& e) {
  const uint32_t offset = token().offset;
  expect_op("(");
  bool is_first = true;
  while (!token().is_op(")")) {
    if (!is_first) {
      expect_op(",");
      if (token().is_op(")")) break;
    }
    is_first = false;
    bool is_fine = !e.spread_dict;
    Expr* value = nullptr;
    if (skip_op("*")) {
      is_fine = is_fine && !e.spread_list;
      value = e.spread_list = expression();
    } else if (skip_op("**")) {
      value = e.spread_dict = expression();
    } else if (token().is(TokenType::kName) && ahead().is_op("=")) {
      std::string name = advance().text;
      advance();
      value = expression();
      for (const auto& [other, unused] : e.named)
        if (other == name) fail(base::cat("the argument ", name, " is given twice"), offset);
      e.named.emplace_back(std::move(name), value);
    } else {
      is_fine = is_fine && !e.spread_list && e.named.empty();
      value = expression();
      e.items.push_back(value);
    }
    if (!is_fine) fail("the arguments of a call come in the order a, *b, c=d, **e", offset);
    deepen(e, *value);
  }
  expect_op(")");
}

Expr* ExpressionParser::call(Expr* callee) {
  Expr* e = make(ExprKind::kCall, token().offset, {callee});
  arguments(*e);
  return e;
}

std::string ExpressionParser::dotted_name(std::string_view what) {
  std::string name = any_name(what);
  while (skip_op(".")) name += "." + any_name(what);
  return name;
}

Expr* ExpressionParser::one_filter(Expr* e) {
  Expr* f = make(ExprKind::kFilter, token().offset, {e});
  f->name = dotted_name("the name of a filter");
  if (token().is_op("(")) arguments(*f);
  return f;
}

Expr* ExpressionParser::filters(Expr* e) {
  while (skip_op("|")) e = one_filter(e);
  return e;
}

Expr* ExpressionParser::test(Expr* e) {
  const uint32_t offset = advance().offset;
  const bool is_negated = skip_name("not");
  Expr* t = make(ExprKind::kTest, offset, {e});
  t->name = dotted_name("the name of a test");
  const Token& next = token();
  if (next.is_op("(")) {
    arguments(*t);
  } else if ((next.is(TokenType::kName) && !next.is_name("else") && !next.is_name("or") && !next.is_name("and")) ||
             next.is(TokenType::kString) || next.is(TokenType::kInteger) || next.is(TokenType::kFloat) ||
             next.is_op("[") || next.is_op("{")) {
    if (next.is_name("is")) fail("tests cannot be chained with is");
    Expr* argument = postfix(primary());
    t->items.push_back(argument);
    deepen(*t, *argument);
  }
  return is_negated ? make(ExprKind::kNot, offset, {t}) : t;
}

}  // namespace ponder::text::jinja
