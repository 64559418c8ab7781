#include "ponder/tasks/math.h"

#include <algorithm>
#include <cctype>
#include <mutex>
#include <optional>
#include <vector>

#include "ponder/base/cat.h"
#include "ponder/tasks/judge_pool.h"
#include "ponder/tasks/math_equal.h"
#include "ponder/tasks/math_exact.h"
#include "ponder/tasks/math_parse.h"

namespace ponder::tasks {
namespace {

// A text and what it may mean: "1,5" is a list, and in prose a number.
struct Reading {
  std::string text;
  std::vector<MathNode> meanings;
};

// The first answer that can be read, in each of its meanings.
std::optional<Reading> first_reading(const FoundAnswers& found) {
  for (const FoundAnswer& answer : found.answers) {
    Reading reading{answer.text, {}};
    const auto add = [&](Comma comma) {
      auto meaning = parse_math(answer.text, comma);
      if (meaning) reading.meanings.push_back(std::move(*meaning));
    };
    // In prose a comma within a number is a decimal comma rather than a list.
    bool has_comma = answer.text.find(',') != std::string::npos;
    if (has_comma && answer.plain) add(Comma::kDecimal);
    add(Comma::kThousands);
    if (has_comma && !answer.plain) add(Comma::kList);
    if (has_comma && answer.bare) add(Comma::kDecimal);
    if (!reading.meanings.empty()) return reading;
  }
  return std::nullopt;
}

// A formula without what does not matter in it: spaces, $, styling.
std::string plain_formula(const std::string& text) {
  std::string out;
  bool was_command = false;
  for (const MathToken& token : lex_math(text, Comma::kThousands)) {
    if (token.text.empty()) continue;
    const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    if (!out.empty() && (token.spaced || was_command) && is_word(out.back()) && is_word(token.text[0])) out += ' ';
    was_command = token.kind == MathToken::kCommand;
    base::append(out, base::cat(was_command ? "\\" : "", token.text));
  }
  return out;
}

std::string shown(const MathNode& node) {
  if (auto number = rational_text(node); number && number->size() <= 100) return *number;
  std::string text = math_text(node);
  if (text.size() > 200) text = text.substr(0, 200) + "…";
  return text;
}

core::Verdict compared(const Reading& wanted, const Reading& given) {
  core::Verdict verdict{core::VerdictKind::kWrong, shown(given.meanings[0]), ""};
  bool spent = false;
  for (const MathNode& gold_meaning : wanted.meanings) {
    for (const MathNode& meaning : given.meanings) {
      MathVerdict result = compare_math(gold_meaning, meaning);
      if (result == MathVerdict::kEqual) {
        verdict.kind = core::VerdictKind::kCorrect;
        return verdict;
      }
      spent = spent || result == MathVerdict::kSpent;
    }
  }
  if (spent) {
    verdict.kind = core::VerdictKind::kTimeout;
    verdict.reason = "too much work to compare; the step budget is spent";
  } else {
    verdict.reason = base::cat("it does not equal ", shown(wanted.meanings[0]));
  }
  return verdict;
}

core::Verdict judge_natively(const std::string& gold, const FoundAnswers& found) {
  auto wanted = first_reading(find_answers(gold, AnswerPlace::kLenient));
  if (!wanted)
    return {core::VerdictKind::kCannotJudge, "",
            base::cat("the gold answer \"", gold.substr(0, 80),
                      "\" cannot be read; it must be a number, a formula or a word")};
  auto given = first_reading(found);
  if (given) return compared(*wanted, *given);
  std::string reason = found.problem;
  if (reason.empty())
    reason = base::cat("\"", found.answers[0].text.substr(0, 80), "\" is no formula that can be read");
  return {core::VerdictKind::kUnparsable, "", "no answer: " + reason};
}

std::mutex second_mutex;
SecondOpinion the_second;

}  // namespace

void set_second_opinion(SecondOpinion second) {
  std::lock_guard lock(second_mutex);
  the_second = second;
}

SecondOpinion second_opinion() {
  std::lock_guard lock(second_mutex);
  return the_second;
}

std::optional<MathAnswer> math_answer(std::string_view completion, AnswerPlace place) {
  const auto reading = first_reading(find_answers(completion, place));
  if (!reading) return std::nullopt;
  const MathNode& meaning = reading->meanings[0];
  const auto number = rational_text(meaning.is(MathKind::kQuantity) ? meaning.args[0] : meaning);
  return MathAnswer{reading->text, number ? *number : plain_formula(reading->text), number.has_value()};
}

core::Verdict judge_math(const std::string& gold, const std::string& completion, AnswerPlace place,
                         SecondOpinion second) {
  const FoundAnswers found = find_answers(completion, place);
  core::Verdict verdict = judge_natively(gold, found);
  bool asks =
      verdict.kind != core::VerdictKind::kCorrect && (verdict.kind != core::VerdictKind::kWrong || second.when_wrong);
  if (!second.pool || !asks || found.answers.empty()) return verdict;
  // Where the place is strict the other judge sees what stands there and no more.
  std::string answer = place == AnswerPlace::kLenient
                           ? completion.substr(completion.size() - std::min(completion.size(), kMaxCompletionBytes))
                           : base::cat("\\boxed{", found.answers[0].text, "}");
  std::optional<bool> same = second.pool->same(gold, answer);
  if (!same) return verdict;
  verdict.kind = *same ? core::VerdictKind::kCorrect : core::VerdictKind::kWrong;
  verdict.extracted = found.answers[0].text.substr(0, 200);
  verdict.reason = *same ? "" : "it does not equal the gold, says the second judge";
  return verdict;
}

}  // namespace ponder::tasks
