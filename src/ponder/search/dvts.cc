// Diverse verifier tree search (Beeching et al. 2024, "Scaling test-time compute with open models"): n / beam_width
// subtrees that never compete; each draws beam_width steps and goes on with its best one until that one is finished.
#include <algorithm>

#include "ponder/search/algorithms.h"
#include "ponder/search/passes.h"

namespace ponder::search {
namespace {

// The best of a subtree's own draws: finished with an answer or still open. kNoNode when all ended without an answer.
NodeId best_child(Search& search, std::span<const NodeId> children, const std::string& agg_strategy) {
  NodeId best = kNoNode;
  double best_score = -1;
  for (NodeId child : children) {
    if (child == kNoNode) continue;
    Node& node = search.tree()[child];
    if (node.terminal && !node.answered) continue;
    const double score = search.path_score(child, agg_strategy);
    if (score > best_score) best = child, best_score = score;
  }
  return best;
}

core::Task<NodeId> run_pass(Search& search, const BeamOptions& options) {
  Growth growth = options.growth();
  growth.merge = options.filter_duplicates;
  growth.lookahead = options.lookahead;
  Tree& tree = search.tree();
  const auto width = static_cast<size_t>(std::min(options.beam_width, options.n));
  std::vector<NodeId> open(static_cast<size_t>(options.n) / width, kRoot);  // the tip of every unfinished subtree
  NodeId best = kRoot;
  while (!open.empty()) {
    std::vector<NodeId> parents;
    for (NodeId tip : open) parents.insert(parents.end(), width, tip);
    auto extension = search.extend(std::move(parents), growth);
    const std::vector<NodeId> children = co_await extension;
    for (NodeId child : children) {
      if (child != kNoNode) tree[child].pruned = !tree[child].terminal;
    }
    std::vector<NodeId> next;
    for (size_t i = 0; i < open.size(); ++i) {
      const std::span<const NodeId> own(children.data() + i * width, width);
      const NodeId tip = best_child(search, own, options.agg_strategy);
      if (tip == kNoNode || tree[tip].terminal) continue;
      tree[tip].pruned = false;
      next.push_back(tip);
    }
    open = std::move(next);
    if (!open.empty()) best = open[0];
    if (children.back() == kNoNode) break;  // the budget is spent
  }
  co_return best;
}

}  // namespace

core::Task<NodeId> run_dvts(Search& search, const DvtsOptions& options) {
  return run_passes<BeamOptions>(search, options, run_pass);
}

}  // namespace ponder::search
