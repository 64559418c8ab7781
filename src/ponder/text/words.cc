#include "ponder/text/words.h"

namespace ponder::text {

const std::vector<std::string>& task_words() {
  static const std::vector<std::string> words = [] {
    std::vector<std::string> w;
    for (int n = 0; n <= kMaxNumber; ++n) w.push_back(std::to_string(n));
    for (const char* word : {"<pad>", "end", "Q",    "P",    ">",    "<",     ":",     ";",   ",",    "+",    "-",
                             "*",     "/",   "=",    "?",    "goal", "above", "below", "try", "back", "test", "use",
                             "yes",   "no",  "wait", "stop", "ans",  "play",  "run",   "and", "or",   "not",  "if",
                             "then",  "get", "sort", "max",  "min",  "a",     "b",     "c",   "d",    "e",    "f"})
      w.push_back(word);
    return w;
  }();
  return words;
}

}  // namespace ponder::text
