// How a model meets problems: what it reads, where its completions end, which answer they claim. One codec for the
// tasks' own language (text/format.h), one for models that write words (tasks/word_codec.h). Thread-safe.
#pragma once
#include <optional>
#include <string>

#include "ponder/core/ports.h"
#include "ponder/text/tokenizer.h"

namespace ponder::text {

// Behaviours of one thought.
struct BehaviourCounts {
  int64_t analysis = 0, tries = 0, backs = 0, checks = 0, tests = 0, corrections = 0;
  int64_t gave_up = 0, answered = 0;           // 0 or 1
  int64_t equations = 0, wrong_equations = 0;  // "a op b = c" with a wrong c that nothing corrects
  int64_t tokens = 0;
};

class ProblemCodec : public core::Codec {
 public:
  virtual const Tokenizer& tokenizer() const = 0;
  // What the model reads for a problem. Error(kInput) says why it cannot.
  virtual core::Tokens prompt(const core::Problem& problem) const = 0;
  // A solution as the model is to write it behind the prompt, its end included: for learning from solutions.
  virtual core::Tokens response(const std::string& solution) const = 0;
  // The text of a completion that its task's verifier judges; nothing when no answer is claimed (gave up, cut off).
  virtual std::optional<std::string> claimed(const std::string& completion) const = 0;
  virtual const char* no_answer() const = 0;  // what is missing then, for people
  // What stands before the answer; all of it when there is none.
  virtual std::string thought(const std::string& completion) const = 0;
  virtual BehaviourCounts behaviours(const std::string& completion) const = 0;
  // Whether a finished completion says that it gives up; then it need not claim an answer.
  virtual bool gave_up(core::TokenSpan completion) const = 0;
  // What people are shown of a completion: without end tokens and stop texts.
  virtual std::string shown(const std::string& completion) const { return completion; }
};

}  // namespace ponder::text
