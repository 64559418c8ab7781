#include "ponder/eval/headlines.h"

#include <algorithm>
#include <cmath>

#include "ponder/base/cat.h"

namespace ponder::eval {
namespace {

constexpr double kZ95 = 1.959963984540054;

void add_once(std::vector<std::string>& names, const std::string& name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
}

std::string points(double difference) {
  return base::cat(difference < 0 ? "−" : "+", base::fixed(std::abs(difference) * 100, 1), " points");
}

// Where both sides answered the same problems this is too wide, never too narrow: their errors correlate positively.
Estimate unpaired_difference(const Estimate& from, const Estimate& to) {
  const double value = to.value - from.value, error = std::hypot(from.std_error, to.std_error);
  return {.value = value,
          .std_error = error,
          .ci = {value - kZ95 * error, value + kZ95 * error},
          .n = std::min(from.n, to.n)};
}

void set_difference(Headline& headline, const Rows& rows, const std::string& compare_name) {
  headline.difference = unpaired_difference(headline.from.accuracy, headline.to.accuracy);
  for (const auto& row : rows.compare) {
    if (row.name != compare_name || row.task != headline.task) continue;
    headline.difference = row.difference;
    headline.paired = true;
  }
  headline.clear = headline.difference.ci.lo > 0 || headline.difference.ci.hi < 0;
}

std::string difference_text(const Headline& h) {
  return base::cat(points(h.difference.value), " ", interval_text(h.difference.ci), h.paired ? ", paired" : "",
                   ", n = ", h.difference.n);
}

std::string verb(const Headline& h) {
  if (!h.clear) return "left";
  return h.difference.value > 0 ? "raised" : "lowered";
}

std::string point_text(const Headline::Point& p) {
  std::string tokens = std::isnan(p.tokens_per_problem)
                           ? ""
                           : base::cat(" at ", base::fixed(p.tokens_per_problem, 0), " tokens a problem");
  return base::cat(percent(p.accuracy.value), " ", interval_text(p.accuracy.ci), " (", p.label, tokens, ")");
}

std::string sentence(const Headline& h, const std::string& subject) {
  const std::string unclear = h.clear ? "" : "without a clear change: ";
  return base::cat(h.task, ": ", subject, " ", verb(h), " held-out accuracy ", unclear, "from ", point_text(h.from),
                   " to ", point_text(h.to), ": ", difference_text(h), ".");
}

// The search rows of one task, model and strategy, by tokens.
std::vector<const SearchRow*> search_line(const Rows& rows, const std::string& task, const std::string& model,
                                          const std::string& strategy) {
  std::vector<const SearchRow*> line;
  for (const auto& row : rows.search)
    if (row.task == task && row.model == model && row.strategy == strategy) line.push_back(&row);
  std::stable_sort(line.begin(), line.end(), [](auto* a, auto* b) {
    return a->tokens_per_problem + a->critic_tokens_per_problem < b->tokens_per_problem + b->critic_tokens_per_problem;
  });
  return line;
}

void add_learning(const Rows& rows, const std::string& task, std::vector<Headline>& headlines) {
  const AccuracyRow* before = last_accuracy(rows, "sft", task);
  const AccuracyRow* after = last_accuracy(rows, "rl", task);
  if (!before || !after) return;
  Headline h{.topic = "learning", .task = task, .from = {"SFT", before->accuracy}, .to = {"RL", after->accuracy}};
  set_difference(h, rows, "rl-sft");
  h.text = sentence(h, "RL");
  headlines.push_back(std::move(h));
}

Headline::Point search_point(const SearchRow& row) {
  const std::string label = row.strategy == "greedy" ? row.strategy : base::cat(row.strategy, ", budget ", row.budget);
  return {label, row.accuracy, row.tokens_per_problem + row.critic_tokens_per_problem};
}

void add_search(const Rows& rows, const std::string& task, std::vector<Headline>& headlines) {
  std::vector<std::string> strategies = {"majority", "bon"};
  std::string model;
  for (const auto& row : rows.search) {
    if (row.task != task) continue;
    if (row.strategy != "greedy") add_once(strategies, row.strategy);
    if (model != "rl") model = row.model;
  }
  const auto greedy = search_line(rows, task, model, "greedy");
  for (const auto& strategy : strategies) {
    const auto line = search_line(rows, task, model, strategy);
    if (line.empty() || (greedy.empty() && line.size() < 2)) continue;
    Headline h{.topic = "search",
               .task = task,
               .from = search_point(greedy.empty() ? *line.front() : *greedy.back()),
               .to = search_point(*line.back())};
    set_difference(h, rows, base::cat("search-", strategy));
    h.text = sentence(h, base::cat(strategy, " search on the ", model, " policy"));
    headlines.push_back(std::move(h));
    return;
  }
}

std::string count_clear(const std::vector<Headline>& headlines, const std::string& topic, const std::string& subject) {
  int64_t raised = 0, lowered = 0, all = 0;
  for (const auto& h : headlines) {
    if (h.topic != topic) continue;
    ++all;
    (h.difference.value > 0 ? raised : lowered) += h.clear;
  }
  if (all == 0) return "";
  std::string text =
      base::cat(subject, " raised held-out accuracy on ", raised, " of ", all, all == 1 ? " task" : " tasks");
  if (lowered > 0) base::append(text, base::cat(" and lowered it on ", lowered));
  return text;
}

}  // namespace

std::string percent(double share) { return base::cat(base::fixed(share * 100, 1), "%"); }

std::string interval_text(const Interval& ci) {
  auto number = [](double v) { return base::cat(v < 0 ? "−" : "", base::fixed(std::abs(v) * 100, 1)); };
  return base::cat("[", number(ci.lo), ", ", number(ci.hi), "]");
}

std::vector<std::string> task_names(const Rows& rows) {
  std::vector<std::string> names;
  for (const auto& row : rows.accuracy) add_once(names, row.task);
  for (const auto& row : rows.search) add_once(names, row.task);
  for (const auto& row : rows.data) add_once(names, row.task);
  return names;
}

const AccuracyRow* last_accuracy(const Rows& rows, const std::string& stage, const std::string& task) {
  const AccuracyRow* last = nullptr;
  for (const auto& row : rows.accuracy) {
    if (row.stage == stage && row.task == task && row.split == "test" && (!last || row.step >= last->step)) last = &row;
  }
  return last;
}

std::vector<Headline> make_headlines(const Rows& rows) {
  std::vector<Headline> headlines;
  const auto tasks = task_names(rows);
  for (const auto& task : tasks) add_learning(rows, task, headlines);
  for (const auto& task : tasks) add_search(rows, task, headlines);
  return headlines;
}

std::string summary_sentence(const std::vector<Headline>& headlines) {
  const std::string learning = count_clear(headlines, "learning", "RL"),
                    search = count_clear(headlines, "search", learning.empty() ? "Search" : "search");
  if (learning.empty() && search.empty()) return "";
  return base::cat(learning, learning.empty() || search.empty() ? "" : "; ", search, ".");
}

}  // namespace ponder::eval
