#include "ponder/tasks/math_words.h"

#include <unordered_map>
#include <unordered_set>

#include "ponder/tasks/math_tree.h"

namespace ponder::tasks {

bool is_function_name(std::string_view name) {
  static const std::unordered_set<std::string_view> names{
      "sin",  "cos",  "tan",  "cot", "sec",    "csc",    "arcsin", "arccos", "arctan", "asin", "acos", "atan",
      "sinh", "cosh", "tanh", "ln",  "log",    "lg",     "exp",    "sqrt",   "max",    "min",  "gcd",  "lcm",
      "det",  "Re",   "Im",   "arg", "arccot", "arcsec", "arccsc", "deg",    "dim",    "ker",  "cbrt", "sgn"};
  return names.contains(name);
}

bool is_function_letter(std::string_view name) {
  return std::string_view("fghFGHPQWV").find(name[0]) != std::string_view::npos;
}

bool is_fraction_name(std::string_view name) {
  return name == "frac" || name == "dfrac" || name == "tfrac" || name == "cfrac";
}

bool is_accent_name(std::string_view name) {
  return name == "overline" || name == "bar" || name == "hat" || name == "vec" || name == "overrightarrow" ||
         name == "widehat" || name == "tilde" || name == "dot" || name == "underline";
}

std::string_view command_of_word(std::string_view word) {
  if (is_function_name(word) && word != "arg" && word != "deg") return word;
  if (word == "pi" || word == "Pi") return "pi";
  if (word == "inf" || word == "infinity" || word == "Infinity" || word == "oo" || word == "infty") return "infty";
  if (word == "percent" || word == "percentage" || word == "pct") return "percent";
  if (word == "theta" || word == "alpha" || word == "beta" || word == "gamma" || word == "lambda") return word;
  if (word == "frac" || word == "cup" || word == "union" || word == "times" || word == "cdot")
    return word == "union" ? "cup" : word;
  return "";
}

std::string_view number_of_word(std::string_view word) {
  static const std::unordered_map<std::string_view, std::string_view> numbers{
      {"zero", "0"},     {"one", "1"},      {"two", "2"},     {"three", "3"},     {"four", "4"},
      {"five", "5"},     {"six", "6"},      {"seven", "7"},   {"eight", "8"},     {"nine", "9"},
      {"ten", "10"},     {"eleven", "11"},  {"twelve", "12"}, {"thirteen", "13"}, {"fourteen", "14"},
      {"fifteen", "15"}, {"sixteen", "16"}, {"twenty", "20"}, {"thirty", "30"},   {"hundred", "100"}};
  auto it = numbers.find(word);
  return it == numbers.end() ? "" : it->second;
}

char relation_of(const MathToken& t) {
  if (t.kind == MathToken::kMark && t.text.size() == 1) {
    if (t.text == "=") return kEqual;
    if (t.text == "<") return kLess;
    if (t.text == ">") return kGreater;
    if (t.text == "~") return kAbout;
  }
  if (t.kind != MathToken::kCommand) return '\0';
  static const std::unordered_map<std::string_view, char> ops{
      {"equals", kEqual}, {"le", kAtMost},   {"leq", kAtMost},       {"leqslant", kAtMost}, {"leqq", kAtMost},
      {"ge", kAtLeast},   {"geq", kAtLeast}, {"geqslant", kAtLeast}, {"geqq", kAtLeast},    {"lt", kLess},
      {"gt", kGreater},   {"ne", kNotEqual}, {"neq", kNotEqual},     {"approx", kAbout},    {"simeq", kAbout},
      {"equiv", kEqual},  {"sim", kAbout},   {"cong", kAbout}};
  auto it = ops.find(t.text);
  return it == ops.end() ? '\0' : it->second;
}

bool is_connective(std::string_view name) {
  static const std::unordered_set<std::string_view> names{
      "in",         "notin",      "cup",    "cap",   "setminus", "backslash", "pm",       "mp",
      "cdot",       "times",      "ast",    "div",   "rbrace",   "rangle",    "rfloor",   "rceil",
      "rvert",      "rVert",      "end",    "\\",    "to",       "mid",       "vert",     "implies",
      "Rightarrow", "rightarrow", "quad",   "ldots", "dots",     "cdots",     "tenpower", "percent",
      "lbrace",     "circ",       "degree", "pmod",  "bmod",     "mod",       "iff",      "Leftrightarrow",
      "land",       "lor"};
  return names.contains(name);
}

}  // namespace ponder::tasks
