#include "ponder/tasks/math_lex.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unordered_set>
#include <utility>

#include "ponder/base/cat.h"

namespace ponder::tasks {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' || c == '\v'; }

// Unicode signs as what LaTeX writes for them; nothing for what is dropped.
constexpr std::array<std::pair<std::string_view, std::string_view>, 62> kSigns{{{"×", "\\times "},
                                                                                {"·", "\\cdot "},
                                                                                {"⋅", "\\cdot "},
                                                                                {"∙", "\\cdot "},
                                                                                {"÷", "\\div "},
                                                                                {"−", "-"},
                                                                                {"–", "-"},
                                                                                {"‐", "-"},
                                                                                {"√", "\\sqrt "},
                                                                                {"π", "\\pi "},
                                                                                {"∞", "\\infty "},
                                                                                {"≤", "\\le "},
                                                                                {"⩽", "\\le "},
                                                                                {"≥", "\\ge "},
                                                                                {"⩾", "\\ge "},
                                                                                {"≠", "\\ne "},
                                                                                {"≈", "\\approx "},
                                                                                {"∪", "\\cup "},
                                                                                {"∩", "\\cap "},
                                                                                {"∈", "\\in "},
                                                                                {"°", "^\\circ "},
                                                                                {"º", "^\\circ "},
                                                                                {"²", "^2"},
                                                                                {"³", "^3"},
                                                                                {"⁴", "^4"},
                                                                                {"½", "\\frac12 "},
                                                                                {"¼", "\\frac14 "},
                                                                                {"¾", "\\frac34 "},
                                                                                {"±", "\\pm "},
                                                                                {"∓", "\\mp "},
                                                                                {"θ", "\\theta "},
                                                                                {"α", "\\alpha "},
                                                                                {"β", "\\beta "},
                                                                                {"γ", "\\gamma "},
                                                                                {"δ", "\\delta "},
                                                                                {"λ", "\\lambda "},
                                                                                {"μ", "\\mu "},
                                                                                {"ω", "\\omega "},
                                                                                {"φ", "\\phi "},
                                                                                {"σ", "\\sigma "},
                                                                                {"∅", "\\emptyset "},
                                                                                {"∖", "\\setminus "},
                                                                                {"…", "\\ldots "},
                                                                                {"€", ""},
                                                                                {"£", ""},
                                                                                {"¥", ""},
                                                                                {"₹", ""},
                                                                                {"₽", ""},
                                                                                {"₩", ""},
                                                                                {"\xC2\xA0", " "},
                                                                                {"\xE2\x80\x89", " "},
                                                                                {"\xE2\x80\xAF", " "},
                                                                                {"，", ","},
                                                                                {"（", "("},
                                                                                {"）", ")"},
                                                                                {"：", ":"},
                                                                                {"⟨", "\\langle "},
                                                                                {"⟩", "\\rangle "},
                                                                                {"₁", "_1"},
                                                                                {"₂", "_2"},
                                                                                {"₃", "_3"},
                                                                                {"₀", "_0"}}};

std::string without_unicode_signs(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 128; }))
    return std::string(text);
  std::string out;
  while (!text.empty()) {
    bool known = false;
    if (static_cast<unsigned char>(text[0]) >= 128) {
      for (const auto& [sign, latex] : kSigns) {
        if (!text.starts_with(sign)) continue;
        out += latex;
        text.remove_prefix(sign.size());
        known = true;
        break;
      }
    }
    if (known) continue;
    out += text[0];
    text.remove_prefix(1);
  }
  return out;
}

// Commands without meaning for the value.
const std::unordered_set<std::string_view>& silent_commands() {
  static const std::unordered_set<std::string_view> names{
      "left",         "right",     "mleft",       "mright",  "big",      "Big",      "bigg",  "Bigg",   "bigl",
      "bigr",         "Bigl",      "Bigr",        "biggl",   "biggr",    "Biggl",    "Biggr", "quad",   "qquad",
      "displaystyle", "textstyle", "scriptstyle", "limits",  "nolimits", "rm",       "bf",    "it",     "cal",
      "thinspace",    "medspace",  "thickspace",  "enspace", "middle",   "nonumber", "notag", "unicode"};
  return names;
}

enum class Wrapper { kNone, kText, kMath, kDropped };

// Commands whose argument is text, mathematics in another font, or nothing that counts.
Wrapper wrapper_of(std::string_view name) {
  for (std::string_view w :
       {"text", "textbf", "textit", "textrm", "textnormal", "textsf", "texttt", "textup", "mbox", "hbox", "emph"})
    if (name == w) return Wrapper::kText;
  for (std::string_view w : {"mathrm", "mathbf", "mathit", "mathsf", "mathcal", "mathbb", "mathfrak", "boldsymbol",
                             "bm", "operatorname", "boxed", "fbox"})
    if (name == w) return Wrapper::kMath;
  for (std::string_view w : {"hspace", "vspace", "phantom", "hphantom", "vphantom", "label", "tag", "color"})
    if (name == w) return Wrapper::kDropped;
  return Wrapper::kNone;
}

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

bool is_conjunction(std::string_view words) {
  return words == "and" || words == "or" || words == ", and" || words == ", or" || words == "," || words == ";";
}

class Lexer {
 public:
  Lexer(std::string_view text, Comma comma, std::vector<MathToken>& out) : text_(text), comma_(comma), out_(out) {
    has_rows_ = text.find("matrix") != std::string_view::npos || text.find("array") != std::string_view::npos ||
                text.find("cases") != std::string_view::npos;
  }

  void run(int depth) {
    while (at_ < text_.size()) {
      char c = text_[at_];
      if (is_space(c) || c == '~') {
        ++at_, spaced_ = true;
      } else if (is_digit(c) || (c == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]))) {
        number();
      } else if (is_letter(c)) {
        word();
      } else if (c == '\\') {
        command(depth);
      } else if (c == '$') {
        ++at_;
      } else {
        mark(c);
      }
    }
  }

 private:
  void put(MathToken::Kind kind, std::string text) {
    out_.push_back({kind, std::move(text), spaced_});
    spaced_ = false;
  }

  char peek(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

  void mark(char c) {
    ++at_;
    if (c == '(' || c == '[') ++brackets_;
    if (c == ')' || c == ']') --brackets_;
    if (c == '*' && peek(0) == '*') ++at_, c = '^';
    std::string_view two = text_.substr(at_ - 1, 2);
    if (two == "<=" || two == ">=" || two == "!=" || two == "==" || two == "~=" || two == "=>") {
      ++at_;
      return put(MathToken::kCommand, two == "<=" ? "le" : two == ">=" ? "ge" : two == "!=" ? "ne" : "equals");
    }
    put(MathToken::kMark, std::string(1, c));
  }

  // The bytes that separate thousands at `at`: 0 when none do.
  size_t separator(size_t at) const {
    std::string_view rest = text_.substr(at);
    for (std::string_view s : {"{,}", "{, }", "{ ,}", ",\\!", ",\\! ", "\\,", "\\;", "\\ ", "\\!", "~", ",", " "}) {
      if (!rest.starts_with(s)) continue;
      // "(1,234)" is a pair.
      if (s == "," && (brackets_ > 0 || comma_ == Comma::kList)) continue;
      if (is_thousand(at + s.size())) return s.size();
      if (s == ",\\!" && peek_at(at + 3) == ' ' && is_thousand(at + 4)) return 4;
    }
    if (rest.starts_with(" {,") || rest.starts_with(" {")) {
      size_t end = rest.find('}');
      if (end != std::string_view::npos && trimmed(rest.substr(2, end - 2)) == "," && is_thousand(at + end + 1))
        return end + 1;
    }
    return 0;
  }
  char peek_at(size_t at) const { return at < text_.size() ? text_[at] : '\0'; }
  bool is_thousand(size_t at) const {
    return is_digit(peek_at(at)) && is_digit(peek_at(at + 1)) && is_digit(peek_at(at + 2)) &&
           !is_digit(peek_at(at + 3));
  }

  void number() {
    std::string digits;
    while (is_digit(peek(0))) digits += text_[at_++];
    if (!digits.empty() && digits.size() <= 3 && digits[0] != '0') {
      while (size_t n = separator(at_)) {
        at_ += n;
        digits.append(text_.substr(at_, 3));
        at_ += 3;
      }
    }
    bool point = peek(0) == '.' && is_digit(peek(1));
    bool comma = comma_ == Comma::kDecimal && brackets_ == 0 && peek(0) == ',' && is_digit(peek(1));
    if (point || comma) {
      digits += '.';
      ++at_;
      while (is_digit(peek(0))) digits += text_[at_++];
    } else if (peek(0) == '.' && !is_letter(peek(1)) && peek(1) != '.') {
      ++at_;  // "12." at an end, and "0.\overline{7}"
    }
    if (digits[0] == '.') digits.insert(0, "0");
    if (repeating(digits)) return;
    put(MathToken::kNumber, digits);
    exponent();
  }

  // 0.1\overline{6}: the digits under the bar go on for ever, so it is 0.1 + 6/90.
  bool repeating(const std::string& digits) {
    std::string_view rest = text_.substr(at_);
    bool point = digits.find('.') != std::string::npos;
    bool behind_point = !point && at_ > 0 && text_[at_ - 1] == '.';
    std::string_view bar = "\\overline{";
    if (!rest.starts_with(bar) || (!point && !behind_point)) return false;
    size_t begin = bar.size(), end = begin;
    while (end < rest.size() && is_digit(rest[end])) ++end;
    if (end == begin || end >= rest.size() || rest[end] != '}') return false;
    std::string period(rest.substr(begin, end - begin));
    size_t decimals = point ? digits.size() - digits.find('.') - 1 : 0;
    put(MathToken::kMark, "(");
    put(MathToken::kNumber, digits);
    put(MathToken::kMark, "+");
    put(MathToken::kNumber, period);
    put(MathToken::kMark, "/");
    put(MathToken::kNumber, std::string(period.size(), '9') + std::string(decimals, '0'));
    put(MathToken::kMark, ")");
    at_ += end + 1;
    return true;
  }

  // 1.5e-7, 1.5E7: an e between digits without spaces.
  void exponent() {
    if (peek(0) != 'e' && peek(0) != 'E') return;
    size_t sign = peek(1) == '-' || peek(1) == '+' ? 1 : 0;
    if (!is_digit(peek(1 + sign))) return;
    std::string power(sign && peek(1) == '-' ? "-" : "");
    at_ += 1 + sign;
    while (is_digit(peek(0))) power += text_[at_++];
    put(MathToken::kCommand, "tenpower");
    put(MathToken::kNumber, power);
  }

  void word() {
    size_t begin = at_;
    while (is_letter(peek(0))) ++at_;
    std::string_view run = text_.substr(begin, at_ - begin);
    // "1orW(x)"
    for (std::string_view c : {"and", "or"})
      if (run.starts_with(c) && run.size() > c.size() && run[c.size()] < 'a') run = c, at_ = begin + c.size();
    if (is_conjunction(run)) return put(MathToken::kMark, ",");
    put(run.size() == 1 ? MathToken::kLetter : MathToken::kWord, std::string(run));
  }

  // The balanced {…} at the next brace; nothing when there is none.
  std::string_view group() {
    while (is_space(peek(0))) ++at_;
    if (peek(0) != '{') return {};
    size_t begin = ++at_;
    for (int open = 1; at_ < text_.size(); ++at_) {
      if (text_[at_] == '{') ++open;
      if (text_[at_] == '}' && --open == 0) break;
    }
    std::string_view content = text_.substr(begin, at_ - begin);
    if (at_ < text_.size()) ++at_;
    return content;
  }

  void inner(std::string_view content, int depth) {
    if (depth > 20) return;
    put(MathToken::kMark, "{");
    Lexer(content, comma_, out_).run(depth + 1);
    put(MathToken::kMark, "}");
  }

  void command(int depth) {
    ++at_;
    if (at_ >= text_.size()) return;
    char c = text_[at_];
    if (!is_letter(c)) return symbol_command(c);
    size_t begin = at_;
    while (is_letter(peek(0))) ++at_;
    std::string_view name = text_.substr(begin, at_ - begin);
    for (std::string_view spacing : {"qquad", "quad"}) {
      if (name.starts_with(spacing) && name.size() > spacing.size()) {
        at_ = begin + spacing.size();
        name = spacing;
      }
    }
    if (name == "left" || name == "right") {
      if (peek(0) == '.') ++at_;
      return;
    }
    if (silent_commands().contains(name)) {
      spaced_ = true;
      return;
    }
    if (name == "mathbb") return put(MathToken::kCommand, base::cat("mathbb{", trimmed(group()), "}"));
    switch (wrapper_of(name)) {
      case Wrapper::kDropped:
        group();
        return;
      case Wrapper::kText:
        return words(std::string(trimmed(group())), depth);
      case Wrapper::kMath:
        return styled(trimmed(group()), depth);
      case Wrapper::kNone:
        put(MathToken::kCommand, std::string(name));
    }
  }

  void symbol_command(char c) {
    ++at_;
    switch (c) {
      case '\\':
        if (!has_rows_) {  // "\\frac" out of a doubly quoted text
          if (is_letter(peek(0)) || peek(0) == '{' || peek(0) == '}') --at_;
          return;
        }
        return put(MathToken::kCommand, "\\");
      case '{':
        ++brackets_;
        return put(MathToken::kCommand, "lbrace");
      case '}':
        --brackets_;
        return put(MathToken::kCommand, "rbrace");
      case '|':
        return put(MathToken::kMark, "|");
      case '%':
      case '&':
      case '_':
        return put(MathToken::kMark, std::string(1, c));
      default:
        spaced_ = true;  // \, \; \! \$ and the like
    }
  }

  void words(const std::string& content, int depth) {
    if (content.empty()) {
      spaced_ = true;
    } else if (is_conjunction(content)) {
      put(MathToken::kMark, ",");
    } else if (content.find_first_of("$\\") != std::string::npos && content.find('{') == std::string::npos) {
      inner(content, depth);
    } else {
      put(MathToken::kText, content);
    }
  }

  void styled(std::string_view content, int depth) {
    bool word = content.size() > 1 && std::all_of(content.begin(), content.end(), is_letter);
    if (word || content.find(' ') != std::string_view::npos) return words(std::string(content), depth);
    if (!content.empty()) inner(content, depth);
  }

  std::string_view text_;
  Comma comma_;
  std::vector<MathToken>& out_;
  size_t at_ = 0;
  bool spaced_ = false;
  int brackets_ = 0;
  bool has_rows_ = false;  // \\ ends a row
};

}  // namespace

std::vector<MathToken> lex_math(std::string_view text, Comma comma) {
  std::vector<MathToken> tokens;
  const std::string plain = without_unicode_signs(text);
  Lexer(plain, comma, tokens).run(0);
  tokens.push_back({MathToken::kEnd, "", false});
  return tokens;
}

}  // namespace ponder::tasks
