#include "ponder/text/unicode.h"

#include <gtest/gtest.h>

#include <functional>

#include "ponder/text/normalization.h"

namespace ponder::text {
namespace {

// CRC-32 as zlib's, so that all of Unicode can be compared by one number with what tests/reference/check_unicode.py
// prints.
class Crc {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) {
      crc_ ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc_ = crc_ >> 1 ^ (crc_ & 1 ? 0xEDB88320u : 0);
    }
  }
  uint32_t value() const { return ~crc_; }

 private:
  uint32_t crc_ = ~0u;
};

std::string normalized(const std::string& text, NormalForm form) {
  std::string out;
  for (const NormalizedPoint& point : normalize(text, form)) append_utf8(out, point.value);
  EXPECT_TRUE(!is_surely_normal(text, form) || out == text) << text;
  return out;
}

// The generator of check_unicode.py.
class Sequences {
 public:
  std::string next() {
    std::string out;
    for (uint64_t letters = 1 + below(3); letters > 0; --letters) {
      append_utf8(out, pick(kBases, std::size(kBases)));
      for (uint64_t marks = below(5); marks > 0; --marks) append_utf8(out, pick(kMarks, std::size(kMarks)));
    }
    return out;
  }

 private:
  struct Range {
    char32_t first, last;
  };
  static constexpr Range kBases[] = {
      {0x61, 0x7A},     {0xC0, 0x24F},      {0x390, 0x3CE},     {0x410, 0x44F},   {0x5D0, 0x5EA},   {0x627, 0x64A},
      {0x915, 0x939},   {0x1100, 0x1112},   {0xAC00, 0xAC1C},   {0x3046, 0x30FE}, {0x1E00, 0x1EFF}, {0x1F00, 0x1FFF},
      {0xF900, 0xFA6D}, {0x1D15E, 0x1D164}, {0x110A5, 0x110AB}, {0x2126, 0x212B}, {0xFB1D, 0xFB4F}, {0x3200, 0x33FF}};
  static constexpr Range kMarks[] = {{0x300, 0x34F},     {0x483, 0x487},     {0x591, 0x5C7},     {0x610, 0x61A},
                                     {0x64B, 0x65F},     {0x898, 0x8FF},     {0x93C, 0x94D},     {0x1161, 0x1175},
                                     {0x11A8, 0x11C2},   {0x1AB0, 0x1ACE},   {0x1DC0, 0x1DFF},   {0x20D0, 0x20F0},
                                     {0x3099, 0x309A},   {0xFE20, 0xFE2F},   {0x1D165, 0x1D172}, {0x110B9, 0x110BA},
                                     {0x1E8D0, 0x1E8D6}, {0x10EFD, 0x10EFF}, {0x1E4EC, 0x1E4EF}};

  uint64_t below(uint64_t n) {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return (state_ >> 33) % n;
  }
  char32_t pick(const Range* ranges, size_t count) {
    const Range& range = ranges[below(count)];
    return range.first + static_cast<char32_t>(below(range.last - range.first + 1));
  }

  uint64_t state_ = 1;
};

TEST(Unicode, CategoriesAreThoseOfUnicode16) {
  static constexpr std::string_view kNames = "CnCcCfCoCsLlLmLoLtLuMcMeMnNdNlNoPcPdPePfPiPoPsScSkSmSoZlZpZs";
  Crc crc;
  for (char32_t c = 0; c <= kMaxCodePoint; ++c) crc.add(kNames.substr(2 * category(c), 2));
  EXPECT_EQ(crc.value(), 0x65f5e01au);
  EXPECT_EQ(category(kMaxCodePoint + 1), kCn);
  EXPECT_EQ(category(0x1C89), kLu);  // new in 16.0
}

TEST(Unicode, NormalFormsOfAllCodePointsAndOfSequencesAreThoseOfTheReference) {
  const struct {
    NormalForm form;
    uint32_t points, sequences;
  } kWanted[] = {{NormalForm::kNfc, 0xa2d04104, 0xce6bb0f3},
                 {NormalForm::kNfd, 0x2bee3f02, 0xb78cf176},
                 {NormalForm::kNfkc, 0xc1bfd5f3, 0x4177a430},
                 {NormalForm::kNfkd, 0x0973feff, 0x69c7a6df}};
  for (const auto& wanted : kWanted) {
    Crc points, mixed;
    for (char32_t c = 0; c <= kMaxCodePoint; ++c) {
      if (c >= 0xD800 && c < 0xE000) continue;
      if (c > 0) points.add("\n");
      points.add(normalized(utf8(c), wanted.form));
    }
    EXPECT_EQ(points.value(), wanted.points);
    Sequences sequences;
    for (int i = 0; i < 200'000; ++i) {
      if (i > 0) mixed.add("\n");
      mixed.add(normalized(sequences.next(), wanted.form));
    }
    EXPECT_EQ(mixed.value(), wanted.sequences);
  }
}

TEST(Unicode, NormalisationIsOfUnicode9) {
  EXPECT_EQ(normalized("\u32FF", NormalForm::kNfkc), "\u32FF");  // a square era name of 2019
  EXPECT_EQ(normalized("\u212B", NormalForm::kNfc), "\u00C5");
  EXPECT_EQ(normalized("e\u0301", NormalForm::kNfc), "\u00E9");
  EXPECT_EQ(normalized("\u1112\u1161\u11AB", NormalForm::kNfc), "\uD55C");
}

TEST(Unicode, NormalizedPointsKnowWhereTheyCameFrom) {
  const auto points = normalize("ae\u0301z", NormalForm::kNfc);
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[1].value, 0xE9u);
  EXPECT_EQ(points[1].begin, 1u);
  EXPECT_EQ(points[1].end, 4u);
  EXPECT_EQ(points[2].begin, 4u);
}

TEST(Unicode, Utf8Validity) {
  for (const char* good : {"", "a", "\u00E9", "\uFFFF", "\U0010FFFF", "\uD7FF\uE000"})
    EXPECT_EQ(valid_utf8_prefix(good), std::string_view(good).size());
  const std::pair<std::string, size_t> broken[] = {{"\x80", 1},
                                                   {"\xC0\x80", 1},
                                                   {"\xC1\xBF", 1},
                                                   {"\xC3", 1},
                                                   {"\xE0\x80\x80", 1},
                                                   {"\xE2\x82", 2},
                                                   {"\xED\xA0\x80", 1},
                                                   {"\xF0\x80\x80\x80", 1},
                                                   {"\xF0\x9F\x98", 3},
                                                   {"\xF4\x90\x80\x80", 1},
                                                   {"\xF5\x80", 1},
                                                   {"\xFF", 1},
                                                   {"\xE2\x82"
                                                    "a",
                                                    2},
                                                   {"\xF1\x80\x80\xC3", 3}};
  for (const auto& [text, length] : broken) {
    EXPECT_EQ(valid_utf8_prefix(text), 0u) << text;
    EXPECT_EQ(invalid_utf8_length(text), length) << text;
  }
  EXPECT_TRUE(is_partial_utf8("\xF0\x9F\x98"));
  EXPECT_FALSE(is_partial_utf8("\xF0\x9F\x98\x80"));
  EXPECT_FALSE(is_partial_utf8("\xC0"));
  EXPECT_FALSE(is_partial_utf8(""));
}

TEST(Unicode, WhiteSpaceHas25CodePoints) {
  int count = 0;
  for (char32_t c = 0; c <= kMaxCodePoint; ++c) count += is_white_space(c);
  EXPECT_EQ(count, 25);
}

}  // namespace
}  // namespace ponder::text
