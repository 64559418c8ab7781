// UTF-8 and what tokenizers ask about code points: category (Unicode 16.0, as the reference's regular expressions),
// white space, letters of a word. Used by the parts of a tokenizer.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ponder::text {

// General categories in the order of unicode_tables.cc.
// clang-format off
enum Category : uint8_t {
  kCn, kCc, kCf, kCo, kCs, kLl, kLm, kLo, kLt, kLu, kMc, kMe, kMn, kNd, kNl, kNo,
  kPc, kPd, kPe, kPf, kPi, kPo, kPs, kSc, kSk, kSm, kSo, kZl, kZp, kZs, kCategories
};
// clang-format on
using CategorySet = uint32_t;  // bit c is category c
constexpr CategorySet category_bit(Category c) { return CategorySet{1} << c; }
// "L", "Lu", "N", …: nothing for an unknown name.
std::optional<CategorySet> category_set(std::string_view name);

constexpr char32_t kMaxCodePoint = 0x10FFFF;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

Category category(char32_t c);
inline bool has_category(char32_t c, CategorySet set) { return (set >> category(c)) & 1; }
bool is_white_space(char32_t c);  // White_Space: 25 code points
bool is_word(char32_t c);         // \w of the Rust regex crate: letters, marks, decimal digits, connectors, joiners

struct CodePoint {
  char32_t value;
  uint32_t length;  // bytes
};
// The code point that starts at `at`; the text must be valid UTF-8 and `at` the start of one.
inline CodePoint code_point_at(std::string_view text, size_t at) {
  const auto* s = reinterpret_cast<const unsigned char*>(text.data()) + at;
  if (s[0] < 0x80) return {s[0], 1};
  if (s[0] < 0xE0) return {static_cast<char32_t>((s[0] & 0x1F) << 6 | (s[1] & 0x3F)), 2};
  if (s[0] < 0xF0) return {static_cast<char32_t>((s[0] & 0x0F) << 12 | (s[1] & 0x3F) << 6 | (s[2] & 0x3F)), 3};
  return {static_cast<char32_t>((s[0] & 0x07) << 18 | (s[1] & 0x3F) << 12 | (s[2] & 0x3F) << 6 | (s[3] & 0x3F)), 4};
}
// The code point that ends before `end` (> 0), of valid UTF-8.
CodePoint code_point_before(std::string_view text, size_t end);
void append_utf8(std::string& out, char32_t c);
std::string utf8(char32_t c);

// How many bytes from the start are whole, valid UTF-8 sequences (Unicode 16, table 3-7: no surrogates, no overlong).
size_t valid_utf8_prefix(std::string_view text);
// Length of the invalid part at the start of a text that does not begin with a valid sequence: the longest start of a
// valid sequence, or one byte. What Unicode calls a maximal subpart; each becomes one U+FFFD.
size_t invalid_utf8_length(std::string_view text);
// Whether the bytes are the start of a sequence that more bytes could complete.
bool is_partial_utf8(std::string_view bytes);
std::string replace_invalid_utf8(std::string_view text);

}  // namespace ponder::text
