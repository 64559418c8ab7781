// A search tree on disk: what `ponder solve --dump` wrote, read back and checked, for `ponder tree`. Nothing below the
// nodes' own fields is needed, so trees of other programs can be shown too.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::eval {

struct TreeNode {
  int64_t id = 0;       // as the file has it
  int32_t parent = -1;  // its place among the nodes, before this one; -1: the problem
  int32_t depth = 0;
  int32_t below = 0;              // nodes under it
  std::vector<int32_t> children;  // in the order in which they were made
  std::string text;
  std::optional<double> value, mean, prior, logp;
  std::optional<int64_t> tokens;
  int64_t visits = 0;
  std::optional<std::string> answer;  // what it claims, where the file says so
  std::optional<int64_t> prompt;      // the one it stands behind, of FileTree::prompts
  bool pruned = false, terminal = false, answered = false, rollout = false, forced = false, starts = false;
  bool asked = false, second = false, chosen = false;

  std::optional<double> worth() const { return value ? value : mean; }  // the one number that a line has room for
};

// One simulation's end: a visit with this value for a node and everything above it, when so many nodes were made.
struct TreeBackup {
  int32_t made = 0, place = 0;
  double value = 0;
};

struct FileTree {
  std::vector<TreeNode> nodes;  // in the order in which they were made, the problem first
  // Of the search; what the file does not say is empty.
  std::string id, question, model, strategy;
  std::vector<std::string> given;  // the strategy's options that were given, "sims=30"
  base::Json options;              // all of them, an object or null
  std::optional<std::string> answer;
  std::optional<int64_t> seed, tokens_generated, tokens_processed, critic_tokens;
  std::optional<double> score, seconds;
  std::vector<TreeBackup> backups;   // in their order; how visits and means grew
  std::vector<std::string> prompts;  // what the model was asked, where a node stands behind a prompt of its own

  // From the problem (not part of it) to the answer; empty when none was chosen.
  std::vector<int32_t> chosen_path() const;
};

// {"nodes":[{"id","parent",…}], …}: search/tree.h has the nodes, recipes/solve.cc the rest. Every field of a node but
// id and parent may be missing. Error(kInput) says what is wrong and where: a field of another type, ids that stand
// twice, parents that are not there, circles, no root or several, a node that was made before its parent.
FileTree parse_tree(const base::Json& json, const std::string& where);
FileTree read_tree(const std::string& path);

// For --json: sizes, answers, the chosen path.
base::Json tree_figures(const FileTree& tree);

struct TreeTextOptions {
  int64_t width = 100;                // columns
  std::optional<int64_t> depth = {};  // open every branch down to this level
};
// For a terminal: what was searched, the tree, the steps of the chosen path in full. Control characters of a step's
// text are shown, not sent.
std::string tree_text(const FileTree& tree, const TreeTextOptions& options);

// A page that draws the tree, replays the search and shows each node.
std::string tree_html(const FileTree& tree, const std::string& name);

}  // namespace ponder::eval
