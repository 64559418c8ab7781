// The tokens of one formula with a place among them, and what it may cost to read them. What reads formulas
// (math_grammar.h) and the units behind values (math_quantity.h) goes through it.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/tasks/math_lex.h"
#include "ponder/tasks/math_tree.h"

namespace ponder::tasks {

// The text is no formula, or a limit is reached. Caught in parse_math.
struct MathUnreadable {};

class MathCursor {
 public:
  explicit MathCursor(std::vector<MathToken> tokens) : tokens_(std::move(tokens)) {}

  const MathToken& now() const { return tokens_[at_]; }
  const MathToken& next(size_t n = 1) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  const MathToken& previous() const { return tokens_[at_ - 1]; }
  bool at_end() const { return now().kind == MathToken::kEnd; }
  bool is_mark(std::string_view m) const { return now().kind == MathToken::kMark && now().text == m; }
  bool is_command(std::string_view c) const { return now().kind == MathToken::kCommand && now().text == c; }
  bool next_is_mark(std::string_view m) const { return next().kind == MathToken::kMark && next().text == m; }

  void advance(size_t n = 1) { at_ += n; }
  bool take_mark(std::string_view m) { return is_mark(m) ? (++at_, true) : false; }
  bool take_command(std::string_view c) { return is_command(c) ? (++at_, true) : false; }
  void expect_mark(std::string_view m) {
    if (!take_mark(m)) throw MathUnreadable{};
  }
  std::string take_character();  // of a number or word of several, which keeps the others
  std::string raw_group();       // the tokens of a subscript or of a unit's power, as text

  // make_node, counted.
  MathNode make(MathKind kind, std::string text, std::vector<MathNode> args = {});

  // What one loop may pile up on the left: 1/2/3/…, x!!!…
  static void count(int& links) {
    if (++links > 100) throw MathUnreadable{};
  }

  // A level of the parser's calls.
  class Deeper {
   public:
    explicit Deeper(MathCursor& in);
    ~Deeper() { --in_.depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    MathCursor& in_;
  };

 private:
  std::vector<MathToken> tokens_;
  size_t at_ = 0, nodes_ = 0;
  int depth_ = 0;
};

}  // namespace ponder::tasks
