// Tasks whose answer is a mathematical expression beside a given one: any problem with a gold answer. The problems come
// from files; nothing is generated.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "ponder/core/problem.h"
#include "ponder/tasks/math_extract.h"

namespace ponder::tasks {

class JudgePool;

// A judge to ask when this one cannot read the gold or the answer or spends its budget, and, when wanted, about answers
// that it calls wrong.
struct SecondOpinion {
  JudgePool* pool = nullptr;  // borrowed; null: none
  bool when_wrong = false;
};
// What the tasks of this process ask; set before the first answer is judged. None unless it is set.
void set_second_opinion(SecondOpinion second);
SecondOpinion second_opinion();

// The answer that a completion gives where `place` says, as it is written there and in a form that equal numbers share:
// "12", "12.0", "$12" and "12 apples" are "12". Others share it when they are written alike but for spaces and styling.
// Nothing when none can be read.
struct MathAnswer {
  std::string written, canonical;
  bool is_number = false;
};
std::optional<MathAnswer> math_answer(std::string_view completion, AnswerPlace place);

// The verdict on a completion, read where `place` says. A gold that cannot be read gives kCannotJudge, never a reward.
core::Verdict judge_math(const std::string& gold, const std::string& completion, AnswerPlace place,
                         SecondOpinion second = {});

}  // namespace ponder::tasks
