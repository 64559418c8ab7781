#include "ponder/text/char_set.h"

#include <algorithm>

namespace ponder::text {
namespace {

// \w of Oniguruma, which has no joiners but six of Latin-1's numbers.
bool is_regex_word(char32_t c) {
  const bool is_number = c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE);
  return is_number || (is_word(c) && c != 0x200C && c != 0x200D);
}

}  // namespace

CharSet CharSet::of(char32_t c) {
  CharSet set;
  set.add(c, c);
  set.finish();
  return set;
}

CharSet CharSet::all_but_newline() {
  CharSet set;
  set.add('\n', '\n');
  set.negate();
  set.finish();
  return set;
}

void CharSet::add(char32_t first, char32_t last) { ranges_.emplace_back(first, last); }

void CharSet::finish() {
  for (char32_t c = 0; c < 0x80; ++c) ascii_[c] = listed(c) != negated_;
  const auto is_wide = [](const auto& range) { return range.second >= 0x80; };
  may_be_wide_ = negated_ || categories_ || space_ || not_space_ || word_ || not_word_ ||
                 std::any_of(ranges_.begin(), ranges_.end(), is_wide);
}

bool CharSet::has_wide(char32_t c) const { return listed(c) != negated_; }

bool CharSet::listed(char32_t c) const {
  if (categories_ && has_category(c, categories_)) return true;
  if ((space_ || not_space_) && (is_white_space(c) ? space_ : not_space_)) return true;
  if ((word_ || not_word_) && (is_regex_word(c) ? word_ : not_word_)) return true;
  for (const auto& [first, last] : ranges_)
    if (c >= first && c <= last) return true;
  return false;
}

}  // namespace ponder::text
