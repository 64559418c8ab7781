// Tree of Thoughts (Yao et al. 2023, arXiv 2305.10601): breadth-first, the best `b` states of a level are kept
// (algorithm 1), or depth-first, the best state first and none below a threshold (algorithm 2). A state is judged by
// the guide's score, by what the model says of it (sure, likely, impossible: 20, 1, 0.001, summed over `evals` replies
// and divided by 20 · evals), or by its share of `evals` votes among the states of its level.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ponder/search/algorithms.h"
#include "ponder/search/passes.h"
#include "ponder/search/replies.h"

namespace ponder::search {
namespace {

constexpr double kSure = 20, kLikely = 1, kImpossible = 0.001;

double worth(Outlook outlook) {
  if (outlook == Outlook::kSure) return kSure;
  if (outlook == Outlook::kLikely) return kLikely;
  return outlook == Outlook::kImpossible ? kImpossible : 0;
}

// The first number of a reply that names one of `count` ways; −1: none.
int64_t vote_in(const std::string& reply, size_t count) {
  for (const double number : numbers_in(reply))
    if (number >= 1 && number <= static_cast<double>(count)) return static_cast<int64_t>(number) - 1;
  return -1;
}

// Those that have no value yet. What the budget cannot pay for stays without one.
core::Task<bool> judge_by_words(Search& search, const std::vector<NodeId>& all, const TotOptions& options) {
  std::vector<NodeId> states;
  for (NodeId state : all)
    if (!search.tree()[state].scored) states.push_back(state);
  std::vector<Search::Question> questions;
  for (NodeId state : states)
    for (int64_t i = 0; i < options.evals; ++i)
      questions.push_back({state, {core::Ask::kJudge, {search.text_of(state)}}});
  auto asking = search.ask(std::move(questions), options.params(), options.eval_tokens);
  const std::vector<std::string> replies = co_await asking;
  const auto evals = static_cast<size_t>(options.evals);
  for (size_t s = 0; (s + 1) * evals <= replies.size(); ++s) {
    double sum = 0;
    for (size_t i = s * evals; i < (s + 1) * evals; ++i) sum += worth(outlook_in(replies[i]));
    search.judge(states[s], sum / (kSure * static_cast<double>(evals)));
  }
  co_return replies.size() == states.size() * evals;
}

core::Task<bool> judge_by_votes(Search& search, const std::vector<NodeId>& states, const TotOptions& options) {
  core::Asking ballot{core::Ask::kVote, {}};
  for (NodeId state : states) ballot.texts.push_back(search.text_of(state));
  const NodeId about = search.tree()[states[0]].parent;
  std::vector<Search::Question> questions(static_cast<size_t>(options.evals), {about, ballot});
  auto asking = search.ask(std::move(questions), options.params(), options.eval_tokens);
  const std::vector<std::string> replies = co_await asking;
  if (replies.empty()) co_return false;
  std::vector<double> votes(states.size(), 0);
  for (const std::string& reply : replies)
    if (const int64_t vote = vote_in(reply, states.size()); vote >= 0) votes[static_cast<size_t>(vote)] += 1;
  for (size_t s = 0; s < states.size(); ++s) search.judge(states[s], votes[s] / static_cast<double>(options.evals));
  co_return static_cast<int64_t>(replies.size()) == options.evals;
}

// Draws behind the states, each new state once and without those that ended without an answer, and judges them beside
// those that are finished. Not paid: the budget is spent; what was drawn is judged as far as it goes.
struct Level {
  std::vector<NodeId> states;
  bool paid = true;
};
core::Task<Level> open_states(Search& search, const std::vector<NodeId>& from, std::vector<NodeId> finished,
                              const TotOptions& options) {
  Growth growth = options.growth();
  growth.scoring = options.eval == "score" ? Scoring::kAll : Scoring::kNothing;
  std::vector<NodeId> parents;
  for (NodeId state : from) parents.insert(parents.end(), static_cast<size_t>(options.n), state);
  auto extension = search.extend(std::move(parents), growth);
  const std::vector<NodeId> children = co_await extension;
  Level level{{}, children.back() != kNoNode};
  for (NodeId child : children) {
    if (child == kNoNode || std::ranges::find(level.states, child) != level.states.end()) continue;
    const Node& node = search.tree()[child];
    if (node.terminal && !node.answered) continue;
    level.states.push_back(child);
  }
  for (NodeId state : finished)  // they compete, so they stand on the same ballot
    if (std::ranges::find(level.states, state) == level.states.end()) level.states.push_back(state);
  if (options.eval == "score" || level.states.empty()) co_return level;
  auto judging = options.eval == "value" ? judge_by_words(search, level.states, options)
                                         : judge_by_votes(search, level.states, options);
  level.paid &= co_await judging;
  co_return level;
}

// The best b, or b drawn with chances in proportion to their values.
std::vector<NodeId> keep(Search& search, std::vector<NodeId> states, const TotOptions& options) {
  Tree& tree = search.tree();
  const auto b = static_cast<size_t>(options.b);
  if (options.keep == "best")
    std::ranges::stable_sort(states, std::greater(), [&](NodeId id) { return tree[id].value; });
  if (options.keep == "sample") {
    // Efraimidis & Spirakis 2006: the largest u^(1/w) are a draw without replacement, in proportion to w.
    const auto rank = [&](NodeId id) {
      const double u = base::uniform_at(tree[id].key.child("keep"), 0);
      return tree[id].value > 0 ? std::log(u) / tree[id].value : -std::numeric_limits<double>::infinity();
    };
    std::ranges::stable_sort(states, std::greater(), rank);
  }
  for (size_t i = 0; i < states.size(); ++i) tree[states[i]].pruned = i >= b && !tree[states[i]].terminal;
  states.resize(std::min(states.size(), b));
  return states;
}

core::Task<NodeId> breadth_first(Search& search, const TotOptions& options) {
  const Tree& tree = search.tree();
  NodeId best = kRoot;
  std::vector<NodeId> open = {kRoot}, finished;
  while (!open.empty()) {
    auto opening = open_states(search, open, std::move(finished), options);
    Level level = co_await opening;
    const std::vector<NodeId> kept = keep(search, std::move(level.states), options);
    open.clear(), finished.clear();
    for (NodeId state : kept) (tree[state].terminal ? finished : open).push_back(state);
    if (!open.empty()) best = open[0];
    if (!level.paid) break;
  }
  co_return best;
}

core::Task<NodeId> depth_first(Search& search, const TotOptions& options) {
  Tree& tree = search.tree();
  std::vector<NodeId> stack = {kRoot};
  NodeId best = kRoot;
  int64_t answers = 0;
  while (!stack.empty() && answers < options.answers) {
    const NodeId state = stack.back();
    stack.pop_back();
    if (tree[state].terminal) {
      ++answers;
      continue;
    }
    best = state;
    std::vector<NodeId> from = {state};
    auto opening = open_states(search, from, {}, options);
    Level level = co_await opening;
    std::ranges::stable_sort(level.states, std::less(), [&](NodeId id) { return tree[id].value; });
    for (NodeId child : level.states) {
      tree[child].pruned = tree[child].value < options.threshold && !tree[child].terminal;
      if (tree[child].value >= options.threshold) stack.push_back(child);
    }
    if (!level.paid) break;
  }
  co_return best;
}

core::Task<NodeId> run_pass(Search& search, const TotOptions& options) {
  return options.order == "bfs" ? breadth_first(search, options) : depth_first(search, options);
}

}  // namespace

// Shares of votes of different ballots cannot be compared: the answers themselves vote then.
core::Task<NodeId> run_tot(Search& search, const TotOptions& options) {
  return run_passes<TotOptions>(search, options, run_pass, options.eval == "vote" ? "maj" : "rm");
}

}  // namespace ponder::search
