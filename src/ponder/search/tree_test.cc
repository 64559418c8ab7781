#include "ponder/search/tree.h"

#include <gtest/gtest.h>

#include "ponder/search/fake_ports.h"

namespace ponder::search {
namespace {

NodeId add(Tree& tree, NodeId parent, core::Tokens tokens, float logp = -0.5f) {
  const std::vector<float> logps(tokens.size(), logp);
  return tree.add(parent, base::RngKey(1), tokens, logps);
}

TEST(Tree, PathsJoinTheStepsBehindThePrompt) {
  Tree tree{base::RngKey(3)};
  const NodeId a = add(tree, kRoot, {1, 2});
  const NodeId b = add(tree, kRoot, {3});
  const NodeId c = add(tree, a, {4, 5, 6}, -1.0f);
  EXPECT_EQ(tree.path(c), (std::vector<NodeId>{a, c}));
  EXPECT_EQ(tree.path_tokens(c), (core::Tokens{1, 2, 4, 5, 6}));
  EXPECT_EQ(tree.path_logps(c), (std::vector<float>{-0.5f, -0.5f, -1, -1, -1}));
  EXPECT_EQ(tree.path_tokens(kRoot), core::Tokens{});
  EXPECT_EQ(tree[c].path_length, 5);
  EXPECT_DOUBLE_EQ(tree[c].path_logp, -4.0);
  EXPECT_DOUBLE_EQ(tree.mean_logp(c), -1.0);
  EXPECT_DOUBLE_EQ(tree.path_mean_logp(c), -0.8);
  EXPECT_EQ(tree.find_child(kRoot, tree.tokens(b)), b);
  EXPECT_EQ(tree.find_child(a, tree.tokens(b)), kNoNode);
  EXPECT_EQ(tree[kRoot].first_child, a);
  EXPECT_EQ(tree[a].next_sibling, b);
  EXPECT_EQ(tree[kRoot].last_child, b);
}

TEST(Tree, ARolloutIsNoTwinOfAStep) {
  Tree tree;
  const NodeId a = add(tree, kRoot, {1});
  tree[a].rollout = true;
  EXPECT_EQ(tree.find_child(kRoot, tree.tokens(a)), kNoNode);
}

TEST(Tree, RefusesAsManyLogProbsAsThereAreNoTokens) {
  Tree tree;
  const core::Tokens tokens = {1, 2};
  const std::vector<float> logps = {-1.0f};
  EXPECT_THROW(tree.add(kRoot, base::RngKey(), tokens, logps), Error);
}

TEST(Tree, AVeryDeepTreeNeedsNoDeepStack) {
  Tree tree;
  NodeId tip = kRoot;
  const int depth = 300000;
  for (int i = 0; i < depth; ++i) tip = add(tree, tip, {i});
  tree.mark_chosen(tip);
  EXPECT_EQ(tree.path_tokens(tip).size(), static_cast<size_t>(depth));
  EXPECT_TRUE(tree[kRoot].chosen);
  const auto json = tree_json(tree, fake::FakeCodec());
  EXPECT_EQ(json.at("nodes").size(), static_cast<size_t>(depth) + 1);
}

TEST(Tree, RemembersHowVisitsAndMeansGrew) {
  Tree tree;
  const NodeId a = add(tree, kRoot, {11, fake::kStep});
  tree.back_up(a, 0.5f);
  const NodeId b = add(tree, a, {12, fake::kStep});
  tree.back_up(b, 1);
  EXPECT_EQ(tree[kRoot].visits, 2);
  EXPECT_EQ(tree[a].visits, 2);
  EXPECT_EQ(tree[a].value_sum, 1.5);
  EXPECT_EQ(tree[b].visits, 1);
  EXPECT_EQ(tree_json(tree, fake::FakeCodec()).at("backups").dump(), "[[2,1,0.5],[3,2,1.0]]");
  EXPECT_EQ(tree_json(Tree(), fake::FakeCodec()).find("backups"), nullptr);
}

TEST(Tree, JsonSaysWhatTheReportDraws) {
  Tree tree;
  const NodeId a = add(tree, kRoot, {11, fake::kStep});
  const NodeId b = add(tree, kRoot, {12, fake::kStep});
  tree[a].scored = true;
  tree[a].value = 0.25f;
  tree[a].visits = 4;
  tree[a].value_sum = 3;
  tree[b].pruned = true;
  tree.mark_chosen(a);
  const auto json = tree_json(tree, fake::FakeCodec());
  const auto& nodes = json.at("nodes").as_array();
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[0].at("parent").as_int(), -1);
  EXPECT_EQ(nodes[1].at("parent").as_int(), 0);
  EXPECT_EQ(nodes[1].at("text").as_string(), "11 1");
  EXPECT_EQ(nodes[1].at("value").as_double(), 0.25);
  EXPECT_EQ(nodes[1].at("visits").as_int(), 4);
  EXPECT_EQ(nodes[1].at("mean").as_double(), 0.75);
  EXPECT_EQ(nodes[1].at("logp").as_double(), -1.0);
  EXPECT_TRUE(nodes[1].at("path").as_bool());
  EXPECT_TRUE(nodes[2].at("value").is_null());
  EXPECT_TRUE(nodes[2].at("mean").is_null());
  EXPECT_TRUE(nodes[2].at("pruned").as_bool());
  EXPECT_FALSE(nodes[2].at("path").as_bool());
}

}  // namespace
}  // namespace ponder::search
