// Keeps the test and dev questions of data sets out of what users bring along to learn from. Called by supervised
// fine-tuning on users' rows; what this program makes itself is in held_out.h.
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ponder/tasks/dataset.h"

namespace ponder::craft {

class HeldOutQuestions {
 public:
  // Its held-out questions are looked for from now on: by their words and numbers, as DatasetTask::canonical reads
  // them. Not those of fewer than three words, nor the sums of the task arithmetic, which any reckoning holds.
  void add(const tasks::DatasetTask& task);
  // The words of a held-out question that the text shows, whatever stands before and behind it; "" when there is none.
  std::string find(std::string_view text) const;

 private:
  const tasks::DatasetTask* reader_ = nullptr;                              // reads a text's words; all do it alike
  std::unordered_map<std::string, std::vector<std::string>> by_beginning_;  // a question's first words -> questions
};

}  // namespace ponder::craft
