#include "ponder/tasks/dataset.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/tasks/answer.h"
#include "ponder/tasks/math.h"
#include "ponder/tasks/math_equal.h"
#include "ponder/tasks/math_parse.h"

namespace ponder::tasks {
namespace {

std::mutex folder_mutex;
std::string& chosen_folder() {
  static std::string folder;
  return folder;
}

constexpr size_t kMaxSteps = 1000;  // lines of a thought that are checked
constexpr size_t kMaxLineBytes = 2000;

// The first field of those names that the row has; null when it has none.
const base::Json* first_of(const base::Json& row, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const base::Json* value = row.find(name); value && !value->is_null()) return value;
  return nullptr;
}

std::string text_of(const base::Json& value, const char* what, const std::string& id) {
  if (value.is_string()) return value.as_string();
  if (value.is_number()) return value.dump();
  throw Error(ErrorCode::kInput, base::cat(what, " must be a text or a number, got ", value.type_name()), id);
}

// Where the row wants its answers read, under "place".
std::optional<AnswerPlace> place_named(const base::Json* name, const std::string& id) {
  if (!name) return std::nullopt;
  const std::string word = name->is_string() ? name->as_string() : name->type_name();
  if (word == "boxed") return AnswerPlace::kBoxed;
  if (word == "hashes") return AnswerPlace::kHashes;
  if (word == "whole") return AnswerPlace::kWhole;
  if (word == "lenient") return AnswerPlace::kLenient;
  throw Error(ErrorCode::kInput, base::cat("\"place\" is ", word, "; it must be boxed, hashes, whole or lenient"), id);
}

std::string question_of(const base::Json& row, const std::string& id) {
  const base::Json* question = first_of(row, {"question", "problem", "prompt"});
  return question ? text_of(*question, "the question", id) : "";
}

bool is_arithmetic(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) ||
         std::string_view("+-*/().,% $").find(c) != std::string_view::npos;
}

// The longest arithmetic before (or behind) the = at `at`.
std::string_view side(std::string_view line, size_t at, bool before) {
  size_t begin = at, end = at + 1;
  if (before) {
    while (begin > 0 && is_arithmetic(line[begin - 1])) --begin;
    return line.substr(begin, at - begin);
  }
  while (end < line.size() && is_arithmetic(line[end])) ++end;
  std::string_view out = line.substr(at + 1, end - at - 1);
  while (!out.empty() && (out.back() == '.' || out.back() == ',' || out.back() == ' ')) out.remove_suffix(1);
  return out;
}

StepVerdict check_line(std::string_view line) {
  const std::vector<LineEquation> equations = equations_of(line);
  for (const LineEquation& e : equations)
    if (!e.holds) return invalid_step(base::cat(e.left, " is not ", e.right));
  return equations.empty() ? unreadable_step() : valid_step();
}

}  // namespace

std::vector<LineEquation> equations_of(std::string_view line) {
  line = line.substr(0, kMaxLineBytes);
  std::vector<LineEquation> equations;
  for (size_t at = line.find('='); at != std::string_view::npos; at = line.find('=', at + 1)) {
    auto left = parse_math(side(line, at, true)), right = parse_math(side(line, at, false));
    if (!left || !right) continue;
    const bool holds = compare_math(*left, *right, 100000) == MathVerdict::kEqual;
    equations.push_back({math_text(*left), math_text(*right), holds});
  }
  return equations;
}

void set_data_folder(const std::string& folder) {
  std::lock_guard lock(folder_mutex);
  chosen_folder() = folder;
}

std::string data_folder() {
  std::lock_guard lock(folder_mutex);
  if (!chosen_folder().empty()) return chosen_folder();
  const char* named = std::getenv("PONDER_DATA");
  return named ? named : "";
}

const Dataset& DatasetTask::dataset() const {
  const std::string folder = needs_folder() ? data_folder() : "";
  if (folder.empty() && needs_folder())
    throw Error(ErrorCode::kUsage,
                base::cat("task ", name(),
                          " draws its problems from files and no data folder is set; name it in the "
                          "environment variable PONDER_DATA, or give problems with --problems FILE.jsonl"));
  std::lock_guard lock(mutex_);
  std::unique_ptr<Dataset>& data = loaded_[folder];
  if (!data) {
    data = std::make_unique<Dataset>(load(folder));
    for (const auto* items : {&data->dev, &data->test})
      for (const core::Item& item : *items) data->held_out.insert(canonical(item.problem));
    for (const std::string& row : data->left_out) base::log_warning(base::cat(name(), ": left out ", row));
  }
  return *data;
}

core::Item DatasetTask::generate(base::RngKey key, Split split) const {
  const std::vector<core::Item>& items = dataset().split(split);
  if (items.empty()) {
    std::string there;
    for (const Split s : {Split::kTrain, Split::kDev, Split::kTest})
      if (const size_t n = dataset().split(s).size(); n > 0)
        base::append(there, base::cat(there.empty() ? "" : ", ", split_name(s), " (", n, ")"));
    throw Error(ErrorCode::kUsage, base::cat("task ", name(), " has no problems in its ", split_name(split),
                                             " split; it has ", there.empty() ? "none at all" : there));
  }
  return items[static_cast<size_t>(base::Rng(key).below(static_cast<int64_t>(items.size())))];
}

core::Item DatasetTask::make_item(std::string id, std::string question, base::Json gold) const {
  core::Item item;
  item.problem.id = std::move(id);
  item.problem.task = name();
  item.problem.question = std::move(question);
  item.problem.data = base::Json::object();
  item.gold = std::move(gold);
  return item;
}

core::Item DatasetTask::parse(const base::Json& row, const std::string& default_id) const {
  std::string id = row_id(row, default_id);
  std::string question = question_of(row, id);
  const base::Json* gold = first_of(row, {"gold", "solution", "answer"});
  if (question.empty() && !gold)
    throw Error(ErrorCode::kInput, "the row has no \"question\" (or \"problem\"), which a model could read", id);
  core::Item item = make_item(id, std::move(question), base::Json());
  if (!gold) return item;
  item.gold["answer"] = gold_of(text_of(*gold, "the gold answer", id));
  if (const base::Json* solution = first_of(row, {"solution"}); solution && solution->is_string())
    item.gold["solution"] = *solution;
  else if (!row.find("gold") && gold->is_string() && gold->as_string() != item.gold.string_at("answer"))
    item.gold["solution"] = *gold;
  if (const base::Json* equation = row.find("equation"); equation && equation->is_string())
    item.gold["equation"] = *equation;
  if (const base::Json* place = row.find("place"); place_named(place, id)) item.gold["place"] = *place;
  return item;
}

core::Item DatasetTask::parse_graded(const base::Json& row, const std::string& default_id) const {
  const std::string id = row_id(row, default_id);
  if (!first_of(row, {"gold", "solution", "Answer"}))
    throw Error(ErrorCode::kInput, "the row has no \"gold\": the right answer, beside \"answer\", the one to grade",
                id);
  return parse(row, default_id);
}

base::Json DatasetTask::to_row(const core::Item& item) const {
  base::Json row;
  row["id"] = item.problem.id;
  row["question"] = item.problem.question;
  if (item.gold.is_null()) return row;
  row["gold"] = item.gold.at("answer");
  for (const char* key : {"solution", "equation", "place"})
    if (const base::Json* value = item.gold.find(key)) row[key] = *value;
  return row;
}

std::string DatasetTask::canonical(const core::Problem& problem) const {
  std::string out = source() + " ";
  bool gap = false;
  for (char c : problem.question) {
    if (std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 128) {
      if (std::exchange(gap, false) && out.back() != ' ') out += ' ';
      out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      gap = true;
    }
  }
  return out;
}

bool DatasetTask::is_held_out(const core::Problem& problem) const {
  return dataset().held_out.contains(canonical(problem));
}

core::Verdict DatasetTask::verify(const core::Item& item, const std::string& answer) const {
  const base::Json* gold = item.gold.find("answer");
  if (!gold || !gold->is_string()) return {core::VerdictKind::kCannotJudge, "", "the problem has no gold answer"};
  const base::Json* place = item.gold.find("place");
  return judge_math(gold->as_string(), answer, place_named(place, item.problem.id).value_or(place_), second_opinion());
}

std::vector<StepVerdict> DatasetTask::check_steps(const core::Problem&, const std::string& thought) const {
  std::vector<StepVerdict> verdicts;
  std::string_view rest = thought;
  while (!rest.empty() && verdicts.size() < kMaxSteps) {
    size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos || line.starts_with("####")) continue;
    verdicts.push_back(check_line(line));
  }
  return verdicts;
}

std::vector<core::Item> DatasetTask::load_jsonl(const std::string& path) const {
  std::vector<core::Item> items;
  base::read_jsonl(path, [&](base::Json&& row, int64_t line) {
    try {
      items.push_back(parse(row, base::cat(name(), "-", line)));
    } catch (const Error& e) {
      throw Error(e.code(), e.message(), base::cat(path, ":", line));
    }
  });
  return items;
}

std::string MathTask::description() const {
  return "any problem with a gold answer: numbers, formulas, sets, intervals, matrices, judged exactly; data: "
         "math/{train,test}.jsonl with \"problem\" and \"answer\"";
}

Dataset MathTask::load(const std::string& folder) const {
  Dataset data;
  for (core::Item& item : load_jsonl(base::join_path(folder, "math/train.jsonl"))) {
    bool dev = split_of_canonical(canonical(item.problem)) == Split::kDev;
    (dev ? data.dev : data.train).push_back(std::move(item));
  }
  data.test = load_jsonl(base::join_path(folder, "math/test.jsonl"));
  return data;
}

}  // namespace ponder::tasks
