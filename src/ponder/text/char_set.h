// Sets of code points as regular expressions write them: [^\s\p{L}\p{N}]. Used by text/regex.h.
#pragma once
#include <array>
#include <utility>
#include <vector>

#include "ponder/text/unicode.h"

namespace ponder::text {

class CharSet {
 public:
  CharSet() = default;
  static CharSet of(char32_t c);
  static CharSet all_but_newline();

  void add(char32_t first, char32_t last);
  void add_categories(CategorySet categories) { categories_ |= categories; }
  void add_white_space(bool negated) { negated ? not_space_ = true : space_ = true; }
  void add_word(bool negated) { negated ? not_word_ = true : word_ = true; }
  void negate() { negated_ = !negated_; }
  void finish();  // after the last change, before the first question

  bool has_ascii(unsigned char c) const { return ascii_[c]; }  // c < 0x80
  bool has(char32_t c) const { return c < 0x80 ? ascii_[c] : has_wide(c); }
  bool may_be_wide() const { return may_be_wide_; }  // has something beyond ASCII, perhaps

 private:
  bool has_wide(char32_t c) const;
  bool listed(char32_t c) const;

  std::vector<std::pair<char32_t, char32_t>> ranges_;
  CategorySet categories_ = 0;
  bool space_ = false, not_space_ = false, word_ = false, not_word_ = false, negated_ = false, may_be_wide_ = true;
  std::array<bool, 128> ascii_{};
};

}  // namespace ponder::text
