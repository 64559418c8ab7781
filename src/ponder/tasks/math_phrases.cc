#include "ponder/tasks/math_phrases.h"

#include <algorithm>
#include <cctype>

#include "ponder/base/cat.h"
#include "ponder/tasks/math_units.h"

namespace ponder::tasks {
namespace {

constexpr size_t kMaxBare = 20000;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)); }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

std::string lower(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// The formula that starts at `at`, between $…$, $$…$$, \(…\) or \[…\]; the inner text and where it ends.
std::optional<Phrase> formula_at(std::string_view text, size_t at) {
  struct Mark {
    std::string_view open, close;
    bool one_line;
  };
  if (at > 0 && text[at - 1] == '\\') return std::nullopt;
  for (const Mark& mark :
       {Mark{"$$", "$$", false}, Mark{"\\[", "\\]", false}, Mark{"$", "$", true}, Mark{"\\(", "\\)", true}}) {
    if (!text.substr(at).starts_with(mark.open)) continue;
    if (mark.open == "$" && at > 0 && is_digit(text[at - 1])) continue;  // "12$": money
    size_t begin = at + mark.open.size();
    size_t limit = mark.one_line ? std::min(text.find('\n', begin), text.size()) : text.size();
    for (size_t end = text.find(mark.close, begin); end != std::string_view::npos && end < limit;
         end = text.find(mark.close, end + 1)) {
      if (mark.close[0] == '$' && end > 0 && text[end - 1] == '\\') continue;
      if (end == begin) break;
      return Phrase{at, end + mark.close.size(), std::string(trimmed(text.substr(begin, end - begin))), false};
    }
  }
  return std::nullopt;
}

// A fraction that stands in prose without $.
std::optional<Phrase> fraction_at(std::string_view text, size_t at) {
  size_t begin = at;
  if (text[at] == '-') ++at;
  for (std::string_view name : {"\\frac{", "\\dfrac{", "\\tfrac{"}) {
    if (!text.substr(at).starts_with(name)) continue;
    size_t middle = text.find("}{", at);
    size_t end = middle == std::string_view::npos ? middle : text.find('}', middle + 2);
    if (end == std::string_view::npos || end - at > 60) return std::nullopt;
    return Phrase{begin, end + 1, std::string(text.substr(begin, end + 1 - begin)), false};
  }
  return std::nullopt;
}

size_t currency_bytes(std::string_view text) {
  for (std::string_view sign : {"$", "€", "£", "¥", "₹", "₽", "₩"})
    if (text.starts_with(sign)) return sign.size();
  return 0;
}

// A number as prose writes it at `at`: 1,234.5 or 1 234 or 2,74 or .5; its end.
size_t number_end(std::string_view text, size_t at) {
  const auto digit = [&](size_t i) { return i < text.size() && is_digit(text[i]); };
  size_t end = at;
  if (end < text.size() && text[end] == '-') ++end;
  size_t begin = end;
  while (digit(end)) ++end;
  if (end - begin >= 1 && end - begin <= 3 && text[begin] != '0') {
    while (end + 3 < text.size() && (text[end] == ',' || text[end] == ' ') && digit(end + 1) && digit(end + 2) &&
           digit(end + 3) && !digit(end + 4))
      end += 4;
    for (std::string_view separator : {"{,}", ",\\!", "\\!"})
      while (text.substr(end).starts_with(separator) && digit(end + separator.size())) {
        end += separator.size();
        while (digit(end)) ++end;
      }
  }
  if (end < text.size() && (text[end] == '.' || text[end] == ',') && digit(end + 1)) {
    ++end;
    while (digit(end)) ++end;
  }
  return end > begin ? end : at;
}

bool is_operator(std::string_view text, size_t at, size_t* bytes) {
  *bytes = 1;
  if (std::string_view("+-*/^()").find(text[at]) != std::string_view::npos) return true;
  for (std::string_view sign : {"×", "÷"}) {
    if (!text.substr(at).starts_with(sign)) continue;
    *bytes = sign.size();
    return true;
  }
  return false;
}

// A sum of numbers as prose writes it, "1/2" or "(3+4)*2": the longest run of digits, operators and blanks.
size_t expression_end(std::string_view text, size_t at) {
  size_t end = at, last = at, bytes = 1;
  bool has_operator = false, has_digit = false;
  int depth = 0;
  while (end < text.size() && end - at < 300) {
    char c = text[end];
    if (is_digit(c) || (c == '.' && end + 1 < text.size() && is_digit(text[end + 1]))) {
      has_digit = true;
      ++end;
      last = end;
    } else if (c == ' ') {
      ++end;
    } else if (is_operator(text, end, &bytes)) {
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
      if (depth < 0) break;
      has_operator = has_operator || (has_digit && c != '(' && c != ')');
      end += bytes;
      if (c == ')') last = end;
    } else {
      break;
    }
  }
  if (!has_operator || depth != 0) return at;
  size_t sum_end = last;
  return sum_end;
}

// "30 - 8" counts as an expression only when an operator stands between two numbers of it.
bool is_expression(std::string_view run) {
  bool seen_digit = false, seen_operator = false;
  for (char c : run) {
    if (is_digit(c)) {
      if (seen_operator) return true;
      seen_digit = true;
    } else if (seen_digit && std::string_view("+-*/^").find(c) != std::string_view::npos) {
      seen_operator = true;
    } else if (seen_digit && static_cast<unsigned char>(c) >= 128) {
      seen_operator = true;
    }
  }
  return false;
}

std::optional<Phrase> plain_at(std::string_view text, size_t at) {
  bool starts = at == 0 || is_space(text[at - 1]) || text[at - 1] == '=' || text[at - 1] == '*' ||
                text[at - 1] == ':' || text[at - 1] == '"' || text[at - 1] == '(';
  if (!starts) return std::nullopt;
  size_t sign = currency_bytes(text.substr(at));
  size_t begin = at + sign;
  if (begin >= text.size()) return std::nullopt;
  if (sign == 0 && (is_digit(text[begin]) || text[begin] == '(' || text[begin] == '-')) {
    size_t end = expression_end(text, begin);
    bool closed = end >= text.size() || is_space(text[end]) || std::string_view(".,:)$*;?!\"").find(text[end]) < 10;
    if (end > begin && closed && is_expression(text.substr(begin, end - begin)))
      return Phrase{at, end, std::string(text.substr(begin, end - begin)), true};
  }
  size_t end = number_end(text, begin);
  if (end == begin) return std::nullopt;
  return Phrase{at, end, std::string(text.substr(begin, end - begin)), true};
}

// The formula or number that starts at `at`, with what follows "and", "or" or a comma, and a percent sign.
std::optional<Phrase> phrase_at(std::string_view text, size_t at) {
  std::optional<Phrase> first = formula_at(text, at);
  if (!first) first = fraction_at(text, at);
  if (!first) {
    first = plain_at(text, at);
    if (!first) return std::nullopt;
    first->text += percent_behind(text, first->end);
    return first;
  }
  first->text += percent_behind(text, first->end);
  for (int more = 0; more < 5; ++more) {
    size_t next = first->end;
    const auto skip_spaces = [&] {
      while (next < text.size() && is_space(text[next])) ++next;
    };
    skip_spaces();
    bool joined = false;
    if (next < text.size() && text[next] == ',') ++next, joined = true;
    skip_spaces();
    for (std::string_view word : {"and", "or"})
      if (text.substr(next).starts_with(word)) {
        next += word.size(), joined = true;
        break;
      }
    skip_spaces();
    if (!joined || next >= text.size()) break;
    auto other = formula_at(text, next);
    if (!other) break;
    base::append(first->text, base::cat(",", other->text, percent_behind(text, other->end)));
    first->end = other->end;
  }
  return first;
}

// Every formula and number of the text, front to back.
std::vector<Phrase> all_phrases(std::string_view text) {
  std::vector<Phrase> phrases;
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    bool may_start = c == '$' || c == '\\' || c == '-' || c == '.' || c == '(' || is_digit(c) ||
                     static_cast<unsigned char>(c) >= 128;
    std::optional<Phrase> phrase = may_start ? phrase_at(text, at) : std::nullopt;
    if (!phrase) {
      ++at;
      continue;
    }
    at = std::max(phrase->end, at + 1);
    phrases.push_back(std::move(*phrase));
  }
  return phrases;
}

// The first phrase that begins between `from` and `to`; one whose formula began before counts by what it holds.
const Phrase* first_between(const std::vector<Phrase>& phrases, size_t from, size_t to) {
  for (const Phrase& p : phrases) {
    if (p.begin < from) continue;
    return p.begin <= to ? &p : nullptr;
  }
  return nullptr;
}

// "(B)" or "B." behind "answer is": one capital letter that begins no word.
std::optional<Phrase> choice_at(std::string_view text, size_t at) {
  const auto skip = [&] {
    while (at < text.size() && (is_space(text[at]) || std::string_view(":*($\\").find(text[at]) < 5)) ++at;
  };
  skip();
  if (text.substr(at).starts_with("is ")) at += 3, skip();
  if (at >= text.size() || text[at] < 'A' || text[at] > 'J') return std::nullopt;
  size_t behind = at + 1;
  if (behind < text.size() && std::string_view(").*$:").find(text[behind]) == std::string_view::npos) {
    while (behind < text.size() && is_space(text[behind])) ++behind;
    if (behind < text.size()) return std::nullopt;
  }
  return Phrase{at, at + 1, std::string(1, text[at]), false};
}

void keep(std::vector<Phrase>& out, const Phrase* phrase) {
  if (phrase) out.push_back(*phrase);
}

}  // namespace

std::string percent_behind(std::string_view text, size_t at) {
  while (at < text.size() && (is_space(text[at]) || text[at] == '$' || text[at] == '}')) ++at;
  std::string_view rest = text.substr(std::min(at, text.size()));
  if (rest.starts_with("\\)") || rest.starts_with("\\]")) {
    rest = trimmed(rest.substr(2));
  }
  if (rest.starts_with("%") || rest.starts_with("\\%")) return "\\%";
  std::string word = lower(rest.substr(0, 7));
  return word.starts_with("percent") || word.starts_with("pct") ? "\\%" : "";
}

std::optional<Phrase> closing_phrase(std::string_view text) {
  const std::string small = lower(text);
  size_t at = small.rfind("final answer is");
  if (at == std::string::npos) return std::nullopt;
  size_t begin = at + 15;
  size_t hope = small.find("i hope", begin);
  if (hope == std::string::npos || hope - begin > 300) return std::nullopt;
  while (begin < text.size() &&
         (text[begin] == ':' || is_space(text[begin]) || text[begin] == '"' || text[begin] == '\\') &&
         !formula_at(text, begin))
    ++begin;
  auto phrase = begin < text.size() ? phrase_at(text, begin) : std::nullopt;
  if (!phrase || phrase->end > hope) return std::nullopt;
  return phrase;
}

std::vector<Phrase> answer_phrases(std::string_view text) {
  const std::vector<Phrase> phrases = all_phrases(text);
  const std::string small = lower(text);
  std::vector<Phrase> out;
  const auto from_back = [&](std::string_view words, const auto& visit) {
    for (size_t at = small.rfind(words); at != std::string::npos && out.size() < 20;
         at = at == 0 ? std::string::npos : small.rfind(words, at - 1))
      visit(at + words.size());
  };
  from_back("final answer", [&](size_t at) {
    size_t is = small.find(" is", at);
    if (is == std::string::npos || is - at > 100) return;
    size_t begin = is + 3;
    while (begin < text.size() && (text[begin] == ':' || is_space(text[begin]))) ++begin;
    keep(out, first_between(phrases, begin, begin));
  });
  from_back("answer:", [&](size_t at) { keep(out, first_between(phrases, at, at + 50)); });
  from_back("answer", [&](size_t at) {
    if (auto choice = choice_at(text, at)) out.push_back(*choice);
  });
  from_back("answer", [&](size_t at) { keep(out, first_between(phrases, at, at + 50)); });
  for (size_t i = 0; i < std::min<size_t>(phrases.size(), 5); ++i) out.push_back(phrases[phrases.size() - 1 - i]);
  return out;
}

// Words of two letters that are no product of variables.
bool is_short_word(std::string_view word) {
  for (std::string_view w :
       {"it", "It", "is", "to", "of", "so", "So", "we", "We", "he", "He", "an", "as", "As", "at", "At",
        "be", "by", "By", "do", "if", "If", "in", "In", "me", "my", "No", "no", "on", "On", "up", "us"})
    if (word == w) return true;
  return false;
}

bool is_bare_answer(std::string_view text) {
  if (text.size() > kMaxBare || lower(text.substr(0, 200)).find("answer") != std::string::npos) return false;
  int words = 0, unknown = 0;
  bool has_digit = false;
  for (size_t i = 0; i < text.size();) {
    char c = text[i];
    has_digit = has_digit || is_digit(c);
    if (c == '\\') {
      size_t end = i + 1;
      while (end < text.size() && is_letter(text[end])) ++end;
      std::string_view name = text.substr(i + 1, end - i - 1);
      i = std::max(end, i + 2);
      bool is_text = name.starts_with("text") || name == "mbox" || name.starts_with("math") || name == "begin" ||
                     name == "end" || name == "operatorname";
      if (is_text && i < text.size() && text[i] == '{') i = std::min(text.find('}', i), text.size());
      continue;
    }
    if (!is_letter(c)) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < text.size() && is_letter(text[end])) ++end;
    std::string word(text.substr(i, end - i));
    ++words;
    bool known = (word.size() <= 2 && !is_short_word(word)) || is_unit_word(word) || word == "and" ||
                 word == "infinity" || word == "inf";
    for (std::string_view f : {"sqrt", "sin", "cos", "tan", "log", "exp", "cup", "frac", "union", "ln", "pi"})
      known = known || word == f;
    unknown += !known;
    i = end;
  }
  if (unknown == 0) return true;
  if (has_digit) return unknown == 1 && words == 1 && is_digit(text[0]);  // "12 apples"
  return words <= 4 && text.size() <= 60;
}

}  // namespace ponder::tasks
