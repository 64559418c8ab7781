// RAP (Hao et al. 2023, arXiv 2305.14992): reasoning as planning in a world that the model itself imagines. A state is
// what is known: questions on the way to the problem, with their answers. An action is the next question; the world's
// reply is the answer that most of several draws give. Its reward is
//
//   r = useful^α · confidence^(1−α)
//
// useful: the share of "yes" when the model is asked whether the question helps; confidence: the share of the draws
// that agree. One simulation goes down by UCT, opens states on its way, takes the most useful question where none was
// taken before, and at the end answers the problem behind all that is known; that answer's reward is the share of all
// answers so far that agree with it. What is backed up to a state is the mean of the rewards behind it. Answers vote,
// weighted by the mean reward of their way (§3.4, RAP-Aggregation).
#include <algorithm>
#include <cmath>
#include <map>

#include "ponder/search/algorithms.h"
#include "ponder/search/parts.h"
#include "ponder/search/replies.h"

namespace ponder::search {
namespace {

struct State {
  Arm arm;
  int64_t depth = 0;
  std::string question = {}, known = {};  // known: with this question's answer, once that was asked for
  double useful = 0, reward = 0;
  bool answered = false, opened = false;
};

// Answers of parts agree when their last numbers do, or, without any, their texts.
std::string meaning_of(const std::string& answer) {
  const std::vector<double> numbers = numbers_in(answer);
  return numbers.empty() ? answer : base::cat(numbers.back());
}

class Planner {
 public:
  Planner(Search& search, const RapOptions& options) : search_(search), options_(options), states_(1) {
    states_[0].answered = true;
  }

  // One simulation; false: the budget is spent.
  core::Task<bool> simulate() {
    size_t s = 0;
    std::vector<size_t> way = {0};
    std::vector<double> rewards;
    while (states_[s].depth < options_.parts) {
      if (!states_[s].opened) {
        auto opening = open(s);
        if (!co_await opening) co_return false;
      }
      const size_t next = choose(s);
      if (next == 0) break;  // the model has no question more
      s = next;
      if (!states_[s].answered) {
        auto answering = imagine(s);
        if (!co_await answering) co_return false;
      }
      way.push_back(s);
      rewards.push_back(states_[s].reward);
    }
    auto concluding = conclude(s, rewards);
    if (!co_await concluding) co_return false;
    double sum = 0;
    for (size_t i = way.size(); i-- > 0;) {
      // rewards[i] was given behind way[i]; what led to way[i] itself is rewards[i − 1] and counts for it too.
      sum += rewards[i];
      const double behind = i > 0 ? (sum + rewards[i - 1]) / static_cast<double>(rewards.size() - i + 1)
                                  : sum / static_cast<double>(rewards.size());
      states_[way[i]].arm.visits += 1;
      states_[way[i]].arm.sum += behind;
    }
    co_return true;
  }

 private:
  // The questions that may come next, each as useful as the model says.
  core::Task<bool> open(size_t s) {
    std::vector<Search::Question> asks(static_cast<size_t>(options_.width),
                                       {kRoot, {core::Ask::kNext, {states_[s].known}}});
    auto asking = search_.ask(std::move(asks), options_.params(), options_.question_tokens);
    const std::vector<std::string> replies = co_await asking;
    if (static_cast<int64_t>(replies.size()) < options_.width) co_return false;
    std::vector<std::string> questions;
    for (const std::string& reply : replies)
      for (const std::string& question : questions_of(reply, 1))
        if (std::ranges::find(questions, question) == questions.end()) questions.push_back(question);
    std::vector<Search::Question> opinions;
    for (const std::string& question : questions)
      opinions.insert(opinions.end(), static_cast<size_t>(options_.evals),
                      {kRoot, {core::Ask::kUseful, {states_[s].known, question}}});
    const size_t wanted = opinions.size();
    auto judging = search_.ask(std::move(opinions), options_.params(), options_.eval_tokens);
    const std::vector<std::string> said = co_await judging;
    if (said.size() < wanted) co_return false;
    const auto evals = static_cast<size_t>(options_.evals);
    for (size_t q = 0; q < questions.size(); ++q) {
      State next;
      next.arm.parent = static_cast<int64_t>(s);
      next.depth = states_[s].depth + 1;
      next.question = questions[q];
      for (size_t i = 0; i < evals; ++i)
        next.useful += yes_or_no(said[q * evals + i]).value_or(false) ? 1.0 / static_cast<double>(evals) : 0;
      states_.push_back(std::move(next));
    }
    states_[s].opened = true;
    co_return true;
  }

  // By UCT; of those never taken the most useful one, before all others.
  size_t choose(size_t s) const {
    size_t best = 0;
    for (size_t c = s + 1; c < states_.size(); ++c) {
      if (states_[c].arm.parent != static_cast<int64_t>(s)) continue;
      const auto rank = [&](size_t i) {
        return std::pair(uct(states_[i].arm, states_[s].arm, options_.c_uct), states_[i].useful);
      };
      if (best == 0 || rank(c) > rank(best)) best = c;
    }
    return best;
  }

  core::Task<bool> imagine(size_t s) {
    const std::string before = states_[static_cast<size_t>(states_[s].arm.parent)].known;
    std::vector<Search::Question> asks(static_cast<size_t>(options_.answers),
                                       {kRoot, {core::Ask::kPart, {before, states_[s].question}}});
    auto asking = search_.ask(std::move(asks), options_.params(), options_.part_tokens);
    const std::vector<std::string> replies = co_await asking;
    if (static_cast<int64_t>(replies.size()) < options_.answers) co_return false;
    std::map<std::string, int64_t> votes;
    std::string answer;
    int64_t most = 0;
    for (const std::string& reply : replies) {
      const int64_t count = ++votes[meaning_of(reply)];
      if (count > most) most = count, answer = reply;
    }
    State& state = states_[s];
    state.known = with_part(before, state.question, answer);
    const double confidence = static_cast<double>(most) / static_cast<double>(options_.answers);
    state.reward = std::pow(state.useful, options_.alpha) * std::pow(confidence, 1 - options_.alpha);
    state.answered = true;
    co_return true;
  }

  // Adds the reward of the answer; its score is the mean of all on the way.
  core::Task<bool> conclude(size_t s, std::vector<double>& rewards) {
    std::vector<core::Tokens> prompts = {search_.prompt_of({core::Ask::kConclude, {states_[s].known}})};
    rewards.push_back(0);
    if (prompts[0].empty()) co_return true;  // more is known than the model can read
    std::vector<NodeId> parents = {kRoot};
    auto writing =
        search_.start(std::move(parents), std::move(prompts), whole_answers(options_.params(), Scoring::kNothing));
    const std::vector<NodeId> ends = co_await writing;
    if (ends[0] == kNoNode) co_return false;
    const auto& candidates = search_.candidates();
    const auto& answer = candidates[static_cast<size_t>(search_.tree()[ends[0]].candidate)].answer;
    rewards.back() = answer ? search_.share_of_votes(*answer) : 0;
    double sum = 0;
    for (double reward : rewards) sum += reward;
    if (answer) search_.judge(ends[0], sum / static_cast<double>(rewards.size()));
    co_return true;
  }

  Search& search_;
  const RapOptions& options_;
  std::vector<State> states_;
};

}  // namespace

core::Task<NodeId> run_rap(Search& search, const RapOptions& options) {
  search.reserve_for_answer(options.max_tokens);
  (void)search.prompt_of({core::Ask::kNext, {""}});  // the model must have words for it
  Planner planner(search, options);
  const int64_t sims = search.goal(options.sims, 8);
  constexpr int64_t kIdle = 100;  // simulations in a row that write nothing
  for (int64_t sim = 0, idle = 0; sim < sims && idle < kIdle; ++sim) {
    const int64_t generated = search.usage().generated;
    auto simulating = planner.simulate();
    if (!co_await simulating) break;
    idle = search.usage().generated == generated ? idle + 1 : 0;
  }
  const auto& candidates = search.candidates();
  auto concluding = search.conclude(options.select, candidates.empty() ? kRoot : candidates[0].node, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
