// The grammar of math answers, a function a rule. parse_math alone calls it. Operators and operands stand in
// math_parse.cc, what commands mean in math_commands.cc.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/tasks/math_cursor.h"

namespace ponder::tasks {

class MathGrammar : private MathCursor {
 public:
  explicit MathGrammar(std::vector<MathToken> tokens) : MathCursor(std::move(tokens)) {}
  MathNode whole();  // MathUnreadable

 private:
  // --- Operators, from the loosest to the tightest.

  MathNode statements();
  MathNode list();
  MathNode relation();
  MathNode sets();
  MathNode ratio();
  MathNode sum();
  MathNode term();
  MathNode signed_factor();
  MathNode product(MathNode a, MathNode b);
  MathNode juxtaposed(MathNode left);
  MathNode factor();
  MathNode exponent_number();
  MathNode subscripted(MathNode node);
  MathNode powered(MathNode node);
  MathNode postfixed(MathNode node);
  MathNode argument();
  bool closes() const { return is_mark(")") || is_mark("]") || is_mark("}") || is_command("rbrace"); }
  bool is_plus_minus() const { return is_command("pm") || is_command("mp"); }
  bool starts_factor() const;
  bool take_percent_word();

  // --- Operands.

  MathNode primary();
  MathNode applied(const std::string& name);
  MathNode word(const MathToken& token);
  MathNode text(std::string words);
  MathNode bracketed(const std::string& open);
  MathNode tuple(char open);

  // --- Commands. The others begin behind the name that command() takes.

  MathNode command(const std::string& name);
  MathNode digit_or_group();
  MathNode set();
  MathNode closed_by(std::string_view name, const std::string& function);
  MathNode root(const std::string& name);
  MathNode function(const std::string& name);
  MathNode function_argument();
  bool is_simple_factor() const;
  MathNode big_operator(const std::string& name);
  MathNode environment();

  int bars_ = 0;  // open |…| around this place
};

}  // namespace ponder::tasks
