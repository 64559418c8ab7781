// Speculative rejection (Sun et al. 2024, arXiv 2410.20290): best-of-n that does not write out what will not win. n
// samples are begun side by side; at each stop all that are still being written are scored as they are and the worst
// `alpha` of them are cut. The paper stops when memory is full; here it is every so many tokens, so that a result
// depends on no machine.
#include <algorithm>
#include <cmath>

#include "ponder/search/algorithms.h"
#include "ponder/search/passes.h"

namespace ponder::search {
namespace {

// The best 1 − alpha of those that are open, one at least, best first.
std::vector<NodeId> cut_worst(Search& search, const std::vector<NodeId>& open, double alpha) {
  Tree& tree = search.tree();
  std::vector<NodeId> ranked = open;
  std::ranges::stable_sort(ranked, std::greater(), [&](NodeId id) { return tree[id].value; });
  const auto kept = std::max(1.0, std::round((1 - alpha) * static_cast<double>(open.size())));
  std::vector<NodeId> rest(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(kept));
  for (NodeId id : open) tree[id].pruned = std::ranges::find(rest, id) == rest.end();
  return rest;
}

// n samples, from their beginning to the end of those that are left; gives the best that was open when the budget was
// spent.
core::Task<NodeId> run_pass(Search& search, const SpecRejectOptions& options) {
  Growth growth;
  growth.params = options.params();
  growth.scoring = Scoring::kAll;
  growth.at_step_ends = false;
  growth.step_tokens = options.every;
  growth.merge = false;  // equal samples vote twice
  NodeId best = kRoot;
  std::vector<NodeId> open(static_cast<size_t>(options.n), kRoot);
  while (!open.empty()) {
    auto extension = search.extend(std::move(open), growth);
    const std::vector<NodeId> children = co_await extension;
    open.clear();
    for (NodeId child : children)
      if (child != kNoNode && !search.tree()[child].terminal) open.push_back(child);
    if (!open.empty()) {
      open = cut_worst(search, open, options.alpha);
      best = open[0];
    }
    if (children.back() == kNoNode) break;  // the budget is spent
  }
  co_return best;
}

}  // namespace

core::Task<NodeId> run_spec_reject(Search& search, const SpecRejectOptions& options) {
  return run_passes<SpecRejectOptions>(search, options, run_pass);
}

}  // namespace ponder::search
