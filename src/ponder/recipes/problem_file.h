// Problems as users give them: a JSONL file, or task:NAME[:train|dev|test]. Bad rows are reported one by one and the
// rest is still worked on.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "ponder/core/problem.h"

namespace ponder::recipes {

struct RowError {
  int64_t line = 0;
  std::string message;  // "FILE:LINE: what is wrong; what would be right"
};

struct ProblemFile {
  std::vector<core::Item> items;
  std::vector<base::Json> rows;  // [items] as they stood in the file
  std::vector<int64_t> lines;    // [items]
  std::vector<RowError> errors;
};

// What a row is read for: to be solved, or to grade the answer that it brings.
enum class RowUse { kSolve, kGrade };
// The problem of one row; `line` gives it an id when it has none. Error(kInput) as the task says it.
core::Item read_problem(const base::Json& row, const std::string& task, int64_t line, RowUse use);

// task: of rows that name none; "" = told by their fields ("numbers" or "instructions").
ProblemFile read_problems(const std::string& path, const std::string& task);
// "task:NAME[:SPLIT]" -> n problems of that split.
ProblemFile draw_problems(const std::string& spec, int64_t n, int64_t seed);
bool is_task_spec(const std::string& problems);

// Hands the bad rows of a file on between its good ones, so that what is said follows the file.
class BadRows {
 public:
  // file is borrowed; its errors are in the order of their lines.
  BadRows(const ProblemFile& file, std::function<void(const RowError&)> report)
      : errors_(file.errors), report_(std::move(report)) {}
  void before(int64_t line);  // those that stand before this line and were not handed on yet
  void rest();

 private:
  const std::vector<RowError>& errors_;
  std::function<void(const RowError&)> report_;
  size_t next_ = 0;
};

}  // namespace ponder::recipes
