// Budget forcing (Muennighoff et al. 2025, s1, arXiv 2501.19393, §3.1): a thought that wants to end is continued with
// words for more thinking ("Wait,"); one that is too long gets the words that an answer begins with. The answer is the
// last one that is given.
#include <algorithm>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

// The last step of a path that ends before the answer.
NodeId thought_of(const Search& search, NodeId end) {
  const Tree& tree = search.tree();
  const int64_t length = search.codec().thought_length(tree.path_tokens(end));
  NodeId node = end;
  while (node != kRoot && tree[node].path_length > length) node = tree[node].parent;
  return node;
}

// Goes on step by step until the completion ends, or the thought is as long as it may be.
core::Task<NodeId> think(Search& search, NodeId tip, const BudgetForceOptions& options) {
  const Tree& tree = search.tree();
  Growth growth;
  growth.params = options.params();
  growth.merge = false;
  while (!tree[tip].terminal && tree[tip].path_length < options.longest_thought()) {
    growth.step_tokens = std::min(options.step_tokens, options.longest_thought() - tree[tip].path_length);
    std::vector<NodeId> parents = {tip};
    auto writing = search.extend(std::move(parents), growth);
    const std::vector<NodeId> children = co_await writing;
    if (children[0] == kNoNode) co_return kNoNode;
    tip = children[0];
  }
  co_return tip;
}

core::Task<NodeId> answer(Search& search, NodeId thought, const BudgetForceOptions& options) {
  const core::Tokens words = search.codec().answer_now(search.tree().path_tokens(thought));
  NodeId tip = words.empty() ? thought : search.force(thought, words);
  if (tip == kNoNode) co_return kNoNode;
  Growth growth;
  growth.params = options.params();
  const int64_t length = search.tree()[tip].path_length + options.answer_tokens;
  growth.params.max_tokens = std::min(options.max_tokens, length);
  growth.by_step = false;
  growth.merge = false;
  if (growth.params.max_tokens <= search.tree()[tip].path_length) co_return kNoNode;
  std::vector<NodeId> parents = {tip};
  auto writing = search.extend(std::move(parents), growth);
  const std::vector<NodeId> children = co_await writing;
  co_return children[0];
}

}  // namespace

core::Task<NodeId> run_budget_force(Search& search, const BudgetForceOptions& options) {
  const Tree& tree = search.tree();
  NodeId tip = kRoot;
  for (int64_t nudge = 0;; ++nudge) {
    auto thinking = think(search, tip, options);
    tip = co_await thinking;
    if (tip != kNoNode && !tree[tip].terminal) {
      auto answering = answer(search, tip, options);
      tip = co_await answering;
    }
    if (tip == kNoNode || nudge == options.nudges) break;
    const NodeId thought = thought_of(search, tip);
    const core::Tokens words = search.codec().think_on(tree.path_tokens(thought));
    const int64_t length = tree[thought].path_length;
    const bool is_enough = options.min_thought > 0 && length >= options.min_thought;
    if (is_enough || words.empty() || length + static_cast<int64_t>(words.size()) >= options.longest_thought()) break;
    tip = search.force(thought, words);
    if (tip == kNoNode) break;
  }
  const auto& candidates = search.candidates();
  for (auto c = candidates.rbegin(); c != candidates.rend(); ++c)
    if (c->answer) co_return c->node;
  co_return candidates.empty() ? kRoot : candidates.back().node;
}

}  // namespace ponder::search
