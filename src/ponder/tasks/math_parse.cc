#include "ponder/tasks/math_parse.h"

#include <algorithm>
#include <utility>

#include "ponder/base/cat.h"
#include "ponder/tasks/math_units.h"
#include "ponder/tasks/math_words.h"

namespace ponder::tasks {
namespace {

// Thrown inside this file alone: the text is no formula, or a limit is reached.
struct Unreadable {};

class Parser {
 public:
  explicit Parser(std::vector<MathToken> tokens) : tokens_(std::move(tokens)) {}

  MathNode whole() {
    while (is_mark(".") || is_mark(",") || is_mark(":")) ++at_;
    MathNode node = statements();
    while (is_mark(".") || is_mark(",") || is_mark("?") || is_mark(":") || is_mark(";")) ++at_;
    if (!at_end()) throw Unreadable{};
    return node;
  }

 private:
  struct Deeper {
    explicit Deeper(Parser& p) : parser(p) {
      if (++parser.depth_ > kMaxMathDepth) throw Unreadable{};
    }
    ~Deeper() { --parser.depth_; }
    Parser& parser;
  };

  // What one loop may pile up on the left: 1/2/3/…, x!!!…
  static void count(int& links) {
    if (++links > 100) throw Unreadable{};
  }

  const MathToken& now() const { return tokens_[at_]; }
  const MathToken& next(size_t n = 1) const { return tokens_[std::min(at_ + n, tokens_.size() - 1)]; }
  bool at_end() const { return now().kind == MathToken::kEnd; }
  bool is_mark(std::string_view m) const { return now().kind == MathToken::kMark && now().text == m; }
  bool is_command(std::string_view c) const { return now().kind == MathToken::kCommand && now().text == c; }
  bool take_mark(std::string_view m) { return is_mark(m) ? (++at_, true) : false; }
  bool take_command(std::string_view c) { return is_command(c) ? (++at_, true) : false; }
  void expect_mark(std::string_view m) {
    if (!take_mark(m)) throw Unreadable{};
  }

  MathNode make(MathKind kind, std::string text, std::vector<MathNode> args = {}) {
    if (++nodes_ > kMaxMathNodes) throw Unreadable{};
    return make_node(kind, std::move(text), std::move(args));
  }

  // "p=5,q=2;p=7,q=2": groups of several items between ";" are tuples.
  MathNode statements() {
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

  MathNode list() {
    std::vector<MathNode> items{relation()};
    while (is_mark(",")) {
      while (take_mark(",")) {
      }
      if (take_command("ldots") || take_command("dots") || take_command("cdots")) throw Unreadable{};
      if (at_end() || closes()) break;
      items.push_back(relation());
    }
    return items.size() == 1 ? std::move(items[0]) : make(MathKind::kList, "", std::move(items));
  }

  bool closes() const { return is_mark(")") || is_mark("]") || is_mark("}") || is_command("rbrace"); }

  MathNode relation() {
    Deeper deeper(*this);
    MathNode first = sets();
    if (take_command("in")) return make(MathKind::kMember, "", {std::move(first), sets()});
    std::string ops;
    std::vector<MathNode> args{std::move(first)};
    while (char op = relation_of(now())) {
      ++at_;
      take_command("quad");
      ops += op;
      args.push_back(sets());
    }
    if (take_command("in")) {  // "x = y ∈ S" is nothing
      throw Unreadable{};
    }
    if (ops.empty()) return std::move(args[0]);
    return make(MathKind::kRelation, ops, std::move(args));
  }

  MathNode sets() {
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

  MathNode ratio() {
    std::vector<MathNode> parts{sum()};
    while (is_mark(":") && next().kind != MathToken::kEnd && !next_is_mark("=")) {
      ++at_;
      parts.push_back(sum());
    }
    return parts.size() == 1 ? std::move(parts[0]) : make(MathKind::kRatio, "", std::move(parts));
  }
  bool next_is_mark(std::string_view m) const { return next().kind == MathToken::kMark && next().text == m; }

  bool is_plus_minus() const { return is_command("pm") || is_command("mp"); }

  MathNode sum() {
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
        ++at_;
        MathNode so_far = terms.size() == 1 ? std::move(terms[0]) : make(MathKind::kSum, "", std::move(terms));
        MathNode both = make(MathKind::kPlusMinus, "", {std::move(so_far), term()});
        terms.clear();
        terms.push_back(std::move(both));
      } else {
        return terms.size() == 1 ? std::move(terms[0]) : make(MathKind::kSum, "", std::move(terms));
      }
    }
  }

  MathNode term() {
    Deeper deeper(*this);
    if (take_mark("-")) return make(MathKind::kNegation, "", {term()});
    if (take_mark("+")) return term();
    MathNode left = factor();
    int links = 0;
    while (true) {
      if (is_unit_next(left)) {
        count(links);
        left = with_unit(std::move(left));
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

  MathNode signed_factor() {
    Deeper deeper(*this);
    if (take_mark("-")) return make(MathKind::kNegation, "", {signed_factor()});
    if (take_mark("+")) return signed_factor();
    return factor();
  }

  MathNode product(MathNode a, MathNode b) {
    if (a.is(MathKind::kProduct)) {
      a.args.push_back(std::move(b));
      return a;
    }
    return make(MathKind::kProduct, "", {std::move(a), std::move(b)});
  }

  // A number beside a fraction of whole numbers is a mixed number: 2 1/3, 2\frac13.
  MathNode juxtaposed(MathNode left) {
    bool was_number = tokens_[at_ - 1].kind == MathToken::kNumber && left.is(MathKind::kNumber) &&
                      left.text.find('.') == std::string::npos;
    if (was_number && now().kind == MathToken::kNumber) {
      if (!now().spaced || !next_is_mark("/") || next(2).kind != MathToken::kNumber) throw Unreadable{};
      MathNode top = make_number(now().text), below = make_number(next(2).text);
      at_ += 3;
      return make(MathKind::kSum, "",
                  {std::move(left), make(MathKind::kQuotient, "", {std::move(top), std::move(below)})});
    }
    if (now().kind == MathToken::kNumber && tokens_[at_ - 1].kind == MathToken::kNumber) throw Unreadable{};
    bool fraction = is_command("frac") || is_command("dfrac") || is_command("tfrac") || is_command("cfrac");
    MathNode right = factor();
    if (was_number && fraction && right.is(MathKind::kQuotient) && right.args[0].is(MathKind::kNumber) &&
        right.args[1].is(MathKind::kNumber))
      return make(MathKind::kSum, "", {std::move(left), std::move(right)});
    return product(std::move(left), std::move(right));
  }

  bool starts_factor() const {
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

  // Text behind a value is its unit, and so is a word behind a number.
  bool is_unit_next(const MathNode& left) const {
    if (left.is(MathKind::kQuantity)) return now().kind == MathToken::kText || is_known_unit_word();
    if (left.is(MathKind::kWords)) return false;
    if (now().kind == MathToken::kText) return true;
    return is_known_unit_word();
  }
  bool is_known_unit_word() const {
    if (now().kind != MathToken::kWord || !command_of_word(now().text).empty()) return false;
    return is_unit_word(now().text) || (now().spaced && now().text.size() >= 4);
  }

  MathNode with_unit(MathNode value) {
    std::string unit = now().text;
    ++at_;
    while (true) {
      if (is_mark("^") || is_mark("_")) {
        ++at_;
        std::string power = raw_group();
        if (power != "\\circ") base::append(unit, base::cat("^", power));
      } else if (now().kind == MathToken::kText || now().kind == MathToken::kWord) {
        base::append(unit, base::cat(" ", now().text));
        ++at_;
      } else if (is_mark("/") && (next().kind == MathToken::kText || next().kind == MathToken::kWord)) {
        base::append(unit, base::cat("/", next().text));
        at_ += 2;
      } else if (is_mark("-") && (next().kind == MathToken::kWord || next().kind == MathToken::kText)) {
        base::append(unit, base::cat("-", next().text));
        at_ += 2;
      } else {
        break;
      }
    }
    std::string name = unit_name(unit);
    if (name == "percent") return make(MathKind::kPercent, "", {std::move(value)});
    if (name == "degree") return make(MathKind::kDegrees, "", {std::move(value)});
    if (value.is(MathKind::kQuantity)) {
      value.text += " " + name;
      return value;
    }
    return make(MathKind::kQuantity, name, {std::move(value)});
  }

  MathNode factor() {
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
        ++at_;
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

  bool take_percent_word() {
    bool is_one = now().kind == MathToken::kWord && command_of_word(now().text) == "percent";
    at_ += is_one;
    return is_one;
  }

  MathNode exponent_number() {
    std::string digits = now().text;
    if (now().kind != MathToken::kNumber) throw Unreadable{};
    ++at_;
    if (digits[0] == '-') return make(MathKind::kNegation, "", {make_number(digits.substr(1))});
    return make_number(digits);
  }

  MathNode subscripted(MathNode node) {
    std::string index = raw_group();
    if (node.is(MathKind::kSymbol)) {
      node.text += base::cat("_{", index, "}");
      if (is_mark("(") && !now().spaced && is_function_letter(node.text)) return applied(node.text);
      return node;
    }
    if (node.is(MathKind::kNumber)) return make(MathKind::kFunction, "base " + index, {std::move(node)});
    return make(MathKind::kFunction, "sub " + index, {std::move(node)});
  }

  MathNode powered(MathNode node) {
    if (take_command("circ") || take_command("degree")) return make(MathKind::kDegrees, "", {std::move(node)});
    if (is_mark("{") && next().kind == MathToken::kCommand && (next().text == "circ" || next().text == "degree") &&
        next(2).text == "}") {
      at_ += 3;
      return make(MathKind::kDegrees, "", {std::move(node)});
    }
    if (is_mark("{") && next().text == "\\prime") throw Unreadable{};
    MathNode power = take_mark("-") ? make(MathKind::kNegation, "", {argument()}) : argument();
    return make(MathKind::kPower, "", {std::move(node), std::move(power)});
  }

  // What follows ^: a group, a number, a letter, a function or a command with its own arguments. Right-associative.
  MathNode argument() {
    Deeper deeper(*this);
    MathNode node = primary();
    if (is_mark("^")) {
      ++at_;
      return powered(std::move(node));
    }
    for (int links = 0; take_mark("!"); count(links)) node = make(MathKind::kFactorial, "", {std::move(node)});
    return node;
  }

  // The tokens of a subscript or of a unit's power, as text.
  std::string raw_group() {
    if (!take_mark("{")) {
      if (at_end()) throw Unreadable{};
      std::string text = now().kind == MathToken::kCommand ? "\\" + now().text : now().text;
      ++at_;
      return text;
    }
    std::string text;
    for (int open = 1;; ++at_) {
      if (at_end()) throw Unreadable{};
      if (is_mark("{")) ++open;
      if (is_mark("}") && --open == 0) break;
      if (is_mark("{") || is_mark("}")) continue;
      text += now().kind == MathToken::kCommand ? "\\" + now().text : now().text;
    }
    ++at_;
    return text;
  }

  MathNode primary() {
    Deeper deeper(*this);
    const MathToken token = now();
    switch (token.kind) {
      case MathToken::kNumber:
        ++at_;
        return make(MathKind::kNumber, token.text);
      case MathToken::kLetter:
        ++at_;
        if (is_mark("(") && !now().spaced && is_function_letter(token.text)) return applied(token.text);
        return make(MathKind::kSymbol, token.text);
      case MathToken::kWord:
        return word(token);
      case MathToken::kText:
        ++at_;
        return text(token.text);
      case MathToken::kMark:
        return bracketed(token.text);
      case MathToken::kCommand:
        return command(token.text);
      case MathToken::kEnd:
        break;
    }
    throw Unreadable{};
  }

  static bool is_function_letter(std::string_view name) {
    return std::string_view("fghFGHPQWV").find(name[0]) != std::string_view::npos;
  }

  MathNode applied(const std::string& name) {
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
  MathNode word(const MathToken& token) {
    std::string_view as_command = command_of_word(token.text);
    if (!as_command.empty()) {
      return command(std::string(as_command));
    }
    ++at_;
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

  MathNode postfixed(MathNode node) {
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

  MathNode text(std::string words) {
    if (words.size() >= 3 && words.front() == '(' && words.back() == ')') words = words.substr(1, words.size() - 2);
    if (words.size() == 1 && ((words[0] | 32) >= 'a' && (words[0] | 32) <= 'z')) return make(MathKind::kSymbol, words);
    if (!words.empty() && words.size() <= 20 && words.find_first_not_of("0123456789") == std::string::npos)
      return make(MathKind::kNumber, words);
    if (std::string_view number = number_of_word(words); !number.empty())
      return make(MathKind::kNumber, std::string(number));
    std::string out = std::move(words);
    while (now().kind == MathToken::kText || now().kind == MathToken::kWord || now().kind == MathToken::kLetter) {
      base::append(out, base::cat(" ", now().text));
      ++at_;
    }
    return make(MathKind::kWords, out);
  }

  MathNode bracketed(const std::string& open) {
    if (open == "{") {
      ++at_;
      if (take_mark("}")) {  // {} stands for nothing, as in {}_5
        if (starts_factor()) return factor();
        throw Unreadable{};
      }
      int outer_bars = std::exchange(bars_, 0);
      MathNode inside = statements();
      bars_ = outer_bars;
      expect_mark("}");
      if (inside.is(MathKind::kList)) inside.kind = MathKind::kSet;
      return inside;
    }
    if (open == "(" || open == "[" || open == "]") {
      ++at_;
      return tuple(open == "]" ? '(' : open[0]);
    }
    if (open == "|") {
      ++at_;
      ++bars_;
      MathNode inside = statements();
      --bars_;
      expect_mark("|");
      return make(MathKind::kFunction, "abs", {std::move(inside)});
    }
    throw Unreadable{};
  }

  MathNode tuple(char open) {
    int outer_bars = std::exchange(bars_, 0);
    MathNode inside = statements();
    bars_ = outer_bars;
    char close = is_mark("]") ? ']' : ')';
    if (!take_mark(")") && !take_mark("]") && !take_mark("[")) throw Unreadable{};
    if (!inside.is(MathKind::kList)) return inside;
    inside.kind = MathKind::kTuple;
    inside.text = {open, close};
    return inside;
  }

  MathNode set() {
    if (take_command("rbrace")) return make(MathKind::kSet, "");
    int outer_bars = std::exchange(bars_, 1);
    MathNode inside = statements();
    bars_ = outer_bars;
    if (take_mark("|") || take_command("mid") || take_command("vert") || take_mark(":")) inside = statements();
    if (!take_command("rbrace")) throw Unreadable{};
    if (inside.is(MathKind::kRelation)) return inside;
    if (inside.is(MathKind::kList))
      inside.kind = MathKind::kSet;
    else
      inside = make(MathKind::kSet, "", {std::move(inside)});
    return inside;
  }

  MathNode closed_by(std::string_view name, const std::string& function) {
    MathNode inside = statements();
    if (!take_command(name)) throw Unreadable{};
    return make(MathKind::kFunction, function, {std::move(inside)});
  }

  MathNode command(const std::string& name) {
    ++at_;
    if (name == "frac" || name == "dfrac" || name == "tfrac" || name == "cfrac") {
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
      if (!take_command("rangle")) throw Unreadable{};
      if (inside.is(MathKind::kList)) inside.kind = MathKind::kTuple, inside.text = "()";
      return inside;
    }
    if (name == "lfloor") return closed_by("rfloor", "floor");
    if (name == "lceil") return closed_by("rceil", "ceil");
    if (name == "lvert" || name == "lVert") return closed_by(name == "lvert" ? "rvert" : "rVert", "abs");
    if (name == "begin") return environment();
    if (name == "sum" || name == "prod" || name == "int" || name == "lim") return big_operator(name);
    if (name == "overline" || name == "bar" || name == "hat" || name == "vec" || name == "overrightarrow" ||
        name == "widehat" || name == "tilde" || name == "dot" || name == "underline")
      return make(MathKind::kSymbol, base::cat("\\", name, "{", raw_group(), "}"));
    if (name == "emptyset" || name == "varnothing") return make(MathKind::kSet, "");
    if (name == "percent" || is_connective(name)) throw Unreadable{};
    if (is_function_name(name)) return function(name);
    if (is_mark("(") && !now().spaced && is_function_letter(name)) return applied("\\" + name);
    return make(MathKind::kSymbol, "\\" + name);
  }

  // \frac13 and \frac1{3}: an argument without braces is one digit.
  MathNode digit_or_group() {
    if (now().kind == MathToken::kNumber && now().text.size() > 1) {
      MathNode digit = make(MathKind::kNumber, now().text.substr(0, 1));
      tokens_[at_].text.erase(0, 1);
      if (tokens_[at_].text[0] == '.') throw Unreadable{};
      return digit;
    }
    if (now().kind == MathToken::kWord && now().text.size() > 1) {
      MathNode letter = make(MathKind::kSymbol, now().text.substr(0, 1));
      tokens_[at_].text.erase(0, 1);
      if (tokens_[at_].text.size() == 1) tokens_[at_].kind = MathToken::kLetter;
      return letter;
    }
    return primary();
  }

  MathNode root(const std::string& name) {
    MathNode degree = make_number(name == "cbrt" ? "3" : "2");
    if (is_mark("[")) {
      ++at_;
      degree = sum();
      expect_mark("]");
    }
    MathNode inside = primary();
    MathNode power = make(MathKind::kQuotient, "", {make_number("1"), std::move(degree)});
    return make(MathKind::kFunction, "root", {std::move(inside), std::move(power)});
  }

  MathNode function(const std::string& name) {
    std::string base_name = name;
    std::vector<MathNode> powers;
    while (is_mark("_") || is_mark("^")) {
      bool is_index = is_mark("_");
      ++at_;
      if (is_index)
        base_name += " " + raw_group();
      else
        powers.push_back(take_mark("-") ? make(MathKind::kNegation, "", {argument()}) : argument());
    }
    if (powers.size() > 1) throw Unreadable{};
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
  MathNode function_argument() {
    if (is_mark("(") || is_mark("{") || is_mark("[") || is_mark("|")) return primary();
    MathNode inside = take_mark("-") ? make(MathKind::kNegation, "", {factor()}) : factor();
    while (is_simple_factor()) inside = product(std::move(inside), factor());
    return inside;
  }
  bool is_simple_factor() const {
    if (now().kind == MathToken::kNumber || now().kind == MathToken::kLetter) return true;
    if (now().kind == MathToken::kWord) return command_of_word(now().text).empty() && !is_unit_word(now().text);
    if (now().kind != MathToken::kCommand) return false;
    return !is_function_name(now().text) && starts_factor();
  }

  // Sums, products, integrals and limits are compared as they are written; they are not worked out.
  MathNode big_operator(const std::string& name) {
    std::string index;
    while (is_mark("_") || is_mark("^")) {
      index += now().text;
      ++at_;
      index += raw_group();
    }
    MathNode body = term();
    return make(MathKind::kFunction, base::cat("\\", name, index), {std::move(body)});
  }

  std::string environment_name() {
    std::string name;
    expect_mark("{");
    while (!is_mark("}")) {
      if (at_end()) throw Unreadable{};
      name += now().text;
      ++at_;
    }
    ++at_;
    return name;
  }

  MathNode environment() {
    const std::string name = environment_name();
    if (name == "array" && is_mark("{")) raw_group();
    bool matrix = name == "array" || name.find("matrix") != std::string::npos || name == "cases";
    if (!matrix) throw Unreadable{};
    MathNode node = make(MathKind::kMatrix, name == "cases" ? "cases" : "");
    size_t columns = 0, in_row = 0;
    const auto end_row = [&] {
      if (in_row == 0) return;
      if (columns != 0 && in_row != columns && name != "cases") throw Unreadable{};
      columns = in_row, in_row = 0;
      ++node.rows;
    };
    while (!take_command("end")) {
      if (at_end()) throw Unreadable{};
      if (take_command("\\")) {
        end_row();
        continue;
      }
      if (take_mark("&") || take_command("hline")) continue;
      node.args.push_back(statements());
      ++in_row;
    }
    end_row();
    if (environment_name() != name || node.args.empty()) throw Unreadable{};
    return node;
  }

  std::vector<MathToken> tokens_;
  size_t at_ = 0, nodes_ = 0;
  int depth_ = 0, bars_ = 0;
};

}  // namespace

std::optional<MathNode> parse_math(std::string_view text, Comma comma) {
  if (text.size() > kMaxMathBytes) return std::nullopt;
  try {
    return Parser(lex_math(text, comma)).whole();
  } catch (const Unreadable&) {
    return std::nullopt;
  }
}

}  // namespace ponder::tasks
