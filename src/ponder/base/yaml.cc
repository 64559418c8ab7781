#include "ponder/base/yaml.h"

#include <yaml-cpp/yaml.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::base {
namespace {

// Aliases are copied out, so a few lines can name a tree of billions of nodes, or one that contains itself.
constexpr int kMaxNodes = 100'000;
constexpr int kMaxDepth = 100;

class Converter {
 public:
  explicit Converter(const std::string& where) : where_(where) {}

  Yaml convert(const YAML::Node& node, int depth = 0) {
    const int line = node.Mark().line + 1;
    if (depth > kMaxDepth) fail(line, cat("nested deeper than ", kMaxDepth, " levels"));
    if (++nodes_ > kMaxNodes) fail(line, cat("more than ", kMaxNodes, " values; aliases (*name) count each time"));
    Yaml out;
    out.line = line;
    switch (node.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        break;
      case YAML::NodeType::Scalar:
        out.kind = Yaml::Kind::kScalar;
        out.scalar = node.Scalar();
        out.quoted = node.Tag() != "?" && node.Tag() != "";  // yaml-cpp: "?" plain, "!" quoted, else an explicit tag
        break;
      case YAML::NodeType::Sequence:
        out.kind = Yaml::Kind::kList;
        for (const auto& item : node) out.list.push_back(convert(item, depth + 1));
        break;
      case YAML::NodeType::Map:
        convert_map(node, depth, out);
        break;
    }
    return out;
  }

  [[noreturn]] void fail(int line, const std::string& message) const {
    throw Error(ErrorCode::kUsage, message, line > 0 ? cat(where_, ":", line) : where_);
  }

 private:
  void convert_map(const YAML::Node& node, int depth, Yaml& out) {
    out.kind = Yaml::Kind::kMap;
    for (const auto& entry : node) {
      const int key_line = entry.first.Mark().line + 1;
      if (!entry.first.IsScalar()) fail(key_line, "a key must be a name");
      const std::string& key = entry.first.Scalar();
      if (const Yaml* first = out.find(key))
        fail(key_line, cat("the key \"", key, "\" stands twice, first in line ", first->key_line));
      Yaml value = convert(entry.second, depth + 1);
      value.key_line = key_line;
      if (value.kind == Yaml::Kind::kNull) value.line = key_line;  // an absent value has no place of its own
      out.map.push_back({key, std::move(value)});
    }
  }

  const std::string& where_;
  int nodes_ = 0;
};

}  // namespace

const Yaml* Yaml::find(const std::string& key) const {
  for (const auto& [name, value] : map)
    if (name == key) return &value;
  return nullptr;
}

const char* Yaml::kind_name() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
  }
  return "nothing";
}

Yaml parse_yaml(const std::string& text, const std::string& where) {
  Converter converter(where);
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) converter.fail(documents[1].Mark().line + 1, "a second document (---); only one is read");
    return documents.empty() ? Yaml{} : converter.convert(documents[0]);
  } catch (const YAML::Exception& e) {
    converter.fail(e.mark.is_null() ? 0 : e.mark.line + 1, "not valid YAML: " + e.msg);
  }
}

Yaml load_yaml(const std::string& path) {
  try {
    return parse_yaml(read_file(path), path);
  } catch (const Error& e) {
    // A configuration that cannot be opened is the command's mistake, not a bad data file.
    throw Error(ErrorCode::kUsage, e.message(), e.where());
  }
}

}  // namespace ponder::base
