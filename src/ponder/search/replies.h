// What models reply in words, for strategies that ask them.
#pragma once
#include <cctype>
#include <string>
#include <vector>

namespace ponder::search {

// Lower-case words of letters.
inline std::vector<std::string> words_in(const std::string& text) {
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

}  // namespace ponder::search
