#include "ponder/tasks/math_parse.h"

#include <gtest/gtest.h>

#include "ponder/base/rng.h"
#include "ponder/tasks/math_equal.h"

namespace ponder::tasks {
namespace {

std::string read(const std::string& text, Comma comma = Comma::kThousands) {
  auto node = parse_math(text, comma);
  return node ? math_text(*node) : "unreadable";
}

TEST(MathParse, ReadsLatexAndPlainText) {
  EXPECT_EQ(read("\\frac{1}{2}x"), "((1/2)*x)");
  EXPECT_EQ(read("1/2x"), "((1/2)*x)");
  EXPECT_EQ(read("\\frac13 + \\sqrt3"), "((1/3) + root(3, (1/2)))");
  EXPECT_EQ(read("-x^2"), "-(x^2)");
  EXPECT_EQ(read("2^3^2"), "(2^(3^2))");
  EXPECT_EQ(read("x_{12}^2"), "(x_{12}^2)");
  EXPECT_EQ(read("\\sin^2 x"), "(sin(x)^2)");
  EXPECT_EQ(read("\\sin^{-1} x"), "arcsin(x)");
  EXPECT_EQ(read("2 \\sin b \\cos a"), "(2*sin(b)*cos(a))");
  EXPECT_EQ(read("f(x+1)"), "f((x + 1))");
  EXPECT_EQ(read("a(x+1)"), "(a*(x + 1))");
  EXPECT_EQ(read("(1,2]"), "(1, 2]");
  EXPECT_EQ(read("\\{x \\mid x > 3\\}"), "x > 3");
  EXPECT_EQ(read("1{,}234"), "1234");
  EXPECT_EQ(read("(1,234)"), "(1, 234)");
  EXPECT_EQ(read("2,74"), "2, 74");
  EXPECT_EQ(read("2,74", Comma::kDecimal), "2.74");
  EXPECT_EQ(read("100,200"), "100200");
  EXPECT_EQ(read("100,200", Comma::kList), "100, 200");
  EXPECT_EQ(read("\\$5.00"), "5.00");
  EXPECT_EQ(read("12\\text{ cm}^2"), "12 cm^2");
  EXPECT_EQ(read("√2·π"), "(root(2, (1/2))*\\pi)");
}

TEST(MathParse, RefusesWhatIsNoFormula) {
  for (const char* text : {"", "+", "(", "\\frac{1}", "1 2", "x =", "\\begin{pmatrix}1&2\\\\3\\end{pmatrix}", "}", "{",
                           "\\sqrt", "^2", "\\cup", "5 =", "[1,2", "\\frac{}{}", "|5"})
    EXPECT_EQ(read(text), "unreadable") << text;
}

TEST(MathParse, LimitsDepthLengthAndSize) {
  EXPECT_EQ(read(std::string(5000, '(') + "1" + std::string(5000, ')')), "unreadable");
  EXPECT_EQ(read(std::string(9000, '{')), "unreadable");
  EXPECT_EQ(read(std::string(9000, '-') + "1"), "unreadable");
  EXPECT_EQ(read(std::string(kMaxMathBytes + 1, '1')), "unreadable");
  std::string nested = "1";
  for (int i = 0; i < 3000; ++i) nested = "\\sqrt{" + nested.substr(0, 6000) + "}";
  EXPECT_EQ(read(nested), "unreadable");
  std::string sum = "1";
  for (int i = 0; i < 5000; ++i) sum += "+1";
  EXPECT_EQ(read(sum), "unreadable");
}

// Any bytes give a tree or nothing, and any two trees a verdict, within the budget.
TEST(MathParse, SurvivesAnyText) {
  const std::vector<std::string> parts{"1",
                                       "23",
                                       "0.5",
                                       "x",
                                       "y_{1}",
                                       "\\frac",
                                       "\\sqrt",
                                       "{",
                                       "}",
                                       "(",
                                       ")",
                                       "[",
                                       "]",
                                       "^",
                                       "_",
                                       "+",
                                       "-",
                                       "*",
                                       "/",
                                       "=",
                                       "<",
                                       "\\le ",
                                       ",",
                                       ";",
                                       "\\pm ",
                                       "\\cup ",
                                       "|",
                                       "\\pi ",
                                       "!",
                                       "%",
                                       "\\text{cm}",
                                       "\\{",
                                       "\\}",
                                       "\\begin{pmatrix}",
                                       "&",
                                       "\\\\",
                                       "\\end{pmatrix}",
                                       "\\infty ",
                                       "\\log_2 ",
                                       "\\sin ",
                                       "e",
                                       "i",
                                       " ",
                                       "$",
                                       "9^9",
                                       "\\circ ",
                                       ":",
                                       "\\in ",
                                       "'",
                                       "∪"};
  base::Rng rng(base::RngKey(99));
  for (int i = 0; i < 3000; ++i) {
    std::string texts[2];
    for (std::string& text : texts) {
      for (int64_t n = rng.below(20); n >= 0; --n) {
        if (rng.chance(0.03))
          text.push_back(static_cast<char>(rng.below(256)));
        else
          text += rng.pick(parts);
      }
    }
    auto a = parse_math(texts[0], rng.chance(0.5) ? Comma::kDecimal : Comma::kThousands), b = parse_math(texts[1]);
    if (a && b) compare_math(*a, *b, 50000);
    if (a) EXPECT_EQ(compare_math(*a, *a, 50000), MathVerdict::kEqual) << texts[0];
  }
}

}  // namespace
}  // namespace ponder::tasks
