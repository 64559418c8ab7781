// Practice in reckoning: what a small model lacks when it has understood a problem and still gets it wrong.
#include <algorithm>
#include <set>

#include "ponder/base/rng.h"
#include "ponder/tasks/dataset.h"
#include "ponder/text/format.h"

namespace ponder::tasks {
namespace {

constexpr size_t kTrain = 2000, kHeldOut = 300;  // of dev and of test each

// Short numbers are likelier than they are many.
int64_t operand(base::Rng& rng, const std::vector<double>& by_digits) {
  constexpr int64_t kEnds[] = {1, 10, 100, 1000};
  const size_t digits = rng.weighted(by_digits);
  return rng.between(kEnds[digits], kEnds[digits + 1] - 1);
}

// Two single digits, as in "3 + 4".
bool is_table_entry(const Sum& sum) { return sum.text.size() == 5; }

Split split_of(const Sum& sum, const std::string& canonical) {
  return is_table_entry(sum) ? Split::kTrain : split_of_canonical(canonical);
}

}  // namespace

Sum draw_sum(base::Rng& rng) {
  const std::vector<double> terms = {2, 5, 1}, factors = {3, 1, 0};
  const auto of = [](int64_t a, const char* sign, int64_t b, int64_t value) {
    return Sum{base::cat(a, " ", sign, " ", b), base::cat(value)};
  };
  const size_t kind = rng.weighted({3, 5, 1, 1.5});
  if (kind < 2) {
    int64_t a = operand(rng, terms), b = operand(rng, terms);
    if (kind == 0) return of(a, "+", b, a + b);
    if (a < b && rng.chance(0.9)) std::swap(a, b);
    return of(a, "-", b, a - b);
  }
  const int64_t a = operand(rng, factors), b = operand(rng, factors);
  return kind == 2 ? of(a, "*", b, a * b) : of(a * b, "/", b, a);
}

core::Item ArithmeticTask::problem_of(const Sum& sum, const std::string& id) const {
  core::Item item = make_item(id, base::cat("What is ", sum.text, "?"), base::Json());
  item.gold["answer"] = sum.value;
  item.gold["equation"] = sum.text;
  return item;
}

// The numbers in order, whichever came first.
std::string ArithmeticTask::canonical(const core::Problem& problem) const {
  const std::string words = DatasetTask::canonical(problem);
  std::vector<std::string> texts, numbers;
  for (const std::string_view word : text::split_words(words)) {
    const bool number = word.find_first_not_of("0123456789") == std::string_view::npos;
    (number ? numbers : texts).emplace_back(word);
  }
  std::ranges::sort(numbers, {}, [](const std::string& n) { return std::pair(n.size(), n); });
  std::string out;
  for (const auto* list : {&texts, &numbers})
    for (const std::string& word : *list) base::append(out, base::cat(out.empty() ? "" : " ", word));
  return out;
}

std::string ArithmeticTask::description() const {
  return base::cat("one operation on whole numbers, mostly of one or two digits, made up rather than read: ", kTrain,
                   " to train on, ", kHeldOut, " for dev and ", kHeldOut, " to test");
}

Dataset ArithmeticTask::load(const std::string&) const {
  Dataset data;
  std::set<std::string> seen;
  const base::RngKey key(base::hash64("arithmetic"));
  for (uint64_t i = 0; data.train.size() < kTrain || data.dev.size() < kHeldOut || data.test.size() < kHeldOut; ++i) {
    base::Rng rng(key.child(i));
    const Sum sum = draw_sum(rng);
    if (!seen.insert(sum.text).second) continue;
    core::Item item = problem_of(sum, base::cat("arithmetic-", i));
    const Split split = split_of(sum, canonical(item.problem));
    std::vector<core::Item>& items = split == Split::kTrain ? data.train : split == Split::kDev ? data.dev : data.test;
    if (items.size() < (split == Split::kTrain ? kTrain : kHeldOut)) items.push_back(std::move(item));
  }
  return data;
}

}  // namespace ponder::tasks
