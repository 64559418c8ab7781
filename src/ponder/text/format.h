// The prompts and the thought format of the procedural tasks: one small language (words.h) that every task writes in.
//
//   countdown   "Q 13 8 2 > 18 :"
//               "goal 18 below ; try 13 + 2 = 15 , 15 8 ; 15 + 8 = 23 ? 18 no ;
//                try 13 * 2 = 26 , 26 8 ; 26 - 8 = 18 ? 18 yes ;
//                ans 13 * 2 ; 26 - 8 end"
//   vm          "P + 3 * 2 - 5 / 2 use 3 : 7 > 15 , 6 > 13 :"   a bag of instructions, how many to use, unit tests
//               "goal 15 above ; try 7 + 3 = 10 ; 10 - 5 = 5 ; 5 * 2 = 10 ? 15 no ;
//                back 10 , * 2 - 5 / 2 ; 10 * 2 = 20 ; 20 - 5 = 15 ? 15 yes ;
//                test 6 + 3 = 9 ; 9 * 2 = 18 ; 18 - 5 = 13 ? 13 yes ; ans + 3 ; * 2 ; - 5 end"
//
// analysis: "goal T above|below" (the sum of the numbers, the input of the first unit test); decomposition: equations,
// in countdown with what is left after ","; "a op b no" when the result would leave 0 … 99; self-evaluation: "? T
// yes|no"; alternative: "try" (from the start) and "back" with the state to go on from; "test": the program that passed
// the first unit test runs on the next; self-correction: "X wait Y", the number Y replaces the slip X; giving up: "stop
// end".
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/core/problem.h"
#include "ponder/text/problem_codec.h"
#include "ponder/text/word_tokenizer.h"
#include "ponder/text/words.h"

namespace ponder::text {

// The built-in vocabulary, task_words(): numbers, then marks and words; "<pad>" and "end" (the end token) are in it.
const WordTokenizer& task_tokenizer();
// The words of any text as ids of that vocabulary; −1 for a word that it does not have.
core::Tokens known_ids(std::string_view text);

// What the model reads for a problem: the task's question, encoded.
core::Tokens render_prompt(const WordTokenizer& tokenizer, const core::Problem& problem);

// The answer text that a completion claims: the words between "ans" and "end". Nothing if one of them is missing or
// stands more than once, if something follows "end", or if nothing stands between them.
std::optional<std::string> claimed_answer(const std::string& completion);
// The words before "ans" (all of it when there is no answer).
std::string thought_of(const std::string& completion);

BehaviourCounts count_behaviours(const std::string& completion);

// Votes count the canonical answer: spaces normalised; two answers that differ only in the order of commutative
// operands or of independent lines are NOT merged (that would need the task's rules).
class TaskCodec : public ProblemCodec {
 public:
  explicit TaskCodec(const WordTokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string decode(core::TokenSpan tokens) const override { return tokenizer_.decode(tokens); }
  std::optional<std::string> answer(const core::Problem& problem, core::TokenSpan completion) const override;
  core::Tokens step_ends() const override;                            // ";" (and the end token, which always stops)
  int64_t thought_length(core::TokenSpan completion) const override;  // up to "ans", or to "stop"
  core::Tokens think_on(core::TokenSpan) const override { return {kTry}; }
  core::Tokens answer_now(core::TokenSpan) const override { return {kAns}; }

  const Tokenizer& tokenizer() const override { return tokenizer_; }
  core::Tokens prompt(const core::Problem& problem) const override { return render_prompt(tokenizer_, problem); }
  core::Tokens response(const std::string& solution) const override { return tokenizer_.encode(solution); }
  std::optional<std::string> claimed(const std::string& completion) const override {
    return claimed_answer(completion);
  }
  const char* no_answer() const override { return "there is no \"ans … end\""; }
  std::string thought(const std::string& completion) const override { return thought_of(completion); }
  BehaviourCounts behaviours(const std::string& completion) const override { return count_behaviours(completion); }
  bool gave_up(core::TokenSpan completion) const override {
    return completion.size() > 1 && completion[completion.size() - 2] == kStop;
  }

 private:
  const WordTokenizer& tokenizer_;
};

}  // namespace ponder::text
