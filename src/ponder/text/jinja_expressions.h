// Expressions by Jinja's grammar. The parser of statements (jinja_parser.cc) alone derives from it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ponder/text/jinja_ast.h"
#include "ponder/text/jinja_cursor.h"

namespace ponder::text::jinja {

class ExpressionParser : protected TokenCursor {
 protected:
  // Reads tree.source; the tree owns the nodes.
  explicit ExpressionParser(Tree& tree) : TokenCursor(tokenize(tree.source)), tree_(tree) {}

  // "a" or "a, b"; with_condition: "a if b else c" too; the name `end` ends it like the end of a tag.
  Expr* tuple(bool with_condition = true, std::string_view end = "", bool in_parentheses = false);
  Expr* expression(bool with_condition = true);
  // e with the filters of a chain: | a | b(c). For the text of a block e is null.
  Expr* filters(Expr* e);
  Expr* one_filter(Expr* e);  // the name behind a |, and its arguments

  Expr* make(ExprKind kind, uint32_t offset, std::vector<Expr*> items = {});
  Expr* string_constant(std::string text, uint32_t offset);
  bool is_tuple_end() const;

  Tree& tree_;

 private:
  void deepen(Expr& e, const Expr& child) const;
  Expr* constant(Value value, uint32_t offset);
  Expr* either();
  Expr* both();
  Expr* negation();
  Expr* comparison();
  Expr* sum();
  Expr* concatenation();
  Expr* product();
  Expr* power();
  Expr* unary(bool with_filter = true);
  Expr* primary();
  Expr* list(uint32_t offset);
  Expr* dict(uint32_t offset);
  Expr* postfix(Expr* e);
  Expr* filters_and_tests(Expr* e);
  Expr* subscript(Expr* e);
  Expr* slice_of(Expr* e, Expr* begin, uint32_t offset);
  void arguments(Expr& e);
  Expr* call(Expr* callee);
  std::string dotted_name(std::string_view what);
  Expr* test(Expr* e);
};

}  // namespace ponder::text::jinja
