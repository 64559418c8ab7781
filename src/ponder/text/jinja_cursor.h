// The tokens of a template and the current one among them. Expressions (jinja_expressions.h) and statements
// (jinja_parser.cc) are read through it.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/base/cat.h"
#include "ponder/text/jinja_lexer.h"
#include "ponder/text/jinja_parser.h"

namespace ponder::text::jinja {

class TokenCursor {
 public:
  explicit TokenCursor(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

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

  // Each level of nesting takes a dozen calls, so it is bounded.
  class Nested {
   public:
    explicit Nested(TokenCursor& in) : in_(in) {
      if (++in_.nesting_ > kMaxNesting) in_.fail(base::cat("nested deeper than ", kMaxNesting, " levels"));
    }
    ~Nested() { --in_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;

   private:
    TokenCursor& in_;
  };

 private:
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
};

}  // namespace ponder::text::jinja
