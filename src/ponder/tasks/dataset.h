// Tasks whose problems come from files: math word problems with a gold answer. They are tasks like the generated ones,
// but generate() picks from the data folder, and solve() knows nothing.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ponder/base/cat.h"
#include "ponder/base/rng.h"
#include "ponder/tasks/math_extract.h"
#include "ponder/tasks/task.h"

namespace ponder::tasks {

// The folder that holds svamp/SVAMP.json, gsm8k/{train,test}.jsonl and math/{train,test}.jsonl. Set before the first
// problem is drawn; when nothing is set, what the environment variable PONDER_DATA names.
void set_data_folder(const std::string& folder);
std::string data_folder();  // "" when there is none

// The problems of a data set by split.
struct Dataset {
  std::vector<core::Item> train, dev, test;
  std::vector<std::string> left_out;  // "id: why", rows that are not used
  std::set<std::string> held_out;     // canonical forms of dev and test
  const std::vector<core::Item>& split(Split s) const {
    return s == Split::kTrain ? train : s == Split::kDev ? dev : test;
  }
};

class DatasetTask : public Task {
 public:
  std::string family() const override { return "math"; }
  // One of the split's problems, each as likely; Error(kUsage) when there is no data folder or the split is empty.
  core::Item generate(base::RngKey key, Split split) const override;
  // {"id","question","gold"}: a row to solve, or to train on. Where a data set calls its own solution "answer", that is
  // the gold.
  core::Item parse(const base::Json& row, const std::string& default_id) const override;
  // A row to grade: its "answer" is the model's, so the gold must stand under its own name.
  core::Item parse_graded(const base::Json& row, const std::string& default_id) const override;
  base::Json to_row(const core::Item& item) const override;
  std::string canonical(const core::Problem& problem) const override;  // the question's words and numbers
  std::string instance(const core::Problem& problem) const override { return canonical(problem); }
  bool is_held_out(const core::Problem& problem) const override;
  core::Verdict verify(const core::Item& item, const std::string& answer) const override;
  // A line "a + b = c" (or a chain of equals) is valid when both sides are the same number.
  std::vector<StepVerdict> check_steps(const core::Problem& problem, const std::string& thought) const override;
  std::optional<std::string> solve(const core::Problem&) const override { return std::nullopt; }

  // Where an answer may stand, unless a row says otherwise.
  AnswerPlace place() const { return place_; }

  // The data set in the data folder, read once a folder. Error(kUsage) where there must be a folder and is none,
  // Error(kInput) for a bad file.
  const Dataset& dataset() const;

 protected:
  explicit DatasetTask(AnswerPlace place) : place_(place) {}
  // What tells its questions from those of other data sets: a part of one has that one's name.
  virtual std::string source() const { return name(); }
  virtual bool needs_folder() const { return true; }
  virtual Dataset load(const std::string& folder) const = 0;
  core::Item make_item(std::string id, std::string question, base::Json gold) const;
  // The gold answer within what a row gives as gold.
  virtual std::string gold_of(const std::string& text) const { return text; }
  // Rows of one JSONL file.
  std::vector<core::Item> load_jsonl(const std::string& path) const;

 private:
  AnswerPlace place_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, std::unique_ptr<Dataset>> loaded_;  // by folder
};

// Any problem with a gold answer: {"problem" or "question", "gold" or "answer" or "solution"}. Answers are read
// leniently.
class MathTask : public DatasetTask {
 public:
  MathTask() : DatasetTask(AnswerPlace::kLenient) {}
  std::string name() const override { return "math"; }
  std::string description() const override;

 protected:
  Dataset load(const std::string& folder) const override;
};

// GSM8K (Cobbe et al. 2021, arXiv:2110.14168): the gold stands behind "####" of its solution.
class Gsm8kTask : public DatasetTask {
 public:
  // most: 0, or a part of the training split that a short run can learn from: the problems whose IDs have the smallest
  // hash64("gsm8k " + ID). Dev and test are whole.
  explicit Gsm8kTask(size_t most = 0) : DatasetTask(AnswerPlace::kWhole), most_(most) {}
  std::string name() const override { return most_ == 0 ? "gsm8k" : base::cat("gsm8k", most_); }
  std::string description() const override;

 protected:
  std::string source() const override { return "gsm8k"; }
  Dataset load(const std::string& folder) const override;
  std::string gold_of(const std::string& text) const override;

 private:
  size_t most_;
};

// SVAMP (Patel et al. 2021, arXiv:2103.07191): one equation each, from which a worked solution follows.
class SvampTask : public DatasetTask {
 public:
  SvampTask() : DatasetTask(AnswerPlace::kWhole) {}
  std::string name() const override { return "svamp"; }
  std::string description() const override;
  // Also SVAMP's own rows {"ID","Body","Question","Equation","Answer"}.
  core::Item parse(const base::Json& row, const std::string& default_id) const override;

 protected:
  Dataset load(const std::string& folder) const override;
};

// A made-up operation on whole numbers, "34 + 58" and "92": with the signs and sizes of grade-school word problems.
struct Sum {
  std::string text, value;
};
Sum draw_sum(base::Rng& rng);

// One operation on whole numbers, made up rather than read. A held-out pair of numbers is held out with every sign and
// in either order; two single digits, which all other reckoning is made of, never are.
class ArithmeticTask : public DatasetTask {
 public:
  ArithmeticTask() : DatasetTask(AnswerPlace::kWhole) {}
  // "What is 34 + 58?", with its answer.
  core::Item problem_of(const Sum& sum, const std::string& id) const;
  std::string canonical(const core::Problem& problem) const override;
  std::string name() const override { return "arithmetic"; }
  std::string description() const override;

 protected:
  bool needs_folder() const override { return false; }
  Dataset load(const std::string& folder) const override;
};

// What a line says with "=": its arithmetic on both sides, as far as it can be read.
struct LineEquation {
  std::string left, right;
  bool holds = false;
};
std::vector<LineEquation> equations_of(std::string_view line);

// A worked solution in the form that models are trained on: one line a step, then "#### 12". Out of SVAMP's equation,
// or GSM8K's own text without its <<…>> marks; nothing where the item has none or its steps do not give its answer.
std::optional<std::string> worked_solution(const core::Item& item);
// The steps of an equation like "( ( 7.0 + 5.0 ) * 2.0 )" and its value; nothing when it is none.
struct Worked {
  std::string steps;  // "7 + 5 = 12\n12 * 2 = 24\n"
  std::string value;  // "24", "7/3"
};
std::optional<Worked> work_out(const std::string& equation);

}  // namespace ponder::tasks
