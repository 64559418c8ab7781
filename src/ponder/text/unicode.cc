#include "ponder/text/unicode.h"

#include <vector>

#include "ponder/text/unicode_tables.h"

namespace ponder::text {
namespace {

// One byte a code point: the fastest look-up, and 1.1 MB that are built once.
std::vector<uint8_t> build_categories() {
  std::vector<uint8_t> categories(kMaxCodePoint + 1);
  for (size_t i = 0; i < kCategoryRunsSize; ++i) {
    const uint32_t end = i + 1 < kCategoryRunsSize ? kCategoryRuns[i + 1] >> 5 : kMaxCodePoint + 1;
    for (uint32_t c = kCategoryRuns[i] >> 5; c < end; ++c) categories[c] = kCategoryRuns[i] & 31;
  }
  return categories;
}

constexpr std::string_view kNames = "CnCcCfCoCsLlLmLoLtLuMcMeMnNdNlNoPcPdPePfPiPoPsScSkSmSoZlZpZs";

// Bytes of the sequence that this byte leads, 0 when it leads none; [lo, hi] bounds the second byte.
size_t led_length(unsigned char lead, unsigned char& lo, unsigned char& hi) {
  lo = 0x80, hi = 0xBF;
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return 2;
  if (lead < 0xF0) {
    if (lead == 0xE0) lo = 0xA0;
    if (lead == 0xED) hi = 0x9F;
    return 3;
  }
  if (lead > 0xF4) return 0;
  if (lead == 0xF0) lo = 0x90;
  if (lead == 0xF4) hi = 0x8F;
  return 4;
}

// How many bytes at the start belong to one sequence, whole or cut off; `length` is what the whole one has.
size_t sequence_prefix(std::string_view text, size_t& length) {
  unsigned char lo, hi;
  length = led_length(static_cast<unsigned char>(text[0]), lo, hi);
  if (length == 0) return 0;
  size_t n = 1;
  for (; n < length && n < text.size(); ++n, lo = 0x80, hi = 0xBF) {
    const auto byte = static_cast<unsigned char>(text[n]);
    if (byte < lo || byte > hi) break;
  }
  return n;
}

}  // namespace

std::optional<CategorySet> category_set(std::string_view name) {
  CategorySet set = 0;
  for (size_t i = 0; i < kCategories && !name.empty() && name.size() <= 2; ++i)
    if (kNames.substr(2 * i, name.size()) == name) set |= CategorySet{1} << i;
  return set ? std::optional(set) : std::nullopt;
}

Category category(char32_t c) {
  static const std::vector<uint8_t> categories = build_categories();
  return c <= kMaxCodePoint ? static_cast<Category>(categories[c]) : kCn;
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_word(char32_t c) {
  constexpr CategorySet kWord = 1u << kLu | 1u << kLl | 1u << kLt | 1u << kLm | 1u << kLo | 1u << kMn | 1u << kMc |
                                1u << kMe | 1u << kNd | 1u << kNl | 1u << kPc;
  const auto is_between = [c](char32_t lo, char32_t hi) { return c >= lo && c <= hi; };
  // Alphabetic though symbols: circled and squared Latin letters.
  return has_category(c, kWord) || c == 0x200C || c == 0x200D || is_between(0x24B6, 0x24E9) ||
         is_between(0x1F130, 0x1F149) || is_between(0x1F150, 0x1F169) || is_between(0x1F170, 0x1F189);
}

CodePoint code_point_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return code_point_at(text, at);
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (c & 0x3F));
  }
}

std::string utf8(char32_t c) {
  std::string out;
  append_utf8(out, c);
  return out;
}

size_t valid_utf8_prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    size_t length;
    if (sequence_prefix(text.substr(at), length) != length || length == 0) break;
    at += length;
  }
  return at;
}

size_t invalid_utf8_length(std::string_view text) {
  size_t length;
  const size_t n = sequence_prefix(text, length);
  return n == 0 ? 1 : n;
}

bool is_partial_utf8(std::string_view bytes) {
  size_t length;
  return !bytes.empty() && sequence_prefix(bytes, length) == bytes.size() && bytes.size() < length;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t n = valid_utf8_prefix(text);
    out += text.substr(0, n);
    text.remove_prefix(n);
    if (text.empty()) break;
    out += kReplacement;
    text.remove_prefix(invalid_utf8_length(text));
  }
  return out;
}

}  // namespace ponder::text
