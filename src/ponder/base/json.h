// A JSON value: what problems, records and reports are made of. Parsing is nlohmann-json's, behind json.cc.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ponder::base {

class Json {
 public:
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;  // keeps the order in which keys were written

  // Copying, moving and destroying live in json.cc: the variant's code is large and every room uses it.
  Json() noexcept;  // null
  Json(const Json&);
  Json(Json&&) noexcept;
  Json& operator=(const Json&);
  Json& operator=(Json&&) noexcept;
  ~Json();
  Json(std::nullptr_t) {}
  Json(bool v) : value_(v) {}
  Json(int v) : value_(int64_t{v}) {}
  Json(int64_t v) : value_(v) {}
  Json(long long v) : value_(int64_t{v}) {}
  Json(uint32_t v) : value_(int64_t{v}) {}
  Json(uint64_t v) : value_(static_cast<int64_t>(v)) {}
  Json(double v) : value_(v) {}
  Json(float v) : value_(static_cast<double>(v)) {}
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string_view v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}
  template <class T>
  static Json list(const std::vector<T>& values) {
    Array array;
    array.reserve(values.size());
    for (const auto& v : values) array.emplace_back(v);
    return array;
  }
  static Json object() { return Object{}; }
  static Json array() { return Array{}; }

  bool is_null() const { return value_.index() == 0; }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_int() const { return std::holds_alternative<int64_t>(value_); }
  bool is_number() const { return is_int() || std::holds_alternative<double>(value_); }
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }
  const char* type_name() const;  // "null", "true/false", "integer", "number", "string", "array", "object"

  // Each throws Error(kInput) that names the type found and the type wanted.
  bool as_bool() const;
  int64_t as_int() const;
  double as_double() const;  // integers too
  const std::string& as_string() const;
  const Array& as_array() const;
  const Object& as_object() const;
  Array& as_array();
  Object& as_object();

  const Json* find(std::string_view key) const;  // null when this is no object or has no such key
  const Json& at(std::string_view key) const;    // throws Error(kInput) naming the missing key and the keys present
  // at(key) as the type; the error of a wrong type names the key too ("key"[3] for an item of a list).
  const std::string& string_at(std::string_view key) const;
  int64_t int_at(std::string_view key) const;
  double double_at(std::string_view key) const;
  std::vector<int64_t> ints_at(std::string_view key) const;
  Json& operator[](std::string_view key);  // inserts; turns null into an object
  void push_back(Json v);                  // turns null into an array
  size_t size() const;                     // of an array or object; 0 otherwise

  // Doubles print as the shortest text that reads back the same; NaN and infinities as null. indent < 0: one line.
  std::string dump(int indent = -1) const;
  // Errors give where:line:column and what was expected. Depth is capped at 200; a key that stands twice in one object
  // is an error; integers beyond 64 bits become doubles.
  static Json parse(std::string_view text, const std::string& where = "");

  bool operator==(const Json& other) const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> value_;
};

// Calls row(value, line_number) for each non-empty line. A line that does not parse goes to bad(error, line_number)
// when given (the rest is still read), else the error is thrown. Throws Error(kInput) when the file cannot be opened.
void read_jsonl(const std::string& path, const std::function<void(Json&&, int64_t)>& row,
                const std::function<void(const std::string& message, int64_t)>& bad = {});

}  // namespace ponder::base
