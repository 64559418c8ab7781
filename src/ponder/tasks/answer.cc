#include "ponder/tasks/answer.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/text/format.h"

namespace ponder::tasks {

std::optional<std::vector<std::vector<std::string_view>>> answer_lines(const std::string& answer) {
  if (answer.size() > kMaxAnswerBytes) return std::nullopt;
  if (!std::all_of(answer.begin(), answer.end(), [](char c) { return c >= ' ' && c <= '~'; })) return std::nullopt;
  std::vector<std::vector<std::string_view>> lines(1);
  for (std::string_view word : text::split_words(answer)) {
    if (word == ";")
      lines.emplace_back();
    else
      lines.back().push_back(word);
  }
  for (const auto& line : lines)
    if (line.empty()) return std::nullopt;
  return lines;
}

std::optional<int> strict_number(std::string_view word) {
  if (word.empty() || word.size() > 4 || (word.size() > 1 && word[0] == '0')) return std::nullopt;
  int n = 0;
  for (char c : word) {
    if (c < '0' || c > '9') return std::nullopt;
    n = 10 * n + (c - '0');
  }
  return n;
}

std::optional<core::Token> strict_op(std::string_view word) {
  if (word == "+") return text::kPlus;
  if (word == "-") return text::kMinus;
  if (word == "*") return text::kTimes;
  if (word == "/") return text::kDivide;
  return std::nullopt;
}

core::Verdict wrong(std::string extracted, std::string reason) {
  return {core::VerdictKind::kWrong, std::move(extracted), std::move(reason)};
}

core::Verdict unparsable(std::string reason) { return {core::VerdictKind::kUnparsable, "", std::move(reason)}; }

int int_field(const base::Json& value, int lo, int hi, const std::string& row, const std::string& field) {
  if (!value.is_int() || value.as_int() < lo || value.as_int() > hi)
    throw Error(ErrorCode::kInput,
                base::cat(field, " must be an integer from ", lo, " to ", hi, ", got ", value.dump().substr(0, 40)),
                row);
  return static_cast<int>(value.as_int());
}

std::string row_id(const base::Json& row, const std::string& default_id) {
  if (!row.is_object())
    throw Error(ErrorCode::kInput, base::cat("a problem must be an object, got ", row.type_name()), default_id);
  const base::Json* id = row.find("id");
  if (!id || id->is_null()) return default_id;
  if (id->is_int()) return base::cat(id->as_int());
  if (!id->is_string())
    throw Error(ErrorCode::kInput, base::cat("id must be a string, got ", id->type_name()), default_id);
  return id->as_string();
}

StepVerdict unreadable_step() { return {false, false, "not a step of this task's language"}; }
StepVerdict invalid_step(std::string reason) { return {true, false, std::move(reason)}; }
StepVerdict valid_step() { return {true, true, ""}; }

}  // namespace ponder::tasks
