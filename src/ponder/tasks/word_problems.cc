#include <algorithm>
#include <string_view>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/tasks/answer.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/math_equal.h"
#include "ponder/tasks/math_exact.h"
#include "ponder/tasks/math_parse.h"

namespace ponder::tasks {
namespace {

constexpr size_t kSvampTest = 300;  // of 1,000

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\n')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\n')) s.remove_suffix(1);
  return s;
}

// "12.0" is written "12".
std::string number_text(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

// One operation of an equation: its two sides' values as text, then the line.
class Workings {
 public:
  // The value of the node, after the lines that lead to it; nothing for what is no arithmetic.
  std::optional<std::string> value(const MathNode& node) {
    switch (node.kind) {
      case MathKind::kNumber:
        return number_text(node.text);
      case MathKind::kSum:
      case MathKind::kProduct:
      case MathKind::kQuotient: {
        auto total = value(node.args[0]);
        for (size_t i = 1; i < node.args.size() && total; ++i) {
          bool minus = node.args[i].is(MathKind::kNegation);
          auto next = value(minus ? node.args[i].args[0] : node.args[i]);
          if (!next) return std::nullopt;
          const char* op = node.is(MathKind::kSum) ? (minus ? "-" : "+") : node.is(MathKind::kProduct) ? "*" : "/";
          if (minus && !node.is(MathKind::kSum)) return std::nullopt;
          total = step(*total, op, *next);
        }
        return total;
      }
      default:
        return std::nullopt;
    }
  }
  const std::string& lines() const { return lines_; }

 private:
  std::optional<std::string> step(const std::string& a, const char* op, const std::string& b) {
    const auto operand = [](const std::string& v) {
      bool simple = v.find_first_of("/-") == std::string::npos;
      return simple ? v : base::cat("(", v, ")");
    };
    std::string left = base::cat(operand(a), " ", op, " ", operand(b));
    auto node = parse_math(left);
    auto result = node ? rational_text(*node) : std::nullopt;
    if (!result) return std::nullopt;
    base::append(lines_, base::cat(left, " = ", decimal_or(*result), "\n"));
    return decimal_or(*result);
  }

  // 5/2 as 2.5 when it ends within four places.
  static std::string decimal_or(const std::string& fraction) {
    if (fraction.find('/') == std::string::npos) return fraction;
    auto node = parse_math(fraction);
    auto scaled = rational_rounded(*node, 4);
    if (!scaled) return fraction;
    bool negative = (*scaled)[0] == '-';
    std::string digits = negative ? scaled->substr(1) : *scaled;
    if (digits.size() < 5) digits.insert(0, 5 - digits.size(), '0');
    std::string decimal =
        number_text(base::cat(digits.substr(0, digits.size() - 4), ".", digits.substr(digits.size() - 4)));
    if (negative) decimal.insert(0, "-");
    auto back = parse_math(decimal);
    bool exact = back && rational_text(*back) == fraction;
    return exact ? decimal : fraction;
  }

  std::string lines_;
};

// GSM8K's calculator marks: "48/2 = <<48/2=24>>24".
std::string without_marks(std::string_view solution) {
  std::string out;
  while (!solution.empty()) {
    size_t open = solution.find("<<");
    size_t close = open == std::string_view::npos ? open : solution.find(">>", open);
    if (close == std::string_view::npos) break;
    out += solution.substr(0, open);
    solution.remove_prefix(close + 2);
  }
  return out.append(solution);
}

bool same_number(const std::string& a, const std::string& b) {
  auto x = parse_math(a), y = parse_math(b);
  return x && y && compare_math(*x, *y) == MathVerdict::kEqual;
}

}  // namespace

std::optional<Worked> work_out(const std::string& equation) {
  auto node = parse_math(equation);
  if (!node) return std::nullopt;
  Workings workings;
  auto value = workings.value(*node);
  if (!value) return std::nullopt;
  return Worked{workings.lines(), *value};
}

std::optional<std::string> worked_solution(const core::Item& item) {
  if (const base::Json* equation = item.gold.find("equation")) {
    auto worked = work_out(equation->as_string());
    if (!worked || !same_number(worked->value, item.gold.string_at("answer"))) return std::nullopt;
    return base::cat(worked->steps, "#### ", worked->value);
  }
  const base::Json* solution = item.gold.find("solution");
  if (!solution || solution->as_string().find("####") == std::string::npos) return std::nullopt;
  return without_marks(solution->as_string());
}

std::string Gsm8kTask::description() const {
  return base::cat(
      "grade-school word problems (GSM8K); answers as \"#### 12\" or the number alone; data: "
      "gsm8k/{train,test}.jsonl",
      most_ == 0 ? std::string() : base::cat("; ", most_, " of the training problems, by the hash of their IDs"));
}

std::string Gsm8kTask::gold_of(const std::string& text) const {
  size_t mark = text.rfind("####");
  return mark == std::string::npos ? text : std::string(trimmed(std::string_view(text).substr(mark + 4)));
}

// Dev is the sixteenth of the training file that split_of_canonical gives it.
Dataset Gsm8kTask::load(const std::string& folder) const {
  Dataset data;
  for (core::Item& item : load_jsonl(base::join_path(folder, "gsm8k/train.jsonl"))) {
    bool dev = split_of_canonical(canonical(item.problem)) == Split::kDev;
    (dev ? data.dev : data.train).push_back(std::move(item));
  }
  const auto hash = [](const core::Item& item) { return base::hash64("gsm8k " + item.problem.id); };
  if (most_ > 0 && data.train.size() > most_) {
    std::ranges::sort(data.train, {}, hash);
    data.train.resize(most_);
  }
  data.test = load_jsonl(base::join_path(folder, "gsm8k/test.jsonl"));
  return data;
}

std::string SvampTask::description() const {
  return "one-equation word problems (SVAMP); answers as \"#### 12\" or the number alone; data: svamp/SVAMP.json, 700 "
         "to train on and 300 to test by the hash of their IDs; the equation of one test problem, chal-680, does not "
         "give "
         "its published answer, by which it is judged";
}

core::Item SvampTask::parse(const base::Json& row, const std::string& default_id) const {
  if (!row.is_object() || !row.find("Body")) return DatasetTask::parse(row, default_id);
  const std::string id = row.find("ID") ? row.string_at("ID") : default_id;
  std::string body(trimmed(row.string_at("Body")));
  // Four of ten bodies leave out their last full stop.
  if (!body.empty() && std::string_view(".,?!").find(body.back()) == std::string_view::npos) body += '.';
  core::Item item = make_item(id, base::cat(body, " ", trimmed(row.string_at("Question"))), base::Json());
  const base::Json& answer = row.at("Answer");
  item.gold["answer"] = number_text(answer.is_string() ? answer.as_string() : answer.dump());
  item.gold["equation"] = row.string_at("Equation");
  return item;
}

// The 300 IDs with the smallest hash64("svamp " + ID) are the test split, the other 700 the training split; there is no
// dev split. Rows whose equation does not give their answer are left out of both.
Dataset SvampTask::load(const std::string& folder) const {
  const std::string path = base::join_path(folder, "svamp/SVAMP.json");
  const base::Json rows = base::Json::parse(base::read_file(path), path);
  if (!rows.is_array())
    throw Error(ErrorCode::kInput, base::cat("SVAMP is a list of rows, got ", rows.type_name()), path);
  std::vector<std::pair<uint64_t, core::Item>> by_hash;
  for (const base::Json& row : rows.as_array()) {
    core::Item item = parse(row, base::cat("svamp-", by_hash.size()));
    by_hash.emplace_back(base::hash64("svamp " + item.problem.id), std::move(item));
  }
  std::sort(by_hash.begin(), by_hash.end(), [](const auto& a, const auto& b) {
    return std::pair(a.first, a.second.problem.id) < std::pair(b.first, b.second.problem.id);
  });
  Dataset data;
  for (size_t i = 0; i < by_hash.size(); ++i) {
    core::Item& item = by_hash[i].second;
    if (i < kSvampTest)
      data.test.push_back(std::move(item));  // as published, whatever its equation says
    else if (worked_solution(item))
      data.train.push_back(std::move(item));
    else
      data.left_out.push_back(base::cat(item.problem.id, ": its equation ", item.gold.string_at("equation"),
                                        " does not give its answer ", item.gold.string_at("answer")));
  }
  return data;
}

}  // namespace ponder::tasks
