#include "ponder/eval/tree_file.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <unordered_map>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::eval {
namespace {

using base::Json;

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorCode::kInput, message, where);
}

// A field that may be missing or null; another type than the wanted one is an error that names it.
class Reader {
 public:
  Reader(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    if (!json.is_object()) fail(where_, base::cat("must be an object, found ", json.type_name()));
  }

  std::optional<int64_t> integer(const char* key) const {
    const Json* value = field(key);
    if (!value) return std::nullopt;
    // Other programs write 3.0 for 3.
    const double number = value->is_number() ? value->as_double() : NAN;
    if (!(number == std::floor(number) && std::fabs(number) < 9e15)) wrong(key, "an integer", *value);
    return static_cast<int64_t>(number);
  }
  std::optional<double> number(const char* key) const {
    const Json* value = field(key);
    if (!value) return std::nullopt;
    if (!value->is_number()) wrong(key, "a number or null", *value);
    if (!std::isfinite(value->as_double())) wrong(key, "a finite number", *value);
    return value->as_double();
  }
  std::optional<std::string> text(const char* key) const {
    const Json* value = field(key);
    if (!value) return std::nullopt;
    if (!value->is_string()) wrong(key, "text", *value);
    return value->as_string();
  }
  bool flag(const char* key) const {
    const Json* value = field(key);
    if (!value) return false;
    if (!value->is_bool()) wrong(key, "true or false", *value);
    return value->as_bool();
  }
  const Json::Array* list(const char* key) const {
    const Json* value = field(key);
    if (!value) return nullptr;
    if (!value->is_array()) wrong(key, "a list", *value);
    return &value->as_array();
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> all;
    if (const Json::Array* values = list(key)) {
      for (const Json& value : *values) {
        if (!value.is_string()) wrong(key, "a list of texts", value);
        all.push_back(value.as_string());
      }
    }
    return all;
  }
  const Json* object(const char* key) const {
    const Json* value = field(key);
    if (value && !value->is_object()) wrong(key, "an object", *value);
    return value;
  }
  const std::string& where() const { return where_; }

 private:
  const Json* field(const char* key) const {
    const Json* value = json_.find(key);
    return value && !value->is_null() ? value : nullptr;
  }
  [[noreturn]] void wrong(const char* key, const char* wanted, const Json& found) const {
    fail(where_, base::cat("\"", key, "\" must be ", wanted, ", found ",
                           found.is_number() ? found.dump() : std::string(found.type_name())));
  }

  const Json& json_;
  std::string where_;
};

struct RawNode {
  TreeNode node;
  int64_t parent = -1;  // an id
  int64_t order = 0;
  std::optional<int64_t> candidate;
};

RawNode read_node(const Reader& in, int64_t place) {
  RawNode raw;
  TreeNode& node = raw.node;
  const auto id = in.integer("id"), parent = in.integer("parent");
  if (!id || *id < 0) fail(in.where(), "needs \"id\", a number from 0");
  if (!parent || *parent < -1) fail(in.where(), "needs \"parent\", the id of another node, or -1 for the root");
  node.id = *id;
  raw.parent = *parent;
  raw.order = in.integer("order").value_or(place);
  node.text = in.text("text").value_or("");
  node.value = in.number("value");
  node.mean = in.number("mean");
  node.prior = in.number("prior");
  node.logp = in.number("logp");
  node.visits = in.integer("visits").value_or(0);
  node.tokens = in.integer("tokens");
  node.prompt = in.integer("prompt");
  node.answer = in.text("answer");
  node.pruned = in.flag("pruned");
  node.terminal = in.flag("terminal");
  node.answered = in.flag("answered");
  node.rollout = in.flag("rollout");
  node.forced = in.flag("forced");
  node.starts = in.flag("starts");
  node.asked = in.flag("asked");
  node.second = in.flag("second");
  node.chosen = in.flag("path");
  raw.candidate = in.integer("candidate");
  return raw;
}

// By id, each behind its parent, as the search made them.
std::vector<TreeNode> connect(std::vector<RawNode> raw, const std::string& where) {
  std::unordered_map<int64_t, size_t> by_id;
  std::vector<size_t> roots;
  for (size_t i = 0; i < raw.size(); ++i) {
    if (!by_id.emplace(raw[i].node.id, i).second) fail(where, base::cat("two nodes have the id ", raw[i].node.id));
    if (raw[i].parent == -1) roots.push_back(i);
  }
  if (roots.size() > 1)
    fail(where, base::cat("a tree has one root (\"parent\": -1), found ", roots.size(), ": nodes ",
                          raw[roots[0]].node.id, " and ", raw[roots[1]].node.id));
  for (const RawNode& r : raw)
    if (r.parent != -1 && !by_id.contains(r.parent))
      fail(where, base::cat("node ", r.node.id, " stands behind node ", r.parent, ", which is not there"));
  if (roots.empty()) fail(where, "a tree needs a root (\"parent\": -1); every node stands behind another");

  std::vector<size_t> made(raw.size());
  std::iota(made.begin(), made.end(), size_t{0});
  std::ranges::stable_sort(made, {}, [&](size_t i) { return raw[i].order; });
  std::vector<int32_t> place(raw.size());
  for (size_t p = 0; p < made.size(); ++p) place[made[p]] = static_cast<int32_t>(p);

  // Walks up until a node that is known to lead to the root; a walk that meets itself is a circle.
  enum class Mark : char { kNew, kOnWay, kGood };
  std::vector<Mark> marks(raw.size(), Mark::kNew);
  marks[roots[0]] = Mark::kGood;
  for (size_t i = 0; i < raw.size(); ++i) {
    std::vector<size_t> way;
    size_t at = i;
    for (; marks[at] == Mark::kNew; at = by_id.at(raw[at].parent)) {
      marks[at] = Mark::kOnWay;
      way.push_back(at);
    }
    if (marks[at] == Mark::kOnWay) fail(where, base::cat("node ", raw[at].node.id, " is among its own ancestors"));
    for (size_t step : way) marks[step] = Mark::kGood;
  }

  std::vector<TreeNode> nodes;
  nodes.reserve(raw.size());
  for (size_t i : made) {
    RawNode& r = raw[i];
    const auto here = static_cast<int32_t>(nodes.size());
    if (r.parent != -1) {
      r.node.parent = place[by_id.at(r.parent)];
      if (r.node.parent >= here)
        fail(where, base::cat("node ", r.node.id, " was made before its parent ", r.parent, " (\"order\")"));
      r.node.depth = nodes[static_cast<size_t>(r.node.parent)].depth + 1;
      nodes[static_cast<size_t>(r.node.parent)].children.push_back(here);
    }
    nodes.push_back(std::move(r.node));
  }
  for (size_t i = nodes.size() - 1; i > 0; --i) nodes[static_cast<size_t>(nodes[i].parent)].below += nodes[i].below + 1;
  return nodes;
}

// [[nodes made, id, value], …], none before its node and each behind the one before.
std::vector<TreeBackup> read_backups(const Json::Array& list, const std::vector<TreeNode>& nodes,
                                     const std::string& where) {
  std::unordered_map<int64_t, int32_t> place;
  for (size_t i = 0; i < nodes.size(); ++i) place[nodes[i].id] = static_cast<int32_t>(i);
  std::vector<TreeBackup> backups;
  backups.reserve(list.size());
  int64_t last = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    std::vector<double> row;
    if (list[i].is_array())
      for (const Json& number : list[i].as_array()) row.push_back(number.is_number() ? number.as_double() : NAN);
    // NaN is no whole number either.
    const auto whole = [&](size_t k) { return row[k] == std::floor(row[k]) && std::fabs(row[k]) < 9e15; };
    const bool good = row.size() == 3 && whole(0) && whole(1) && std::isfinite(row[2]);
    const int64_t made = good ? static_cast<int64_t>(row[0]) : 0;
    const auto node = good ? place.find(static_cast<int64_t>(row[1])) : place.end();
    if (node == place.end() || made <= node->second || made < last || made > static_cast<int64_t>(nodes.size()))
      fail(base::cat(where, ": backups[", i, "]"),
           "must be [nodes made by then, id of a node among them, value], none with fewer nodes than the one before");
    last = made;
    backups.push_back({static_cast<int32_t>(made), node->second, row[2]});
  }
  return backups;
}

// The answers that the search found, as its candidates say them.
std::vector<std::optional<std::string>> read_candidates(const Reader& search) {
  std::vector<std::optional<std::string>> answers;
  if (const Json::Array* list = search.list("candidates"))
    for (size_t i = 0; i < list->size(); ++i)
      answers.push_back(Reader((*list)[i], base::cat(search.where(), ": candidates[", i, "]")).text("answer"));
  return answers;
}

}  // namespace

FileTree parse_tree(const Json& json, const std::string& where) {
  if (!json.is_object() || !json.find("nodes"))
    fail(where, "is no search tree: an object with \"nodes\" was expected; `ponder solve --dump FILE` writes one");
  const Reader in(json, where);
  FileTree tree;
  tree.id = in.text("id").value_or("");
  tree.question = in.text("question").value_or("");
  tree.model = in.text("model").value_or("");
  tree.answer = in.text("answer");
  tree.seed = in.integer("seed");
  tree.tokens_generated = in.integer("tokens_generated");
  tree.tokens_processed = in.integer("tokens_processed");
  tree.critic_tokens = in.integer("critic_tokens");
  tree.seconds = in.number("seconds");
  tree.prompts = in.texts("prompts");
  std::vector<std::optional<std::string>> answers;
  if (const Json* about = in.object("search")) {
    const Reader search(*about, base::cat(where, ": search"));
    tree.strategy = search.text("strategy").value_or("");
    tree.score = search.number("score");
    tree.given = search.texts("given");
    if (const Json* options = search.object("options")) tree.options = *options;
    answers = read_candidates(search);
  }
  const Json::Array* list = in.list("nodes");
  if (!list || list->empty()) fail(where, "\"nodes\" must hold a node at least: the root, which is the problem");
  std::vector<RawNode> raw;
  raw.reserve(list->size());
  for (size_t i = 0; i < list->size(); ++i) {
    RawNode node = read_node(Reader((*list)[i], base::cat(where, ": nodes[", i, "]")), static_cast<int64_t>(i));
    if (!node.node.answer && node.candidate && *node.candidate >= 0 &&
        *node.candidate < static_cast<int64_t>(answers.size()))
      node.node.answer = answers[static_cast<size_t>(*node.candidate)];
    raw.push_back(std::move(node));
  }
  tree.nodes = connect(std::move(raw), where);
  if (const Json::Array* backups = in.list("backups")) tree.backups = read_backups(*backups, tree.nodes, where);
  return tree;
}

FileTree read_tree(const std::string& path) {
  if (base::is_directory(path))
    throw Error(ErrorCode::kInput, "is a directory; a file that `ponder solve --dump` wrote was expected", path);
  return parse_tree(Json::parse(base::read_file(path), path), path);
}

std::vector<int32_t> FileTree::chosen_path() const {
  // The deepest of those marked; a file may have marked more than one way.
  int32_t end = 0;
  for (size_t i = 1; i < nodes.size(); ++i)
    if (nodes[i].chosen && nodes[i].depth > nodes[static_cast<size_t>(end)].depth) end = static_cast<int32_t>(i);
  std::vector<int32_t> path;
  for (; end > 0; end = nodes[static_cast<size_t>(end)].parent) path.push_back(end);
  std::ranges::reverse(path);
  return path;
}

Json tree_figures(const FileTree& tree) {
  const auto text_or_null = [](const std::string& text) { return text.empty() ? Json() : Json(text); };
  const auto or_null = [](const auto& value) { return value ? Json(*value) : Json(); };
  int64_t depth = 0, leaves = 0, ends = 0, answers = 0, pruned = 0, rollouts = 0, asked = 0, forced = 0, widest = 0;
  std::map<std::string, int64_t> votes;
  std::map<int32_t, int64_t> levels;
  for (const TreeNode& node : tree.nodes) {
    depth = std::max<int64_t>(depth, node.depth);
    leaves += node.children.empty();
    ends += node.terminal;
    answers += node.answered;
    pruned += node.pruned;
    rollouts += node.rollout && !node.asked;
    asked += node.asked;
    forced += node.forced;
    widest = std::max(widest, static_cast<int64_t>(node.children.size()));
    if (node.answer) ++votes[*node.answer];
    ++levels[node.depth];
  }
  const auto nodes = static_cast<int64_t>(tree.nodes.size());
  const int64_t inner = nodes - leaves;
  Json json = Json::object();
  json["id"] = text_or_null(tree.id), json["question"] = text_or_null(tree.question);
  json["model"] = text_or_null(tree.model), json["strategy"] = text_or_null(tree.strategy);
  json["options"] = tree.options, json["seed"] = or_null(tree.seed);
  json["answer"] = or_null(tree.answer), json["score"] = or_null(tree.score);
  json["tokens_generated"] = or_null(tree.tokens_generated);
  json["tokens_processed"] = or_null(tree.tokens_processed), json["critic_tokens"] = or_null(tree.critic_tokens);
  json["nodes"] = nodes, json["depth"] = depth, json["leaves"] = leaves, json["ends"] = ends;
  json["answers"] = answers, json["pruned"] = pruned, json["rollouts"] = rollouts, json["asked"] = asked;
  json["forced"] = forced;
  Json branching = Json::object();
  branching["mean"] = inner > 0 ? Json(static_cast<double>(nodes - 1) / static_cast<double>(inner)) : Json();
  branching["most"] = widest;
  json["branching"] = std::move(branching);
  Json::Array found;
  for (const auto& [answer, count] : votes) {
    Json row = Json::object();
    row["answer"] = answer, row["count"] = count;
    found.push_back(std::move(row));
  }
  json["found"] = std::move(found);
  Json::Array sizes, path;
  for (const auto& [level, size] : levels) sizes.emplace_back(size);
  json["levels"] = std::move(sizes);
  const std::vector<int32_t> way = tree.chosen_path();
  for (int32_t i : way) path.emplace_back(tree.nodes[static_cast<size_t>(i)].id);
  json["path"] = std::move(path);
  if (way.empty()) {
    json["chosen"] = Json();
  } else {
    const TreeNode& end = tree.nodes[static_cast<size_t>(way.back())];
    Json chosen = Json::object();
    chosen["id"] = end.id, chosen["level"] = end.depth, chosen["value"] = or_null(end.value);
    chosen["visits"] = end.visits, chosen["answer"] = or_null(end.answer);
    json["chosen"] = std::move(chosen);
  }
  return json;
}

}  // namespace ponder::eval
