// One object of a tokenizer's configuration together with the path to it, so that each error names its key. Used by the
// readers of tokenizer.json.
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "ponder/base/cat.h"
#include "ponder/base/json.h"

namespace ponder::text {

class JsonPart {
 public:
  JsonPart(const base::Json& json, std::string path, const std::string& where)
      : json_(json), path_(std::move(path)), where_(where) {}

  [[noreturn]] void fail(const std::string& what) const;  // "pre_tokenizer.pattern: what"
  [[noreturn]] void fail(std::string_view key, const std::string& what) const;
  const base::Json& json() const { return json_; }
  const std::string& where() const { return where_; }
  std::string path_to(std::string_view key) const;

  bool is_null() const { return json_.is_null(); }
  bool has(std::string_view key) const;  // and it is not null
  const std::string& type() const { return string("type"); }
  const std::string& string(std::string_view key) const;
  bool boolean(std::string_view key, bool otherwise) const;
  int64_t integer(std::string_view key, int64_t otherwise) const;
  char32_t character(std::string_view key) const;                                           // a string of one
  JsonPart part(std::string_view key) const;                                                // an object or null
  void each(std::string_view key, const std::function<void(const JsonPart&)>& item) const;  // of a list

 private:
  const base::Json& json_;
  std::string path_;
  const std::string& where_;
};

}  // namespace ponder::text
