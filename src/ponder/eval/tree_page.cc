// A search tree as a page: the data that web/tree/ draws.
#include "ponder/base/cat.h"
#include "ponder/eval/page.h"
#include "ponder/eval/tree_file.h"
#include "ponder/eval/web_assets.h"

namespace ponder::eval {
namespace {

using base::Json;

// Without what says nothing: a page holds ten thousand of them.
Json node_json(const FileTree& tree, size_t place) {
  const TreeNode& node = tree.nodes[place];
  Json json = Json::object();
  json["id"] = node.id;
  json["parent"] = node.parent < 0 ? -1 : tree.nodes[static_cast<size_t>(node.parent)].id;
  json["order"] = static_cast<int64_t>(place);
  json["text"] = node.text;
  const auto number = [&](const char* key, const auto& value) {
    if (value) json[key] = *value;
  };
  const auto flag = [&](const char* key, bool value) {
    if (value) json[key] = true;
  };
  number("value", node.value), number("mean", node.mean), number("prior", node.prior), number("logp", node.logp);
  number("tokens", node.tokens), number("answer", node.answer), number("prompt", node.prompt);
  if (node.visits != 0) json["visits"] = node.visits;
  flag("pruned", node.pruned), flag("terminal", node.terminal), flag("answered", node.answered);
  flag("rollout", node.rollout), flag("forced", node.forced), flag("starts", node.starts);
  flag("asked", node.asked), flag("second", node.second), flag("path", node.chosen);
  return json;
}

}  // namespace

std::string tree_html(const FileTree& tree, const std::string& name) {
  Json data = tree_figures(tree);
  data["name"] = name;
  data["given"] = Json::list(tree.given);
  data["seconds"] = tree.seconds ? Json(*tree.seconds) : Json();
  data["prompts"] = Json::list(tree.prompts);
  Json::Array nodes;
  nodes.reserve(tree.nodes.size());
  for (size_t i = 0; i < tree.nodes.size(); ++i) nodes.push_back(node_json(tree, i));
  data["nodes"] = std::move(nodes);
  Json::Array backups;
  backups.reserve(tree.backups.size());
  for (const TreeBackup& b : tree.backups) backups.emplace_back(Json::Array{b.made, b.place, b.value});
  data["backups"] = std::move(backups);
  return page_html({.title = name,
                    .plain = base::cat("<pre>", escape_html(tree_text(tree, {})), "</pre>"),
                    .data = std::move(data),
                    .style = web::kTreeStyle,
                    .script = web::kTreeScript});
}

}  // namespace ponder::eval
