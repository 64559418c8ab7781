// `ponder tree`: a search tree that `solve --dump` wrote, for people and scripts.
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/eval/tree_file.h"
#include "ponder/recipes/commands.h"

namespace ponder::recipes {
namespace {

constexpr int64_t kLeastWidth = 40, kFileWidth = 120;  // the second where no terminal says how wide it is

int64_t width_of_output() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return kFileWidth;
  return size.ws_col;
}

std::string page_name(const eval::FileTree& tree, const std::string& path) {
  if (tree.strategy.empty() && tree.id.empty()) return base::file_name(path);
  return base::cat(tree.strategy.empty() ? "Search" : tree.strategy, tree.id.empty() ? "" : " · ", tree.id);
}

}  // namespace

int command_tree(const TreeArgs& args) {
  if (!args.out.empty()) base::check_output_file(args.out);
  const eval::FileTree tree = eval::read_tree(args.file);
  if (!args.out.empty()) base::write_file_atomic(args.out, eval::tree_html(tree, page_name(tree, args.file)));
  if (args.json) {
    base::Json figures = eval::tree_figures(tree);
    figures["page"] = args.out.empty() ? base::Json() : base::Json(args.out);
    base::print_result(figures.dump());
  } else if (!args.out.empty()) {
    base::print_result(base::cat(args.out, ": ", tree.nodes.size(), " nodes; any browser opens it"));
  } else {
    const int64_t width = std::max(kLeastWidth, args.width > 0 ? args.width : width_of_output());
    std::string text = eval::tree_text(tree, {.width = width, .depth = args.depth});
    text.pop_back();  // the last line break is print_result's
    base::print_result(text);
  }
  return 0;
}

}  // namespace ponder::recipes
