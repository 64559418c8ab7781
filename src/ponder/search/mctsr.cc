// MCT Self-Refine (Zhang et al. 2024, arXiv 2406.07394): Monte Carlo tree search over whole answers. A child of an
// answer is that answer revised with the model's own feedback; each answer is rated, by the model (0 to 100, of which
// high praise counts half in the tree, since it is cheap) or by the guide. The answer is chosen by the ratings as
// given.
//
//   Q(a) = ½ (min R(a) + mean R(a)), and behind a child: Q(a) ← ½ (Q(a) + max_c Q(c))
//   next = argmax_a Q(a) + c·√(ln(N(parent) + 1) / N(a)) over the answers that may have one more child
//
// N are the visits of the tree's nodes: an answer's own and those of all that revise it. What is backed up there is
// each one's first Q, so that a node's mean is not its Q, which lives here.
//
// The paper's program stops when an answer equals the gold one and counts any answer that does; here nothing knows
// gold.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ponder/search/algorithms.h"
#include "ponder/search/replies.h"

namespace ponder::search {
namespace {

struct State {
  NodeId node = kNoNode;
  int64_t parent = -1;  // its number among the states; −1: behind the problem
  std::vector<double> rewards = {};
  double q = 0;
  int64_t children = 0;
  bool closed = false;  // too long to be revised
};

constexpr double kPraise = 0.95, kPraiseCounts = 0.5;

// What a rating counts in the tree.
double reward_of(double rating) { return rating >= kPraise ? kPraiseCounts : rating; }

// The first number of a reply, as a share of 100; 0 where there is none.
double rating_in(const std::string& reply) {
  const std::vector<double> numbers = numbers_in(reply);
  return numbers.empty() ? 0 : std::clamp(numbers[0], 0.0, 100.0) / 100;
}

double value_of(const State& s) {
  const double least = *std::ranges::min_element(s.rewards);
  const double sum = std::accumulate(s.rewards.begin(), s.rewards.end(), 0.0);
  return (least + sum / static_cast<double>(s.rewards.size())) / 2;
}

class Refiner {
 public:
  Refiner(Search& search, const MctsrOptions& options) : search_(search), options_(options) {}

  // Draws the first answers; false: the budget is spent.
  core::Task<bool> begin() {
    std::vector<NodeId> parents(static_cast<size_t>(options_.n), kRoot);
    auto drawing = search_.extend(std::move(parents), growth());
    const std::vector<NodeId> nodes = co_await drawing;
    for (NodeId node : nodes) {
      if (node == kNoNode) co_return false;
      auto adding = add(node, -1);
      if (!co_await adding) co_return false;
    }
    co_return true;
  }

  // One answer more; false: the budget is spent, or no answer may be revised.
  core::Task<bool> refine() {
    const int64_t chosen = next();
    if (chosen < 0) co_return false;
    const NodeId node = states_[static_cast<size_t>(chosen)].node;
    std::vector<Search::Question> questions = {{node, {core::Ask::kFeedback, {search_.text_of(node)}}}};
    auto asking = search_.ask(std::move(questions), options_.params(), options_.feedback_tokens);
    const std::vector<std::string> said = co_await asking;
    if (said.empty()) co_return false;
    std::vector<core::Tokens> prompts = {search_.prompt_of({core::Ask::kRevise, {search_.text_of(node), said[0]}})};
    states_[static_cast<size_t>(chosen)].closed = prompts[0].empty();
    if (prompts[0].empty()) co_return true;
    states_[static_cast<size_t>(chosen)].children += 1;
    std::vector<NodeId> parents = {node};
    auto writing = search_.start(std::move(parents), std::move(prompts), growth());
    const std::vector<NodeId> children = co_await writing;
    if (children[0] == kNoNode) co_return false;
    auto adding = add(children[0], chosen);
    const bool paid = co_await adding;
    back_up(static_cast<int64_t>(states_.size()) - 1);
    co_return paid;
  }

 private:
  Growth growth() const {
    return whole_answers(options_.params(), options_.judge == "score" ? Scoring::kAnswers : Scoring::kNothing);
  }

  core::Task<bool> add(NodeId node, int64_t parent) {
    State state{node, parent};
    bool paid = true;
    double rating = 0;  // the mean, which the answer is chosen by
    if (!search_.tree()[node].answered) {
      state.rewards = {0};
    } else if (options_.judge == "score") {
      rating = search_.tree()[node].value;
      state.rewards = {rating};
    } else {
      std::vector<Search::Question> questions(static_cast<size_t>(options_.rates),
                                              {node, {core::Ask::kRate, {search_.text_of(node)}}});
      auto asking = search_.ask(std::move(questions), options_.params(), options_.rate_tokens);
      const std::vector<std::string> replies = co_await asking;
      for (const std::string& reply : replies) {
        state.rewards.push_back(reward_of(rating_in(reply)));
        rating += rating_in(reply) / static_cast<double>(replies.size());
      }
      paid = static_cast<int64_t>(replies.size()) == options_.rates;
      if (state.rewards.empty()) state.rewards = {0};
    }
    state.q = value_of(state);
    search_.tree().back_up(node, static_cast<float>(state.q));
    states_.push_back(std::move(state));
    search_.judge(node, rating);
    co_return paid;
  }

  void back_up(int64_t from) {
    for (int64_t s = states_[static_cast<size_t>(from)].parent; s >= 0; s = states_[static_cast<size_t>(s)].parent) {
      State& state = states_[static_cast<size_t>(s)];
      double best = 0;
      for (const State& other : states_)
        if (other.parent == s) best = std::max(best, other.q);
      state.q = (state.q + best) / 2;
    }
  }

  // An answer whose best child is no better may have one more than `width`.
  bool is_open(int64_t s) const {
    const State& state = states_[static_cast<size_t>(s)];
    if (state.closed) return false;
    if (state.children < options_.width) return true;
    return std::ranges::none_of(states_, [&](const State& other) { return other.parent == s && other.q > state.q; });
  }

  int64_t next() const {
    const Tree& tree = search_.tree();
    int64_t best = -1;
    double highest = 0;
    for (int64_t s = 0; s < static_cast<int64_t>(states_.size()); ++s) {
      const State& state = states_[static_cast<size_t>(s)];
      const double above = tree[tree[state.node].parent].visits;
      const double score = state.q + options_.c_uct * std::sqrt(std::log(above + 1) / tree[state.node].visits);
      if (is_open(s) && (best < 0 || score > highest)) best = s, highest = score;
    }
    return best;
  }

  Search& search_;
  const MctsrOptions& options_;
  std::vector<State> states_;
};

}  // namespace

core::Task<NodeId> run_mctsr(Search& search, const MctsrOptions& options) {
  search.use_guide(options.guide, options.mix, options.params());
  Refiner refiner(search, options);
  auto beginning = refiner.begin();
  bool goes_on = co_await beginning;
  const int64_t sims = search.goal(options.sims, 8);
  constexpr int64_t kIdle = 100;  // revisions in a row that write nothing
  for (int64_t sim = 0, idle = 0; sim < sims && goes_on && idle < kIdle; ++sim) {
    const int64_t generated = search.usage().generated;
    auto refining = refiner.refine();
    goes_on = co_await refining;
    idle = search.usage().generated == generated ? idle + 1 : 0;
  }
  const auto& candidates = search.candidates();
  auto concluding = search.conclude(options.select, candidates.empty() ? kRoot : candidates[0].node, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
