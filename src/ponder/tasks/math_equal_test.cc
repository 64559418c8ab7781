#include "ponder/tasks/math_equal.h"

#include <gtest/gtest.h>

#include <thread>

#include "ponder/tasks/math_parse.h"

namespace ponder::tasks {
namespace {

MathVerdict compared(const std::string& gold, const std::string& answer) {
  auto g = parse_math(gold), a = parse_math(answer);
  EXPECT_TRUE(g.has_value()) << gold;
  EXPECT_TRUE(a.has_value()) << answer;
  if (!g || !a) return MathVerdict::kDifferent;
  return compare_math(*g, *a);
}

struct Pair {
  const char* gold;
  const char* answer;
};

void expect_equal(std::initializer_list<Pair> pairs) {
  for (const Pair& p : pairs) EXPECT_EQ(compared(p.gold, p.answer), MathVerdict::kEqual) << p.gold << "  " << p.answer;
}
void expect_different(std::initializer_list<Pair> pairs) {
  for (const Pair& p : pairs)
    EXPECT_EQ(compared(p.gold, p.answer), MathVerdict::kDifferent) << p.gold << "  " << p.answer;
}

TEST(MathEqual, NumbersInEveryNotation) {
  expect_equal({{"7425000", "7,425,000"},
                {"7425000", "7{,}425{,}000"},
                {"7425000", "7\\,425\\,000"},
                {"1000", "1 000"},
                {"1000", "1000.00"},
                {"0.5", ".5"},
                {"0.5", "\\frac12"},
                {"1/3", "\\dfrac{1}{3}"},
                {"\\frac{13}{4}", "3\\frac{1}{4}"},
                {"2.5", "2 1/2"},
                {"-\\frac{1}{2}", "\\frac{-1}{2}"},
                {"-\\frac{1}{2}", "\\frac{1}{-2}"},
                {"1500", "1.5e3"},
                {"1500", "1.5 \\times 10^3"},
                {"1500", "1.5·10^{3}"},
                {"0.00015", "1.5e-4"},
                {"120", "5!"},
                {"10", "\\binom{5}{2}"},
                {"5", "|{-5}|"},
                {"5", "−(−5)"},
                {"6", "2*3"},
                {"8", "2**3"},
                {"8", "2^{3}"},
                {"3", "\\lfloor 3.7 \\rfloor"},
                {"\\frac{7}{9}", "0.\\overline{7}"},
                {"\\frac{1}{6}", "0.1\\overline{6}"},
                {"12", "twelve"},
                {"5", "\\text{five}"},
                {"12", "\\text{12}"}});
  expect_different({{"0", "0.\\overline{7}"},
                    {"1000", "1005"},  // within 1 %
                    {"1000", "1000.1"},
                    {"1,234", "1,235"},
                    {"12", "1"},
                    {"1", "-1"},
                    {"23", "2 \\cdot 3"},
                    {"3.14", "\\pi"},
                    {"0.33", "\\frac13"}});
}

TEST(MathEqual, RootsAndPowers) {
  expect_equal({{"2\\sqrt{2}", "\\sqrt{8}"},
                {"\\frac{\\sqrt{2}}{2}", "\\frac{1}{\\sqrt{2}}"},
                {"\\sqrt{6}", "\\sqrt2\\sqrt3"},
                {"2\\sqrt[3]{2}", "\\sqrt[3]{16}"},
                {"2\\sqrt[3]{2}", "16^{1/3}"},
                {"-2", "\\sqrt[3]{-8}"},
                {"\\sqrt{4028033}", "\\sqrt{2003}\\sqrt{2011}"},  // primes too large to find
                {"2i", "\\sqrt{-4}"},
                {"\\sqrt{3}-1", "\\frac{2}{1+\\sqrt{3}}"},
                {"1+\\sqrt{2}", "\\sqrt{3+2\\sqrt{2}}"},
                {"\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}"},
                {"-1", "i^2"},
                {"\\frac{1+i}{2}", "\\frac{1}{1-i}"},
                {"e^{2}", "e \\cdot e"},
                {"\\frac{1}{2006!}", "\\frac{1}{2006 \\cdot 2005!}"},
                {"4^{50}", "2^{100}"}});
  expect_different({{"\\sqrt{2}", "1.414"},
                    {"\\sqrt{2}", "\\sqrt{3}"},
                    {"\\sqrt{4028033}", "\\sqrt{4028034}"},
                    {"\\frac{1}{2004!}", "\\frac{1}{2006!}"},
                    {"\\frac{1}{2^{99}}", "\\frac{1}{2^{98}}"},
                    {"e", "2.718"},
                    {"\\pi", "\\frac{22}{7}"},
                    {"\\sqrt{2}+\\sqrt{3}", "3.1463"},
                    {"4", "4\\sqrt{2}"}});
}

TEST(MathEqual, FunctionsOfNumbers) {
  expect_equal({{"\\frac{1}{2}", "\\sin 30^\\circ"},
                {"\\frac{\\sqrt3}{2}", "\\cos\\frac{\\pi}{6}"},
                {"1", "\\tan(45^\\circ)"},
                {"3", "\\log_2 8"},
                {"2", "\\log_{10}(100)"},
                {"\\ln 8", "3\\ln 2"},
                {"\\frac{\\pi}{4}", "\\arctan 1"},
                {"-1", "e^{i\\pi}"},
                {"\\frac{\\sqrt5-1}{4}", "\\sin 18^\\circ"}});
  expect_different({{"\\sin 1", "\\sin 1^\\circ"}, {"\\ln 2", "0.693"}, {"\\log_2 7", "2.8"}});
}

TEST(MathEqual, ExpressionsWithVariables) {
  expect_equal({{"\\frac{x+2}{7}", "\\frac{x}{7}+\\frac{2}{7}"},
                {"x^2-1", "(x+1)(x-1)"},
                {"2-2p", "2(1-p)"},
                {"\\tan^2(y)+1", "\\sec^2(y)"},
                {"\\sin 2x", "2\\sin x\\cos x"},
                {"\\frac{1}{3\\sqrt[3]{x}^2}", "\\frac{1}{3x^{2/3}}"},
                {"\\frac{x^2-1}{x-1}", "x+1"},
                {"2^{2n}", "4^n"},
                {"n(n+1)/2", "\\binom{n+1}{2}"},
                {"x^{n+1}", "x \\cdot x^n"},
                {"x_1+x_{2}", "x_{2} + x_1"},
                {"e^{x}e^{y}", "e^{x+y}"},
                {"\\frac{\\pi r}{h+r}", "\\pi\\frac{r}{r+h}"},
                {"\\sum_{k=0}^{n-1} F_k F_{n-k-1}", "\\sum_{k=0}^{n-1} F_{n-k-1} F_k"}});
  expect_different({{"x", "y"},
                    {"x", "X"},
                    {"AB", "ab"},
                    {"x+2n+1", "x+1"},
                    {"(a+5)(b+2)", "5(b+2)"},
                    {"\\sqrt{x^2}", "x"},
                    {"|x|", "x"},
                    {"\\sin x", "x"},
                    {"x^2", "x^3"},
                    {"2^n", "n^2"},
                    {"\\sum_{k=0}^{n-1} F_k", "\\sum_{k=0}^{n-2} F_k"}});
}

TEST(MathEqual, PercentUnitsAndMoney) {
  expect_equal({{"28\\%", "28"},
                {"28", "28\\%"},
                {"28\\%", "0.28"},
                {"28\\%", "28 percent"},
                {"90^\\circ", "90"},
                {"90", "90 degrees"},
                {"15\\mbox{ cm}^2", "15"},
                {"5 \\text{ km}", "5000 \\text{ meters}"},
                {"2 \\text{ hours}", "120 \\text{ minutes}"},
                {"1 \\text{ m}^2", "10000 \\text{ cm}^2"},
                {"12 apples", "12"},
                {"\\$16386.17", "16386.17"},
                {"0.5", "$0.50"}});
  expect_different({{"5 \\text{ cm}", "5 \\text{ m}"},
                    {"5 \\text{ km}", "5 \\text{ hours}"},
                    {"0.28", "28"},
                    {"28\\%", "2800"},
                    {"28\\%", "29\\%"},
                    {"1 \\text{ m}^2", "100 \\text{ cm}^2"}});
}

TEST(MathEqual, DecimalsOfSixPlacesStandForWhatTheyRound) {
  expect_equal({{"\\frac13", "0.333333"},
                {"0.0833333333333333", "\\frac{1}{12}"},
                {"\\sqrt{17}", "4.123105625617661"},
                {"\\frac23", "0.666667"}});
  expect_different({{"\\frac13", "0.33333"},   // five places
                    {"\\frac23", "0.666666"},  // cut off, not rounded
                    {"0.0000001", "0"},        // rounds to 0, but no digit of it counts
                    {"\\frac{1}{3000000}", "0.000000"},
                    {"3", "3.00001"}});
}

TEST(MathEqual, ListsSetsTuplesAndIntervals) {
  expect_equal({{"1,2,3", "3, 1, 2"},
                {"1,2,3", "\\{3,2,1\\}"},
                {"\\{1,2\\}", "1 \\text{ and } 2"},
                {"1,2", "1, 1, 2"},
                {"5", "\\{5\\}"},
                {"5", "5, 5"},
                {"(1,3)", "\\left( 1, 3 \\right)"},
                {"(1,\\frac92)", "(1,4.5)"},
                {"x=2, x=3", "2, 3"},
                {"2, 3", "x=3 \\text{ or } x=2"},
                {"(p,q)=(3,2)", "(3,2)"},
                {"p=5,q=2;p=7,q=2", "(5,2),(7,2)"},
                {"\\pm 5", "-5, 5"},
                {"1\\pm\\sqrt{19}", "1-\\sqrt{19}, 1+\\sqrt{19}"},
                {"[0,1)", "[0, 1)"},
                {"(-\\infty, 3]", "x \\le 3"},
                {"(-\\infty, 3]", "x \\in (-\\infty, 3]"},
                {"-2 \\le x < 7", "[-2,7)"},
                {"1\\leq|z|\\leq \\frac{3}{2}", "[-\\frac32,-1]\\cup[1,\\frac32]"},
                {"(-\\infty,0)\\cup(1,\\infty)", "(1,\\infty)\\cup(-\\infty,0)"},
                {"\\{-1\\}\\cup[0,7)", "[0,7)\\cup\\{-1\\}"},
                {"7:32", "7:32"},
                {"\\mathbb{R}", "(-\\infty, \\infty)"},
                {"\\emptyset", "\\{\\}"},
                {"\\begin{pmatrix}1\\\\2\\end{pmatrix}", "(1,2)"}});
  expect_different({{"5", "5, 6"},  // a list of guesses
                    {"5", "\\{5, 6\\}"},
                    {"5", "\\pm 5"},
                    {"5", "5 \\text{ or } 6"},
                    {"5", "(5, 5)"},
                    {"1,2,3", "1,2"},
                    {"1,2", "1,2,3"},
                    {"(3,1)", "(1,3)"},
                    {"[0,1)", "(0,1)"},
                    {"(0,9)", "[0,9)"},
                    {"(-\\infty, 3)", "x \\le 3"},
                    {"(1,\\infty)", "(1,-\\infty)"},
                    {"12:00", "1:00"},
                    {"32349", "32, 349"}});
}

TEST(MathEqual, MatricesEquationsAndInequalities) {
  expect_equal({{"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{bmatrix}1 & 2\\\\ 3 & 4\\\\\\end{bmatrix}"},
                {"\\begin{pmatrix}6&8\\\\10&12\\end{pmatrix}",
                 "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}+\\begin{pmatrix}5&6\\\\7&8\\end{pmatrix}"},
                {"\\begin{pmatrix}2&0\\\\0&2\\end{pmatrix}", "2\\begin{pmatrix}1&0\\\\0&1\\end{pmatrix}"},
                {"x=5", "5"},
                {"5", "x=5"},
                {"5", "x = 2+3 = 5"},
                {"12", "x+y=12"},
                {"5", "5=x"},
                {"5", "i=5"},
                {"5", "2+3=5"},
                {"1/3", "x=1/3\\approx 0.33"},
                {"34x+45y=0", "-34x-45y=0"},
                {"2x+4y-3=0", "y=-\\frac{1}{2}x+\\frac{3}{4}"},
                {"x<1", "-x > -1"},
                {"x \\ge 5", "5 \\le x"},
                {"f(2)<f(1)<f(4)", "f(4)>f(1)>f(2)"},
                {"|AB|=1", "1"}});
  expect_different({{"\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&5\\end{pmatrix}"},
                    {"\\begin{pmatrix}1&2\\end{pmatrix}", "\\begin{pmatrix}1\\\\2\\end{pmatrix}"},
                    {"5", "6=5"},  // says nothing
                    {"5", "5=6"},
                    {"2x+z=1", "1"},
                    {"a^2+b=0", "0"},
                    {"x=1", "y=1"},
                    {"x<1", "x>-1"},
                    {"x<1", "x>1"},
                    {"x\\ge 5", "x>5"},
                    {"x=5", "x<5"}});
}

TEST(MathEqual, Words) {
  expect_equal({{"\\text{Evelyn}", "evelyn"},
                {"\\text{odd}", "odd"},
                {"\\text{C}", "\\text{(C)}"},
                {"\\text{E}", "E"},
                {"Even", "\\textbf{even}"},
                {"\\text{no solution}", "No solution"},
                {"\\text{The midpoints form a hexagon}", "\\text{The midpoints form a hexagon}"}});
  expect_different(
      {{"\\text{E}", "D"}, {"\\text{Evelyn}", "\\text{Carla}"}, {"\\text{yes}", "5"}, {"x", "\\text{yes}"}});
}

// Math-Verify#65 and the like: an answer that is much work gets its verdict all the same.
TEST(MathEqual, HugeExpressionsAreToldApartOrGivenUp) {
  EXPECT_EQ(compared("5", "9^{9^{9^9}}"), MathVerdict::kDifferent);
  EXPECT_EQ(compared("5", "10^{10^{10}}"), MathVerdict::kDifferent);
  EXPECT_EQ(compared("10^{10^{10}}", "10^{10^{10}}+1"), MathVerdict::kSpent);
  EXPECT_EQ(compared("9^{9^{9^9}}", "9^{9^{9^{9}}}"), MathVerdict::kEqual);  // the same text
  EXPECT_EQ(compared("5", "(((2^{99})^{99})^{99})^{99}"), MathVerdict::kDifferent);
  EXPECT_EQ(compared("5", "99999999999999!"), MathVerdict::kSpent);
  EXPECT_EQ(compared("5", "2^{-10^{30}}"), MathVerdict::kDifferent);
  EXPECT_NE(compared("5", "(x+y+z+1)^{99}(x-y+z)^{99}"), MathVerdict::kEqual);
  EXPECT_NE(compared("5", "\\sin(10^{10^{10}})"), MathVerdict::kEqual);
  const std::string digits(10000, '7');
  EXPECT_EQ(compared(digits, digits + "+0"), MathVerdict::kEqual);
  EXPECT_EQ(compared(digits, digits + "+1"), MathVerdict::kDifferent);
  std::string tower = "2";
  for (int i = 0; i < 25; ++i) tower += "^{2";
  tower += std::string(25, '}');
  EXPECT_NE(compared("5", tower), MathVerdict::kEqual);
}

TEST(MathEqual, UndefinedValuesEqualNothingElse) {
  for (const char* answer : {"\\frac{1}{0}", "0^{-1}", "\\ln 0", "\\frac{0}{0}", "\\infty-\\infty", "\\sqrt[0]{5}"})
    for (const char* gold : {"0", "1", "5", "\\infty"})
      EXPECT_NE(compared(gold, answer), MathVerdict::kEqual) << answer;
}

TEST(MathEqual, GivesTheSameVerdictInEveryThread) {
  std::vector<MathVerdict> verdicts(4);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < verdicts.size(); ++i)
    threads.emplace_back([&, i] { verdicts[i] = compared("10^{10^{10}}", "10^{10^{10}}+1"); });
  for (auto& t : threads) t.join();
  for (MathVerdict v : verdicts) EXPECT_EQ(v, MathVerdict::kSpent);
}

}  // namespace
}  // namespace ponder::tasks
