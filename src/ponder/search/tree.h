// The tree that a search grows: the prompt at the root, behind it one node a step (or a whole sample). Strategies grow
// it through search/search.h, recipes store it, the report draws it from tree_json().
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/base/rng.h"
#include "ponder/core/ports.h"

namespace ponder::search {

using NodeId = int32_t;
inline constexpr NodeId kNoNode = -1;
inline constexpr NodeId kRoot = 0;

struct Node {
  base::RngKey key;         // the key of the draw that made it: its parent's key, then the number of the draw
  int64_t first_token = 0;  // where its tokens stand in the tree's arena
  int32_t length = 0;       // tokens of this step
  int32_t path_length = 0;  // tokens from the prompt to the end of this step
  double path_logp = 0;     // nats, summed over those tokens
  float path_entropy = 0;   // likewise, of the model's distributions at these tokens; 0 unless a guide asks for it
  NodeId parent = kNoNode;
  NodeId first_child = kNoNode, last_child = kNoNode, next_sibling = kNoNode;
  int32_t draws = 0;       // completions drawn behind it, duplicates and rollouts included
  int32_t rollouts = 0;    // those of its draws that were written to their end as rollouts
  int32_t visits = 0;      // simulations that came through it
  float value = 0;         // estimated chance of a correct answer, when scored
  float prior = 0;         // selection probability among its siblings
  double value_sum = 0;    // of the evaluations behind it; the mean is value_sum / visits
  int32_t prompt = 0;      // of the prompts that the search has, the one that it stands behind; 0: the problem's
  int32_t candidate = -1;  // its number among the search's candidates, when terminal
  bool scored = false;     // value is known
  bool read = false;       // the critic has read its tokens and all before them
  bool terminal = false;   // nothing can follow: ended, cut at the length limit, or empty
  bool answered = false;   // terminal and claims an answer
  bool pruned = false;     // given up by the strategy
  bool chosen = false;     // on the path to the chosen completion
  bool starts = false;     // stands behind a prompt of its own, not behind its parent's text: a revised answer, a reply
  bool asked = false;      // a reply to a question about its parent, no part of any answer
  bool second = false;     // written by the second model
  bool forced = false;     // written for the model, not by it
  bool rollout = false;    // a continuation sampled only to estimate its parent's value; no choice for selection
};
static_assert(sizeof(Node) <= 128);

// One simulation's end. All of them together say how visits and means grew.
struct Backup {
  int32_t made = 0;  // nodes that the tree had by then
  NodeId leaf = kRoot;
  float value = 0;  // that was added to the leaf and everything above it
};

class Tree {
 public:
  Tree() : Tree(base::RngKey()) {}
  explicit Tree(base::RngKey key);  // of the root: names the whole search

  // The new node is its parent's last child. Spans that tokens() gave before are invalid afterwards.
  // prompt: the one it starts behind; kBehindParent: it goes on behind its parent.
  static constexpr int32_t kBehindParent = -1;
  NodeId add(NodeId parent, base::RngKey key, core::TokenSpan tokens, std::span<const float> logps,
             int32_t prompt = kBehindParent, std::span<const float> entropies = {});
  // A step child behind that prompt with these tokens, or kNoNode.
  NodeId find_child(NodeId parent, core::TokenSpan tokens, int32_t prompt = kBehindParent) const;

  size_t size() const { return nodes_.size(); }
  int64_t token_count() const { return static_cast<int64_t>(arena_.size()); }  // of all nodes, each as it stands
  int64_t node_bytes() const;                                                  // without tokens
  Node& operator[](NodeId id) { return nodes_[static_cast<size_t>(id)]; }
  const Node& operator[](NodeId id) const { return nodes_[static_cast<size_t>(id)]; }

  core::TokenSpan tokens(NodeId id) const;        // of the one step
  std::span<const float> logps(NodeId id) const;  // nats, of the one step

  std::vector<NodeId> path(NodeId id) const;  // from the first behind the prompt to id
  core::Tokens path_tokens(NodeId id) const;  // everything behind the prompt
  std::vector<float> path_logps(NodeId id) const;
  double mean_logp(NodeId id) const;       // of the one step's tokens; 0 when it has none
  double path_mean_logp(NodeId id) const;  // of all tokens behind the prompt

  void mark_chosen(NodeId id);  // flags id and everything above it

  void back_up(NodeId leaf, float value);  // one visit with this value, to the leaf and everything above it
  const std::vector<Backup>& backups() const { return backups_; }  // in their order

 private:
  std::vector<Node> nodes_;  // in order of creation, so a parent stands before its children
  core::Tokens arena_;
  std::vector<float> logps_;
  std::vector<Backup> backups_;
};

// {"nodes":[{"id","parent" (-1 for the root),"text","value" (null before it is scored),"visits","mean" (null without
// visits),"prior","logp","tokens","candidate" (its number among the search's candidates, or null),"pruned","terminal",
// "answered","rollout","forced","starts","asked","second","order","path"}],"backups":[[made, leaf, value]]}; path: on
// the way to the answer; backups: the Backups of a search that has any.
base::Json tree_json(const Tree& tree, const core::Codec& codec);

}  // namespace ponder::search
