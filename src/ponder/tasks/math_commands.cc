// What commands of LaTeX mean, and words of plain text that stand for one: fractions, roots, functions, sets, matrices.
#include <utility>

#include "ponder/base/cat.h"
#include "ponder/tasks/math_grammar.h"
#include "ponder/tasks/math_units.h"
#include "ponder/tasks/math_words.h"

namespace ponder::tasks {
namespace {

std::string environment_name(MathCursor& in) {
  std::string name;
  in.expect_mark("{");
  while (!in.is_mark("}")) {
    if (in.at_end()) throw MathUnreadable{};
    name += in.now().text;
    in.advance();
  }
  in.advance();
  return name;
}

}  // namespace

MathNode MathGrammar::command(const std::string& name) {
  advance();
  if (is_fraction_name(name)) {
    MathNode top = digit_or_group();
    MathNode below = digit_or_group();
    return make(MathKind::kQuotient, "", {std::move(top), std::move(below)});
  }
  if (name == "sqrt" || name == "cbrt") return root(name);
  if (name == "binom" || name == "dbinom" || name == "tbinom") {
    MathNode n = digit_or_group();
    MathNode k = digit_or_group();
    return make(MathKind::kFunction, "binom", {std::move(n), std::move(k)});
  }
  if (name == "lbrace") return set();
  if (name == "langle") {
    MathNode inside = statements();
    if (!take_command("rangle")) throw MathUnreadable{};
    if (inside.is(MathKind::kList)) inside.kind = MathKind::kTuple, inside.text = "()";
    return inside;
  }
  if (name == "lfloor") return closed_by("rfloor", "floor");
  if (name == "lceil") return closed_by("rceil", "ceil");
  if (name == "lvert" || name == "lVert") return closed_by(name == "lvert" ? "rvert" : "rVert", "abs");
  if (name == "begin") return environment();
  if (name == "sum" || name == "prod" || name == "int" || name == "lim") return big_operator(name);
  if (is_accent_name(name)) return make(MathKind::kSymbol, base::cat("\\", name, "{", raw_group(), "}"));
  if (name == "emptyset" || name == "varnothing") return make(MathKind::kSet, "");
  if (name == "percent" || is_connective(name)) throw MathUnreadable{};
  if (is_function_name(name)) return function(name);
  if (is_mark("(") && !now().spaced && is_function_letter(name)) return applied("\\" + name);
  return make(MathKind::kSymbol, "\\" + name);
}

// \frac13 and \frac1{3}: an argument without braces is one digit.
MathNode MathGrammar::digit_or_group() {
  if (now().kind == MathToken::kNumber && now().text.size() > 1) {
    MathNode digit = make(MathKind::kNumber, take_character());
    if (now().text[0] == '.') throw MathUnreadable{};
    return digit;
  }
  if (now().kind == MathToken::kWord && now().text.size() > 1) return make(MathKind::kSymbol, take_character());
  return primary();
}

MathNode MathGrammar::set() {
  if (take_command("rbrace")) return make(MathKind::kSet, "");
  int outer_bars = std::exchange(bars_, 1);
  MathNode inside = statements();
  bars_ = outer_bars;
  if (take_mark("|") || take_command("mid") || take_command("vert") || take_mark(":")) inside = statements();
  if (!take_command("rbrace")) throw MathUnreadable{};
  if (inside.is(MathKind::kRelation)) return inside;
  if (inside.is(MathKind::kList))
    inside.kind = MathKind::kSet;
  else
    inside = make(MathKind::kSet, "", {std::move(inside)});
  return inside;
}

MathNode MathGrammar::closed_by(std::string_view name, const std::string& function) {
  MathNode inside = statements();
  if (!take_command(name)) throw MathUnreadable{};
  return make(MathKind::kFunction, function, {std::move(inside)});
}

MathNode MathGrammar::root(const std::string& name) {
  MathNode degree = make_number(name == "cbrt" ? "3" : "2");
  if (is_mark("[")) {
    advance();
    degree = sum();
    expect_mark("]");
  }
  MathNode inside = primary();
  MathNode power = make(MathKind::kQuotient, "", {make_number("1"), std::move(degree)});
  return make(MathKind::kFunction, "root", {std::move(inside), std::move(power)});
}

MathNode MathGrammar::function(const std::string& name) {
  std::string base_name = name;
  std::vector<MathNode> powers;
  while (is_mark("_") || is_mark("^")) {
    bool is_index = is_mark("_");
    advance();
    if (is_index)
      base_name += " " + raw_group();
    else
      powers.push_back(take_mark("-") ? make(MathKind::kNegation, "", {argument()}) : argument());
  }
  if (powers.size() > 1) throw MathUnreadable{};
  std::vector<MathNode> args;
  MathNode inside = function_argument();
  if (inside.is(MathKind::kTuple) || inside.is(MathKind::kList) || inside.is(MathKind::kSet))
    args = std::move(inside.args);
  else
    args.push_back(std::move(inside));
  bool inverse = !powers.empty() && powers[0].is(MathKind::kNegation) && powers[0].args[0].is(MathKind::kNumber) &&
                 powers[0].args[0].text == "1";
  if (inverse) return make(MathKind::kFunction, "arc" + base_name, std::move(args));
  MathNode node = make(MathKind::kFunction, base_name, std::move(args));
  if (powers.empty()) return node;
  return make(MathKind::kPower, "", {std::move(node), std::move(powers[0])});
}

// \sin(x), \sin x, \sin 2x: without brackets a product of simple factors, up to the next function.
MathNode MathGrammar::function_argument() {
  if (is_mark("(") || is_mark("{") || is_mark("[") || is_mark("|")) return primary();
  MathNode inside = take_mark("-") ? make(MathKind::kNegation, "", {factor()}) : factor();
  while (is_simple_factor()) inside = product(std::move(inside), factor());
  return inside;
}
bool MathGrammar::is_simple_factor() const {
  if (now().kind == MathToken::kNumber || now().kind == MathToken::kLetter) return true;
  if (now().kind == MathToken::kWord) return command_of_word(now().text).empty() && !is_unit_word(now().text);
  if (now().kind != MathToken::kCommand) return false;
  return !is_function_name(now().text) && starts_factor();
}

// Sums, products, integrals and limits are compared as they are written; they are not worked out.
MathNode MathGrammar::big_operator(const std::string& name) {
  std::string index;
  while (is_mark("_") || is_mark("^")) {
    index += now().text;
    advance();
    index += raw_group();
  }
  MathNode body = term();
  return make(MathKind::kFunction, base::cat("\\", name, index), {std::move(body)});
}

MathNode MathGrammar::environment() {
  const std::string name = environment_name(*this);
  if (name == "array" && is_mark("{")) raw_group();
  bool matrix = name == "array" || name.find("matrix") != std::string::npos || name == "cases";
  if (!matrix) throw MathUnreadable{};
  MathNode node = make(MathKind::kMatrix, name == "cases" ? "cases" : "");
  size_t columns = 0, in_row = 0;
  const auto end_row = [&] {
    if (in_row == 0) return;
    if (columns != 0 && in_row != columns && name != "cases") throw MathUnreadable{};
    columns = in_row, in_row = 0;
    ++node.rows;
  };
  while (!take_command("end")) {
    if (at_end()) throw MathUnreadable{};
    if (take_command("\\")) {
      end_row();
      continue;
    }
    if (take_mark("&") || take_command("hline")) continue;
    node.args.push_back(statements());
    ++in_row;
  }
  end_row();
  if (environment_name(*this) != name || node.args.empty()) throw MathUnreadable{};
  return node;
}

}  // namespace ponder::tasks
