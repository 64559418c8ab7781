// Monte Carlo tree search over steps, as in AlphaZero (Silver et al. 2017, arXiv 1712.01815) and TS-LLM (Feng et al.
// 2023, arXiv 2309.17179). One simulation: select down the tree by PUCT, open a step that was visited before, evaluate
// one new step, back its value up.
//
//   a* = argmax_c  Q(c) + P(c)·C(N)·√(1 + N) / (1 + N(c)),   C(N) = c_puct + ln((1 + N + c_base) / c_base)
//
// N: visits of the parent, N(c): of the child, Q(c) = value_sum / N(c), the parent's mean for a child never visited.
// The root sum counts the visit being made: with √N the prior would have no effect at the first visit, N = 0.
// P(c) ∝ exp(mean token log-prob of the step / prior_temperature), normalised over the siblings.
// Books: N(node) = Σ N(children) + 1 if it is not the root (its own evaluation); ends have no children, so every visit
// is an evaluation of their own.
#include <algorithm>
#include <cmath>

#include "ponder/search/algorithms.h"

namespace ponder::search {
namespace {

constexpr int64_t kIdleSims = 10000;  // simulations in a row that write nothing, after which the search has converged

// Draws that a step may have behind it: progressive widening (Coulom 2007), so that no good step is out of reach
// forever.
int64_t allowed_draws(const Node& node, const MctsOptions& options) {
  if (options.widen == 0) return options.width;
  return std::max(options.width, static_cast<int64_t>(std::pow(node.visits, options.widen)));
}

// Gamma(alpha, 1), Marsaglia & Tsang 2000; normalised over the siblings these are Dirichlet(alpha).
double draw_gamma(double alpha, base::Rng& rng) {
  if (alpha < 1) return draw_gamma(alpha + 1, rng) * std::pow(1 - rng.uniform(), 1 / alpha);
  const double d = alpha - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  while (true) {
    const double x = rng.normal();
    const double v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - rng.uniform()) < 0.5 * x * x + d * (1 - v + std::log(v))) return d * v;
  }
}

template <class Visit>
void for_each_step(const Tree& tree, NodeId parent, const Visit& visit) {
  for (NodeId c = tree[parent].first_child; c != kNoNode; c = tree[c].next_sibling) {
    if (!tree[c].rollout) visit(c);
  }
}

// A child's noise depends on its own key, so it stays the same share when siblings come later.
void mix_noise(Tree& tree, const MctsOptions& options) {
  std::vector<double> noise;
  double sum = 0;
  for_each_step(tree, kRoot, [&](NodeId c) {
    base::Rng rng(tree[c].key.child("noise"));
    noise.push_back(draw_gamma(options.noise_alpha, rng));
    sum += noise.back();
  });
  size_t i = 0;
  for_each_step(tree, kRoot, [&](NodeId c) {
    const double share = sum > 0 ? noise[i++] / sum : 0;
    tree[c].prior = static_cast<float>((1 - options.noise) * tree[c].prior + options.noise * share);
  });
}

void set_priors(Tree& tree, NodeId parent, const MctsOptions& options) {
  const auto weight = [&](NodeId c) {
    const double likelihood = std::exp(tree.mean_logp(c) / options.prior_temperature);
    return std::isfinite(likelihood) ? likelihood : 0.0;
  };
  double sum = 0;
  int64_t count = 0;
  for_each_step(tree, parent, [&](NodeId c) { sum += weight(c), ++count; });
  for_each_step(tree, parent, [&](NodeId c) {
    tree[c].prior = static_cast<float>(sum > 0 ? weight(c) / sum : 1.0 / static_cast<double>(count));
  });
  if (parent == kRoot && options.noise > 0) mix_noise(tree, options);
}

double mean_value(const Node& node) { return node.visits > 0 ? node.value_sum / node.visits : 0; }

NodeId select_child(const Tree& tree, NodeId parent, const MctsOptions& options) {
  const double visits = tree[parent].visits;
  const double unvisited = mean_value(tree[parent]);
  const double weight =
      (options.c_puct + std::log((1 + visits + options.c_base) / options.c_base)) * std::sqrt(1 + visits);
  NodeId best = kNoNode;
  double best_score = 0;
  for_each_step(tree, parent, [&](NodeId c) {
    const Node& child = tree[c];
    const double q = child.visits > 0 ? mean_value(child) : unvisited;
    const double score = q + weight * child.prior / (1 + child.visits);
    if (best == kNoNode || score > best_score) best = c, best_score = score;
  });
  return best;
}

// Selection goes on behind visited steps, and behind the root, which needs no evaluation.
bool passable(const Tree& tree, NodeId node) {
  return (node == kRoot || tree[node].visits > 0) && !tree[node].terminal;
}

int64_t missing_draws(const Node& node, const MctsOptions& options) {
  return allowed_draws(node, options) - (node.draws - node.rollouts);
}

bool must_open(const Tree& tree, NodeId node, const MctsOptions& options) {
  return passable(tree, node) && missing_draws(tree[node], options) > 0;
}

// 1. Down to a step that must be opened, was never visited, or ends.
NodeId select_leaf(const Tree& tree, NodeId node, const MctsOptions& options) {
  while (passable(tree, node) && !must_open(tree, node, options)) node = select_child(tree, node, options);
  return node;
}

// 2. Opens a visited step (or adds what widening allows) and goes on selecting behind it. kNoNode: the budget is spent.
core::Task<NodeId> open_step(Search& search, NodeId node, const MctsOptions& options) {
  Growth growth = options.growth();
  growth.scoring = Scoring::kAnswers;  // unfinished steps are read when they are visited
  Tree& tree = search.tree();
  while (must_open(tree, node, options)) {
    std::vector<NodeId> parents(static_cast<size_t>(missing_draws(tree[node], options)), node);
    auto extension = search.extend(std::move(parents), growth);
    const std::vector<NodeId> children = co_await extension;
    set_priors(tree, node, options);
    if (children.back() == kNoNode) co_return kNoNode;
    node = select_leaf(tree, select_child(tree, node, options), options);
  }
  co_return node;
}

// 3. The value of a leaf; negative when the budget cannot pay for it.
core::Task<double> evaluate_leaf(Search& search, NodeId leaf, const MctsOptions& options) {
  Tree& tree = search.tree();
  if (options.leaf == "rollout" && !tree[leaf].terminal) {
    Growth growth = options.growth();
    growth.by_step = false;
    growth.rollout = true;
    growth.scoring = Scoring::kAnswers;
    std::vector<NodeId> parents = {leaf};
    auto writing = search.extend(std::move(parents), growth);
    const std::vector<NodeId> ends = co_await writing;
    co_return ends[0] == kNoNode ? -1.0 : tree[ends[0]].value;
  }
  auto evaluation = search.evaluate(leaf);
  const bool paid = co_await evaluation;
  co_return paid ? tree[leaf].value : -1.0;
}

// 4.
void back_up(Tree& tree, NodeId leaf, double value) {
  for (NodeId node = leaf; node != kNoNode; node = tree[node].parent) {
    tree[node].visits += 1;
    tree[node].value_sum += value;
  }
}

// Down the children with the most visits (of equals: the higher mean).
NodeId most_visited_path(const Tree& tree) {
  NodeId node = kRoot;
  while (true) {
    NodeId best = kNoNode;
    for_each_step(tree, node, [&](NodeId c) {
      if (tree[c].visits == 0) return;
      const auto rank = [&](NodeId id) { return std::pair(tree[id].visits, mean_value(tree[id])); };
      if (best == kNoNode || rank(c) > rank(best)) best = c;
    });
    if (best == kNoNode) return node;
    node = best;
  }
}

}  // namespace

core::Task<NodeId> run_mcts(Search& search, const MctsOptions& options) {
  search.use_guide(options.guide, options.params());
  search.reserve_for_answer(options.max_tokens);
  Tree& tree = search.tree();
  const int64_t sims = search.goal(options.sims, 64);
  int64_t idle = 0;
  NodeId written = kNoNode;
  for (int64_t sim = 0; sim < sims && (options.sims > 0 || idle < kIdleSims); ++sim) {
    const int64_t generated = search.usage().generated;
    NodeId leaf = select_leaf(tree, kRoot, options);
    if (must_open(tree, leaf, options)) {
      auto opening = open_step(search, leaf, options);
      leaf = co_await opening;
    }
    double value = -1;
    if (leaf != kNoNode && tree[leaf].terminal && tree[leaf].scored) {
      value = tree[leaf].value;
    } else if (leaf != kNoNode) {
      auto evaluation = evaluate_leaf(search, leaf, options);
      value = co_await evaluation;
    }
    if (value >= 0) {
      back_up(tree, leaf, value);
      idle = search.usage().generated == generated ? idle + 1 : 0;
      continue;
    }
    // All but the reserve is spent: write one answer, then search on with what is left of it.
    if (search.has_answer()) break;
    auto finishing = search.finish(most_visited_path(tree), options.params());
    written = co_await finishing;
    if (!search.has_answer()) break;
  }
  const NodeId best = most_visited_path(tree);
  if (options.select == "visits" && tree[best].answered) co_return best;
  auto concluding = search.conclude(options.select == "visits" ? "wmaj" : options.select,
                                    written == kNoNode ? best : written, options.params());
  co_return co_await concluding;
}

}  // namespace ponder::search
