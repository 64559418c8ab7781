// Formulas and numbers in prose, and the phrases that announce an answer. math_extract alone calls it. The order of
// preference is math-verify's (huggingface/Math-Verify), written anew without regular expressions: one pass over the
// text.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::tasks {

struct Phrase {
  size_t begin = 0, end = 0;
  std::string text;
  bool plain = false;  // a number or an expression without $…$
};

// "final answer is X. I hope": the last of them.
std::optional<Phrase> closing_phrase(std::string_view text);
// What follows "final answer … is", then "answer:", then "answer", then the last formula or number, each from the back.
std::vector<Phrase> answer_phrases(std::string_view text);
// Nothing but a formula, a number with its unit, or a few words.
bool is_bare_answer(std::string_view text);
// "\\%" when "%", "percent" or "pct" follows at `at`, else "".
std::string percent_behind(std::string_view text, size_t at);

}  // namespace ponder::tasks
