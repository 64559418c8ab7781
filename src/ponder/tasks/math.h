// Tasks whose answer is a mathematical expression beside a given one: any problem with a gold answer. The problems come
// from files; nothing is generated.
#pragma once
#include <string>

#include "ponder/core/problem.h"
#include "ponder/tasks/math_extract.h"

namespace ponder::tasks {

// The verdict on a completion, read where `place` says. A gold that cannot be read gives kCannotJudge, never a reward.
core::Verdict judge_math(const std::string& gold, const std::string& completion, AnswerPlace place);

}  // namespace ponder::tasks
