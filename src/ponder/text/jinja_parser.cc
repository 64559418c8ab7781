#include "ponder/text/jinja_parser.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "ponder/base/cat.h"
#include "ponder/text/jinja_expressions.h"

namespace ponder::text::jinja {
namespace {

constexpr size_t kMaxSourceBytes = 4 << 20;

// Statements and the targets of their assignments.
class Parser : private ExpressionParser {
 public:
  explicit Parser(Tree& tree) : ExpressionParser(tree) {}

  void run() { tree_.body = block({}); }

 private:
  Stmt* statement(StmtKind kind, uint32_t offset) {
    Stmt& s = *tree_.stmts.emplace_back(std::make_unique<Stmt>());
    s.kind = kind;
    s.offset = offset;
    return &s;
  }
  void expect_block_end() {
    if (!token().is(TokenType::kBlockEnd)) fail_expected("%}");
    advance();
  }

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

  uint32_t tag_offset_ = 0;  // of the block tag that was read last
};

}  // namespace

Tree parse_template(std::string_view source) {
  if (source.size() > kMaxSourceBytes)
    throw SyntaxError{base::cat("a template of ", source.size(), " bytes; at most ", kMaxSourceBytes, " are read"), 0};
  Tree tree;
  tree.source = normalized_source(source);
  Parser(tree).run();
  return tree;
}

}  // namespace ponder::text::jinja
