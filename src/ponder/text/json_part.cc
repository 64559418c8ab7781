#include "ponder/text/json_part.h"

#include "ponder/base/error.h"
#include "ponder/text/unicode.h"

namespace ponder::text {

void JsonPart::fail(const std::string& what) const {
  throw Error(ErrorCode::kInput, base::cat(path_, path_.empty() ? "" : ": ", what), where_);
}

void JsonPart::fail(std::string_view key, const std::string& what) const {
  throw Error(ErrorCode::kInput, base::cat(path_to(key), ": ", what), where_);
}

std::string JsonPart::path_to(std::string_view key) const { return base::cat(path_, path_.empty() ? "" : ".", key); }

bool JsonPart::has(std::string_view key) const {
  const base::Json* value = json_.find(key);
  return value && !value->is_null();
}

const std::string& JsonPart::string(std::string_view key) const {
  const base::Json* value = json_.find(key);
  if (!value) fail(key, "is missing; it must be a string");
  if (!value->is_string()) fail(key, base::cat("must be a string, found ", value->type_name()));
  return value->as_string();
}

bool JsonPart::boolean(std::string_view key, bool otherwise) const {
  const base::Json* value = json_.find(key);
  if (!value || value->is_null()) return otherwise;
  if (!value->is_bool()) fail(key, base::cat("must be true or false, found ", value->type_name()));
  return value->as_bool();
}

int64_t JsonPart::integer(std::string_view key, int64_t otherwise) const {
  const base::Json* value = json_.find(key);
  if (!value || value->is_null()) return otherwise;
  if (!value->is_int()) fail(key, base::cat("must be a whole number, found ", value->type_name()));
  return value->as_int();
}

char32_t JsonPart::character(std::string_view key) const {
  const std::string& text = string(key);
  if (text.empty() || valid_utf8_prefix(text) != text.size() || code_point_at(text, 0).length != text.size())
    fail(key, "must be a single character");
  return code_point_at(text, 0).value;
}

JsonPart JsonPart::part(std::string_view key) const {
  static const base::Json null;
  const base::Json* value = json_.find(key);
  if (value && !value->is_null() && !value->is_object())
    fail(key, base::cat("must be an object or null, found ", value->type_name()));
  return {value ? *value : null, path_to(key), where_};
}

void JsonPart::each(std::string_view key, const std::function<void(const JsonPart&)>& item) const {
  const base::Json* list = json_.find(key);
  if (!list || !list->is_array())
    fail(key, base::cat("must be a list", list ? ", found " : "", list ? list->type_name() : ""));
  for (size_t i = 0; i < list->as_array().size(); ++i) {
    const base::Json& value = list->as_array()[i];
    const JsonPart part(value, base::cat(path_to(key), "[", i, "]"), where_);
    if (!value.is_object()) part.fail(base::cat("must be an object, found ", value.type_name()));
    item(part);
  }
}

}  // namespace ponder::text
