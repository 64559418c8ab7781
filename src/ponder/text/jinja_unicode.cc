#include "ponder/text/jinja_unicode.h"

#include <algorithm>
#include <iterator>

namespace ponder::text::jinja {
namespace {

struct Run {
  char32_t first, last;
  uint8_t step;  // 2: every second code point
};
struct Shift {
  char32_t first, last;
  uint8_t step;
  int32_t by;
};
struct Several {
  char32_t from;
  char32_t to[3];  // ends with 0
};

#include "ponder/text/jinja_unicode_tables.inc"

// The entry that covers c, by its first and last; null when none does.
template <class Entry, size_t N>
const Entry* entry_of(const Entry (&table)[N], char32_t c) {
  const Entry* found =
      std::upper_bound(std::begin(table), std::end(table), c, [](char32_t x, const Entry& e) { return x < e.first; });
  if (found == std::begin(table)) return nullptr;
  --found;
  return c <= found->last && (c - found->first) % found->step == 0 ? found : nullptr;
}

template <size_t N, size_t M>
void append_mapped(std::string& out, char32_t c, const Shift (&shifts)[N], const Several (&several)[M]) {
  if (const Shift* shift = entry_of(shifts, c))
    return append_utf8(out, static_cast<char32_t>(static_cast<int64_t>(c) + shift->by));
  const Several* found = std::lower_bound(std::begin(several), std::end(several), c,
                                          [](const Several& s, char32_t x) { return s.from < x; });
  if (found == std::end(several) || found->from != c) return append_utf8(out, c);
  for (const char32_t to : found->to)
    if (to != 0) append_utf8(out, to);
}

}  // namespace

size_t utf8_length(std::string_view text, size_t i) {
  const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0u; };
  const auto follows = [&](size_t k, unsigned lo = 0x80, unsigned hi = 0xBF) { return byte(k) >= lo && byte(k) <= hi; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return follows(1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF)
    return follows(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && follows(2) ? 3 : 0;
  if (lead >= 0xF0 && lead <= 0xF4)
    return follows(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && follows(2) && follows(3) ? 4 : 0;
  return 0;
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t length = utf8_length(text, i);
    if (length == 0) return false;
    i += length;
  }
  return true;
}

char32_t decode_utf8(std::string_view text, size_t i, size_t* length) {
  const auto byte = [&](size_t k) { return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0x80u; };
  const char32_t lead = byte(0);
  if (lead < 0x80) {
    *length = 1;
    return lead;
  }
  *length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  char32_t c = lead & (0x7Fu >> *length);
  for (size_t k = 1; k < *length; ++k) c = c << 6 | (byte(k) & 0x3F);
  *length = std::min(*length, text.size() - i);
  return c;
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

namespace {
bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }
}  // namespace

size_t count_code_points(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

size_t byte_of_code_point(std::string_view text, size_t index) {
  size_t byte = 0;
  for (; index > 0 && byte < text.size(); --index) do
      ++byte;
    while (byte < text.size() && is_continuation(text[byte]));
  return byte;
}

size_t previous_code_point(std::string_view text, size_t end) {
  do --end;
  while (end > 0 && is_continuation(text[end]));
  return end;
}

bool is_space(char32_t c) {
  if (c <= ' ') return (c >= 9 && c <= 13) || c >= 28;
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_line_break(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool is_printable(char32_t c) { return !entry_of(kUnprintable, c); }
bool is_alpha(char32_t c) { return entry_of(kAlpha, c); }
bool is_decimal(char32_t c) { return entry_of(kDecimal, c); }
bool is_digit(char32_t c) { return entry_of(kDigit, c); }
bool is_numeric(char32_t c) { return entry_of(kNumeric, c); }
bool is_upper_case(char32_t c) { return entry_of(kUpperCase, c); }
bool is_lower_case(char32_t c) { return entry_of(kLowerCase, c); }
bool is_title_case(char32_t c) { return entry_of(kTitleCase, c); }
bool is_cased(char32_t c) { return entry_of(kCased, c); }
bool is_case_ignorable(char32_t c) { return entry_of(kCaseIgnorable, c); }
void append_upper(std::string& out, char32_t c) { append_mapped(out, c, kUpper, kUpperSeveral); }
void append_lower(std::string& out, char32_t c) { append_mapped(out, c, kLower, kLowerSeveral); }
void append_title(std::string& out, char32_t c) { append_mapped(out, c, kTitle, kTitleSeveral); }

void strip_spaces(std::string_view text, bool left, bool right, size_t* begin, size_t* end) {
  size_t length;
  while (left && *begin < *end && is_space(decode_utf8(text, *begin, &length))) *begin += length;
  while (right && *end > *begin) {
    const size_t last = previous_code_point(text, *end);
    if (!is_space(decode_utf8(text, last, &length))) break;
    *end = last;
  }
}

}  // namespace ponder::text::jinja
