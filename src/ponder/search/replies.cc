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

std::vector<int64_t> numbers_in(const std::string& reply) {
  constexpr int64_t kMost = 1'000'000'000'000;
  std::vector<int64_t> numbers;
  bool inside = false;
  for (const char c : reply) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !inside) numbers.push_back(0);
    if (digit) numbers.back() = std::min(kMost, numbers.back() * 10 + (c - '0'));
    inside = digit;
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

}  // namespace ponder::search
