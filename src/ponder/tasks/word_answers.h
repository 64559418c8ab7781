// What a completion in words says: where it ends, what it thinks, which answer it claims. WordCodec alone calls it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/text/problem_codec.h"

namespace ponder::tasks {

// How a model's completions end.
struct WordEnds {
  std::vector<std::string> tokens;  // the spelling of its end tokens; none: every completion counts as finished
  std::vector<std::string> texts;   // stop texts
  bool opens_thought = false;       // its prompts end in "<think>"
};

struct WordReading {
  std::string_view body;  // what stands before the end
  std::string_view said;  // of that, what stands behind the last </think>
  bool finished = false;  // it came to an end
  bool thinks = false;    // and never ceased to
};

// The views are into the completion.
WordReading read_words(std::string_view completion, const WordEnds& ends);

// What may be judged: all that was said. Of a completion that was cut off only whole lines count, and only when one of
// them gives its answer in a box or behind "####": elsewhere a number may be the beginning of another, or no answer
// yet.
std::optional<std::string> claim_of(const WordReading& reading);

// What stands before the last box or "####" that was said, thoughts included; all of it when there is none.
std::string thought_in(const WordReading& reading);

// Where the answer begins in a completion: at the last </think>, else at the last box or "####", else, when it is
// finished, at the last line.
size_t answer_begin(const WordReading& reading);

// Equations "a op b = c" are held against exact arithmetic; "wait" and the like are corrections, "check" and the like
// checks, "alternatively" and the like steps back. tokens is left to the caller.
text::BehaviourCounts behaviours_in(std::string_view body);

}  // namespace ponder::tasks
