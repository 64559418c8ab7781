#include "ponder/craft/held_out_questions.h"

namespace ponder::craft {
namespace {

constexpr int kBeginning = 3;  // words

// What a canonical form begins with before the question's words.
size_t source_length(const tasks::DatasetTask& task) { return task.canonical({}).size(); }

// The end of the beginning of `words` from `at` on; npos when it has fewer words.
size_t beginning_end(std::string_view words, size_t at) {
  for (int word = 1;; ++word, ++at) {
    at = words.find(' ', at);
    if (word == kBeginning) return std::min(at, words.size());
    if (at == std::string_view::npos) return at;
  }
}

}  // namespace

void HeldOutQuestions::add(const tasks::DatasetTask& task) {
  if (dynamic_cast<const tasks::ArithmeticTask*>(&task)) return;
  reader_ = &task;
  for (const std::string& canonical : task.dataset().held_out) {
    std::string words = canonical.substr(source_length(task));
    const size_t end = beginning_end(words, 0);
    if (end != std::string::npos) by_beginning_[words.substr(0, end)].push_back(std::move(words));
  }
}

std::string HeldOutQuestions::find(std::string_view text) const {
  if (by_beginning_.empty()) return "";
  core::Problem problem;
  problem.question = text;
  const std::string canonical = reader_->canonical(problem);
  const std::string_view words = std::string_view(canonical).substr(source_length(*reader_));
  for (size_t at = 0; at < words.size();) {
    const size_t end = beginning_end(words, at);
    if (end == std::string_view::npos) break;
    const auto found = by_beginning_.find(std::string(words.substr(at, end - at)));
    if (found != by_beginning_.end())
      for (const std::string& question : found->second) {
        const std::string_view rest = words.substr(at);
        const bool is_whole =
            rest.size() == question.size() || (rest.size() > question.size() && rest[question.size()] == ' ');
        if (is_whole && rest.starts_with(question)) return question;
      }
    at = std::min(words.find(' ', at), words.size() - 1) + 1;
  }
  return "";
}

}  // namespace ponder::craft
