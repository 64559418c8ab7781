// Monte Carlo tree search over steps, as in AlphaZero (Silver et al. 2017, arXiv 1712.01815) and TS-LLM (Feng et al.
// 2023, arXiv 2309.17179). One simulation: select down the tree by PUCT, open a step that was visited before, evaluate
// one new step, back its value up.
//
//   a* = argmax_c  Q(c) + P(c)·C(N)·√(1 + N) / (1 + N(c)),   C(N) = c_puct + ln((1 + N + c_base) / c_base)
//
// N: visits of the parent, N(c): of the child, Q(c) = value_sum / N(c), the parent's mean for a child never visited.
// The root sum counts the visit being made: with √N the prior would have no effect at the first visit, N = 0.
// rule=uct (Kocsis & Szepesvári 2006) selects without a prior: Q(c) + c_uct·√(ln N / N(c)), what was never visited
// first.
// P(c) ∝ exp(mean token log-prob of the step / prior_temperature), normalised over the siblings.
// Books: N(node) = Σ N(children) + 1 if it is not the root (its own evaluation); ends have no children, so every visit
// is an evaluation of their own.
//
// parallel > 1: so many simulations at a time. Each visit counts from its selection on, with the value 0 until its own
// is known (a virtual loss, Chaslot et al. 2008), so that the next simulation looks elsewhere; their draws and
// evaluations are asked for together. One may go on behind a step whose value another has just asked for.
#include <algorithm>
#include <cmath>
#include <limits>

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
  const bool uct = options.rule == "uct";
  NodeId best = kNoNode;
  double best_score = 0;
  for_each_step(tree, parent, [&](NodeId c) {
    const Node& child = tree[c];
    const double q = child.visits > 0 ? mean_value(child) : unvisited;
    const double score = !uct ? q + weight * child.prior / (1 + child.visits)
                         : child.visits > 0
                             ? q + options.c_uct * std::sqrt(std::log(std::max(1.0, visits)) / child.visits)
                             : std::numeric_limits<double>::infinity();
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

// What one simulation has come to.
struct Simulation {
  NodeId leaf = kRoot;
  bool opens = false;    // the leaf must be opened, and the simulation goes on behind it
  bool counted = false;  // its visits are in the tree already
  float value = -1;      // negative: the budget cannot pay for it
};

void add_visits(Tree& tree, NodeId leaf, int32_t visits) {
  for (NodeId node = leaf; node != kNoNode; node = tree[node].parent) tree[node].visits += visits;
}

// Stands before `leaf`; whether that must be opened is seen before its own visit counts.
void stand(Tree& tree, Simulation& s, NodeId leaf, const MctsOptions& options) {
  s.leaf = leaf;
  s.opens = must_open(tree, leaf, options);
  if (s.counted) add_visits(tree, leaf, 1);
}

// 2. Opens visited steps (or adds what widening allows) and goes on selecting behind them, until no simulation stands
// before a step that must be opened. false: the budget is spent; then those that did have no leaf.
core::Task<bool> open_steps(Search& search, std::vector<Simulation>& simulations, const MctsOptions& options) {
  Growth growth = options.growth();
  growth.scoring = Scoring::kAnswers;  // unfinished steps are read when they are visited
  Tree& tree = search.tree();
  while (true) {
    std::vector<NodeId> opened, parents;
    for (const Simulation& s : simulations) {
      if (!s.opens || std::ranges::find(opened, s.leaf) != opened.end()) continue;
      opened.push_back(s.leaf);
      const int64_t missing = std::max<int64_t>(0, missing_draws(tree[s.leaf], options));
      parents.insert(parents.end(), static_cast<size_t>(missing), s.leaf);
    }
    if (opened.empty()) co_return true;
    auto extension = search.extend(std::move(parents), growth);
    const std::vector<NodeId> children = co_await extension;
    for (NodeId node : opened) set_priors(tree, node, options);
    const bool spent = !children.empty() && children.back() == kNoNode;
    for (Simulation& s : simulations) {
      if (!s.opens) continue;
      if (s.counted) add_visits(tree, s.leaf, -1);
      if (spent)
        s = {kNoNode};
      else
        stand(tree, s, select_leaf(tree, select_child(tree, s.leaf, options), options), options);
    }
    if (spent) co_return false;
  }
}

// 3. The values of the leaves.
core::Task<bool> evaluate_leaves(Search& search, std::vector<Simulation>& simulations, const MctsOptions& options) {
  Tree& tree = search.tree();
  std::vector<NodeId> leaves, unfinished;
  for (const Simulation& s : simulations) {
    if (s.leaf == kNoNode) continue;
    const bool writes = options.leaf == "rollout" && !tree[s.leaf].terminal;
    (writes ? unfinished : leaves).push_back(s.leaf);
  }
  std::vector<NodeId> ends;
  if (!unfinished.empty()) {
    Growth growth = options.growth();
    growth.by_step = false;
    growth.rollout = true;
    growth.scoring = Scoring::kAnswers;
    auto writing = search.extend(unfinished, growth);
    ends = co_await writing;
  }
  auto evaluation = search.evaluate_all(leaves);
  const std::vector<bool> paid = co_await evaluation;
  size_t leaf = 0, end = 0;
  bool all = true;
  for (Simulation& s : simulations) {
    if (s.leaf == kNoNode) continue;
    const bool writes = options.leaf == "rollout" && !tree[s.leaf].terminal;
    const NodeId judged = writes ? ends[end++] : paid[leaf++] ? s.leaf : kNoNode;
    if (judged == kNoNode)
      all = false;
    else
      s.value = tree[judged].value;
  }
  co_return all;
}

bool stands_above(const Tree& tree, NodeId above, NodeId node) {
  while (node != kNoNode && node != above) node = tree[node].parent;
  return node == above;
}

// A simulation may have gone on behind a leaf whose own value was asked for in the same group: where that could not be
// paid for, neither counts.
void drop_what_hangs_below(const Tree& tree, std::vector<Simulation>& simulations) {
  for (const Simulation& unpaid : simulations) {
    if (unpaid.leaf == kNoNode || unpaid.value >= 0) continue;
    for (Simulation& s : simulations)
      if (s.leaf != kNoNode && stands_above(tree, unpaid.leaf, s.leaf)) s.value = -1;
  }
}

// 4. What was paid for is backed up; what was not is taken back.
void back_up(Tree& tree, const Simulation& s) {
  if (s.leaf == kNoNode) return;
  if (s.counted) add_visits(tree, s.leaf, -1);
  if (s.value >= 0) tree.back_up(s.leaf, s.value);
}

// `count` simulations, each before its leaf.
std::vector<Simulation> select_leaves(Tree& tree, int64_t count, const MctsOptions& options) {
  std::vector<Simulation> simulations(static_cast<size_t>(count));
  for (Simulation& s : simulations) {
    s.counted = count > 1;
    stand(tree, s, select_leaf(tree, kRoot, options), options);
  }
  return simulations;
}

// The values of leaves that have one. A tree that is worked through is only visited: thousands of simulations ask for
// nothing, and must not wait for it either.
bool take_known_values(const Tree& tree, std::vector<Simulation>& simulations, const MctsOptions& options) {
  for (Simulation& s : simulations) {
    if (s.leaf == kNoNode || !tree[s.leaf].scored || (options.leaf == "rollout" && !tree[s.leaf].terminal))
      return false;
    s.value = tree[s.leaf].value;
  }
  return true;
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
  search.use_guide(options.guide, options.mix, options.params());
  search.reserve_for_answer(options.max_tokens);
  Tree& tree = search.tree();
  const int64_t sims = search.goal(options.sims, 64);
  int64_t idle = 0;
  NodeId written = kNoNode;
  for (int64_t sim = 0; sim < sims && (options.sims > 0 || idle < kIdleSims);) {
    const int64_t generated = search.usage().generated, count = std::min(options.parallel, sims - sim);
    std::vector<Simulation> simulations = select_leaves(tree, count, options);
    bool paid = true;
    if (std::ranges::any_of(simulations, &Simulation::opens)) {
      auto opening = open_steps(search, simulations, options);
      paid = co_await opening;
    }
    if (!take_known_values(tree, simulations, options)) {
      auto evaluation = evaluate_leaves(search, simulations, options);
      paid &= co_await evaluation;
    }
    if (!paid) drop_what_hangs_below(tree, simulations);
    for (const Simulation& s : simulations) back_up(tree, s);
    sim += count;
    if (paid) {
      idle = search.usage().generated == generated ? idle + count : 0;
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
