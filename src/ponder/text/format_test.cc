#include "ponder/text/format.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/text/steps.h"

namespace ponder::text {
namespace {

TEST(Words, IdsAreFixed) {
  // Checkpoints hold these ids: a change here breaks every model that was ever saved.
  ASSERT_EQ(task_words().size(), 144u);
  ASSERT_EQ(static_cast<size_t>(kWordCount), task_words().size());
  for (int n = 0; n <= kMaxNumber; ++n) EXPECT_EQ(task_words()[n], std::to_string(n));
  const std::pair<core::Token, const char*> words[] = {
      {kPad, "<pad>"}, {kEnd, "end"},     {kQuestion, "Q"}, {kProgram, "P"}, {kGreater, ">"},   {kLess, "<"},
      {kColon, ":"},   {kSemicolon, ";"}, {kComma, ","},    {kPlus, "+"},    {kMinus, "-"},     {kTimes, "*"},
      {kDivide, "/"},  {kEquals, "="},    {kAsk, "?"},      {kGoal, "goal"}, {kAbove, "above"}, {kBelow, "below"},
      {kTry, "try"},   {kBack, "back"},   {kTest, "test"},  {kUse, "use"},   {kYes, "yes"},     {kNo, "no"},
      {kWait, "wait"}, {kStop, "stop"},   {kAns, "ans"},    {kPlay, "play"}, {kRun, "run"},     {kAnd, "and"},
      {kOr, "or"},     {kNot, "not"},     {kIf, "if"},      {kThen, "then"}, {kGet, "get"},     {kSort, "sort"},
      {kMax, "max"},   {kMin, "min"},     {kNameA, "a"},    {kNameF, "f"}};
  for (const auto& [id, word] : words) EXPECT_EQ(task_words()[id], word);
}

TEST(Arithmetic, StaysInRangeAndFloors) {
  EXPECT_EQ(apply_op(kPlus, 60, 39), 99);
  EXPECT_EQ(apply_op(kPlus, 60, 40), -1);
  EXPECT_EQ(apply_op(kMinus, 3, 3), 0);
  EXPECT_EQ(apply_op(kMinus, 3, 4), -1);
  EXPECT_EQ(apply_op(kTimes, 99, 99), -1);
  EXPECT_EQ(apply_op(kDivide, 7, 2), 3);
  EXPECT_EQ(apply_op(kDivide, 7, 0), -1);
  EXPECT_EQ(apply_op(kEquals, 7, 1), -1);
}

TEST(ClaimedAnswer, NeedsExactlyOneAnswerThatEnds) {
  EXPECT_EQ(claimed_answer("goal 18 below ; ans 13 * 2 ; 26 - 8 end"), "13 * 2 ; 26 - 8");
  EXPECT_EQ(claimed_answer("ans  13 *\n2 end"), "13 * 2");  // spaces normalised
  EXPECT_EQ(claimed_answer("ans 13 * 2"), std::nullopt);
  EXPECT_EQ(claimed_answer("13 * 2 end"), std::nullopt);
  EXPECT_EQ(claimed_answer("ans end"), std::nullopt);
  EXPECT_EQ(claimed_answer("ans 1 + 1 ans 2 + 2 end"), std::nullopt);
  EXPECT_EQ(claimed_answer("ans 1 + 1 end ans 2 + 2 end"), std::nullopt);
  EXPECT_EQ(claimed_answer("ans 1 + 1 end 2"), std::nullopt);
  EXPECT_EQ(claimed_answer("end ans 1 + 1"), std::nullopt);
  EXPECT_EQ(claimed_answer("stop end"), std::nullopt);
  EXPECT_EQ(claimed_answer(""), std::nullopt);
}

TEST(ThoughtOf, IsWhatStandsBeforeTheAnswer) {
  EXPECT_EQ(thought_of("goal 18 below ; ans 1 + 2 end"), "goal 18 below ;");
  EXPECT_EQ(thought_of("goal 18 below ; stop end"), "goal 18 below ; stop end");
  EXPECT_EQ(thought_of("ans 1 + 2 end"), "");
}

TEST(TaskCodec, ThoughtsMayBeForcedOnOrToTheirEnd) {
  const TaskCodec codec(task_tokenizer());
  const core::Tokens whole = task_tokenizer().encode("try 2 + 3 = 5 ; ? 5 yes ; ans 2 + 3 end");
  const auto thought = core::TokenSpan(whole).first(static_cast<size_t>(codec.thought_length(whole)));
  EXPECT_EQ(codec.decode(thought), "try 2 + 3 = 5 ; ? 5 yes ;");
  EXPECT_EQ(codec.thought_length(thought), static_cast<int64_t>(thought.size()));
  const core::Tokens gave_up = task_tokenizer().encode("try 2 + 3 = 5 ; ? 9 no ; stop end");
  EXPECT_EQ(codec.thought_length(gave_up), static_cast<int64_t>(gave_up.size()) - 2);
  EXPECT_EQ(codec.decode(codec.think_on(thought)), "try");
  EXPECT_EQ(codec.decode(codec.answer_now(thought)), "ans");
}

TEST(TaskCodec, AnswersAndSteps) {
  TaskCodec codec(task_tokenizer());
  core::Problem problem{"a", "countdown3", "Q 13 8 2 > 18 :", {}};
  EXPECT_EQ(codec.answer(problem, task_tokenizer().encode("try 1 + 2 = 3 ; ans 13 * 2 ; 26 - 8 end")),
            "13 * 2 ; 26 - 8");
  EXPECT_EQ(codec.answer(problem, task_tokenizer().encode("stop end")), std::nullopt);
  EXPECT_EQ(codec.step_ends(), core::Tokens{kSemicolon});
  EXPECT_EQ(codec.decode(render_prompt(task_tokenizer(), problem)), problem.question);
}

TEST(CountBehaviours, CountsEachMark) {
  BehaviourCounts n = count_behaviours(
      "goal 18 below ; try 13 + 2 = 16 wait 15 , 15 8 ; 15 + 8 = 23 ? 18 no ; back 15 8 ; 15 - 8 = 6 ? 18 no ; "
      "try 13 * 2 = 26 , 26 8 ; 26 - 8 = 18 ? 18 yes ; ans 13 * 2 ; 26 - 8 end");
  EXPECT_EQ(n.analysis, 1);
  EXPECT_EQ(n.tries, 2);
  EXPECT_EQ(n.backs, 1);
  EXPECT_EQ(n.checks, 3);
  EXPECT_EQ(n.tests, 0);
  EXPECT_EQ(n.corrections, 1);
  EXPECT_EQ(n.answered, 1);
  EXPECT_EQ(n.gave_up, 0);
  EXPECT_EQ(n.equations, 5);
  EXPECT_EQ(n.wrong_equations, 1);  // 15 - 8 = 6; the first was corrected
  EXPECT_EQ(n.tokens, 66);
}

TEST(CountBehaviours, WrongEquations) {
  EXPECT_EQ(count_behaviours("1 + 1 = 3").wrong_equations, 1);
  EXPECT_EQ(count_behaviours("1 + 1 = 3 wait 2").wrong_equations, 0);
  EXPECT_EQ(count_behaviours("1 + 1 = 3 wait 4").wrong_equations, 1);  // a correction can be wrong itself
  EXPECT_EQ(count_behaviours("1 + 1 = 2 wait 4").wrong_equations, 1);
  EXPECT_EQ(count_behaviours("1 + 1 = 3 wait").wrong_equations, 0);
  EXPECT_EQ(count_behaviours("60 + 60 = 99").wrong_equations, 1);
  EXPECT_EQ(count_behaviours("7 / 2 = 3").wrong_equations, 0);
  EXPECT_EQ(count_behaviours("+ 1 = 3 = = 4").equations, 0);
  EXPECT_EQ(count_behaviours("no such words = 1").tokens, 5);
  EXPECT_EQ(count_behaviours("stop end").gave_up, 1);
}

TEST(ParseThought, ReadsEveryKindOfStep) {
  auto steps = parse_thought(
      "goal 18 below ; try 13 + 2 = 16 wait 15 , 15 3 wait 8 ; 15 + 8 = 23 ? 18 yes wait no ; back 15 8 ; "
      "test 6 - 3 = 3 ; 3 - 5 no ; stop end");
  ASSERT_EQ(steps.size(), 7u);
  EXPECT_EQ(steps[0].kind, StepKind::kGoal);
  EXPECT_EQ(steps[0].target, 18);
  EXPECT_FALSE(steps[0].above);
  EXPECT_EQ(steps[1].kind, StepKind::kTry);
  EXPECT_EQ(steps[1].result, 15);
  EXPECT_EQ(steps[1].left, (core::Tokens{15, 8}));
  EXPECT_EQ(steps[2].kind, StepKind::kMove);
  EXPECT_TRUE(steps[2].checked);
  EXPECT_FALSE(steps[2].check_yes);
  EXPECT_EQ(steps[3].kind, StepKind::kBack);
  EXPECT_EQ(steps[3].left, (core::Tokens{15, 8}));
  EXPECT_EQ(steps[4].kind, StepKind::kTest);
  EXPECT_EQ(steps[5].result, -1);
  EXPECT_EQ(steps[6].kind, StepKind::kStop);
}

TEST(ParseThought, WhatIsNoStepIsUnparsed) {
  for (const char* step : {"goal 18", "goal 18 above 3", "try", "try 1 + 2", "try 1 + 2 =", "try 1 + 2 = 3 4", "1 2 3",
                           "1 + 2 = 3 ? 4", "1 + 2 = 3 , 4 ? yes", "back", "stop now", "hello", "1 + 2 = 3 wait"})
    EXPECT_EQ(parse_thought(step)[0].kind, StepKind::kUnparsed) << step;
  EXPECT_EQ(parse_thought("; ;").size(), 2u);  // empty steps are steps that nothing can be read from
  EXPECT_TRUE(parse_thought("").empty());
}

}  // namespace
}  // namespace ponder::text
