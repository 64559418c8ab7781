// Budget forcing (Muennighoff et al. 2025, s1, arXiv 2501.19393, §3.1): a thought that wants to end is continued with
// words for more thinking ("Wait,"); one that is too long, or that the budget cannot carry on, gets the words that an
// answer begins with. The answer is the last one that is given.
#include <algorithm>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

constexpr int64_t kWords = 16;  // room for what is forced

int64_t thought_length(const Search& search, NodeId end) {
  return search.codec().thought_length(search.tree().path_tokens(end));
}

// The last step of a path that ends before the answer.
NodeId thought_of(const Search& search, NodeId end) {
  const Tree& tree = search.tree();
  const int64_t length = thought_length(search, end);
  NodeId node = end;
  while (node != kRoot && tree[node].path_length > length) node = tree[node].parent;
  return node;
}

struct Thought {
  NodeId tip = kRoot;
  bool paid = true;  // the budget could carry it on
};

// Goes on step by step until the completion ends, or the thought is as long as it may be.
core::Task<Thought> think(Search& search, NodeId from, const BudgetForceOptions& options) {
  const Tree& tree = search.tree();
  Growth growth;
  growth.params = options.params();
  growth.merge = false;
  Thought thought{from};
  while (!tree[thought.tip].terminal && tree[thought.tip].path_length < options.longest_thought()) {
    const int64_t room = options.longest_thought() - tree[thought.tip].path_length;
    growth.step_tokens = std::min(options.step_tokens, room);
    std::vector<NodeId> parents = {thought.tip};
    auto writing = search.extend(std::move(parents), growth);
    const std::vector<NodeId> children = co_await writing;
    thought.paid = children[0] != kNoNode;
    if (!thought.paid) co_return thought;
    thought.tip = children[0];
  }
  co_return thought;
}

// The answer behind a thought; one that has begun already is written on. kNoNode when there is no room for it.
core::Task<NodeId> answer(Search& search, NodeId thought, const BudgetForceOptions& options) {
  const Tree& tree = search.tree();
  NodeId tip = thought;
  if (thought_length(search, thought) == tree[thought].path_length) {
    const core::Tokens words = search.codec().answer_now(tree.path_tokens(thought));
    const bool fits = tree[thought].path_length + static_cast<int64_t>(words.size()) < options.max_tokens;
    if (!words.empty() && fits) tip = search.force(thought, words);
    if (tip == kNoNode) co_return kNoNode;
  }
  Growth growth = whole_answers(options.params(), Scoring::kNothing);
  growth.params.max_tokens = std::min(options.max_tokens, tree[tip].path_length + options.answer_tokens);
  std::vector<NodeId> parents = {tip};
  auto writing = search.extend(std::move(parents), growth);
  const std::vector<NodeId> children = co_await writing;
  co_return children[0];
}

}  // namespace

core::Task<NodeId> run_budget_force(Search& search, const BudgetForceOptions& options) {
  const Tree& tree = search.tree();
  search.reserve_for_answer(std::min(options.max_tokens, options.answer_tokens + kWords));
  NodeId tip = kRoot, forced = kRoot;
  for (int64_t nudge = 0;; ++nudge) {
    auto thinking = think(search, tip, options);
    const Thought thought = co_await thinking;
    tip = thought.tip;
    if (!tree[tip].terminal) {
      search.reserve_for_answer(0);  // it is for this
      auto answering = answer(search, tip, options);
      const NodeId end = co_await answering;
      if (end == kNoNode) break;
      tip = end;
    }
    if (!thought.paid || nudge == options.nudges) break;
    const NodeId kept = thought_of(search, tip);
    const core::Tokens words = search.codec().think_on(tree.path_tokens(kept));
    const int64_t length = tree[kept].path_length;
    const bool is_enough = options.min_thought > 0 && length >= options.min_thought;
    const bool is_new = nudge == 0 || length > tree[forced].path_length;  // else the same words would be forced again
    if (is_enough || !is_new || tree[kept].terminal || words.empty()) break;
    if (length + static_cast<int64_t>(words.size()) >= options.longest_thought()) break;
    forced = search.force(kept, words);
    if (forced == kNoNode) break;
    tip = forced;
  }
  const auto& candidates = search.candidates();
  for (auto c = candidates.rbegin(); c != candidates.rend(); ++c)
    if (c->answer) co_return c->node;
  auto concluding = search.conclude("maj", tip, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
