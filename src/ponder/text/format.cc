#include "ponder/text/format.h"

#include <algorithm>

namespace ponder::text {
namespace {

std::string join(const std::vector<std::string_view>& words, size_t begin, size_t end) {
  std::string text;
  for (size_t i = begin; i < end; ++i) {
    if (i > begin) text += ' ';
    text += words[i];
  }
  return text;
}

}  // namespace

const WordTokenizer& task_tokenizer() {
  static const WordTokenizer tokenizer(task_words());
  return tokenizer;
}

core::Tokens known_ids(std::string_view text) {
  const WordTokenizer& tokenizer = task_tokenizer();
  core::Tokens ids;
  for (std::string_view word : split_words(text)) ids.push_back(tokenizer.has(word) ? tokenizer.id(word) : -1);
  return ids;
}

core::Tokens render_prompt(const WordTokenizer& tokenizer, const core::Problem& problem) {
  return tokenizer.encode(problem.question);
}

std::optional<std::string> claimed_answer(const std::string& completion) {
  auto words = split_words(completion);
  auto ans = std::find(words.begin(), words.end(), "ans");
  auto end = std::find(words.begin(), words.end(), "end");
  bool last = end != words.end() && end + 1 == words.end();
  if (!last || end - ans < 2 || std::find(ans + 1, end, "ans") != end) return std::nullopt;
  return join(words, ans - words.begin() + 1, end - words.begin());
}

std::string thought_of(const std::string& completion) {
  auto words = split_words(completion);
  return join(words, 0, std::find(words.begin(), words.end(), "ans") - words.begin());
}

std::optional<std::string> TaskCodec::answer(const core::Problem&, core::TokenSpan completion) const {
  return claimed_answer(tokenizer_.decode(completion));
}

int64_t TaskCodec::thought_length(core::TokenSpan completion) const {
  const auto answer = std::ranges::find(completion, static_cast<core::Token>(kAns));
  if (answer != completion.end()) return answer - completion.begin();
  size_t length = completion.size();  // what gave up, "stop end", thought up to there
  while (length > 0 && (completion[length - 1] == tokenizer_.special_ids().eos || completion[length - 1] == kStop))
    --length;
  return static_cast<int64_t>(length);
}

core::Tokens TaskCodec::step_ends() const { return {tokenizer_.id(";")}; }

BehaviourCounts count_behaviours(const std::string& completion) {
  core::Tokens t = known_ids(completion);
  BehaviourCounts n;
  n.tokens = static_cast<int64_t>(t.size());
  n.answered = claimed_answer(completion).has_value();
  for (size_t i = 0; i < t.size(); ++i) {
    n.analysis += t[i] == kGoal;
    n.tries += t[i] == kTry;
    n.backs += t[i] == kBack;
    n.checks += t[i] == kAsk;
    n.tests += t[i] == kTest;
    n.corrections += t[i] == kWait;
    n.gave_up |= t[i] == kStop;
    bool equation = t[i] == kEquals && i >= 3 && i + 1 < t.size() && is_number(t[i - 3]) && is_op(t[i - 2]) &&
                    is_number(t[i - 1]) && is_number(t[i + 1]);
    if (!equation) continue;
    size_t c = i + 1;  // where the last correction of the result stands
    while (c + 2 < t.size() && t[c + 1] == kWait && is_number(t[c + 2])) c += 2;
    bool open = c + 1 < t.size() && t[c + 1] == kWait;  // doubted, not yet replaced
    ++n.equations;
    n.wrong_equations += !open && apply_op(t[i - 2], t[i - 3], t[i - 1]) != t[c];
  }
  return n;
}

}  // namespace ponder::text
