// Best-first search: always opens the path with the highest score, wherever it stands in the tree. An answer counts
// when its own score brings it to the front. With a weight on the path's own cost it is A* (Hart, Nilsson & Raphael
// 1968): the least f = g + h, g = cost · (−log p of what was written), h = −log score; a score that is no less than the
// chance of a right answer to come makes h admissible. Of equals the longest is opened: it is the nearest to an answer,
// and where a critic calls several beginnings as good as certain one of them is enough.
#include <algorithm>
#include <cmath>
#include <limits>
#include <queue>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

struct Open {
  double score;
  int32_t length;  // tokens of the path
  NodeId node;
  bool operator<(const Open& other) const {  // the queue's top is the greatest: at last, the oldest node
    if (score != other.score) return score < other.score;
    return length != other.length ? length < other.length : node > other.node;
  }
};

double priority(const Search& search, NodeId node, const std::string& agg_strategy, double cost) {
  const double score = search.path_score(node, agg_strategy);
  if (cost == 0) return score;
  const double logp = search.tree()[node].path_logp;
  return std::isfinite(logp) ? cost * logp + std::log(score) : -std::numeric_limits<double>::infinity();
}

}  // namespace

core::Task<NodeId> run_best_first(Search& search, const BestFirstOptions& options) {
  search.use_guide(options.guide, options.mix, options.params());
  search.reserve_for_answer(options.max_tokens);
  const int64_t sims = search.goal(options.sims, 64);
  Tree& tree = search.tree();
  std::priority_queue<Open> frontier;
  frontier.push({1, 0, kRoot});
  NodeId best = kRoot;
  int64_t answers = 0;
  NodeId goal = kNoNode;
  for (int64_t sim = 0; sim < sims && answers < options.n && !frontier.empty();) {
    const NodeId node = frontier.top().node;
    frontier.pop();
    if (tree[node].terminal) {
      if (answers++ == 0) goal = node;
      continue;
    }
    best = node;
    ++sim;
    std::vector<NodeId> parents(static_cast<size_t>(options.width), node);
    auto extension = search.extend(std::move(parents), options.growth());
    std::vector<NodeId> children = co_await extension;
    const bool spent = children.back() == kNoNode;
    std::ranges::sort(children);
    children.erase(std::unique(children.begin(), children.end()), children.end());
    for (NodeId child : children) {
      if (child == kNoNode || (tree[child].terminal && !tree[child].answered)) continue;
      frontier.push({priority(search, child, options.agg_strategy, options.cost), tree[child].path_length, child});
    }
    if (spent) break;
  }
  if (options.select == "goal" && goal != kNoNode) co_return goal;
  auto concluding = search.conclude(options.select == "goal" ? "rm" : options.select, best, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
