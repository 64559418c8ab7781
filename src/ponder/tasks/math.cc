#include "ponder/tasks/math.h"

#include <optional>
#include <vector>

#include "ponder/base/cat.h"
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
  std::optional<Reading> reading;
  for (const FoundAnswer& answer : found.answers) {
    if (reading && answer.text != reading->text) break;
    auto meaning = parse_math(answer.text, answer.plain);
    if (!meaning) continue;
    if (!reading) reading = Reading{answer.text, {}};
    reading->meanings.push_back(std::move(*meaning));
  }
  return reading;
}

std::string shown(const MathNode& node) {
  if (auto number = rational_text(node); number && number->size() <= 100) return *number;
  std::string text = math_text(node);
  if (text.size() > 200) text = text.substr(0, 200) + "…";
  return text;
}

}  // namespace

core::Verdict judge_math(const std::string& gold, const std::string& completion, AnswerPlace place) {
  auto wanted = first_reading(find_answers(gold, AnswerPlace::kLenient));
  if (!wanted)
    return {core::VerdictKind::kCannotJudge, "",
            base::cat("the gold answer \"", gold.substr(0, 80),
                      "\" cannot be read; it must be a number, a formula or a word")};
  FoundAnswers found = find_answers(completion, place);
  auto given = first_reading(found);
  if (!given) {
    std::string reason = found.problem;
    if (reason.empty())
      reason = base::cat("\"", found.answers[0].text.substr(0, 80), "\" is no formula that can be read");
    return {core::VerdictKind::kUnparsable, "", "no answer: " + reason};
  }
  core::Verdict verdict{core::VerdictKind::kWrong, shown(given->meanings[0]), ""};
  bool spent = false;
  for (const MathNode& gold_meaning : wanted->meanings) {
    for (const MathNode& meaning : given->meanings) {
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
    verdict.reason = base::cat("it does not equal ", shown(wanted->meanings[0]));
  }
  return verdict;
}

}  // namespace ponder::tasks
