#include "ponder/search/replies.h"

#include <algorithm>
#include <cctype>

namespace ponder::search {
namespace {

// Lower-case words of letters.
std::vector<std::string> words_in(const std::string& text) {
  std::vector<std::string> words;
  bool inside = false;
  for (const char c : text) {
    const bool letter = std::isalpha(static_cast<unsigned char>(c)) != 0;
    if (letter && !inside) words.emplace_back();
    if (letter) words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    inside = letter;
  }
  return words;
}

bool is(const std::string& word, std::initializer_list<const char*> list) {
  return std::ranges::find(list, word) != list.end();
}

}  // namespace

std::vector<double> numbers_in(const std::string& reply) {
  constexpr double kMost = 1e12;
  const auto digit = [&](size_t i) { return i < reply.size() && reply[i] >= '0' && reply[i] <= '9'; };
  const auto group = [&](size_t i) { return digit(i) && digit(i + 1) && digit(i + 2) && !digit(i + 3); };
  const auto letter = [&](size_t i) { return std::isalnum(static_cast<unsigned char>(reply[i])) != 0; };
  std::vector<double> numbers;
  for (size_t i = 0; i < reply.size();) {
    if (!digit(i)) {
      ++i;
      continue;
    }
    const bool negative = i > 0 && reply[i - 1] == '-' && (i == 1 || !letter(i - 2));
    double number = 0, unit = 1;
    size_t run = 0;  // digits since the last comma
    while (digit(i) || (i < reply.size() && reply[i] == ',' && run >= 1 && run <= 3 && group(i + 1))) {
      number = reply[i] == ',' ? number : std::min(kMost, number * 10 + (reply[i] - '0'));
      run = reply[i] == ',' ? 0 : run + 1;
      ++i;
    }
    if (i < reply.size() && reply[i] == '.' && digit(i + 1))
      for (++i; digit(i); ++i) number += (reply[i] - '0') * (unit /= 10);
    numbers.push_back(negative ? -number : number);
  }
  return numbers;
}

std::optional<bool> yes_or_no(const std::string& reply) {
  const std::vector<std::string> words = words_in(reply);
  if (words.empty()) return std::nullopt;
  if (is(words[0], {"yes", "right", "correct", "true"})) return true;
  if (is(words[0], {"no", "wrong", "incorrect", "false"})) return false;
  return std::nullopt;
}

bool calls_it_right(const std::string& feedback) {
  const std::vector<std::string> words = words_in(feedback);
  if (const auto said = yes_or_no(feedback)) return *said;
  if (words.size() < 3) return false;
  const size_t verb = is(words[0], {"it", "this"}) ? 1 : words[1] == "answer" ? 2 : words.size();
  return verb + 1 < words.size() && words[verb] == "is" && is(words[verb + 1], {"right", "correct"});
}

Outlook outlook_in(const std::string& reply) {
  Outlook outlook = Outlook::kNone;
  std::string before;
  for (const std::string& word : words_in(reply)) {
    const bool denied = is(before, {"not", "t"});  // isn't
    if (word == "sure") outlook = denied ? Outlook::kLikely : Outlook::kSure;
    if (word == "likely") outlook = denied ? Outlook::kImpossible : Outlook::kLikely;
    if (is(word, {"impossible", "unlikely"})) outlook = denied ? Outlook::kLikely : Outlook::kImpossible;
    before = word;
  }
  return outlook;
}

std::optional<double> opinion_in(const std::string& reply) {
  if (const auto said = yes_or_no(reply)) return *said ? 1 : 0;
  switch (outlook_in(reply)) {
    case Outlook::kSure:
      return 1;
    case Outlook::kLikely:
      return 0.5;
    case Outlook::kImpossible:
      return 0;
    case Outlook::kNone:
      break;
  }
  return std::nullopt;
}

}  // namespace ponder::search
