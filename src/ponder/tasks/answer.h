// What the tasks' parsers share: strict reading of answers and of users' rows.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/core/problem.h"
#include "ponder/core/token.h"
#include "ponder/tasks/task.h"

namespace ponder::tasks {

// Longer answers are not read: no task needs more, and a verifier must not be slowed down by what a model writes.
inline constexpr size_t kMaxAnswerBytes = 256;

// The answer's lines between ";", each as words; nothing when it is empty, too long, holds anything but printable
// ASCII, or has an empty line.
std::optional<std::vector<std::vector<std::string_view>>> answer_lines(const std::string& answer);
// A decimal number of 1 to 4 ASCII digits without sign and leading zeros.
std::optional<int> strict_number(std::string_view word);
// One of + - * / as a word of the task language.
std::optional<core::Token> strict_op(std::string_view word);

core::Verdict wrong(std::string extracted, std::string reason);
core::Verdict unparsable(std::string reason);

// The integer `value` of a row when it lies in lo … hi; Error(kInput) names the field, what it holds and what is
// wanted.
int int_field(const base::Json& value, int lo, int hi, const std::string& row, const std::string& field);
// The row's own id (a string or an integer), else default_id.
std::string row_id(const base::Json& row, const std::string& default_id);

// A step in the wrong form, a step that does not follow, a step that does.
StepVerdict unreadable_step();
StepVerdict invalid_step(std::string reason);
StepVerdict valid_step();

}  // namespace ponder::tasks
