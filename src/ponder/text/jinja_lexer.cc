#include "ponder/text/jinja_lexer.h"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <optional>

#include "ponder/base/cat.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

[[noreturn]] void fail(size_t offset, std::string message) {
  throw SyntaxError{std::move(message), static_cast<uint32_t>(offset)};
}

bool is_digit_char(char c) { return c >= '0' && c <= '9'; }
bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit_char(c); }
bool is_hex_char(char c) { return is_digit_char(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

std::string shown_char(std::string_view source, size_t at) {
  const size_t length = utf8_length(source, at);
  return std::string(source.substr(at, length == 0 ? 1 : length));
}

// What the escapes of a string literal stand for, by Python's rules; offset is where its text begins.
class Unescape {
 public:
  Unescape(std::string_view text, size_t offset) : text_(text), offset_(offset) {}

  std::string run() {
    while (at_ < text_.size()) {
      if (text_[at_] != '\\') {
        out_ += text_[at_++];
      } else {
        escape();
      }
    }
    return std::move(out_);
  }

 private:
  void escape() {
    const size_t start = at_++;
    const char c = at_ < text_.size() ? text_[at_] : '\0';
    static constexpr std::string_view kNames = "\\'\"abfnrtv", kValues = "\\'\"\a\b\f\n\r\t\v";
    if (c == '\n') {
      ++at_;
    } else if (const size_t i = kNames.find(c); c != '\0' && i != std::string_view::npos) {
      out_ += kValues[i];
      ++at_;
    } else if (c >= '0' && c <= '7') {
      char32_t value = 0;
      for (int n = 0; n < 3 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++n)
        value = value * 8 + static_cast<char32_t>(text_[at_++] - '0');
      append_utf8(out_, value);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      ++at_;
      hex(start, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    } else if (c == 'N') {
      fail(offset_ + start, "\\N{…} is not supported in a string; write the character itself");
    } else if (static_cast<unsigned char>(c) >= 0x80) {
      fail(offset_ + start, "a \\ before a character beyond ASCII; write \\\\ for the sign itself");
    } else {
      out_ += '\\';  // an unknown escape stays as it is
    }
  }

  void hex(size_t start, int digits) {
    char32_t value = 0;
    for (int n = 0; n < digits; ++n, ++at_) {
      if (at_ >= text_.size() || !is_hex_char(text_[at_]))
        fail(offset_ + start, base::cat("a \\", text_[start + 1], " escape needs ", digits, " hexadecimal digits"));
      const char c = text_[at_];
      value = value * 16 + static_cast<char32_t>(is_digit_char(c) ? c - '0' : (c | 32) - 'a' + 10);
    }
    if (value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
      fail(offset_ + start, "the escape names no character");
    append_utf8(out_, value);
  }

  std::string_view text_;
  size_t offset_, at_ = 0;
  std::string out_;
};

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {}

  std::vector<Token> run() {
    while (at_ < source_.size()) root();
    push(TokenType::kEnd, "", source_.size());
    return std::move(tokens_);
  }

 private:
  bool starts(size_t at, std::string_view prefix) const { return source_.substr(at).starts_with(prefix); }
  size_t skip_space(size_t at) const {
    while (at < source_.size()) {
      size_t length;
      if (!is_space(decode_utf8(source_, at, &length))) break;
      at += length;
    }
    return at;
  }
  void push(TokenType type, std::string text, size_t offset) {
    tokens_.push_back({type, std::move(text), 0, 0, static_cast<uint32_t>(offset)});
  }

  // Template text up to the next tag, and the tag.
  void root() {
    const size_t begin = at_;
    size_t tag = begin;
    while (tag + 1 < source_.size() &&
           !(source_[tag] == '{' && (source_[tag + 1] == '{' || source_[tag + 1] == '%' || source_[tag + 1] == '#')))
      ++tag;
    if (tag + 1 >= source_.size()) {
      push(TokenType::kData, std::string(source_.substr(begin)), begin);
      at_ = source_.size();
      return;
    }
    const char kind = source_[tag + 1];
    char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    if (sign != '-' && sign != '+') sign = '\0';
    data(begin, tag, sign, kind == '{');
    at_ = tag + 2 + (sign != '\0');
    line_starting_ = false;
    if (kind == '#') {
      comment(tag);
    } else if (kind == '{') {
      push(TokenType::kVariableBegin, "{{", tag);
      code(tag, "}}");
    } else if (const std::optional<size_t> body = raw_body(at_)) {
      at_ = *body;
      raw(tag);
    } else {
      push(TokenType::kBlockBegin, "{%", tag);
      code(tag, "%}");
    }
  }

  // The text before a tag, less the white space that the tag's sign and lstrip_blocks take away.
  void data(size_t begin, size_t end, char sign, bool is_variable) {
    std::string_view text = source_.substr(begin, end - begin);
    if (sign == '-') {
      size_t first = 0, last = text.size();
      strip_spaces(text, false, true, &first, &last);
      text = text.substr(0, last);
    } else if (sign != '+' && !is_variable) {
      const size_t newline = text.rfind('\n');
      const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
      if ((line > 0 || line_starting_) && skip_space(begin + line) >= end) text = text.substr(0, line);
    }
    if (!text.empty()) push(TokenType::kData, std::string(text), begin);
  }

  // Behind the end of a tag that began at `at`: its sign and what it swallows; nothing when no end stands there.
  std::optional<size_t> tag_end(size_t at, std::string_view end, bool trims_newline) const {
    if (starts(at, "-") && starts(at + 1, end)) return skip_space(at + 1 + end.size());
    if (trims_newline && starts(at, "+") && starts(at + 1, end)) return at + 1 + end.size();
    if (!starts(at, end)) return std::nullopt;
    at += end.size();
    return trims_newline && starts(at, "\n") ? at + 1 : at;
  }

  void leave_tag(size_t end) {
    at_ = end;
    line_starting_ = end > 0 && source_[end - 1] == '\n';
  }

  void comment(size_t tag) {
    for (size_t i = at_; i < source_.size(); ++i)
      if (const std::optional<size_t> end = tag_end(i, "#}", true)) return leave_tag(*end);
    fail(tag, "the comment is not closed; expected #}");
  }

  // Where the text of {% raw %} begins, when that is the tag.
  std::optional<size_t> raw_body(size_t at) const {
    at = skip_space(at);
    if (!starts(at, "raw")) return std::nullopt;
    at = skip_space(at + 3);
    if (starts(at, "-%}")) return skip_space(at + 3);
    if (starts(at, "%}")) return at + 2;
    return std::nullopt;
  }

  void raw(size_t tag) {
    line_starting_ = at_ > 0 && source_[at_ - 1] == '\n';
    for (size_t i = at_; i < source_.size(); ++i) {
      if (!starts(i, "{%")) continue;
      size_t at = i + 2;
      const char sign = starts(at, "-") || starts(at, "+") ? source_[at] : '\0';
      at = skip_space(at + (sign != '\0'));
      if (!starts(at, "endraw")) continue;
      const std::optional<size_t> end = tag_end(skip_space(at + 6), "%}", true);
      if (!end) continue;
      data(at_, i, sign, false);
      return leave_tag(*end);
    }
    fail(tag, "{% raw %} is not closed; expected {% endraw %}");
  }

  // The inside of {{ … }} or {% … %}.
  void code(size_t tag, std::string_view end) {
    std::vector<char> open;  // the closing brackets that are due
    const bool is_block = end == "%}";
    while (true) {
      if (open.empty())
        if (const std::optional<size_t> behind = tag_end(at_, end, is_block)) {
          push(is_block ? TokenType::kBlockEnd : TokenType::kVariableEnd, std::string(end), at_);
          return leave_tag(*behind);
        }
      if (at_ >= source_.size())
        fail(tag, base::cat("the tag is not closed; expected ",
                            open.empty() ? std::string(end) : std::string(1, open.back())));
      if (const size_t behind = skip_space(at_); behind > at_) {
        at_ = behind;
      } else if (!number() && !name() && !string()) {
        op(open);
      }
    }
  }

  bool name() {
    size_t end = at_;
    while (end < source_.size() && is_name_char(source_[end])) ++end;
    if (end == at_) return false;
    push(TokenType::kName, std::string(source_.substr(at_, end - at_)), at_);
    at_ = end;
    return true;
  }

  // Digits, single underscores between them allowed; the end of what was read.
  size_t digits(size_t at, bool (*is_one)(char)) const {
    size_t end = at;
    while (end < source_.size()) {
      if (is_one(source_[end])) {
        ++end;
      } else if (source_[end] == '_' && end > at && end + 1 < source_.size() && is_one(source_[end + 1])) {
        ++end;
      } else {
        break;
      }
    }
    return end;
  }

  bool number() {
    if (!is_digit_char(source_[at_])) return false;
    const bool is_behind_dot = at_ > 0 && source_[at_ - 1] == '.';
    const size_t whole = digits(at_, is_digit_char);
    if (!is_behind_dot && real(whole)) return true;
    int base = 10;
    size_t begin = at_, end = whole;
    if (source_[at_] == '0' && at_ + 1 < source_.size()) {
      const char kind = static_cast<char>(source_[at_ + 1] | 32);
      const int wanted = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 10;
      const auto is_one = wanted == 16  ? is_hex_char
                          : wanted == 8 ? [](char c) { return c >= '0' && c <= '7'; }
                                        : [](char c) { return c == '0' || c == '1'; };
      size_t from = at_ + 2;
      if (from < source_.size() && source_[from] == '_') ++from;
      if (const size_t behind = digits(from, is_one); wanted != 10 && behind > from) {
        base = wanted, begin = from, end = behind;
      } else {
        for (end = at_ + 1; end < source_.size() && (source_[end] == '0' || source_[end] == '_'); ++end) {
        }
        while (source_[end - 1] == '_') --end;
      }
    }
    push(TokenType::kInteger, std::string(source_.substr(at_, end - at_)), at_);
    const std::string text = without_underscores(begin, end);
    const auto [last, error] = std::from_chars(text.data(), text.data() + text.size(), tokens_.back().integer, base);
    if (error != std::errc()) fail(at_, base::cat(text, " does not fit into 64 bits"));
    at_ = end;
    return true;
  }

  // A float that begins with the digits up to `whole`.
  bool real(size_t whole) {
    size_t end = whole;
    if (starts(end, "."))
      if (const size_t behind = digits(end + 1, is_digit_char); behind > end + 1) end = behind;
    if (end < source_.size() && (source_[end] | 32) == 'e') {
      size_t from = end + 1;
      if (starts(from, "+") || starts(from, "-")) ++from;
      if (const size_t behind = digits(from, is_digit_char); behind > from) end = behind;
    }
    if (end == whole) return false;
    push(TokenType::kFloat, std::string(source_.substr(at_, end - at_)), at_);
    tokens_.back().number = std::strtod(without_underscores(at_, end).c_str(), nullptr);
    at_ = end;
    return true;
  }

  std::string without_underscores(size_t begin, size_t end) const {
    std::string text;
    for (size_t i = begin; i < end; ++i)
      if (source_[i] != '_') text += source_[i];
    return text;
  }

  bool string() {
    const char quote = source_[at_];
    if (quote != '\'' && quote != '"') return false;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail(at_, base::cat("the string is not closed; expected ", quote));
    push(TokenType::kString, Unescape(source_.substr(at_ + 1, end - at_ - 1), at_ + 1).run(), at_);
    at_ = end + 1;
    return true;
  }

  void op(std::vector<char>& open) {
    static constexpr std::string_view kOperators[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/",
                                                      "*",  "%",  "~",  "[",  "]",  "(",  ")", "{", "}",
                                                      ">",  "<",  "=",  ".",  ":",  "|",  ",", ";"};
    for (const std::string_view text : kOperators) {
      if (!starts(at_, text)) continue;
      const char c = text[0];
      if (c == '(' || c == '[' || c == '{') open.push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
      if (c == ')' || c == ']' || c == '}') {
        if (open.empty()) fail(at_, base::cat("unexpected ", c));
        if (open.back() != c) fail(at_, base::cat("unexpected ", c, ", expected ", open.back()));
        open.pop_back();
      }
      push(TokenType::kOperator, std::string(text), at_);
      at_ += text.size();
      return;
    }
    if (static_cast<unsigned char>(source_[at_]) >= 0x80)
      fail(at_, base::cat("unexpected ", shown_char(source_, at_), "; names are made of ASCII letters, digits and _"));
    fail(at_, base::cat("unexpected character ", shown_char(source_, at_)));
  }

  std::string_view source_;
  size_t at_ = 0;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

std::string normalized_source(std::string_view source) {
  for (size_t i = 0; i < source.size();) {
    const size_t length = utf8_length(source, i);
    if (length == 0) fail(i, "the template is not valid UTF-8 here");
    i += length;
  }
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

std::vector<Token> tokenize(std::string_view normalized_source) { return Lexer(normalized_source).run(); }

std::string describe(const Token& token) {
  switch (token.type) {
    case TokenType::kData:
      return "template text";
    case TokenType::kVariableBegin:
    case TokenType::kVariableEnd:
    case TokenType::kBlockBegin:
    case TokenType::kBlockEnd:
    case TokenType::kName:
    case TokenType::kOperator:
    case TokenType::kInteger:
    case TokenType::kFloat:
      return token.text;
    case TokenType::kString:
      return "a string";
    case TokenType::kEnd:
      return "the end of the template";
  }
  return "";
}

}  // namespace ponder::text::jinja
