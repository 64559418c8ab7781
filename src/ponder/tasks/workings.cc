// Solutions worked out of equations: one line an operation, reckoned in one step or taken apart as people do it.
#include <algorithm>
#include <string_view>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/math_exact.h"
#include "ponder/tasks/math_parse.h"

namespace ponder::tasks {

// "12.0" is written "12".
std::string whole_text(std::string text) {
  if (text.find('.') == std::string::npos) return text;
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

namespace {

// What numbers of up to six digits are made of: 458 is 400, 50 and 8.
std::vector<int64_t> places(int64_t n) {
  std::vector<int64_t> out;
  for (int64_t unit = 100000; unit > 0; unit /= 10)
    if (n / unit % 10 != 0) out.push_back(n / unit % 10 * unit);
  return out;
}

std::optional<int64_t> small_whole(const std::string& text) {
  const bool digits = !text.empty() && text.size() <= 6 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::optional(std::stoll(text)) : std::nullopt;
}

std::string joined(const std::vector<int64_t>& numbers, const char* between) {
  std::string out;
  for (const int64_t n : numbers) base::append(out, base::cat(out.empty() ? "" : between, n));
  return out;
}

// a ± b as a ± 50 ± 8: " = 34 + 50 + 8 = 84 + 8". A single digit across a ten stops there: " = 8 + 2 + 5 = 10 + 5".
std::string by_places(int64_t a, char op, int64_t b) {
  std::vector<int64_t> parts = places(b);
  const int64_t to_ten = op == '+' ? 10 - a % 10 : a % 10;
  if (parts.size() == 1 && b < 10 && to_ten > 0 && to_ten < b) parts = {to_ten, b - to_ten};
  if (parts.size() < 2) return "";
  std::string out;
  for (size_t done = 0; done < parts.size(); ++done) {
    if (done > 0) a += op == '+' ? parts[done - 1] : -parts[done - 1];
    base::append(out, base::cat(" = ", a));
    for (size_t i = done; i < parts.size(); ++i) base::append(out, base::cat(" ", std::string(1, op), " ", parts[i]));
  }
  return out;
}

// Σ left = … its first two numbers added up, until two are left: " = 40 + 8".
std::string added_up(std::vector<int64_t> numbers) {
  std::string out;
  for (; numbers.size() >= 2; numbers.erase(numbers.begin() + 1)) {
    base::append(out, base::cat(" = ", joined(numbers, " + ")));
    numbers[0] += numbers[1];
  }
  return out;
}

// a · b with the larger one in its places: " = 10 * 4 + 2 * 4 = 40 + 8".
std::string product_by_places(int64_t a, int64_t b) {
  const bool first = a >= b;
  std::string parts;
  std::vector<int64_t> values;
  for (const int64_t part : places(first ? a : b)) {
    const std::string text = first ? base::cat(part, " * ", b) : base::cat(a, " * ", part);
    base::append(parts, base::cat(parts.empty() ? "" : " + ", text));
    values.push_back(part * (first ? b : a));
  }
  return values.size() < 2 ? "" : base::cat(" = ", parts, added_up(values));
}

// a / b with the quotient in its places: " = 80 / 8 + 16 / 8 = 10 + 2".
std::string quotient_by_places(int64_t a, int64_t b) {
  if (b == 0 || a % b != 0) return "";
  const std::vector<int64_t> parts = places(a / b);
  if (parts.size() < 2 || a / b > 999999) return "";
  std::string text;
  for (const int64_t part : parts) base::append(text, base::cat(text.empty() ? "" : " + ", part * b, " / ", b));
  return base::cat(" = ", text, added_up(parts));
}

// What goes between an operation on whole numbers and its result; nothing where there is nothing to take apart.
std::string taken_apart(const std::string& left, char op, const std::string& right) {
  const auto a = small_whole(left), b = small_whole(right);
  if (!a || !b || (op == '-' && *a < *b)) return "";
  if (op == '*') return product_by_places(*a, *b);
  if (op == '/') return quotient_by_places(*a, *b);
  return by_places(*a, op, *b);
}

// One operation of an equation: its two sides' values as text, then the line.
class Workings {
 public:
  explicit Workings(base::Rng* ways) : ways_(ways) {}
  // The value of the node, after the lines that lead to it; nothing for what is no arithmetic.
  std::optional<std::string> value(const MathNode& node) {
    switch (node.kind) {
      case MathKind::kNumber:
        return whole_text(node.text);
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
    const bool turned = ways_ && (*op == '+' || *op == '*') && ways_->chance(0.5);
    const std::string &first = turned ? b : a, &second = turned ? a : b;
    std::string left = base::cat(operand(first), " ", op, " ", operand(second));
    auto node = parse_math(left);
    auto result = node ? rational_text(*node) : std::nullopt;
    if (!result) return std::nullopt;
    const std::string between = ways_ && ways_->chance(2.0 / 3) ? taken_apart(first, *op, second) : "";
    base::append(lines_, base::cat(left, between, " = ", decimal_or(*result), "\n"));
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
        whole_text(base::cat(digits.substr(0, digits.size() - 4), ".", digits.substr(digits.size() - 4)));
    if (negative) decimal.insert(0, "-");
    auto back = parse_math(decimal);
    bool exact = back && rational_text(*back) == fraction;
    return exact ? decimal : fraction;
  }

  base::Rng* ways_;
  std::string lines_;
};

}  // namespace

std::optional<Worked> work_out(const std::string& equation, base::Rng* ways) {
  auto node = parse_math(equation);
  if (!node) return std::nullopt;
  Workings workings(ways);
  auto value = workings.value(*node);
  if (!value) return std::nullopt;
  return Worked{workings.lines(), *value};
}

}  // namespace ponder::tasks
