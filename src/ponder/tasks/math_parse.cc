#include "ponder/tasks/math_parse.h"

#include <utility>

#include "ponder/base/cat.h"
#include "ponder/tasks/math_grammar.h"
#include "ponder/tasks/math_quantity.h"
#include "ponder/tasks/math_words.h"

namespace ponder::tasks {

// --- Operators, from the loosest to the tightest.

MathNode MathGrammar::whole() {
  while (is_mark(".") || is_mark(",") || is_mark(":")) advance();
  MathNode node = statements();
  while (is_mark(".") || is_mark(",") || is_mark("?") || is_mark(":") || is_mark(";")) advance();
  if (!at_end()) throw MathUnreadable{};
  return node;
}

// "p=5,q=2;p=7,q=2": groups of several items between ";" are tuples.
MathNode MathGrammar::statements() {
  Deeper deeper(*this);
  std::vector<MathNode> groups{list()};
  while (take_mark(";")) {
    if (at_end()) break;
    groups.push_back(list());
  }
  if (groups.size() == 1) return std::move(groups[0]);
  for (MathNode& g : groups)
    if (g.is(MathKind::kList)) g.kind = MathKind::kTuple, g.text = "()";
  return make(MathKind::kList, "", std::move(groups));
}

MathNode MathGrammar::list() {
  std::vector<MathNode> items{relation()};
  while (is_mark(",")) {
    while (take_mark(",")) {
    }
    if (take_command("ldots") || take_command("dots") || take_command("cdots")) throw MathUnreadable{};
    if (at_end() || closes()) break;
    items.push_back(relation());
  }
  return items.size() == 1 ? std::move(items[0]) : make(MathKind::kList, "", std::move(items));
}

MathNode MathGrammar::relation() {
  Deeper deeper(*this);
  MathNode first = sets();
  if (take_command("in")) return make(MathKind::kMember, "", {std::move(first), sets()});
  std::string ops;
  std::vector<MathNode> args{std::move(first)};
  while (char op = relation_of(now())) {
    advance();
    take_command("quad");
    ops += op;
    args.push_back(sets());
  }
  if (take_command("in")) {  // "x = y ∈ S" is nothing
    throw MathUnreadable{};
  }
  if (ops.empty()) return std::move(args[0]);
  return make(MathKind::kRelation, ops, std::move(args));
}

MathNode MathGrammar::sets() {
  MathNode left = ratio();
  for (int links = 0;; count(links)) {
    MathKind kind;
    if (take_command("cup"))
      kind = MathKind::kUnion;
    else if (take_command("cap"))
      kind = MathKind::kIntersection;
    else if (take_command("setminus") || take_command("backslash"))
      kind = MathKind::kDifference;
    else
      return left;
    left = make(kind, "", {std::move(left), ratio()});
  }
}

MathNode MathGrammar::ratio() {
  std::vector<MathNode> parts{sum()};
  while (is_mark(":") && next().kind != MathToken::kEnd && !next_is_mark("=")) {
    advance();
    parts.push_back(sum());
  }
  return parts.size() == 1 ? std::move(parts[0]) : make(MathKind::kRatio, "", std::move(parts));
}

MathNode MathGrammar::sum() {
  Deeper deeper(*this);
  MathNode left = is_plus_minus() ? make_number("0") : term();
  if (!is_mark("+") && !is_mark("-") && !is_plus_minus()) return left;
  std::vector<MathNode> terms{std::move(left)};
  int links = 0;
  while (true) {
    if (take_mark("+")) {
      terms.push_back(term());
    } else if (take_mark("-")) {
      terms.push_back(make(MathKind::kNegation, "", {term()}));
    } else if (is_plus_minus()) {
      count(links);
      advance();
      MathNode so_far = terms.size() == 1 ? std::move(terms[0]) : make(MathKind::kSum, "", std::move(terms));
      MathNode both = make(MathKind::kPlusMinus, "", {std::move(so_far), term()});
      terms.clear();
      terms.push_back(std::move(both));
    } else {
      return terms.size() == 1 ? std::move(terms[0]) : make(MathKind::kSum, "", std::move(terms));
    }
  }
}

MathNode MathGrammar::term() {
  Deeper deeper(*this);
  if (take_mark("-")) return make(MathKind::kNegation, "", {term()});
  if (take_mark("+")) return term();
  MathNode left = factor();
  int links = 0;
  while (true) {
    if (is_unit_next(*this, left)) {
      count(links);
      left = with_unit(*this, std::move(left));
    } else if (take_mark("*") || take_command("cdot") || take_command("times") || take_command("ast")) {
      left = product(std::move(left), signed_factor());
    } else if (take_mark("/") || take_command("div")) {
      count(links);
      MathNode below = signed_factor();
      left = make(MathKind::kQuotient, "", {std::move(left), std::move(below)});
    } else if (starts_factor()) {
      left = juxtaposed(std::move(left));
    } else {
      return left;
    }
  }
}

MathNode MathGrammar::signed_factor() {
  Deeper deeper(*this);
  if (take_mark("-")) return make(MathKind::kNegation, "", {signed_factor()});
  if (take_mark("+")) return signed_factor();
  return factor();
}

MathNode MathGrammar::product(MathNode a, MathNode b) {
  if (a.is(MathKind::kProduct)) {
    a.args.push_back(std::move(b));
    return a;
  }
  return make(MathKind::kProduct, "", {std::move(a), std::move(b)});
}

// A number beside a fraction of whole numbers is a mixed number: 2 1/3, 2\frac13.
MathNode MathGrammar::juxtaposed(MathNode left) {
  bool was_number =
      previous().kind == MathToken::kNumber && left.is(MathKind::kNumber) && left.text.find('.') == std::string::npos;
  if (was_number && now().kind == MathToken::kNumber) {
    if (!now().spaced || !next_is_mark("/") || next(2).kind != MathToken::kNumber) throw MathUnreadable{};
    MathNode top = make_number(now().text), below = make_number(next(2).text);
    advance(3);
    return make(MathKind::kSum, "",
                {std::move(left), make(MathKind::kQuotient, "", {std::move(top), std::move(below)})});
  }
  if (now().kind == MathToken::kNumber && previous().kind == MathToken::kNumber) throw MathUnreadable{};
  bool fraction = now().kind == MathToken::kCommand && is_fraction_name(now().text);
  MathNode right = factor();
  if (was_number && fraction && right.is(MathKind::kQuotient) && right.args[0].is(MathKind::kNumber) &&
      right.args[1].is(MathKind::kNumber))
    return make(MathKind::kSum, "", {std::move(left), std::move(right)});
  return product(std::move(left), std::move(right));
}

bool MathGrammar::starts_factor() const {
  const MathToken& t = now();
  switch (t.kind) {
    case MathToken::kNumber:
    case MathToken::kLetter:
    case MathToken::kWord:
    case MathToken::kText:
      return true;
    case MathToken::kMark:
      return t.text == "(" || t.text == "{" || (t.text == "|" && bars_ == 0);
    case MathToken::kCommand:
      return relation_of(t) == '\0' && !is_connective(t.text);
    case MathToken::kEnd:
      return false;
  }
  return false;
}

MathNode MathGrammar::factor() {
  Deeper deeper(*this);
  MathNode node = primary();
  for (int links = 0;; count(links)) {
    if (take_mark("!")) {
      node = make(MathKind::kFactorial, "", {std::move(node)});
    } else if (take_mark("%") || take_command("percent") || take_percent_word()) {
      node = make(MathKind::kPercent, "", {std::move(node)});
    } else if (take_command("circ") || take_command("degree")) {
      node = make(MathKind::kDegrees, "", {std::move(node)});
    } else if (take_command("tenpower")) {
      MathNode power = exponent_number();
      node = product(std::move(node), make(MathKind::kPower, "", {make_number("10"), std::move(power)}));
    } else if (is_mark("'") && node.is(MathKind::kSymbol)) {
      advance();
      node.text += "'";
    } else if (take_mark("_")) {
      node = subscripted(std::move(node));
    } else if (take_mark("^")) {
      node = powered(std::move(node));
    } else {
      return node;
    }
  }
}

bool MathGrammar::take_percent_word() {
  bool is_one = now().kind == MathToken::kWord && command_of_word(now().text) == "percent";
  if (is_one) advance();
  return is_one;
}

MathNode MathGrammar::exponent_number() {
  std::string digits = now().text;
  if (now().kind != MathToken::kNumber) throw MathUnreadable{};
  advance();
  if (digits[0] == '-') return make(MathKind::kNegation, "", {make_number(digits.substr(1))});
  return make_number(digits);
}

MathNode MathGrammar::subscripted(MathNode node) {
  std::string index = raw_group();
  if (node.is(MathKind::kSymbol)) {
    node.text += base::cat("_{", index, "}");
    if (is_mark("(") && !now().spaced && is_function_letter(node.text)) return applied(node.text);
    return node;
  }
  if (node.is(MathKind::kNumber)) return make(MathKind::kFunction, "base " + index, {std::move(node)});
  return make(MathKind::kFunction, "sub " + index, {std::move(node)});
}

MathNode MathGrammar::powered(MathNode node) {
  if (take_command("circ") || take_command("degree")) return make(MathKind::kDegrees, "", {std::move(node)});
  if (is_mark("{") && next().kind == MathToken::kCommand && (next().text == "circ" || next().text == "degree") &&
      next(2).text == "}") {
    advance(3);
    return make(MathKind::kDegrees, "", {std::move(node)});
  }
  if (is_mark("{") && next().text == "\\prime") throw MathUnreadable{};
  MathNode power = take_mark("-") ? make(MathKind::kNegation, "", {argument()}) : argument();
  return make(MathKind::kPower, "", {std::move(node), std::move(power)});
}

MathNode MathGrammar::postfixed(MathNode node) {
  for (int links = 0;; count(links)) {
    if (take_mark("!"))
      node = make(MathKind::kFactorial, "", {std::move(node)});
    else if (take_mark("_"))
      node = subscripted(std::move(node));
    else if (take_mark("^"))
      node = powered(std::move(node));
    else
      return node;
  }
}

// What follows ^: a group, a number, a letter, a function or a command with its own arguments. Right-associative.
MathNode MathGrammar::argument() {
  Deeper deeper(*this);
  MathNode node = primary();
  if (is_mark("^")) {
    advance();
    return powered(std::move(node));
  }
  for (int links = 0; take_mark("!"); count(links)) node = make(MathKind::kFactorial, "", {std::move(node)});
  return node;
}

// --- Operands, but for those that a command writes.

MathNode MathGrammar::primary() {
  Deeper deeper(*this);
  const MathToken token = now();
  switch (token.kind) {
    case MathToken::kNumber:
      advance();
      return make(MathKind::kNumber, token.text);
    case MathToken::kLetter:
      advance();
      if (is_mark("(") && !now().spaced && is_function_letter(token.text)) return applied(token.text);
      return make(MathKind::kSymbol, token.text);
    case MathToken::kWord:
      return word(token);
    case MathToken::kText:
      advance();
      return text(token.text);
    case MathToken::kMark:
      return bracketed(token.text);
    case MathToken::kCommand:
      return command(token.text);
    case MathToken::kEnd:
      break;
  }
  throw MathUnreadable{};
}

MathNode MathGrammar::applied(const std::string& name) {
  expect_mark("(");
  MathNode inside = statements();
  expect_mark(")");
  std::vector<MathNode> args;
  if (inside.is(MathKind::kList))
    args = std::move(inside.args);
  else
    args.push_back(std::move(inside));
  return make(MathKind::kFunction, name, std::move(args));
}

// Letters side by side are a product, unless they are a name.
MathNode MathGrammar::word(const MathToken& token) {
  std::string_view as_command = command_of_word(token.text);
  if (!as_command.empty()) {
    return command(std::string(as_command));
  }
  advance();
  if (std::string_view number = number_of_word(token.text); !number.empty())
    return make(MathKind::kNumber, std::string(number));
  if (token.text.size() > 12) return make(MathKind::kWords, token.text);
  std::vector<MathNode> letters;
  for (char c : token.text) letters.push_back(make(MathKind::kSymbol, std::string(1, c)));
  if (letters.size() > 1 && (is_mark("^") || is_mark("_") || is_mark("!"))) {
    MathNode last = std::move(letters.back());  // ab^2 is a b^2
    letters.pop_back();
    letters.push_back(postfixed(std::move(last)));
  }
  return make(MathKind::kProduct, "", std::move(letters));
}

MathNode MathGrammar::text(std::string words) {
  if (words.size() >= 3 && words.front() == '(' && words.back() == ')') words = words.substr(1, words.size() - 2);
  if (words.size() == 1 && ((words[0] | 32) >= 'a' && (words[0] | 32) <= 'z')) return make(MathKind::kSymbol, words);
  if (!words.empty() && words.size() <= 20 && words.find_first_not_of("0123456789") == std::string::npos)
    return make(MathKind::kNumber, words);
  if (std::string_view number = number_of_word(words); !number.empty())
    return make(MathKind::kNumber, std::string(number));
  std::string out = std::move(words);
  while (now().kind == MathToken::kText || now().kind == MathToken::kWord || now().kind == MathToken::kLetter) {
    base::append(out, base::cat(" ", now().text));
    advance();
  }
  return make(MathKind::kWords, out);
}

MathNode MathGrammar::bracketed(const std::string& open) {
  if (open == "{") {
    advance();
    if (take_mark("}")) {  // {} stands for nothing, as in {}_5
      if (starts_factor()) return factor();
      throw MathUnreadable{};
    }
    int outer_bars = std::exchange(bars_, 0);
    MathNode inside = statements();
    bars_ = outer_bars;
    expect_mark("}");
    if (inside.is(MathKind::kList)) inside.kind = MathKind::kSet;
    return inside;
  }
  if (open == "(" || open == "[" || open == "]") {
    advance();
    return tuple(open == "]" ? '(' : open[0]);
  }
  if (open == "|") {
    advance();
    ++bars_;
    MathNode inside = statements();
    --bars_;
    expect_mark("|");
    return make(MathKind::kFunction, "abs", {std::move(inside)});
  }
  throw MathUnreadable{};
}

MathNode MathGrammar::tuple(char open) {
  int outer_bars = std::exchange(bars_, 0);
  MathNode inside = statements();
  bars_ = outer_bars;
  char close = is_mark("]") ? ']' : ')';
  if (!take_mark(")") && !take_mark("]") && !take_mark("[")) throw MathUnreadable{};
  if (!inside.is(MathKind::kList)) return inside;
  inside.kind = MathKind::kTuple;
  inside.text = {open, close};
  return inside;
}

std::optional<MathNode> parse_math(std::string_view text, Comma comma) {
  if (text.size() > kMaxMathBytes) return std::nullopt;
  try {
    return MathGrammar(lex_math(text, comma)).whole();
  } catch (const MathUnreadable&) {
    return std::nullopt;
  }
}

}  // namespace ponder::tasks
