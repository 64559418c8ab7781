#include "ponder/tasks/math.h"

#include <gtest/gtest.h>

#include "ponder/base/rng.h"

namespace ponder::tasks {
namespace {

std::string verdict(const std::string& gold, const std::string& completion, AnswerPlace place = AnswerPlace::kLenient) {
  return core::verdict_name(judge_math(gold, completion, place).kind);
}

TEST(JudgeMath, FindsTheAnswerWhereItStands) {
  for (const char* text :
       {"42", "**42**", "$42$", "\\boxed{42}", "So we get $6 \\cdot 7 = \\boxed{42}$.", "thus 40 + 2\n#### 42",
        "The final answer is 42. I hope it is correct.", "Final Answer: The final answer is $42$", "answer: 42",
        "Answer: \\( 42 \\)", "They have 42 apples.", "It was 7 and is now 42.", "\\fbox{42}", "x = 42",
        "<think>\\boxed{41}? no</think> It is \\boxed{42}.", "First I had \\boxed{41}. In the end it is \\boxed{42}"})
    EXPECT_EQ(verdict("42", text), "correct") << text;
  for (const char* text :
       {"B", "(B)", "\\boxed{B}", "The answer is (B).", "Answer: B", "the answer is **B**", "\\text{(B)}"})
    EXPECT_EQ(verdict("B", text), "correct") << text;
  EXPECT_NE(verdict("A", "The answer is A number"), "correct");
  EXPECT_EQ(verdict("28\\%", "$28$ percent"), "correct");
  EXPECT_EQ(verdict("$1000.99$", "it is 1,000.99€"), "correct");
  EXPECT_EQ(verdict("100, 200", "100,200"), "correct");
  EXPECT_EQ(verdict("100200", "100,200"), "correct");
  EXPECT_EQ(verdict("1,22", "1.22"), "correct");
  EXPECT_EQ(verdict("2.74", "Soucis : 2,74 $ a.."), "correct");
  EXPECT_EQ(verdict("$\\boxed{1}$ and $\\boxed{2}$", "$\\boxed{2, 1}$"), "correct");
}

TEST(JudgeMath, StrictPlacesTakeNothingElse) {
  EXPECT_EQ(verdict("42", "\\boxed{42}", AnswerPlace::kBoxed), "correct");
  EXPECT_EQ(verdict("42", "The answer is 42", AnswerPlace::kBoxed), "unparsable");
  EXPECT_EQ(verdict("42", "\\boxed{42} and so \\boxed{42}", AnswerPlace::kBoxed), "correct");
  EXPECT_EQ(verdict("42", "so\n#### 42", AnswerPlace::kHashes), "correct");
  EXPECT_EQ(verdict("42", "42", AnswerPlace::kHashes), "unparsable");
  EXPECT_EQ(verdict("42", "42", AnswerPlace::kWhole), "correct");
  EXPECT_EQ(verdict("42", "the answer is 42", AnswerPlace::kWhole), "unparsable");
}

TEST(JudgeMath, SeveralAnswersAreNoAnswer) {
  EXPECT_EQ(verdict("42", "\\boxed{41} or, as the second way to count gives, \\boxed{42}", AnswerPlace::kBoxed),
            "wrong");
  EXPECT_EQ(verdict("42", "First try: \\boxed{41}. " + std::string(100, 'x') + " \\boxed{42}", AnswerPlace::kBoxed),
            "unparsable");
  EXPECT_EQ(verdict("42", "#### 41\n#### 42", AnswerPlace::kHashes), "unparsable");
  EXPECT_EQ(verdict("42", "\\boxed{41, 42, 43}"), "wrong");
  EXPECT_EQ(verdict("42", "\\boxed{41}\\boxed{42}"), "wrong");
  EXPECT_EQ(verdict("42", "#### 41 or 42", AnswerPlace::kHashes), "wrong");
  EXPECT_EQ(verdict("42", "x = 41 or x = 42", AnswerPlace::kWhole), "wrong");
}

// One line for each hole of other verifiers: what must not pass.
TEST(JudgeMath, HolesOfOtherVerifiersAreClosed) {
  EXPECT_EQ(verdict("1000", "1005"), "wrong");         // a tolerance of 1 %
  EXPECT_EQ(verdict("11", "1"), "wrong");              // contained in the gold
  EXPECT_EQ(verdict("B", "A, B, C, D"), "wrong");      // every choice
  EXPECT_EQ(verdict("100", "1"), "wrong");             // 1 and 100 % are not the same number as 100
  EXPECT_EQ(verdict("24", "4! = 25"), "wrong");        // contradicts itself
  EXPECT_EQ(verdict("5", "\\boxed{}"), "unparsable");  // an empty box
  EXPECT_EQ(verdict("5", "!!!!"), "unparsable");       // what collapsed runs write
  EXPECT_EQ(verdict("5", ""), "unparsable");
  EXPECT_EQ(verdict("5", "__import__('os').getcwd()"), "unparsable");    // nothing is ever executed
  EXPECT_EQ(verdict("\\begin{tikz}", "\\begin{tikz}"), "cannot_judge");  // no reward for a gold that cannot be read
  EXPECT_EQ(verdict("1,2,\\ldots,10", "1.2"), "cannot_judge");           // no piece of a gold is the gold
  EXPECT_EQ(verdict("5", "\\boxed{\\frac{1}} or 5"), "unparsable");
  EXPECT_EQ(verdict("", "5"), "cannot_judge");
  EXPECT_EQ(verdict("\\frac{1}", "\\frac{1}"), "cannot_judge");
  EXPECT_EQ(verdict("5", "9^{9^{9^{9}}}"), "wrong");  // never worked out
  EXPECT_EQ(verdict("10^{10^{10}}", "10^{10^{10}}+1"), "timeout");
  EXPECT_EQ(
      verdict("5", "\\boxed{5} but also \\boxed{6} and at last, after all of the above has been said, \\boxed{7}"),
      "wrong");
  EXPECT_EQ(verdict("5", std::string(10 << 20, '5')), "unparsable");  // ten megabytes
  EXPECT_EQ(verdict("0.0000001", "0"), "wrong");
  EXPECT_EQ(verdict("3.14", "\\pi"), "wrong");
  EXPECT_EQ(verdict("x", "y"), "wrong");
}

TEST(JudgeMath, SaysWhatItRead) {
  core::Verdict v = judge_math("1/2", "\\boxed{\\frac{3}{6}}", AnswerPlace::kLenient);
  EXPECT_TRUE(v.correct());
  EXPECT_EQ(v.extracted, "1/2");
  v = judge_math("1/2", "\\boxed{0.3}", AnswerPlace::kLenient);
  EXPECT_EQ(v.extracted, "3/10");
  EXPECT_EQ(v.reason, "it does not equal 1/2");
}

TEST(JudgeMath, SurvivesAnyCompletion) {
  const std::vector<std::string> parts{
      "\\boxed{", "}",      "$",  "$$",    "\\(", "\\)",          "\\[", "\\]", "####", "final answer is ",
      "answer: ", "I hope", "12", "1,000", "2,5", "\\frac{1}{2}", " ",   "\n",  "and",  "or",
      "%",        "€",      "-",  "(",     ")",   "</think>",     "x=",  "*",   "+"};
  base::Rng rng(base::RngKey(7));
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (int64_t n = rng.below(40); n > 0; --n) {
      if (rng.chance(0.05))
        text.push_back(static_cast<char>(rng.below(256)));
      else
        text += rng.pick(parts);
    }
    for (AnswerPlace place : {AnswerPlace::kBoxed, AnswerPlace::kHashes, AnswerPlace::kWhole, AnswerPlace::kLenient})
      EXPECT_NE(verdict("\\sqrt{77}", text, place), "correct") << text;
  }
}

}  // namespace
}  // namespace ponder::tasks
