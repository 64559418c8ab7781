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

// "Question: …\nAnswer: …\n\n" for each of the first `shots` examples, then the question and "Answer:". Error(kUsage)
// for more shots than there are.
std::string few_shot_prompt(const std::string& question, int shots = 8);
// What a completion says before it goes on to a next question of its own.
std::string first_answer(const std::string& completion);

}  // namespace ponder::tasks
