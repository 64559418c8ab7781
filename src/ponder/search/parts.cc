#include "ponder/search/parts.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ponder::search {

std::vector<std::string> questions_of(const std::string& plan, int64_t most) {
  std::vector<std::string> questions;
  for (size_t begin = 0; begin < plan.size() && static_cast<int64_t>(questions.size()) < most;) {
    const size_t end = std::min(plan.find('\n', begin), plan.size());
    const std::string line = plan.substr(begin, end - begin);
    const size_t first = line.find_first_not_of(" \t\r-*.)0123456789"), last = line.find_last_not_of(" \t\r");
    if (first != std::string::npos) questions.push_back(line.substr(first, last - first + 1));
    begin = end + 1;
  }
  return questions;
}

std::string with_part(const std::string& known, const std::string& question, const std::string& answer) {
  return base::cat(known, known.empty() ? "" : "\n", question, " ", answer);
}

core::Task<std::string> ask_one(Search& search, core::Asking asking, core::SampleParams params, int64_t max_tokens,
                                bool* paid) {
  std::vector<Search::Question> questions = {{kRoot, std::move(asking)}};
  auto reply = search.ask(std::move(questions), std::move(params), max_tokens);
  const std::vector<std::string> replies = co_await reply;
  *paid = !replies.empty();
  co_return replies.empty() ? std::string() : replies[0];
}

double uct(const Arm& arm, const Arm& parent, double c) {
  if (arm.visits == 0) return std::numeric_limits<double>::infinity();
  const auto above = static_cast<double>(std::max<int64_t>(1, parent.visits));
  return arm.mean() + c * std::sqrt(std::log(above) / static_cast<double>(arm.visits));
}

}  // namespace ponder::search
