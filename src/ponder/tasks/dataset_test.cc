#include "ponder/tasks/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/tasks/math_prompt.h"

namespace ponder::tasks {
namespace {

base::Json json(const char* text) { return base::Json::parse(text); }

std::string verdict(const core::Item& item, const std::string& answer) {
  return core::verdict_name(find_task(item.problem.task).verify(item, answer).kind);
}

TEST(DatasetTask, ReadsRowsAndKeepsTheGoldOutOfTheProblem) {
  const Task& math = find_task("math");
  core::Item item = math.parse(json(R"({"id":"a","problem":"What is half of 3?","answer":"\\frac{3}{2}"})"), "x");
  EXPECT_EQ(item.problem.question, "What is half of 3?");
  EXPECT_EQ(item.problem.data.dump().find("frac"), std::string::npos);
  EXPECT_EQ(verdict(item, "1.5"), "correct");
  EXPECT_EQ(verdict(item, "\\boxed{2}"), "wrong");
  core::Item back = math.parse(math.to_row(item), "y");
  EXPECT_EQ(back.problem.id, "a");
  EXPECT_EQ(back.gold, item.gold);
  item = math.parse(json(R"({"question":"1+1?","solution":"So it is \\boxed{2}."})"), "row7");
  EXPECT_EQ(item.problem.id, "row7");
  EXPECT_EQ(verdict(item, "2"), "correct");
  EXPECT_EQ(verdict(math.parse(json(R"({"question":"1+1?"})"), "x"), "2"), "cannot_judge");
  EXPECT_THROW(math.parse(json(R"({"level":5})"), "x"), Error);
  EXPECT_THROW(math.parse(json(R"({"question":[1],"gold":"1"})"), "x"), Error);
}

TEST(DatasetTask, ARowToGradeNeedsItsOwnGold) {
  const Task& gsm8k = find_task("gsm8k");
  core::Item item = gsm8k.parse_graded(json(R"({"answer":"#### 7","gold":"so 3 + 4 = 7\n#### 7"})"), "x");
  EXPECT_EQ(verdict(item, "#### 7"), "correct");
  // Graded against itself every answer would be right.
  EXPECT_THROW(gsm8k.parse_graded(json(R"({"question":"?","answer":"#### 7"})"), "x"), Error);
  item = find_task("math").parse_graded(json(R"({"answer":"7","gold":7,"place":"boxed"})"), "x");
  EXPECT_EQ(verdict(item, "7"), "unparsable");
  EXPECT_EQ(verdict(item, "\\boxed{7}"), "correct");
  EXPECT_THROW(find_task("math").parse(json(R"({"gold":7,"place":"anywhere"})"), "x"), Error);
}

TEST(DatasetTask, WordProblemsTakeHashesOrTheNumberAlone) {
  core::Item item =
      find_task("gsm8k").parse(json(R"({"question":"?","answer":"It is 2*540=<<2*540=1080>>1080\n#### 1,080"})"), "x");
  EXPECT_EQ(item.gold.string_at("answer"), "1,080");
  EXPECT_EQ(worked_solution(item), "It is 2*540=1080\n#### 1,080");
  for (const char* answer :
       {"1080", "#### 1080", "2 * 540 = 1080\n#### 1,080", "\\boxed{1080}", "1,080 dollars", "$1080.00"})
    EXPECT_EQ(verdict(item, answer), "correct") << answer;
  for (const char* answer : {"1081", "#### 10", "#### 1080\n#### 1081", "#### 1080 or 1081", "1080 or 1081",
                             "about 1080, I think", "1000 to 1100", "", "#### "})
    EXPECT_NE(verdict(item, answer), "correct") << answer;
}

TEST(DatasetTask, ChecksTheArithmeticOfSteps) {
  const Task& task = find_task("svamp");
  auto steps =
      task.check_steps({}, "The bakery makes 6 * 12 = 72 rolls.\nThen 72 - 45 = 26.\nSo there.\n7 / 2 = 3.5\n#### 26");
  ASSERT_EQ(steps.size(), 4u);
  EXPECT_TRUE(steps[0].valid);
  EXPECT_TRUE(steps[1].parsed);
  EXPECT_FALSE(steps[1].valid);
  EXPECT_FALSE(steps[2].parsed);
  EXPECT_TRUE(steps[3].valid);
}

TEST(Svamp, RendersItsEquation) {
  EXPECT_EQ(work_out("( 76.0 - 25.0 )")->steps, "76 - 25 = 51\n");
  EXPECT_EQ(work_out("( ( 692.0 + 692.0 ) - 458.0 )")->steps, "692 + 692 = 1384\n1384 - 458 = 926\n");
  EXPECT_EQ(work_out("( 4.0 * ( 6.0 / 8.0 ) )")->steps, "6 / 8 = 0.75\n4 * 0.75 = 3\n");
  EXPECT_EQ(work_out("( 1.0 / 3.0 )")->value, "1/3");
  EXPECT_EQ(work_out("( ( 2.0 * 3.0 ) * 4.0 )")->steps, "2 * 3 = 6\n6 * 4 = 24\n");
  EXPECT_EQ(work_out("( 3.0 - ( 5.0 - 1.0 ) )")->steps, "5 - 1 = 4\n3 - 4 = -1\n");
  EXPECT_EQ(work_out("8.0")->value, "8");
  EXPECT_FALSE(work_out("( 3.0 / 0.0 )"));
  EXPECT_FALSE(work_out("x + 1"));
  EXPECT_FALSE(work_out("( 3.0 +"));
  core::Item item = find_task("svamp").parse(
      json(R"j({"ID":"chal-7","Body":"Ann had 9 nuts and ate 4 of them","Question":"How many are left?",
               "Equation":"( 9.0 - 4.0 )","Answer":5.0,"Type":"Subtraction"})j"),
      "x");
  EXPECT_EQ(item.problem.id, "chal-7");
  EXPECT_EQ(item.problem.question, "Ann had 9 nuts and ate 4 of them. How many are left?");
  EXPECT_EQ(worked_solution(item), "9 - 4 = 5\n#### 5");
  EXPECT_EQ(verdict(item, *worked_solution(item)), "correct");
  item.gold["answer"] = "4";
  EXPECT_FALSE(worked_solution(item));
}

TEST(Arithmetic, IsWorkedOutAndHeldOutApart) {
  const auto& task = dynamic_cast<const ArithmeticTask&>(find_task("arithmetic"));
  const Dataset& data = task.dataset();  // without a folder
  EXPECT_EQ(data.train.size(), 2000u);
  EXPECT_EQ(data.dev.size(), 300u);
  EXPECT_EQ(data.test.size(), 300u);
  std::set<std::string> questions;
  std::map<char, int> signs;
  for (const auto* items : {&data.train, &data.dev, &data.test})
    for (const core::Item& item : *items) {
      EXPECT_TRUE(questions.insert(item.problem.question).second) << item.problem.question;
      EXPECT_EQ(task.is_held_out(item.problem), items != &data.train) << item.problem.question;
      const auto solution = worked_solution(item);
      ASSERT_TRUE(solution) << item.problem.question;
      EXPECT_EQ(verdict(item, *solution), "correct") << *solution;
      ++signs[item.gold.string_at("equation").at(item.gold.string_at("equation").find(' ') + 1)];
    }
  for (const char sign : {'+', '-', '*', '/'}) EXPECT_GT(signs[sign], 200) << sign;
  EXPECT_EQ(signs.size(), 4u);
}

// A small SVAMP of the same form: 1,000 rows, every tenth with an answer that its equation does not give.
class SvampFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = base::join_path(testing::TempDir(), "svamp_folder");
    base::make_directories(base::join_path(folder_, "svamp"));
    base::Json rows = base::Json::array();
    for (int i = 1; i <= 1000; ++i) {
      base::Json row;
      row["ID"] = base::cat("chal-", i);
      row["Body"] = base::cat("A shelf has ", i, " books and ", i % 7, " more come");
      row["Question"] = "How many books are there?";
      row["Equation"] = base::cat("( ", i, ".0 + ", i % 7, ".0 )");
      row["Answer"] = i % 10 == 0 ? 0.5 : i + i % 7 + 0.0;
      row["Type"] = "Addition";
      rows.push_back(std::move(row));
    }
    base::write_file_atomic(base::join_path(folder_, "svamp/SVAMP.json"), rows.dump());
    set_data_folder(folder_);
  }
  void TearDown() override {
    set_data_folder("");
    base::remove_all(folder_);
  }
  std::string folder_;
};

TEST_F(SvampFolder, SplitsByTheHashOfIds) {
  const auto& task = dynamic_cast<const SvampTask&>(find_task("svamp"));
  const Dataset& data = task.dataset();
  EXPECT_EQ(data.test.size(), 300u);  // as published, wrong rows too
  EXPECT_EQ(data.train.size() + data.left_out.size(), 700u);
  ASSERT_GT(data.left_out.size(), 40u);
  EXPECT_NE(data.left_out[0].find("0: its equation"), std::string::npos) << data.left_out[0];
  std::set<std::string> train, test;
  uint64_t largest = 0, smallest = ~uint64_t{0};
  for (const auto& item : data.test)
    test.insert(item.problem.id), largest = std::max(largest, base::hash64("svamp " + item.problem.id));
  for (const auto& item : data.train)
    train.insert(item.problem.id), smallest = std::min(smallest, base::hash64("svamp " + item.problem.id));
  EXPECT_EQ(train.size() + test.size() + data.left_out.size(), 1000u);
  EXPECT_LT(largest, smallest);
  auto problems = make_problems(task, Split::kTest, 50, base::RngKey(3));
  for (const auto& p : problems)
    if (const auto solution = worked_solution(p)) {
      EXPECT_EQ(verdict(p, *solution), "correct");
    }
  for (const auto& item : data.train) EXPECT_EQ(verdict(item, *worked_solution(item)), "correct");
  try {
    task.generate(base::RngKey(1), Split::kDev);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(base::cat("train (", data.train.size(), ")")), std::string::npos) << e.what();
  }
}

TEST(DatasetTask, SaysThatItNeedsAFolder) {
  if (std::getenv("PONDER_DATA")) GTEST_SKIP() << "PONDER_DATA names a folder";
  try {
    find_task("gsm8k").generate(base::RngKey(1), Split::kTrain);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("PONDER_DATA"), std::string::npos);
  }
}

// On the real files: PONDER_DATA=FOLDER tasks_test --gtest_filter='RealData*'.
TEST(RealData, SvampAndGsm8kAreReadWhole) {
  if (!std::getenv("PONDER_DATA")) GTEST_SKIP() << "PONDER_DATA names no folder with svamp/SVAMP.json and gsm8k/";
  const Dataset& svamp = dynamic_cast<const DatasetTask&>(find_task("svamp")).dataset();
  EXPECT_EQ(svamp.train.size() + svamp.test.size() + svamp.left_out.size(), 1000u);
  EXPECT_EQ(svamp.test.size(), 300u);
  EXPECT_EQ(svamp.left_out.size(), 0u);
  for (const auto* items : {&svamp.train, &svamp.test})
    for (const auto& item : *items) {
      if (item.problem.id == "chal-680") continue;  // its equation does not give its answer
      EXPECT_EQ(verdict(item, *worked_solution(item)), "correct") << item.problem.id;
    }
  const Dataset& gsm8k = dynamic_cast<const DatasetTask&>(find_task("gsm8k")).dataset();
  EXPECT_EQ(gsm8k.train.size() + gsm8k.dev.size(), 7473u);
  EXPECT_EQ(gsm8k.test.size(), 1319u);
  EXPECT_EQ(svamp.train.size(), 700u);
  const Dataset& part = dynamic_cast<const DatasetTask&>(find_task("gsm8k2000")).dataset();
  EXPECT_EQ(part.train.size(), 2000u);
  EXPECT_EQ(part.dev.size(), gsm8k.dev.size());
  EXPECT_EQ(part.test.size(), 1319u);
  for (const auto* items : {&gsm8k.train, &gsm8k.dev, &gsm8k.test})
    for (const auto& item : *items) EXPECT_EQ(verdict(item, *worked_solution(item)), "correct") << item.problem.id;
}

TEST(FewShot, ExamplesAreRightAndWellFormed) {
  const Task& task = find_task("svamp");
  ASSERT_EQ(worked_examples().size(), 8u);
  for (const WorkedExample& example : worked_examples()) {
    auto steps = task.check_steps({}, example.solution);
    ASSERT_FALSE(steps.empty());
    for (const StepVerdict& step : steps) EXPECT_TRUE(step.valid) << example.solution;
    // The last step gives the answer.
    std::string answer = example.solution.substr(example.solution.rfind("#### ") + 5);
    EXPECT_NE(example.solution.find(base::cat("= ", answer)), std::string::npos) << example.solution;
  }
}

}  // namespace
}  // namespace ponder::tasks
