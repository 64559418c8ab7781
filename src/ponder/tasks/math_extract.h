// The answer in what a model wrote. Strict readings find one place or none; the lenient one follows math-verify's
// order: the last box, the whole text when it is nothing but an answer, "final answer is …", "answer: …", the last
// formula or number.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tasks {

enum class AnswerPlace {
  kBoxed,    // \boxed{…} or \fbox{…} alone; boxes that say different things are no answer
  kHashes,   // GSM8K's "#### 12" alone; different ones are no answer
  kWhole,    // the text is the answer, in a box or behind #### or bare
  kLenient,  // all of the above and phrases; the last number when there is nothing else
};

struct FoundAnswer {
  std::string text;
  bool plain = false;  // a number out of prose, where a comma is a decimal comma
  bool bare = false;   // the whole text, where it may be one
};

struct FoundAnswers {
  std::vector<FoundAnswer> answers;  // the best first; only the first that can be read counts
  std::string problem;               // why there is none
};

// No more than the last 64 KiB are looked at. Text up to the last </think> does not count.
inline constexpr size_t kMaxCompletionBytes = 64 << 10;

FoundAnswers find_answers(std::string_view completion, AnswerPlace place);

}  // namespace ponder::tasks
