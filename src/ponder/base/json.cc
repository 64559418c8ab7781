#include "ponder/base/json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::base {
namespace {

constexpr size_t kMaxDepth = 200;

// Walks the text and leaves its position behind, so that errors found by JsonBuilder have one too.
struct Cursor {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  const char* at;
  const char** seen;
  const char& operator*() const { return *at; }
  Cursor& operator++() {
    *seen = ++at;
    return *this;
  }
  bool operator==(const Cursor& other) const { return at == other.at; }
  bool operator!=(const Cursor& other) const { return at != other.at; }
};

// Receives nlohmann's parse events and builds the value. The frames are on the heap: depth costs no stack.
class JsonBuilder {
 public:
  JsonBuilder(std::string_view text, const std::string& where, int64_t first_line)
      : text_(text), where_(where), first_line_(first_line), seen_(text.data()) {}
  Json take() { return std::move(root_); }
  const char** seen() { return &seen_; }

  bool null() { return put(Json()); }
  bool boolean(bool v) { return put(Json(v)); }
  bool number_integer(int64_t v) { return put(Json(v)); }
  bool number_unsigned(uint64_t v) {
    return put(v <= static_cast<uint64_t>(INT64_MAX) ? Json(static_cast<int64_t>(v)) : Json(static_cast<double>(v)));
  }
  bool number_float(double v, const std::string&) { return put(Json(v)); }
  bool string(std::string& v) { return put(Json(std::move(v))); }
  bool binary(nlohmann::json::binary_t&) { return false; }  // not in JSON text
  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    Frame& frame = frames_.back();
    auto& members = frame.value.as_object();
    if (is_duplicate(frame, name)) fail(offset(), cat("the key \"", name, "\" stands twice in one object"));
    members.emplace_back(std::move(name), Json());
    return true;
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    // nlohmann: "[json.exception.parse_error.101] parse error at line 1, column 5: what; expected …".
    std::string message = e.what();
    if (const size_t column = message.find(", column "); column != std::string::npos) {
      if (const size_t colon = message.find(": ", column); colon != std::string::npos) message.erase(0, colon + 2);
    } else if (const size_t bracket = message.find("] "); bracket != std::string::npos) {
      message.erase(0, bracket + 2);
    }
    fail(position == 0 ? 0 : position - 1, "not valid JSON: " + message);
  }

 private:
  struct Frame {
    Json value;
    std::unordered_set<size_t> key_hashes;  // filled for large objects only
  };

  static bool is_duplicate(Frame& frame, const std::string& name) {
    const auto& members = frame.value.as_object();
    const auto is_present = [&] {
      for (const auto& [key, unused] : members)
        if (key == name) return true;
      return false;
    };
    constexpr size_t kLinear = 16;
    if (members.size() < kLinear) return is_present();
    if (members.size() == kLinear)
      for (const auto& [key, unused] : members) frame.key_hashes.insert(std::hash<std::string>()(key));
    return !frame.key_hashes.insert(std::hash<std::string>()(name)).second && is_present();
  }

  bool put(Json v) {
    if (frames_.empty()) {
      root_ = std::move(v);
    } else if (Json& parent = frames_.back().value; parent.is_array()) {
      parent.as_array().push_back(std::move(v));
    } else {
      parent.as_object().back().second = std::move(v);
    }
    return true;
  }

  bool open(Json container) {
    if (frames_.size() == kMaxDepth) fail(offset(), cat("nested deeper than ", kMaxDepth, " levels"));
    frames_.push_back({std::move(container), {}});
    return true;
  }

  bool close() {
    Json value = std::move(frames_.back().value);
    frames_.pop_back();
    return put(std::move(value));
  }

  size_t offset() const { return seen_ == text_.data() ? 0 : static_cast<size_t>(seen_ - text_.data()) - 1; }

  [[noreturn]] void fail(size_t offset, const std::string& message) const {
    const std::string_view before = text_.substr(0, offset);
    int64_t line = first_line_;
    for (char c : before) line += c == '\n';
    const size_t newline = before.rfind('\n');
    const size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
    throw Error(ErrorCode::kInput, message, cat(where_, where_.empty() ? "" : ":", line, ":", column));
  }

  std::string_view text_;
  const std::string& where_;
  int64_t first_line_;
  const char* seen_;
  Json root_;
  std::vector<Frame> frames_;
};

Json parse_from_line(std::string_view text, const std::string& where, int64_t first_line) {
  JsonBuilder builder(text, where, first_line);
  const Cursor begin{text.data(), builder.seen()}, end{text.data() + text.size(), builder.seen()};
  nlohmann::json::sax_parse(begin, end, &builder);  // the builder throws on the first error
  return builder.take();
}

// what: the key of the value, where it is known
[[noreturn]] void wrong_type(const Json& found, const char* wanted, const std::string& what = "") {
  throw Error(ErrorCode::kInput,
              cat(what, what.empty() ? "" : ": ", "expected ", wanted, ", found ", found.type_name()));
}

// Length of the well-formed UTF-8 sequence at s[i], 0 when there is none (Unicode 16, table 3-7).
size_t utf8_length(std::string_view s, size_t i) {
  const auto byte = [&](size_t k) { return i + k < s.size() ? static_cast<unsigned char>(s[i + k]) : 0u; };
  const auto is_between = [&](size_t k, unsigned lo, unsigned hi) { return byte(k) >= lo && byte(k) <= hi; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return is_between(1, 0x80, 0xBF) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned lo = lead == 0xE0 ? 0xA0 : 0x80, hi = lead == 0xED ? 0x9F : 0xBF;
    return is_between(1, lo, hi) && is_between(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned lo = lead == 0xF0 ? 0x90 : 0x80, hi = lead == 0xF4 ? 0x8F : 0xBF;
    return is_between(1, lo, hi) && is_between(2, 0x80, 0xBF) && is_between(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

void dump_string(std::string& out, std::string_view s) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    const size_t length = utf8_length(s, i);
    if (length == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD: what is written must always read back
      ++i;
      continue;
    }
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (c < 0x20 || c == 0x7F) {
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
        } else {
          out += s.substr(i, length);
        }
    }
    i += length;
  }
  out += '"';
}

void dump_double(std::string& out, double v) {
  if (!std::isfinite(v)) {
    out += "null";
    return;
  }
  const size_t start = out.size();
  append(out, v);
  // A whole double keeps its type when it is read back.
  if (out.find_first_of(".e", start) == std::string::npos) out += ".0";
}

void new_line(std::string& out, int indent, int depth) {
  if (indent < 0) return;
  out += '\n';
  out.append(static_cast<size_t>(indent) * depth, ' ');
}

void dump_value(std::string& out, const Json& v, int indent, int depth) {
  if (v.is_null()) {
    out += "null";
  } else if (v.is_bool()) {
    append(out, v.as_bool());
  } else if (v.is_int()) {
    append(out, v.as_int());
  } else if (v.is_number()) {
    dump_double(out, v.as_double());
  } else if (v.is_string()) {
    dump_string(out, v.as_string());
  } else if (v.size() == 0) {
    out += v.is_array() ? "[]" : "{}";
  } else if (v.is_array()) {
    out += '[';
    bool is_first = true;
    for (const Json& item : v.as_array()) {
      if (!is_first) out += ',';
      is_first = false;
      new_line(out, indent, depth + 1);
      dump_value(out, item, indent, depth + 1);
    }
    new_line(out, indent, depth);
    out += ']';
  } else {
    out += '{';
    bool is_first = true;
    for (const auto& [key, item] : v.as_object()) {
      if (!is_first) out += ',';
      is_first = false;
      new_line(out, indent, depth + 1);
      dump_string(out, key);
      out += indent < 0 ? ":" : ": ";
      dump_value(out, item, indent, depth + 1);
    }
    new_line(out, indent, depth);
    out += '}';
  }
}

}  // namespace

Json::Json() noexcept = default;
Json::Json(const Json&) = default;
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(const Json&) = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;
bool Json::operator==(const Json& other) const { return value_ == other.value_; }

const char* Json::type_name() const {
  static constexpr const char* kNames[] = {"null", "true/false", "integer", "number", "string", "array", "object"};
  return kNames[value_.index()];
}

bool Json::as_bool() const {
  if (const auto* v = std::get_if<bool>(&value_)) return *v;
  wrong_type(*this, "true/false");
}

int64_t Json::as_int() const {
  if (const auto* v = std::get_if<int64_t>(&value_)) return *v;
  wrong_type(*this, "integer");
}

double Json::as_double() const {
  if (const auto* v = std::get_if<double>(&value_)) return *v;
  if (const auto* v = std::get_if<int64_t>(&value_)) return static_cast<double>(*v);
  wrong_type(*this, "number");
}

const std::string& Json::as_string() const {
  if (const auto* v = std::get_if<std::string>(&value_)) return *v;
  wrong_type(*this, "string");
}

const Json::Array& Json::as_array() const {
  if (const auto* v = std::get_if<Array>(&value_)) return *v;
  wrong_type(*this, "array");
}

const Json::Object& Json::as_object() const {
  if (const auto* v = std::get_if<Object>(&value_)) return *v;
  wrong_type(*this, "object");
}

Json::Array& Json::as_array() { return const_cast<Array&>(std::as_const(*this).as_array()); }
Json::Object& Json::as_object() { return const_cast<Object&>(std::as_const(*this).as_object()); }

const Json* Json::find(std::string_view key) const {
  if (const auto* members = std::get_if<Object>(&value_))
    for (const auto& [name, value] : *members)
      if (name == key) return &value;
  return nullptr;
}

const Json& Json::at(std::string_view key) const {
  if (const Json* value = find(key)) return *value;
  constexpr size_t kShownBytes = 200;
  std::string present;
  for (const auto& [name, unused] : as_object()) {
    if (present.size() > kShownBytes) {
      present += ", …";
      break;
    }
    present += cat(present.empty() ? "" : ", ", "\"", name, "\"");
  }
  throw Error(ErrorCode::kInput,
              cat("the key \"", key, "\" is missing; present are ", present.empty() ? "no keys" : present));
}

const std::string& Json::string_at(std::string_view key) const {
  if (const Json& value = at(key); value.is_string()) return value.as_string();
  wrong_type(at(key), "string", cat("\"", key, "\""));
}

int64_t Json::int_at(std::string_view key) const {
  if (const Json& value = at(key); value.is_int()) return value.as_int();
  wrong_type(at(key), "integer", cat("\"", key, "\""));
}

double Json::double_at(std::string_view key) const {
  if (const Json& value = at(key); value.is_number()) return value.as_double();
  wrong_type(at(key), "number", cat("\"", key, "\""));
}

std::vector<int64_t> Json::ints_at(std::string_view key) const {
  const Json& list = at(key);
  if (!list.is_array()) wrong_type(list, "array", cat("\"", key, "\""));
  std::vector<int64_t> values;
  for (const Json& item : list.as_array()) {
    if (!item.is_int()) wrong_type(item, "integer", cat("\"", key, "\"[", values.size(), "]"));
    values.push_back(item.as_int());
  }
  return values;
}

Json& Json::operator[](std::string_view key) {
  if (is_null()) value_ = Object{};
  auto& members = as_object();
  for (auto& [name, value] : members)
    if (name == key) return value;
  return members.emplace_back(std::string(key), Json()).second;
}

void Json::push_back(Json v) {
  if (is_null()) value_ = Array{};
  as_array().push_back(std::move(v));
}

size_t Json::size() const {
  if (const auto* array = std::get_if<Array>(&value_)) return array->size();
  if (const auto* object = std::get_if<Object>(&value_)) return object->size();
  return 0;
}

std::string Json::dump(int indent) const {
  std::string out;
  dump_value(out, *this, indent, 0);
  return out;
}

Json Json::parse(std::string_view text, const std::string& where) { return parse_from_line(text, where, 1); }

void read_jsonl(const std::string& path, const std::function<void(Json&&, int64_t)>& row,
                const std::function<void(const std::string& message, int64_t)>& bad) {
  LineReader lines(path);
  std::string line;
  for (int64_t number = 1; lines.next(line); ++number) {
    if (line.find_first_not_of(" \t\r\n") == std::string::npos) continue;
    Json value;
    try {
      value = parse_from_line(line, path, number);
    } catch (const Error& e) {
      if (!bad) throw;
      bad(e.what(), number);
      continue;
    }
    row(std::move(value), number);  // outside the try: an error of the caller's is not a bad line
  }
}

}  // namespace ponder::base
