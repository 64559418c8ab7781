#include "ponder/base/json_document.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <unordered_set>

#include "ponder/base/error.h"

namespace ponder::base {
namespace {

namespace dom = simdjson::dom;
constexpr size_t kMaxDepth = 200;

static_assert(sizeof(dom::element) <= 16 && std::is_trivially_copyable_v<dom::element>);

dom::element element_of(const unsigned char* bytes) {
  dom::element element;
  std::memcpy(static_cast<void*>(&element), bytes, sizeof element);
  return element;
}

// By value: what simdjson's own accessors return must not be iterated over in place. The type has been asked before.
dom::array array_of(const dom::element& element) {
  dom::array array;
  PONDER_CHECK(element.get(array) == simdjson::SUCCESS);
  return array;
}
dom::object members_of(const dom::element& element) {
  dom::object object;
  PONDER_CHECK(element.get(object) == simdjson::SUCCESS);
  return object;
}

Json tree_of(const dom::element& element, const std::vector<std::string_view>& without, const std::string& where);

Json object_of(const dom::object& object, const std::vector<std::string_view>& without, const std::string& where) {
  Json::Object members;
  std::unordered_set<std::string_view> keys;
  for (const auto [key, value] : object) {
    if (!keys.insert(key).second)
      throw Error(ErrorCode::kInput, cat("the key \"", key, "\" stands twice in one object"), where);
    if (std::find(without.begin(), without.end(), key) != without.end()) continue;
    members.emplace_back(std::string(key), tree_of(value, {}, where));
  }
  return members;
}

Json tree_of(const dom::element& element, const std::vector<std::string_view>& without, const std::string& where) {
  switch (element.type()) {
    case dom::element_type::NULL_VALUE:
      return {};
    case dom::element_type::BOOL:
      return bool{element};
    case dom::element_type::INT64:
      return int64_t{element};
    case dom::element_type::UINT64:
      return static_cast<double>(uint64_t{element});  // beyond int64_t
    case dom::element_type::DOUBLE:
      return double{element};
    case dom::element_type::STRING:
      return std::string_view{element};
    case dom::element_type::ARRAY: {
      Json::Array items;
      for (const dom::element item : array_of(element)) items.push_back(tree_of(item, {}, where));
      return items;
    }
    case dom::element_type::OBJECT:
      return object_of(members_of(element), without, where);
  }
  return {};
}

}  // namespace

struct JsonDocument::Parsed {
  dom::parser parser;
  dom::element root;
};

JsonDocument::JsonDocument(std::string_view text, std::string where)
    : where_(std::move(where)), parsed_(std::make_unique<Parsed>()) {
  auto error = parsed_->parser.allocate(std::max<size_t>(text.size(), 64), kMaxDepth);
  if (!error) error = parsed_->parser.parse(text.data(), text.size()).get(parsed_->root);
  if (!error) return;
  if (error == simdjson::MEMALLOC) throw Error(ErrorCode::kResource, "not enough memory to read the JSON", where_);
  if (error == simdjson::DEPTH_ERROR)
    throw Error(ErrorCode::kInput, cat("not valid JSON, or nested deeper than ", kMaxDepth, " levels"), where_);
  throw Error(ErrorCode::kInput, cat("not valid JSON: ", simdjson::error_message(error)), where_);
}

JsonDocument::~JsonDocument() = default;

JsonView JsonDocument::root() const {
  JsonView view;
  view.document_ = this;
  std::memcpy(view.element_, static_cast<const void*>(&parsed_->root), sizeof parsed_->root);
  return view;
}

bool JsonView::is_null() const { return element_of(element_).is_null(); }
bool JsonView::is_string() const { return element_of(element_).is_string(); }
bool JsonView::is_array() const { return element_of(element_).is_array(); }
bool JsonView::is_object() const { return element_of(element_).is_object(); }

const char* JsonView::type_name() const {
  switch (element_of(element_).type()) {
    case dom::element_type::NULL_VALUE:
      return "null";
    case dom::element_type::BOOL:
      return "true/false";
    case dom::element_type::INT64:
    case dom::element_type::UINT64:
      return "integer";
    case dom::element_type::DOUBLE:
      return "number";
    case dom::element_type::STRING:
      return "string";
    case dom::element_type::ARRAY:
      return "array";
    case dom::element_type::OBJECT:
      return "object";
  }
  return "";
}

bool JsonView::get(std::string_view& text) const {
  return element_of(element_).get_string().get(text) == simdjson::SUCCESS;
}
bool JsonView::get(int64_t& number) const {
  const dom::element element = element_of(element_);
  return element.is_int64() && element.get_int64().get(number) == simdjson::SUCCESS;
}

size_t JsonView::size() const {  // simdjson's own counts saturate at 2^24
  size_t n = 0;
  if (is_array()) {
    for (const dom::element unused : array_of(element_of(element_))) (void)unused, ++n;
  } else if (is_object()) {
    for (const auto unused : members_of(element_of(element_))) (void)unused, ++n;
  }
  return n;
}

bool JsonView::find(std::string_view key, JsonView& value) const {
  if (!is_object()) return false;
  for (const auto [name, element] : members_of(element_of(element_))) {
    if (name != key) continue;
    value.document_ = document_;
    std::memcpy(value.element_, static_cast<const void*>(&element), sizeof element);
    return true;
  }
  return false;
}

void JsonView::each_item(const std::function<void(JsonView)>& item) const {
  if (!is_array()) return;
  JsonView view;
  view.document_ = document_;
  for (const dom::element element : array_of(element_of(element_))) {
    std::memcpy(view.element_, static_cast<const void*>(&element), sizeof element);
    item(view);
  }
}

void JsonView::each_member(const std::function<void(std::string_view key, JsonView)>& member) const {
  if (!is_object()) return;
  JsonView view;
  view.document_ = document_;
  for (const auto [key, element] : members_of(element_of(element_))) {
    std::memcpy(view.element_, static_cast<const void*>(&element), sizeof element);
    member(key, view);
  }
}

Json JsonView::tree(const std::vector<std::string_view>& without) const {
  return tree_of(element_of(element_), without, document_->where_);
}

}  // namespace ponder::base
