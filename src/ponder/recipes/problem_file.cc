#include "ponder/recipes/problem_file.h"

#include <limits>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/tasks/task.h"

namespace ponder::recipes {
namespace {

std::string task_of_row(const base::Json& row, const std::string& task) {
  if (!row.is_object())
    throw Error(ErrorCode::kInput, base::cat("the row is ", row.type_name(), "; a problem is an object {…}"));
  if (row.find("task")) return row.string_at("task");
  if (!task.empty()) return task;
  if (const base::Json* numbers = row.find("numbers"); numbers && numbers->is_array())
    return base::cat("countdown", numbers->size());
  if (const base::Json* use = row.find("use"); use && use->is_int() && row.find("instructions"))
    return base::cat("vm", use->as_int());
  if (row.find("question") || row.find("problem")) return "math";
  throw Error(ErrorCode::kInput,
              "the row names no task; add \"task\", or the fields of one: \"numbers\" and \"target\" (countdown), "
              "\"instructions\", \"use\" and \"tests\" (vm), or \"question\" (math)");
}

}  // namespace

core::Item read_problem(const base::Json& row, const std::string& task, int64_t line, RowUse use) {
  const tasks::Task& reader = tasks::find_task(task_of_row(row, task));
  const std::string id = base::cat("line", line);
  return use == RowUse::kGrade ? reader.parse_graded(row, id) : reader.parse(row, id);
}

bool is_task_spec(const std::string& problems) { return problems.starts_with("task:"); }

ProblemFile read_problems(const std::string& path, const std::string& task) {
  ProblemFile file;
  const auto fail = [&](int64_t line, const std::string& message) {
    file.errors.push_back({line, base::cat(path, ":", line, ": ", message)});
  };
  base::read_jsonl(
      path,
      [&](base::Json&& row, int64_t line) {
        try {
          file.items.push_back(read_problem(row, task, line, RowUse::kSolve));
          file.rows.push_back(std::move(row));
          file.lines.push_back(line);
        } catch (const Error& e) {
          fail(line, e.message());
        }
      },
      [&](const std::string& message, int64_t line) {
        file.errors.push_back({line, message});
      });
  return file;
}

ProblemFile draw_problems(const std::string& spec, int64_t n, int64_t seed) {
  std::string name = spec.substr(5), split = "test";
  if (const size_t colon = name.find(':'); colon != std::string::npos)
    split = name.substr(colon + 1), name.resize(colon);
  const tasks::Task& task = tasks::find_task(name);
  for (tasks::Split s : {tasks::Split::kTrain, tasks::Split::kDev, tasks::Split::kTest}) {
    if (split != tasks::split_name(s)) continue;
    ProblemFile file;
    file.items =
        tasks::make_problems(task, s, static_cast<size_t>(n), base::RngKey(static_cast<uint64_t>(seed)).child(split));
    for (size_t i = 0; i < file.items.size(); ++i) {
      file.rows.push_back(task.to_row(file.items[i]));
      file.lines.push_back(static_cast<int64_t>(i) + 1);
    }
    return file;
  }
  throw Error(ErrorCode::kUsage, base::cat("unknown split \"", split, "\"; it is train, dev or test"), spec);
}

void BadRows::before(int64_t line) {
  while (next_ < errors_.size() && errors_[next_].line < line) report_(errors_[next_++]);
}

void BadRows::rest() { before(std::numeric_limits<int64_t>::max()); }

}  // namespace ponder::recipes
