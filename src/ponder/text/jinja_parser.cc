#include "ponder/text/jinja_parser.h"

#include <algorithm>
#include <initializer_list>

#include "ponder/text/jinja_lexer.h"

namespace ponder::text::jinja {
namespace {

constexpr size_t kMaxSourceBytes = 4 << 20;

class Parser {
 public:
  explicit Parser(std::string_view source) {
    if (source.size() > kMaxSourceBytes)
      throw SyntaxError{base::cat("a template of ", source.size(), " bytes; at most ", kMaxSourceBytes, " are read"),
                        0};
    tree_.source = normalized_source(source);
    tokens_ = tokenize(tree_.source);
  }

  Tree run() {
    tree_.body = block({});
    return std::move(tree_);
  }

 private:
  // Each level of nesting takes a dozen calls, so it is bounded.
  class Nested {
   public:
    explicit Nested(Parser& parser) : parser_(parser) {
      if (++parser_.nesting_ > kMaxNesting) parser_.fail(base::cat("nested deeper than ", kMaxNesting, " levels"));
    }
    ~Nested() { --parser_.nesting_; }

   private:
    Parser& parser_;
  };

  const Token& token() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  const Token& advance() {
    const Token& old = tokens_[at_];
    if (at_ + 1 < tokens_.size()) ++at_;
    return old;
  }
  [[noreturn]] void fail(std::string message, uint32_t offset) const { throw SyntaxError{std::move(message), offset}; }
  [[noreturn]] void fail(std::string message) const { fail(std::move(message), token().offset); }
  [[noreturn]] void fail_expected(std::string_view what) const {
    fail(base::cat("expected ", what, ", found ", describe(token())));
  }
  bool skip_op(std::string_view op) {
    if (!token().is_op(op)) return false;
    advance();
    return true;
  }
  bool skip_name(std::string_view name) {
    if (!token().is_name(name)) return false;
    advance();
    return true;
  }
  void expect_op(std::string_view op) {
    if (!skip_op(op)) fail_expected(op);
  }
  void expect_name(std::string_view name) {
    if (!skip_name(name)) fail_expected(name);
  }
  std::string any_name(std::string_view what) {
    if (!token().is(TokenType::kName)) fail_expected(what);
    return advance().text;
  }
  void expect_block_end() {
    if (!token().is(TokenType::kBlockEnd)) fail_expected("%}");
    advance();
  }

  // --- Making nodes.

  Expr* make(ExprKind kind, uint32_t offset, std::vector<Expr*> items = {}) {
    Expr& e = *tree_.exprs.emplace_back(std::make_unique<Expr>());
    e.kind = kind;
    e.offset = offset;
    e.items = std::move(items);
    for (const Expr* item : e.items)
      if (item) deepen(e, *item);
    return &e;
  }
  void deepen(Expr& e, const Expr& child) const {
    e.depth = std::max(e.depth, child.depth + 1);
    if (e.depth > kMaxExprDepth) fail(base::cat("more than ", kMaxExprDepth, " operators in a row"), e.offset);
  }
  Expr* constant(Value value, uint32_t offset) {
    Expr* e = make(ExprKind::kConst, offset);
    e->constant = value;
    return e;
  }
  Expr* string_constant(std::string text, uint32_t offset) {
    Expr* e = make(ExprKind::kConst, offset);
    e->name = std::move(text);
    e->text.data = e->name.data();
    e->text.size = static_cast<uint32_t>(e->name.size());
    e->constant = Value::of(static_cast<const Text*>(&e->text));
    return e;
  }
  Stmt* statement(StmtKind kind, uint32_t offset) {
    Stmt& s = *tree_.stmts.emplace_back(std::make_unique<Stmt>());
    s.kind = kind;
    s.offset = offset;
    return &s;
  }

  // --- Statements.

  // Statements up to a tag with one of these names, which stays the current token.
  Body block(const std::vector<std::string_view>& ends) {
    Nested nested(*this);
    const uint32_t begin = tag_offset_;
    Body body;
    while (!token().is(TokenType::kEnd)) {
      const uint32_t offset = token().offset;
      if (token().is(TokenType::kData)) {
        Stmt* s = statement(StmtKind::kText, offset);
        s->text = advance().text;
        body.push_back(s);
      } else if (token().is(TokenType::kVariableBegin)) {
        advance();
        Stmt* s = statement(StmtKind::kOutput, offset);
        s->exprs.push_back(tuple());
        if (!token().is(TokenType::kVariableEnd)) fail_expected("}}");
        advance();
        body.push_back(s);
      } else {
        advance();  // {%
        if (!token().is(TokenType::kName)) fail_expected("the name of a statement");
        tag_offset_ = token().offset;
        if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return token().text == end; }))
          return body;
        body.push_back(any_statement(ends));
        expect_block_end();
      }
    }
    if (!ends.empty()) fail(base::cat("the template ends before {% ", ends.back(), " %}"), begin);
    return body;
  }
  // The inside of a block statement: to its %}, then the body.
  Body body_until(const std::vector<std::string_view>& ends) {
    skip_op(":");
    expect_block_end();
    return block(ends);
  }
  Body whole_body(std::string_view end) {
    Body body = body_until({end});
    advance();
    return body;
  }

  Stmt* any_statement(const std::vector<std::string_view>& ends) {
    const Token tag = advance();
    const std::string& name = tag.text;
    if (name == "for") return for_statement(tag.offset);
    if (name == "if") return if_statement(tag.offset);
    if (name == "set") return set_statement(tag.offset);
    if (name == "macro") return macro_statement(tag.offset);
    if (name == "call") return call_statement(tag.offset);
    if (name == "filter") return filter_statement(tag.offset);
    if (name == "with") return with_statement(tag.offset);
    if (name == "print") return print_statement(tag.offset);
    if (name == "break") return statement(StmtKind::kBreak, tag.offset);
    if (name == "continue") return statement(StmtKind::kContinue, tag.offset);
    if (name == "generation") {
      Stmt* s = statement(StmtKind::kGeneration, tag.offset);
      s->macro.body = whole_body("endgeneration");
      tree_.has_generation = true;
      return s;
    }
    for (const std::string_view known : {"block", "extends", "include", "import", "from", "autoescape"})
      if (name == known) fail(base::cat("{% ", name, " %} is not supported in chat templates"), tag.offset);
    std::string expected;
    for (const std::string_view end : ends) expected += base::cat(expected.empty() ? "" : " or ", end);
    fail(base::cat("unknown statement ", name, expected.empty() ? "" : base::cat("; expected ", expected)), tag.offset);
  }

  Stmt* for_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kFor, offset);
    s->target = target(true, "in");
    expect_name("in");
    s->value = tuple(false, "recursive");
    if (skip_name("if")) s->condition = expression();
    s->is_recursive = skip_name("recursive");
    s->bodies.push_back(body_until({"else", "endfor"}));
    if (advance().text == "else") s->otherwise = whole_body("endfor");
    return s;
  }

  Stmt* if_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kIf, offset);
    while (true) {
      s->exprs.push_back(tuple(false));
      s->bodies.push_back(body_until({"elif", "else", "endif"}));
      const Token end = advance();
      if (end.text == "elif") continue;
      if (end.text == "else") s->otherwise = whole_body("endif");
      return s;
    }
  }

  Stmt* set_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kSet, offset);
    s->target = target(true, "", true);
    if (skip_op("=")) {
      s->value = tuple();
      return s;
    }
    s->kind = StmtKind::kSetBlock;
    if (token().is_op("|")) s->value = filters(nullptr);
    s->bodies.push_back(whole_body("endset"));
    return s;
  }

  Stmt* filter_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kFilterBlock, offset);
    s->value = filters(one_filter(nullptr));
    s->bodies.push_back(whole_body("endfilter"));
    return s;
  }

  Stmt* with_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kWith, offset);
    while (!token().is(TokenType::kBlockEnd)) {
      if (!s->targets.empty()) expect_op(",");
      s->targets.push_back(target(true));
      expect_op("=");
      s->exprs.push_back(expression());
    }
    s->bodies.push_back(whole_body("endwith"));
    return s;
  }

  Stmt* print_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kOutput, offset);
    while (!token().is(TokenType::kBlockEnd)) {
      if (!s->exprs.empty()) expect_op(",");
      s->exprs.push_back(expression());
    }
    return s;
  }

  void signature(MacroBody& macro) {
    expect_op("(");
    while (!token().is_op(")")) {
      if (!macro.parameters.empty()) expect_op(",");
      macro.parameters.push_back(name_expr("a parameter"));
      if (skip_op("=")) {
        macro.defaults.push_back(expression());
      } else if (!macro.defaults.empty()) {
        fail("a parameter without a default stands behind one with a default");
      }
    }
    advance();
  }

  Stmt* macro_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kMacro, offset);
    s->target = name_expr("the macro's name");
    s->macro.name = s->target->name;
    signature(s->macro);
    s->macro.body = whole_body("endmacro");
    return s;
  }

  Stmt* call_statement(uint32_t offset) {
    Stmt* s = statement(StmtKind::kCallBlock, offset);
    if (token().is_op("(")) signature(s->macro);
    const uint32_t begin = token().offset;
    s->value = expression();
    if (s->value->kind != ExprKind::kCall) fail("expected a call", begin);
    s->macro.body = whole_body("endcall");
    return s;
  }

  // --- Targets of assignments.

  Expr* name_expr(std::string_view what) {
    const uint32_t offset = token().offset;
    Expr* e = make(ExprKind::kName, offset);
    e->name = any_name(what);
    return e;
  }

  bool is_reserved(std::string_view name) const {
    for (const std::string_view word : {"true", "false", "none", "True", "False", "None"})
      if (name == word) return true;
    return false;
  }

  Expr* single_target(bool with_member) {
    if (!token().is(TokenType::kName)) {
      if (!token().is_op("(")) fail_expected("a name to assign to");
      Nested nested(*this);
      advance();
      Expr* inner = target(true);
      expect_op(")");
      return inner;
    }
    if (is_reserved(token().text)) fail(base::cat("cannot assign to ", token().text));
    Expr* e = name_expr("a name to assign to");
    if (!with_member || !skip_op(".")) return e;
    e->kind = ExprKind::kMember;
    e->items.push_back(string_constant(any_name("an attribute"), e->offset));
    return e;
  }

  Expr* target(bool with_tuple, std::string_view end = "", bool with_member = false) {
    const uint32_t offset = token().offset;
    std::vector<Expr*> parts;
    bool is_tuple = false;
    while (true) {
      if (is_tuple && (is_tuple_end() || (!end.empty() && token().is_name(end)))) break;
      parts.push_back(single_target(with_member));
      if (!with_tuple || !token().is_op(",")) break;
      advance();
      is_tuple = true;
    }
    return is_tuple ? make(ExprKind::kTuple, offset, std::move(parts)) : parts[0];
  }

  // --- Expressions, from the loosest operator to the tightest.

  bool is_tuple_end() const {
    return token().is(TokenType::kVariableEnd) || token().is(TokenType::kBlockEnd) || token().is_op(")");
  }

  Expr* tuple(bool with_condition = true, std::string_view end = "", bool in_parentheses = false) {
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

  Expr* expression(bool with_condition = true) {
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

  Expr* either() {
    Expr* e = both();
    while (token().is_name("or")) {
      const uint32_t offset = advance().offset;
      Expr* right = both();
      e = make(ExprKind::kOr, offset, {e, right});
    }
    return e;
  }

  Expr* both() {
    Expr* e = negation();
    while (token().is_name("and")) {
      const uint32_t offset = advance().offset;
      Expr* right = negation();
      e = make(ExprKind::kAnd, offset, {e, right});
    }
    return e;
  }

  Expr* negation() {
    if (!token().is_name("not")) return comparison();
    Nested nested(*this);
    const uint32_t offset = advance().offset;
    return make(ExprKind::kNot, offset, {negation()});
  }

  Expr* comparison() {
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

  Expr* sum() {
    Expr* e = concatenation();
    while (token().is_op("+") || token().is_op("-")) {
      const Token op = advance();
      Expr* right = concatenation();
      e = make(op.text == "+" ? ExprKind::kAdd : ExprKind::kSubtract, op.offset, {e, right});
    }
    return e;
  }

  Expr* concatenation() {
    const uint32_t offset = token().offset;
    std::vector<Expr*> parts = {product()};
    while (skip_op("~")) parts.push_back(product());
    return parts.size() == 1 ? parts[0] : make(ExprKind::kConcat, offset, std::move(parts));
  }

  Expr* product() {
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

  Expr* power() {
    Expr* e = unary();
    while (token().is_op("**")) {
      const uint32_t offset = advance().offset;
      Expr* right = unary();
      e = make(ExprKind::kPower, offset, {e, right});
    }
    return e;
  }

  Expr* unary(bool with_filter = true) {
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

  Expr* primary() {
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

  Expr* list(uint32_t offset) {
    std::vector<Expr*> items;
    while (!token().is_op("]")) {
      if (!items.empty()) expect_op(",");
      if (token().is_op("]")) break;
      items.push_back(expression());
    }
    expect_op("]");
    return make(ExprKind::kList, offset, std::move(items));
  }

  Expr* dict(uint32_t offset) {
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

  Expr* postfix(Expr* e) {
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

  Expr* filters_and_tests(Expr* e) {
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

  Expr* subscript(Expr* e) {
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
  Expr* slice_of(Expr* e, Expr* begin, uint32_t offset) {
    const auto part = [&]() -> Expr* {
      return token().is_op(":") || token().is_op("]") || token().is_op(",") ? nullptr : expression();
    };
    expect_op(":");
    Expr* end = part();
    Expr* step = skip_op(":") ? part() : nullptr;
    return make(ExprKind::kSlice, offset, {e, begin, end, step});
  }

  void arguments(Expr& e) {
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

  Expr* call(Expr* callee) {
    Expr* e = make(ExprKind::kCall, token().offset, {callee});
    arguments(*e);
    return e;
  }

  std::string dotted_name(std::string_view what) {
    std::string name = any_name(what);
    while (skip_op(".")) name += "." + any_name(what);
    return name;
  }

  Expr* one_filter(Expr* e) {
    Expr* f = make(ExprKind::kFilter, token().offset, {e});
    f->name = dotted_name("the name of a filter");
    if (token().is_op("(")) arguments(*f);
    return f;
  }

  Expr* filters(Expr* e) {
    while (skip_op("|")) e = one_filter(e);
    return e;
  }

  Expr* test(Expr* e) {
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

  Tree tree_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  uint32_t tag_offset_ = 0;  // of the block tag that was read last
  int nesting_ = 0;
};

}  // namespace

Tree parse_template(std::string_view source) { return Parser(source).run(); }

}  // namespace ponder::text::jinja
