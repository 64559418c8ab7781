#include "ponder/base/fields.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::base {
namespace {

// Sends the seven virtual overloads of Fields to one template: Visitor::visit(name, value, info).
template <class Visitor>
class VisitorBase : public Fields {
 public:
  void field(const char* name, bool& v, const FieldInfo& info) override { self().visit(name, v, info); }
  void field(const char* name, int64_t& v, const FieldInfo& info) override { self().visit(name, v, info); }
  void field(const char* name, double& v, const FieldInfo& info) override { self().visit(name, v, info); }
  void field(const char* name, std::string& v, const FieldInfo& info) override { self().visit(name, v, info); }
  void field(const char* name, std::vector<int64_t>& v, const FieldInfo& info) override { self().visit(name, v, info); }
  void field(const char* name, std::vector<double>& v, const FieldInfo& info) override { self().visit(name, v, info); }
  void field(const char* name, std::vector<std::string>& v, const FieldInfo& info) override {
    self().visit(name, v, info);
  }

 private:
  Visitor& self() { return static_cast<Visitor&>(*this); }
};

std::string dotted(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += cat(out.empty() ? "" : ", ", name);
  return out;
}

[[noreturn]] void fail(const std::string& message, const std::string& where) {
  throw Error(ErrorCode::kUsage, message, where);
}

// ---- text to values: every message names the knob and what would be right ----

std::string shown(const Yaml& yaml) {
  if (yaml.kind != Yaml::Kind::kScalar) return yaml.kind_name();
  return cat(yaml.quoted ? "the text " : "", "\"", yaml.scalar, "\"");
}

template <class Number>
std::optional<Number> parse_number(const std::string& text) {
  Number value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::string range_text(const FieldInfo& info) {
  const bool has_min = std::isfinite(info.min), has_max = std::isfinite(info.max);
  if (has_min && has_max) return cat("between ", info.min, " and ", info.max);
  return has_min ? cat("at least ", info.min) : cat("at most ", info.max);
}

template <class Number>
void check_range(const std::string& name, Number value, const FieldInfo& info, const std::string& where) {
  const auto number = static_cast<double>(value);
  if (number < info.min || number > info.max)
    fail(cat(name, " = ", value, " is out of range; it must be ", range_text(info)), where);
}

void assign(const std::string& name, bool& v, const Yaml& yaml, const FieldInfo&, const std::string& where) {
  if (yaml.kind != Yaml::Kind::kScalar || yaml.quoted || (yaml.scalar != "true" && yaml.scalar != "false"))
    fail(cat(name, " must be true or false, found ", shown(yaml)), where);
  v = yaml.scalar == "true";
}

void assign(const std::string& name, int64_t& v, const Yaml& yaml, const FieldInfo& info, const std::string& where) {
  std::optional<int64_t> value;
  if (yaml.kind == Yaml::Kind::kScalar && !yaml.quoted) {
    value = parse_number<int64_t>(yaml.scalar);
    if (!value) {  // 1e6 is a fine way to write a whole number, as far as a double holds each one exactly
      const auto number = parse_number<double>(yaml.scalar);
      if (number && std::abs(*number) <= 0x1p53 && *number == std::floor(*number))
        value = static_cast<int64_t>(*number);
    }
  }
  if (!value) fail(cat(name, " must be a whole number, found ", shown(yaml)), where);
  check_range(name, *value, info, where);
  v = *value;
}

void assign(const std::string& name, double& v, const Yaml& yaml, const FieldInfo& info, const std::string& where) {
  std::optional<double> value;
  if (yaml.kind == Yaml::Kind::kScalar && !yaml.quoted) value = parse_number<double>(yaml.scalar);
  if (!value || !std::isfinite(*value)) fail(cat(name, " must be a finite number, found ", shown(yaml)), where);
  check_range(name, *value, info, where);
  v = *value;
}

void assign(const std::string& name, std::string& v, const Yaml& yaml, const FieldInfo& info,
            const std::string& where) {
  if (yaml.kind != Yaml::Kind::kScalar) fail(cat(name, " must be text, found ", shown(yaml)), where);
  if (!info.choices.empty() && std::find(info.choices.begin(), info.choices.end(), yaml.scalar) == info.choices.end()) {
    const std::string near = nearest_name(yaml.scalar, info.choices);
    fail(cat(name, " = \"", yaml.scalar, "\" is not a choice; it must be one of ", joined(info.choices),
             near.empty() ? "" : cat("; did you mean \"", near, "\"?")),
         where);
  }
  v = yaml.scalar;
}

template <class T>
void assign(const std::string& name, std::vector<T>& v, const Yaml& yaml, const FieldInfo& info,
            const std::string& where) {
  if (yaml.kind != Yaml::Kind::kList) fail(cat(name, " must be a list such as [a, b], found ", shown(yaml)), where);
  std::vector<T> values(yaml.list.size());
  for (size_t i = 0; i < values.size(); ++i) assign(cat(name, "[", i, "]"), values[i], yaml.list[i], info, where);
  v = std::move(values);
}

// ---- YAML in ----

class Reader : public VisitorBase<Reader> {
 public:
  Reader(const Yaml& root, const std::string& file) : file_(file) { open("", &root); }
  void finish() { check_known(); }

  template <class T>
  void visit(const char* name, T& v, const FieldInfo& info) {
    Level& level = levels_.back();
    level.known.emplace_back(name);
    const Yaml* yaml = level.yaml ? level.yaml->find(name) : nullptr;
    if (yaml) assign(dotted(level.path, name), v, *yaml, info, cat(file_, ":", yaml->line));
  }

 protected:
  void begin_group(const char* name, const char*) override {
    Level& level = levels_.back();
    level.known.emplace_back(name);
    open(dotted(level.path, name), level.yaml ? level.yaml->find(name) : nullptr);
  }
  void end_group() override {
    check_known();
    levels_.pop_back();
  }

 private:
  struct Level {
    std::string path;
    const Yaml* yaml;  // null: nothing is written for this group
    std::vector<std::string> known;
  };

  void open(const std::string& path, const Yaml* yaml) {
    if (yaml && yaml->kind == Yaml::Kind::kNull) yaml = nullptr;  // "rl:" with nothing under it
    if (yaml && yaml->kind != Yaml::Kind::kMap)
      fail(cat(path.empty() ? "the file" : path, " must be a map of options, found ", shown(*yaml)),
           cat(file_, ":", yaml->line));
    levels_.push_back({path, yaml, {}});
  }

  void check_known() const {
    const Level& level = levels_.back();
    if (!level.yaml) return;
    for (const auto& [key, value] : level.yaml->map) {
      if (std::find(level.known.begin(), level.known.end(), key) != level.known.end()) continue;
      const std::string near = nearest_name(key, level.known);
      fail(cat("unknown key \"", key, "\"", level.path.empty() ? "" : " in " + level.path,
               near.empty() ? cat("; known are ", joined(level.known)) : cat("; did you mean \"", near, "\"?")),
           cat(file_, ":", value.key_line));
    }
  }

  const std::string& file_;
  std::vector<Level> levels_;
};

// ---- a flat list of all knobs: what the other functions are made from ----

Yaml scalar_of(const std::string& text) {
  Yaml yaml;
  yaml.kind = Yaml::Kind::kScalar;
  yaml.scalar = text;
  return yaml;
}

const char* type_text(const bool&) { return "true/false"; }
const char* type_text(const int64_t&) { return "whole number"; }
const char* type_text(const double&) { return "number"; }
const char* type_text(const std::string&) { return "text"; }
const char* type_text(const std::vector<int64_t>&) { return "whole numbers"; }
const char* type_text(const std::vector<double>&) { return "numbers"; }
const char* type_text(const std::vector<std::string>&) { return "texts"; }

template <class T>
Json json_of(const T& v) {
  return v;
}
template <class T>
Json json_of(const std::vector<T>& v) {
  return Json::list(v);
}

struct Knob {
  std::string name;  // dotted
  const char* type;
  Json value;
  FieldInfo info;
};

class Collector : public VisitorBase<Collector> {
 public:
  explicit Collector(AnyOptions options) { options.fields(*this); }

  template <class T>
  void visit(const char* name, T& v, const FieldInfo& info) {
    Json& group = current();
    PONDER_CHECK(!group.find(name), "two options are named ", dotted(path_, name));
    group[name] = json_of(v);
    knobs.push_back({dotted(path_, name), type_text(v), json_of(v), info});
  }

  std::vector<Knob> knobs;
  std::vector<std::string> groups;  // dotted names
  Json tree = Json::object();

 protected:
  void begin_group(const char* name, const char*) override {
    PONDER_CHECK(!current().find(name), "two options are named ", dotted(path_, name));
    current()[name] = Json::object();
    names_.emplace_back(name);
    path_ = dotted(path_, name);
    groups.push_back(path_);
  }
  void end_group() override {
    path_.resize(path_.size() - std::min(path_.size(), names_.back().size() + 1));
    names_.pop_back();
  }

 private:
  Json& current() {
    Json* json = &tree;
    for (const auto& name : names_) json = &(*json)[name];
    return *json;
  }

  std::vector<std::string> names_;
  std::string path_;
};

// ---- one override ----

class Overrider : public VisitorBase<Overrider> {
 public:
  Overrider(std::string name, std::string text) : name_(std::move(name)), text_(std::move(text)) {}

  template <class T>
  void visit(const char* name, T& v, const FieldInfo& info) {
    if (prefix_ + name == name_) assign(name_, v, parsed(v), info, "command line");
  }

 protected:
  void begin_group(const char* name, const char*) override {
    lengths_.push_back(prefix_.size());
    prefix_ += cat(name, ".");
  }
  void end_group() override {
    prefix_.resize(lengths_.back());
    lengths_.pop_back();
  }

 private:
  template <class T>
  Yaml parsed(const T&) const {
    return scalar_of(text_);
  }
  template <class T>
  Yaml parsed(const std::vector<T>&) const {
    std::string_view text = text_;
    if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
    Yaml yaml;
    yaml.kind = Yaml::Kind::kList;
    while (!text.empty()) {
      const size_t comma = std::min(text.find(','), text.size());
      std::string_view item = text.substr(0, comma);
      while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
      while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
      yaml.list.push_back(scalar_of(std::string(item)));
      text.remove_prefix(std::min(comma + 1, text.size()));
    }
    return yaml;
  }

  std::string name_, text_, prefix_;
  std::vector<size_t> lengths_;
};

[[noreturn]] void fail_unknown_override(const std::string& name, const Collector& all) {
  std::vector<std::string> names;
  for (const auto& knob : all.knobs) names.push_back(knob.name);
  if (std::find(all.groups.begin(), all.groups.end(), name) != all.groups.end()) {
    std::erase_if(names, [&](const std::string& knob) { return !knob.starts_with(name + "."); });
    fail(cat(name, " is a group of options; set one of ", joined(names)), "command line");
  }
  std::string near = nearest_name(name, names);
  // "lr" for "rl.lr", "rl.steps" for "rl.train.steps": the same last part, in the same group if it names one.
  const size_t dot = name.rfind('.');
  const std::string group = dot == std::string::npos ? "" : name.substr(0, name.find('.') + 1);
  const std::string last = "." + (dot == std::string::npos ? name : name.substr(dot + 1));
  for (const auto& candidate : names)
    if (near.empty() && candidate.starts_with(group) && candidate.ends_with(last)) near = candidate;
  fail(cat("unknown key \"", name, "\"",
           near.empty() ? "; --help lists the known ones" : cat("; did you mean \"", near, "\"?")),
       "command line");
}

// ---- YAML out ----

// Plain where every YAML reader sees the same text; in JSON's quotes, which are YAML's too, otherwise.
std::string yaml_text(const std::string& text) {
  static constexpr const char* kWordsWithMeaning[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  bool is_plain = !text.empty() && is_letter(text[0]);
  std::string lower;
  for (char c : text) {
    is_plain = is_plain && (is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == '/');
    lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  for (const char* word : kWordsWithMeaning) is_plain = is_plain && lower != word;
  return is_plain ? text : Json(text).dump();
}

void write_yaml(std::string& out, const Json& group, int indent) {
  for (const auto& [name, value] : group.as_object()) {
    out.append(indent, ' ');
    out += name + ":";
    if (value.is_object()) {
      out += '\n';
      write_yaml(out, value, indent + 2);
      continue;
    }
    if (value.is_array()) {
      std::string items;
      for (const Json& item : value.as_array())
        items += cat(items.empty() ? "" : ", ", item.is_string() ? yaml_text(item.as_string()) : item.dump());
      out += cat(" [", items, "]\n");
    } else {
      out += cat(" ", value.is_string() ? yaml_text(value.as_string()) : value.dump(), "\n");
    }
  }
}

// Range or choices, then the unit: "0 … 1, steps"; "" when there is nothing to say.
std::string limits_text(const FieldInfo& info) {
  std::string out = joined(info.choices);
  const bool has_min = std::isfinite(info.min), has_max = std::isfinite(info.max);
  if (has_min || has_max)
    out = cat(has_min ? cat(info.min) : "",
              has_min && has_max ? " … "
              : has_min          ? " …"
                                 : "… ",
              has_max ? cat(info.max) : "");
  if (*info.unit) out += cat(out.empty() ? "" : ", ", info.unit);
  return out;
}

std::string default_text(const Json& value) {
  if (!value.is_array()) return value.is_string() ? yaml_text(value.as_string()) : value.dump();
  std::string out;
  for (const Json& item : value.as_array())
    out += cat(out.empty() ? "" : ",", item.is_string() ? item.as_string() : item.dump());
  return out.empty() ? "[]" : out;
}

// Damerau–Levenshtein distance with adjacent swaps: a swap of two letters is one slip of the fingers.
size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        d[i][j] = i + j;
        continue;
      }
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

void read_fields(AnyOptions options, const Yaml& yaml, const std::string& file) {
  Reader reader(yaml, file);
  options.fields(reader);
  reader.finish();
}

void override_field(AnyOptions options, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(cat("\"", assignment, "\" sets nothing; write key=value"), "command line");
  const std::string name = assignment.substr(0, equals);
  const Collector all(options);
  const auto is_named = [&](const Knob& knob) { return knob.name == name; };
  if (std::none_of(all.knobs.begin(), all.knobs.end(), is_named)) fail_unknown_override(name, all);
  Overrider overrider(name, assignment.substr(equals + 1));
  options.fields(overrider);
}

bool has_field(AnyOptions options, const std::string& dotted_name) {
  const Collector all(options);
  for (const auto& knob : all.knobs)
    if (knob.name == dotted_name) return true;
  return std::find(all.groups.begin(), all.groups.end(), dotted_name) != all.groups.end();
}

std::string to_yaml(AnyOptions options) {
  std::string out;
  write_yaml(out, Collector(options).tree, 0);
  return out;
}

Json to_json(AnyOptions options) { return Collector(options).tree; }

std::string fields_help(AnyOptions options) {
  const Collector all(options);
  size_t width = 0;
  for (const auto& knob : all.knobs) width = std::max(width, knob.name.size() + 1 + default_text(knob.value).size());
  width = std::min<size_t>(width, 40);
  std::string out;
  for (const auto& [name, type, value, info] : all.knobs) {
    std::string line = cat("  ", name, "=", default_text(value));
    line.resize(std::max(line.size(), width + 2), ' ');
    const std::string limits = limits_text(info);
    out += cat(line, "  ", info.help, *info.help ? " " : "", "(", type, limits.empty() ? "" : ": ", limits, ")\n");
  }
  return out;
}

Json fields_json(AnyOptions options) {
  Json list = Json::array();
  for (const auto& [name, type, value, info] : Collector(options).knobs)
    list.push_back(Json::Object{{"name", name},
                                {"default", default_text(value)},
                                {"type", type},
                                {"range", limits_text(info)},
                                {"help", info.help}});
  return list;
}

uint64_t fields_hash(AnyOptions options) { return hash64(to_yaml(options)); }

std::string nearest_name(const std::string& mistyped, const std::vector<std::string>& valid) {
  constexpr size_t kLongest = 200;  // the distance is quadratic and the text may be anything
  if (mistyped.size() > kLongest) return "";
  std::string best;
  size_t best_distance = std::max<size_t>(mistyped.size() / 3, 1) + 1;
  for (const auto& name : valid) {
    const size_t distance = edit_distance(mistyped, name);
    if (distance < best_distance) best = name, best_distance = distance;
  }
  return best;
}

}  // namespace ponder::base
