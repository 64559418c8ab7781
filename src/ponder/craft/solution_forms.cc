#include "ponder/craft/solution_forms.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <sstream>

#include "ponder/base/cat.h"
#include "ponder/base/error.h"
#include "ponder/tasks/dataset.h"

namespace ponder::craft {
namespace {

constexpr int kWordsBehindANumber = 2;

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

bool is_number(const std::string& word) {
  return !word.empty() && std::isdigit(static_cast<unsigned char>(word[0])) &&
         word.find_first_not_of("0123456789.") == std::string::npos;
}

// "43," -> "43".
std::string without_mark(std::string word) {
  while (!word.empty() && std::string_view(".,;:!?").find(word.back()) != std::string_view::npos) word.pop_back();
  return word;
}

// "76.0" of an equation as the text writes it.
std::string plain_number(const std::string& word) {
  return word.ends_with(".0") ? word.substr(0, word.size() - 2) : word;
}

// The number at words[i] and what it counts, "43 children": up to the next mark or number, two words at most.
std::string amount_at(const std::vector<std::string>& words, size_t i) {
  std::string amount = without_mark(words[i]);
  if (i > 0 && words[i - 1] == "$") return "$ " + amount;
  bool ends = amount.size() < words[i].size();
  for (int more = 0; more < kWordsBehindANumber && !ends && ++i < words.size(); ++more) {
    const std::string word = without_mark(words[i]);
    if (std::ranges::none_of(word, [](unsigned char c) { return std::isalpha(c) || c >= 0x80; })) break;
    amount.append(" ").append(word);
    ends = word.size() < words[i].size();
  }
  return amount;
}

std::optional<std::string> amounts(const std::string& question, const std::string& equation) {
  std::vector<std::string> used;  // in the equation's order, each once
  std::map<std::string, int> times;
  for (const std::string& word : words_of(equation)) {
    if (!is_number(word)) continue;
    const std::string number = plain_number(word);
    if (times[number]++ == 0) used.push_back(number);
  }
  const std::vector<std::string> words = words_of(question);
  std::string out;
  for (const std::string& number : used) {
    int found = 0;
    for (size_t i = 0; i < words.size(); ++i) {
      if (without_mark(words[i]) != number) continue;
      out.append(out.empty() ? "" : ", ").append(amount_at(words, i));
      ++found;
    }
    if (found != times[number]) return std::nullopt;  // which one is meant is not known, or none
  }
  return out;
}

// "Mr." and "St." end no sentence.
bool is_abbreviation(const std::string& text, size_t mark) {
  constexpr size_t kLongest = 3;
  size_t begin = mark;
  while (begin > 0 && std::isalpha(static_cast<unsigned char>(text[begin - 1]))) --begin;
  return text[mark] == '.' && begin < mark && mark - begin <= kLongest &&
         std::isupper(static_cast<unsigned char>(text[begin]));
}

std::optional<std::string> last_question(const std::string& text) {
  if (text.size() < 2 || !text.ends_with('?')) return std::nullopt;
  for (size_t i = text.size() - 2; i > 0; --i)
    if (text[i] == ' ' && std::string_view(".?!").find(text[i - 1]) != std::string_view::npos &&
        !is_abbreviation(text, i - 1))
      return text.substr(i + 1);
  return text;
}

// "43 - 21 = 22\n22 / 2 = 11\n#### 11" -> "subtract, divide".
std::string operations(const std::string& solution) {
  static const std::map<std::string, std::string> kVerbs = {
      {"+", "add"}, {"-", "subtract"}, {"*", "multiply"}, {"/", "divide"}};
  std::string out;
  for (const std::string& word : words_of(solution))
    if (const auto verb = kVerbs.find(word); verb != kVerbs.end())
      out.append(out.empty() ? "" : ", ").append(verb->second);
  return out;
}

// Does the task arithmetic hold this operation out? Its numbers must not be learned on the way.
bool is_held_out(const std::string& operation, const std::string& result) {
  const auto& arithmetic = dynamic_cast<const tasks::ArithmeticTask&>(tasks::find_dataset_task("arithmetic"));
  return arithmetic.is_held_out(arithmetic.problem_of({operation, result}, "").problem);
}

// "43 - 21 = 22" -> "22 + 21 = 43".
std::optional<std::string> inverse(const std::string& step) {
  static const std::map<std::string, std::string> kInverse = {{"+", "-"}, {"-", "+"}, {"*", "/"}, {"/", "*"}};
  const std::vector<std::string> w = words_of(step);  // a op b = c
  if (w.size() != 5 || !is_number(w[0]) || !is_number(w[2]) || !is_number(w[4])) return std::nullopt;
  if (w[1] == "*" && w[2] == "0") return std::nullopt;
  const std::string operation = base::cat(w[4], " ", kInverse.at(w[1]), " ", w[2]);
  if (is_held_out(operation, w[0])) return std::nullopt;
  return base::cat(operation, " = ", w[0]);
}

// What stands before "#### 5", line by line, has its last line checked.
std::optional<std::string> checked(const std::string& solution) {
  const size_t mark = solution.find("####");
  if (mark == 0 || mark == std::string::npos) return std::nullopt;
  const size_t before = solution.rfind('\n', mark - 2);
  const size_t begin = before == std::string::npos ? 0 : before + 1;
  const auto check = inverse(solution.substr(begin, mark - begin));
  if (!check) return std::nullopt;
  return base::cat(solution.substr(0, mark), *check, "\n", solution.substr(mark));
}

}  // namespace

const std::vector<std::string>& solution_forms() {
  static const std::vector<std::string> kForms = {"steps", "operations", "amounts", "question", "check"};
  return kForms;
}

std::optional<std::string> solution_in_form(const core::Item& item, const std::string& form) {
  PONDER_CHECK(std::ranges::count(solution_forms(), form) == 1, "no such form: ", form);
  auto solution = tasks::worked_solution(item);
  const base::Json* equation = item.gold.find("equation");
  if (!solution || form == "steps") return solution;
  if (!equation) return std::nullopt;
  if (form == "check") return checked(*solution);
  std::optional<std::string> before;
  if (form == "operations") before = operations(*solution);
  if (form == "amounts") before = amounts(item.problem.question, equation->as_string());
  if (form == "question") before = last_question(item.problem.question);
  if (!before || before->empty()) return std::nullopt;
  return base::cat(*before, "\n", *solution);
}

}  // namespace ponder::craft
