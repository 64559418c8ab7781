#include "ponder/tasks/word_answers.h"

#include <algorithm>
#include <cctype>

#include "ponder/tasks/dataset.h"

namespace ponder::tasks {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";

std::string_view trimmed(std::string_view s) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = s.find_first_not_of(kSpace);
  return first == std::string_view::npos ? s.substr(0, 0) : s.substr(first, s.find_last_not_of(kSpace) - first + 1);
}

// Where the last answer in a box or behind #### begins; npos when there is none.
size_t last_mark(std::string_view text) {
  size_t last = std::string_view::npos;
  for (const std::string_view mark : {"####", "\\boxed", "\\fbox"})
    if (const size_t at = text.rfind(mark); at != std::string_view::npos)
      last = last == std::string_view::npos ? at : std::max(last, at);
  return last;
}

// Lower-case words of letters.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    if (std::isalpha(static_cast<unsigned char>(c))) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty() && c != '\'') {
      words.push_back(std::exchange(word, ""));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

int64_t count_any(const std::vector<std::string>& words, std::initializer_list<std::string_view> wanted) {
  return std::ranges::count_if(words, [&](const std::string& w) { return std::ranges::count(wanted, w) > 0; });
}

}  // namespace

WordReading read_words(std::string_view completion, const WordEnds& ends) {
  size_t end = std::string_view::npos;
  for (const auto* list : {&ends.tokens, &ends.texts})
    for (const std::string& text : *list) end = std::min(end, completion.find(text));
  WordReading reading;
  reading.finished = end != std::string_view::npos || ends.tokens.empty();
  reading.body = completion.substr(0, end);
  reading.said = reading.body;
  const size_t close = reading.body.rfind(kClose);
  if (close != std::string_view::npos) reading.said.remove_prefix(close + kClose.size());
  reading.thinks =
      reading.said.find(kOpen) != std::string_view::npos || (ends.opens_thought && close == std::string_view::npos);
  return reading;
}

std::optional<std::string> claim_of(const WordReading& reading) {
  if (reading.thinks) return std::nullopt;
  std::string_view said = reading.said;
  if (!reading.finished) {
    const size_t line_end = said.rfind('\n');
    said = said.substr(0, line_end == std::string_view::npos ? 0 : line_end);
    if (last_mark(said) == std::string_view::npos) return std::nullopt;
  }
  said = trimmed(said);
  return said.empty() ? std::nullopt : std::optional<std::string>(said);
}

std::string thought_in(const WordReading& reading) {
  const size_t mark = reading.thinks ? std::string_view::npos : last_mark(reading.said);
  if (mark == std::string_view::npos) return std::string(trimmed(reading.body));
  return std::string(trimmed(reading.body.substr(0, reading.body.size() - reading.said.size() + mark)));
}

size_t answer_begin(const WordReading& reading) {
  const std::string_view body = reading.body;
  if (reading.thinks) return body.size();
  if (reading.said.size() < body.size()) return body.size() - reading.said.size() - kClose.size();
  const size_t mark = last_mark(body);
  if (mark != std::string_view::npos) return mark;
  if (!reading.finished) return body.size();
  const size_t last = body.find_last_not_of(" \t\r\n");
  const size_t line = last == std::string_view::npos ? last : body.rfind('\n', last);
  return line == std::string_view::npos ? 0 : line + 1;
}

text::BehaviourCounts behaviours_in(std::string_view body) {
  text::BehaviourCounts n;
  for (size_t begin = 0; begin < body.size();) {
    const size_t end = std::min(body.find('\n', begin), body.size());
    for (const LineEquation& e : equations_of(body.substr(begin, end - begin)))
      ++n.equations, n.wrong_equations += !e.holds;
    begin = end + 1;
  }
  const std::vector<std::string> words = words_of(body);
  n.corrections = count_any(words, {"wait", "mistake", "oops", "actually"});
  n.checks = count_any(words, {"check", "verify", "recheck"});
  n.tries = count_any(words, {"try"});
  n.backs = count_any(words, {"alternatively", "instead"});
  return n;
}

}  // namespace ponder::tasks
