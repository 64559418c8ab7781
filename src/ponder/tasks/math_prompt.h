// What a model without instruction training reads before a word problem: worked examples in the form that its own
// answer should take. The examples are ponder's own.
#pragma once
#include <string>
#include <vector>

namespace ponder::tasks {

struct WorkedExample {
  std::string question;
  std::string solution;  // lines of steps, then "#### 12"
};
const std::vector<WorkedExample>& worked_examples();  // eight

}  // namespace ponder::tasks
