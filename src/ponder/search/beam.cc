// Step-level beam search (Snell et al. 2024, arXiv 2408.03314, §5.2; knobs as in search-and-learn): n draws a level,
// the n / beam_width best paths are kept. A finished path keeps its place among the best as long as it belongs there;
// the search is over when all the best are finished.
#include <algorithm>

#include "ponder/search/algorithms.h"
#include "ponder/search/passes.h"

namespace ponder::search {
namespace {

// n draws over the kept beams; the first (best) ones get the remainder.
std::vector<NodeId> spread(const std::vector<NodeId>& beams, int64_t n) {
  std::vector<NodeId> parents;
  const auto count = static_cast<int64_t>(beams.size());
  for (int64_t i = 0; i < count; ++i) {
    const int64_t draws = n / count + (i < n % count ? 1 : 0);
    parents.insert(parents.end(), static_cast<size_t>(draws), beams[static_cast<size_t>(i)]);
  }
  return parents;
}

// Adds the children that are worth keeping: each once, without those that ended without an answer.
void add_children(const Tree& tree, const std::vector<NodeId>& children, std::vector<NodeId>& pool) {
  for (NodeId child : children) {
    if (child == kNoNode || (tree[child].terminal && !tree[child].answered)) continue;
    if (std::ranges::find(pool, child) == pool.end()) pool.push_back(child);
  }
}

struct Level {
  std::vector<NodeId> live;      // to be extended, best first
  std::vector<NodeId> finished;  // of this level and those before
  int64_t slots = 0;             // of the best places, those that no finished path holds
};

Level keep_best(Search& search, std::vector<NodeId> pool, int64_t places, const std::string& agg_strategy) {
  std::vector<std::pair<double, NodeId>> ranked;
  for (NodeId node : pool) ranked.emplace_back(search.path_score(node, agg_strategy), node);
  std::ranges::stable_sort(ranked, std::greater(), &std::pair<double, NodeId>::first);
  Level level;
  level.slots = places;
  for (size_t i = 0; i < ranked.size(); ++i) {
    const NodeId id = ranked[i].second;
    Node& node = search.tree()[id];
    const bool kept = static_cast<int64_t>(i) < places;
    node.pruned = !kept && !node.terminal;
    if (node.terminal) level.finished.push_back(id);
    if (node.terminal && kept) --level.slots;
    if (!node.terminal && kept) level.live.push_back(id);
  }
  return level;
}

// One pass from the prompt to the end; gives the best path that is not finished, for the case that none is.
core::Task<NodeId> run_pass(Search& search, const BeamOptions& options) {
  Growth growth = options.growth();
  growth.merge = options.filter_duplicates;
  growth.lookahead = options.lookahead;
  const int64_t width = std::min(options.beam_width, options.n);
  const int64_t places = options.n / width;
  NodeId best = kRoot;
  Level level{{kRoot}, {}, places};
  while (!level.live.empty()) {
    auto extension = search.extend(spread(level.live, level.slots * width), growth);
    const std::vector<NodeId> children = co_await extension;
    std::vector<NodeId> pool = std::move(level.finished);
    add_children(search.tree(), children, pool);
    level = keep_best(search, std::move(pool), places, options.agg_strategy);
    if (!level.live.empty()) best = level.live[0];
    if (children.back() == kNoNode) break;  // the budget is spent
  }
  co_return best;
}

}  // namespace

core::Task<NodeId> run_beam(Search& search, const BeamOptions& options) {
  return run_passes<BeamOptions>(search, options, run_pass);
}

}  // namespace ponder::search
