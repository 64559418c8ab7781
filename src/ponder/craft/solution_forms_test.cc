#include "ponder/craft/solution_forms.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ponder/tasks/dataset.h"

namespace ponder::craft {
namespace {

using tasks::ArithmeticTask;
using tasks::Dataset;
using tasks::DatasetTask;
using tasks::find_dataset_task;
using tasks::find_task;
using tasks::Sum;

core::Item item_of(const std::string& body, const std::string& question, const std::string& equation, double answer) {
  base::Json row;
  row["ID"] = "chal-1", row["Body"] = body, row["Question"] = question, row["Equation"] = equation;
  row["Answer"] = answer;
  return find_task("svamp").parse(row, "x");
}

TEST(SolutionForms, NameWhatIsCountedWhatIsAskedAndTheInverse) {
  const core::Item nuts =
      item_of("Ann had 9 big round nuts, 7 figs and ate 4 of them.", "How many nuts are left?", "( 9.0 - 4.0 )", 5);
  EXPECT_EQ(solution_in_form(nuts, "steps"), "9 - 4 = 5\n#### 5");
  EXPECT_EQ(solution_in_form(nuts, "amounts"), "9 big round, 4 of them\n9 - 4 = 5\n#### 5");
  EXPECT_EQ(solution_in_form(nuts, "operations"), "subtract\n9 - 4 = 5\n#### 5");
  EXPECT_EQ(solution_in_form(nuts, "question"), "How many nuts are left?\n9 - 4 = 5\n#### 5");
  EXPECT_EQ(solution_in_form(nuts, "check"), "9 - 4 = 5\n5 + 4 = 9\n#### 5");
  const core::Item coins = item_of("A pen costs $ 2.5 and Bo buys 3, then 10 more pens", "What does he pay?",
                                   "( 2.5 * ( 3.0 + 10.0 ) )", 32.5);
  EXPECT_EQ(solution_in_form(coins, "amounts"), "$ 2.5, 3, 10 more pens\n3 + 10 = 13\n2.5 * 13 = 32.5\n#### 32.5");
  EXPECT_EQ(solution_in_form(coins, "operations"), "add, multiply\n3 + 10 = 13\n2.5 * 13 = 32.5\n#### 32.5");
  EXPECT_EQ(solution_in_form(coins, "check"), "3 + 10 = 13\n2.5 * 13 = 32.5\n32.5 / 13 = 2.5\n#### 32.5");
}

TEST(SolutionForms, AreMissingWhereTheyWouldBeAGuess) {
  const core::Item twice = item_of("She had 4 cups and 4 plates, and 2 cups broke.", "Count the cups.", "4.0 - 2.0", 2);
  EXPECT_FALSE(solution_in_form(twice, "amounts"));   // which 4?
  EXPECT_FALSE(solution_in_form(twice, "question"));  // it asks nothing
  const core::Item below = item_of("It was 3 degrees and fell by 5.", "How cold is it?", "3.0 - 5.0", -2);
  EXPECT_EQ(solution_in_form(below, "steps"), "3 - 5 = -2\n#### -2");
  EXPECT_FALSE(solution_in_form(below, "check"));
  EXPECT_FALSE(solution_in_form(item_of("He has 9 pens.", "How many?", "9.0", 9), "operations"));
  const core::Item none = item_of("It was 3 o'clock.", "What is 3 by nothing?", "3.0 * 0.0", 0);
  EXPECT_FALSE(solution_in_form(none, "check"));  // 0 / 0
  EXPECT_FALSE(solution_in_form(none, "amounts"));
  const core::Item odd = item_of("?", "?", "1.0 + 1.0", 2);
  EXPECT_FALSE(solution_in_form(odd, "amounts"));
  EXPECT_EQ(solution_in_form(item_of("He has 9 pens and 2 caps.", "What do pens and caps of $ 2.5 of Mr. Hill cost?",
                                     "9.0 + 2.0", 11),
                             "question"),
            "What do pens and caps of $ 2.5 of Mr. Hill cost?\n9 + 2 = 11\n#### 11");
  core::Item free = none;
  free.gold = base::Json();
  free.gold["solution"] = "It is 0.\n#### 0", free.gold["answer"] = "0";
  EXPECT_EQ(solution_in_form(free, "steps"), "It is 0.\n#### 0");
  EXPECT_FALSE(solution_in_form(free, "check"));
}

TEST(SolutionForms, ChecksDoNotShowWhatArithmeticHoldsOut) {
  const auto& arithmetic = dynamic_cast<const ArithmeticTask&>(find_dataset_task("arithmetic"));
  size_t checked = 0, left_out = 0;
  for (const core::Item& item : arithmetic.dataset().train) {
    const auto solution = solution_in_form(item, "check");
    if (!solution) {
      ++left_out;
      continue;
    }
    ++checked;
    const std::string line = solution->substr(0, solution->rfind('\n'));
    const std::string inverse = line.substr(line.rfind('\n') + 1);
    const size_t equals = inverse.find(" = ");
    const Sum sum{inverse.substr(0, equals), inverse.substr(equals + 3)};
    EXPECT_FALSE(arithmetic.is_held_out(arithmetic.problem_of(sum, "").problem)) << *solution;
    EXPECT_EQ(solution_in_form(item, "amounts").value_or("").find(" +,"), std::string::npos);
  }
  EXPECT_GT(checked, 1500u);
  EXPECT_GT(left_out, 50u);
}

// On the real file: PONDER_DATA=FOLDER craft_test --gtest_filter='SolutionForms*'.
TEST(SolutionForms, OfSvampAreAllRight) {
  if (!std::getenv("PONDER_DATA")) GTEST_SKIP() << "PONDER_DATA names no folder with svamp/SVAMP.json";
  const Dataset& svamp = dynamic_cast<const DatasetTask&>(find_task("svamp")).dataset();
  for (const std::string& form : solution_forms()) {
    size_t written = 0;
    for (const core::Item& item : svamp.train)
      if (const auto solution = solution_in_form(item, form)) {
        EXPECT_EQ(core::verdict_name(find_task("svamp").verify(item, *solution).kind), "correct") << *solution;
        ++written;
      }
    EXPECT_GT(written, svamp.train.size() * 8 / 10) << form;
  }
}

}  // namespace
}  // namespace ponder::craft
