#include "ponder/tasks/math_extract.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "ponder/base/cat.h"
#include "ponder/tasks/math_phrases.h"

namespace ponder::tasks {
namespace {

struct Box {
  size_t begin = 0, end = 0;  // of the command and its braces
  std::string content;
};

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

// All boxes, front to back. One that is not closed runs to the end of the text, one without braces to a $ or a space.
std::vector<Box> find_boxes(std::string_view text) {
  std::vector<Box> boxes;
  for (size_t at = 0; at < text.size();) {
    size_t boxed = text.find("\\boxed", at), fbox = text.find("\\fbox", at);
    size_t begin = std::min(boxed, fbox);
    if (begin == std::string_view::npos) break;
    size_t open = begin + (boxed < fbox ? 6 : 5);
    while (open < text.size() && is_space(text[open])) ++open;
    if (open >= text.size()) break;
    size_t end = open;
    if (text[open] != '{') {
      while (end < text.size() && text[end] != '$' && !is_space(text[end])) ++end;
      boxes.push_back({begin, end, std::string(text.substr(open, end - open))});
      at = std::max(end, open + 1);
      continue;
    }
    int depth = 0;
    for (; end < text.size(); ++end) {
      if (text[end] == '{') ++depth;
      if (text[end] == '}' && --depth == 0) break;
    }
    std::string content(trimmed(text.substr(open + 1, end - open - 1)));
    end = std::min(end + 1, text.size());
    boxes.push_back({begin, end, std::move(content)});
    at = end;
  }
  return boxes;
}

bool has_separator(std::string_view between) {
  for (size_t i = 0; i < between.size(); ++i) {
    if (between[i] == ',' || between[i] == ';') return true;
    for (std::string_view word : {"and", "or"}) {
      if (!between.substr(i).starts_with(word)) continue;
      bool starts = i == 0 || !std::isalpha(static_cast<unsigned char>(between[i - 1]));
      size_t behind = i + word.size();
      bool ends = behind == between.size() || !std::isalpha(static_cast<unsigned char>(between[behind]));
      if (starts && ends) return true;
    }
  }
  return false;
}

// "\boxed{1} and \boxed{2}" is one answer of two items: boxes side by side, or joined by a comma, "and" or "or".
bool belong_together(std::string_view text, const Box& a, const Box& b) {
  std::string_view between = text.substr(a.end, b.begin - a.end);
  if (between.size() < 10) return true;
  return a.content != b.content && between.size() < 70 && has_separator(between);
}

// The group of boxes that ends with box `last`; *first becomes the first of it.
std::string group_content(std::string_view text, const std::vector<Box>& boxes, size_t last, size_t* first) {
  *first = last;
  while (*first > 0 && belong_together(text, boxes[*first - 1], boxes[*first])) --*first;
  std::string content;
  for (size_t i = *first; i <= last; ++i) {
    if (i > *first && boxes[i].content == boxes[i - 1].content) continue;
    base::append(content, base::cat(content.empty() ? "" : ",", boxes[i].content));
  }
  return content;
}

FoundAnswers from_boxes(std::string_view text) {
  std::vector<Box> boxes = find_boxes(text);
  FoundAnswers found;
  if (boxes.empty()) {
    found.problem = "no \\boxed{…} in it";
    return found;
  }
  size_t first = 0;
  std::string content = group_content(text, boxes, boxes.size() - 1, &first);
  for (size_t last = first; last > 0; last = first) {
    if (group_content(text, boxes, last - 1, &first) == content) continue;
    found.problem = "several boxes that say different things";
    return found;
  }
  found.answers.push_back({content + percent_behind(text, boxes.back().end), false});
  return found;
}

FoundAnswers from_hashes(std::string_view text) {
  FoundAnswers found;
  std::string first;
  for (size_t at = text.find("####"); at != std::string_view::npos; at = text.find("####", at)) {
    at += 4;
    size_t end = std::min(text.find('\n', at), text.size());
    std::string answer(trimmed(text.substr(at, end - at)));
    if (answer.empty()) continue;
    if (!first.empty() && answer != first) {
      found.answers.clear();
      found.problem = "several lines \"#### …\" that say different things";
      return found;
    }
    if (first.empty()) found.answers.push_back({answer, false});
    first = answer;
  }
  if (found.answers.empty()) found.problem = "no line \"#### …\" in it";
  return found;
}

void append_all(FoundAnswers& to, FoundAnswers from) {
  for (FoundAnswer& answer : from.answers) to.answers.push_back(std::move(answer));
}

FoundAnswers lenient(std::string_view text) {
  FoundAnswers found;
  std::vector<Box> boxes = find_boxes(text);
  size_t box_end = boxes.empty() ? 0 : boxes.back().end;
  const auto add_boxes = [&] {
    if (boxes.empty()) return;
    size_t first = 0;
    found.answers.push_back(
        {group_content(text, boxes, boxes.size() - 1, &first) + percent_behind(text, boxes.back().end), false});
  };
  std::optional<Phrase> closing = closing_phrase(text);
  if (closing && closing->begin > box_end) found.answers.push_back({closing->text, closing->plain});
  add_boxes();
  append_all(found, from_hashes(text));
  // A box or a bare formula that cannot be read is not replaced by some number of it.
  if (!found.answers.empty()) return found;
  if (is_bare_answer(text)) {
    found.answers.push_back({std::string(text), false, true});
    return found;
  }
  for (Phrase& phrase : answer_phrases(text)) found.answers.push_back({std::move(phrase.text), phrase.plain});
  if (found.answers.empty()) found.problem = "no formula and no number in it";
  return found;
}

FoundAnswers whole(std::string_view text) {
  if (text.find("\\boxed") != std::string_view::npos || text.find("\\fbox") != std::string_view::npos)
    return from_boxes(text);
  if (text.find("####") != std::string_view::npos) return from_hashes(text);
  if (!is_bare_answer(text)) return {{}, "there is more in it than an answer"};
  return {{{std::string(text), false, true}}, ""};
}

}  // namespace

FoundAnswers find_answers(std::string_view completion, AnswerPlace place) {
  if (size_t thought = completion.rfind("</think>"); thought != std::string_view::npos)
    completion.remove_prefix(thought + 8);
  if (completion.size() > kMaxCompletionBytes) completion.remove_prefix(completion.size() - kMaxCompletionBytes);
  completion = trimmed(completion);
  if (completion.size() > 4 && completion.starts_with("**") && completion.find("**", 2) == completion.size() - 2)
    completion = trimmed(completion.substr(2, completion.size() - 4));
  if (completion.empty()) return {{}, "it is empty"};
  switch (place) {
    case AnswerPlace::kBoxed:
      return from_boxes(completion);
    case AnswerPlace::kHashes:
      return from_hashes(completion);
    case AnswerPlace::kWhole:
      return whole(completion);
    case AnswerPlace::kLenient:
      break;
  }
  return lenient(completion);
}

}  // namespace ponder::tasks
