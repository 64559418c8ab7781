#include "ponder/craft/held_out_questions.h"

#include <gtest/gtest.h>

#include "ponder/base/file.h"

namespace ponder::craft {
namespace {

// GSM8K's format, whose test file says what is held out.
class HeldOutQuestionsTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string dir = base::join_path(testing::TempDir(), "held_out_questions");
    base::make_directories(base::join_path(dir, "gsm8k"));
    const auto write = [&](const char* name, const std::vector<std::string>& questions) {
      std::string lines;
      for (const std::string& question : questions) {
        base::Json row = base::Json::object();
        row["question"] = question, row["answer"] = "1 + 1 = 2\n#### 2";
        base::append(lines, row.dump() + "\n");
      }
      base::write_file_atomic(base::join_path(dir, base::cat("gsm8k/", name, ".jsonl")), lines);
    };
    write("train", {"Ann has 3 nuts and finds 4. How many?", "Ben has 2 hats. How many are left?"});
    write("test", {"Tom has 12 red pens, and buys 3. How many has he now?", "Tom has 12 red eggs. How many?", "Two?"});
    tasks::set_data_folder(dir);
    questions_.add(tasks::find_dataset_task("gsm8k"));
  }
  void TearDown() override { tasks::set_data_folder(""); }
  HeldOutQuestions questions_;
};

TEST_F(HeldOutQuestionsTest, AreFoundWhateverStandsAroundThem) {
  const std::string pens = "tom has 12 red pens and buys 3 how many has he now";
  EXPECT_EQ(questions_.find("Tom has 12 red pens, and buys 3. How many has he now?"), pens);
  EXPECT_EQ(questions_.find("<|user|>\nSolve: TOM has 12 red pens and buys 3 - how many has he now?\nAnswer: 15"),
            pens);
  EXPECT_EQ(questions_.find("tom has tom has 12 red eggs how many"), "tom has 12 red eggs how many");
}

TEST_F(HeldOutQuestionsTest, OtherTextsAreNone) {
  for (const char* text :
       {"", " ", "?", "Tom", "Tom has", "Tom has 12", "Tom has 12 red pens, and buys 4. How many has he now?",
        "Tom has 12 red pens, and buys 3. How many has he nowadays?", "Atom has 12 red eggs. How many?",
        "Tom has 12 red pens, and buys 3. How many has he",  // cut off
        "Ann has 3 nuts and finds 4. How many?",             // to train on
        "Two?"})                                             // too short to be told from anything
    EXPECT_EQ(questions_.find(text), "") << text;
  EXPECT_EQ(HeldOutQuestions().find("Tom has 12 red eggs. How many?"), "");
}

TEST_F(HeldOutQuestionsTest, SumsAreNotLookedFor) {
  HeldOutQuestions none;
  none.add(tasks::find_dataset_task("arithmetic"));
  EXPECT_EQ(none.find(tasks::find_dataset_task("arithmetic").dataset().test[0].problem.question), "");
}

}  // namespace
}  // namespace ponder::craft
