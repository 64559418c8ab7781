#include "ponder/search/tree.h"

#include <algorithm>

namespace ponder::search {

namespace {

// Not twice as much room whenever it is full: trees are large.
template <class T>
void make_room(std::vector<T>& all) {
  if (all.size() == all.capacity()) all.reserve(all.size() + all.size() / 4 + 8);
}

}  // namespace

Tree::Tree(base::RngKey key) : nodes_(1) { nodes_[kRoot].key = key; }

NodeId Tree::add(NodeId parent, base::RngKey key, core::TokenSpan tokens, std::span<const float> logps, int32_t prompt,
                 std::span<const float> entropies) {
  PONDER_CHECK(tokens.size() == logps.size(), "a completion needs one log-probability a token, got ", logps.size(),
               " for ", tokens.size(), " tokens");
  const auto id = static_cast<NodeId>(nodes_.size());
  Node node;
  node.key = key;
  node.parent = parent;
  node.first_token = static_cast<int64_t>(arena_.size());
  node.length = static_cast<int32_t>(tokens.size());
  Node& above = (*this)[parent];
  node.starts = prompt != kBehindParent;
  node.prompt = node.starts ? prompt : above.prompt;
  node.path_length = node.length + (node.starts ? 0 : above.path_length);
  node.path_logp = node.starts ? 0 : above.path_logp;
  for (float logp : logps) node.path_logp += logp;
  node.path_entropy = node.starts ? 0 : above.path_entropy;
  for (float entropy : entropies) node.path_entropy += entropy;
  if (above.first_child == kNoNode) {
    above.first_child = id;
  } else {
    (*this)[above.last_child].next_sibling = id;
  }
  above.last_child = id;
  make_room(nodes_);
  arena_.insert(arena_.end(), tokens.begin(), tokens.end());
  logps_.insert(logps_.end(), logps.begin(), logps.end());
  nodes_.push_back(node);
  return id;
}

NodeId Tree::find_child(NodeId parent, core::TokenSpan wanted, int32_t prompt) const {
  for (NodeId c = (*this)[parent].first_child; c != kNoNode; c = (*this)[c].next_sibling) {
    const Node& child = (*this)[c];
    if (child.rollout || child.starts != (prompt != kBehindParent)) continue;
    if ((!child.starts || child.prompt == prompt) && std::ranges::equal(tokens(c), wanted)) return c;
  }
  return kNoNode;
}

int64_t Tree::node_bytes() const {
  return static_cast<int64_t>(nodes_.capacity() * sizeof(Node) + backups_.capacity() * sizeof(Backup));
}

core::TokenSpan Tree::tokens(NodeId id) const {
  const Node& node = (*this)[id];
  return {arena_.data() + node.first_token, static_cast<size_t>(node.length)};
}

std::span<const float> Tree::logps(NodeId id) const {
  const Node& node = (*this)[id];
  return {logps_.data() + node.first_token, static_cast<size_t>(node.length)};
}

std::vector<NodeId> Tree::path(NodeId id) const {
  std::vector<NodeId> nodes;
  for (; id != kRoot; id = (*this)[id].parent) {
    nodes.push_back(id);
    if ((*this)[id].starts) break;
  }
  std::ranges::reverse(nodes);
  return nodes;
}

core::Tokens Tree::path_tokens(NodeId id) const {
  core::Tokens all;
  all.reserve(static_cast<size_t>((*this)[id].path_length));
  for (NodeId node : path(id)) {
    const auto step = tokens(node);
    all.insert(all.end(), step.begin(), step.end());
  }
  return all;
}

std::vector<float> Tree::path_logps(NodeId id) const {
  std::vector<float> all;
  all.reserve(static_cast<size_t>((*this)[id].path_length));
  for (NodeId node : path(id)) {
    const auto step = logps(node);
    all.insert(all.end(), step.begin(), step.end());
  }
  return all;
}

double Tree::mean_logp(NodeId id) const {
  const Node& node = (*this)[id];
  if (node.length == 0) return 0;
  return (node.path_logp - (node.starts ? 0 : (*this)[node.parent].path_logp)) / node.length;
}

double Tree::path_mean_logp(NodeId id) const {
  const Node& node = (*this)[id];
  return node.path_length == 0 ? 0 : node.path_logp / node.path_length;
}

void Tree::mark_chosen(NodeId id) {
  for (; id != kNoNode; id = (*this)[id].parent) (*this)[id].chosen = true;
}

void Tree::back_up(NodeId leaf, float value) {
  for (NodeId id = leaf; id != kNoNode; id = (*this)[id].parent) {
    Node& node = (*this)[id];
    node.visits += 1, node.value_sum += value;
  }
  make_room(backups_);
  backups_.push_back({static_cast<int32_t>(nodes_.size()), leaf, value});
}

base::Json tree_json(const Tree& tree, const core::Codec& codec) {
  base::Json::Array nodes;
  nodes.reserve(tree.size());
  for (size_t i = 0; i < tree.size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    const Node& node = tree[id];
    base::Json row = base::Json::object();
    row["id"] = id;
    row["parent"] = node.parent;
    row["text"] = codec.decode(tree.tokens(id));
    row["value"] = node.scored ? base::Json(node.value) : base::Json();
    row["visits"] = node.visits;
    row["mean"] = node.visits > 0 ? base::Json(node.value_sum / node.visits) : base::Json();
    row["prior"] = node.prior;
    row["logp"] = id == kRoot || node.starts ? node.path_logp : node.path_logp - tree[node.parent].path_logp;
    row["tokens"] = node.length;
    row["candidate"] = node.candidate >= 0 ? base::Json(node.candidate) : base::Json();
    row["pruned"] = node.pruned;
    row["terminal"] = node.terminal;
    row["answered"] = node.answered;
    row["rollout"] = node.rollout;
    row["forced"] = node.forced;
    row["starts"] = node.starts;
    if (node.starts) row["prompt"] = node.prompt;
    row["asked"] = node.asked;
    if (node.second) row["second"] = true;
    row["order"] = id;
    row["path"] = node.chosen;
    nodes.push_back(std::move(row));
  }
  base::Json json = base::Json::object();
  json["nodes"] = std::move(nodes);
  if (!tree.backups().empty()) {
    base::Json::Array backups;
    backups.reserve(tree.backups().size());
    for (const Backup& b : tree.backups()) backups.emplace_back(base::Json::Array{b.made, b.leaf, b.value});
    json["backups"] = std::move(backups);
  }
  return json;
}

}  // namespace ponder::search
