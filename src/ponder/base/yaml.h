// A YAML tree with line numbers; yaml-cpp reads it, behind yaml.cc.
#pragma once
#include <string>
#include <vector>

namespace ponder::base {

struct YamlEntry;

struct Yaml {
  enum class Kind { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  std::string scalar;
  bool quoted = false;  // "12" in quotes is text, not a number
  std::vector<Yaml> list;
  std::vector<YamlEntry> map;  // in file order; duplicate keys are an error
  int line = 0;                // 1-based, of the value
  int key_line = 0;            // 1-based, of its key (0 for list items)
  const Yaml* find(const std::string& key) const;
  const char* kind_name() const;  // "nothing", "a value", "a list", "a map"
};

struct YamlEntry {
  std::string key;
  Yaml value;
};

// Errors: Error(kUsage, …, "file:line").
Yaml load_yaml(const std::string& path);
Yaml parse_yaml(const std::string& text, const std::string& where);

}  // namespace ponder::base
