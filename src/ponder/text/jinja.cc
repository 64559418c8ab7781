#include "ponder/text/jinja.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/text/jinja_interpreter.h"
#include "ponder/text/jinja_lexer.h"
#include "ponder/text/jinja_parser.h"
#include "ponder/text/jinja_scopes.h"

namespace ponder::text {
namespace {

using namespace jinja;

// The place of a byte of the source as people count, from 1.
std::string place(std::string_view source, size_t offset) {
  const std::string_view before = source.substr(0, std::min(offset, source.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t newline = before.rfind('\n');
  const size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1) + 1;
  return base::cat(line, ":", column);
}

// JSON as values; texts are borrowed. Its depth is bounded by the JSON reader, but not that of values made elsewhere.
class Importer {
 public:
  explicit Importer(Arena& arena) : arena_(arena) {}

  Value variable(const JinjaVariable& v) {
    marks_ = v.is_input ? kInput : 0;
    if (!v.value->is_array() || (v.own_items.empty() && v.own_words_key.empty())) return value(*v.value, 0);
    const base::Json::Array& from = v.value->as_array();
    Value* items = arena_.array<Value>(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      marks_ = v.is_input && !(i < v.own_items.size() && v.own_items[i]) ? kInput : 0;
      items[i] = from[i].is_object() ? object(from[i].as_object(), 1, v.own_words_key) : value(from[i], 1);
    }
    return list(items, from.size());
  }

 private:
  Value value(const base::Json& json, int depth) {
    constexpr int kMaxDepth = 256;
    if (depth > kMaxDepth) refuse("the variables are nested deeper than ", kMaxDepth, " levels");
    if (json.is_null()) return Value::none();
    if (json.is_bool()) return Value::of(json.as_bool());
    if (json.is_int()) return Value::of(json.as_int());
    if (json.is_number()) return Value::of(json.as_double());
    if (json.is_string()) return text(json.as_string(), marks_);
    if (json.is_object()) return object(json.as_object(), depth, "");
    const base::Json::Array& from = json.as_array();
    Value* items = arena_.array<Value>(from.size());
    for (size_t i = 0; i < from.size(); ++i) items[i] = value(from[i], depth + 1);
    return list(items, from.size());
  }

  Value object(const base::Json::Object& from, int depth, std::string_view own_words_key) {
    auto* items = arena_.array<std::pair<Value, Value>>(from.size());
    for (size_t i = 0; i < from.size(); ++i) {
      const auto& [key, json] = from[i];
      const bool is_own = key == own_words_key && json.is_string() && is_plain_word(json.as_string());
      items[i] = {text(key, marks_), is_own ? text(json.as_string(), 0) : value(json, depth + 1)};
    }
    return Value::of(static_cast<const Dict*>(arena_.make<Dict>(items, static_cast<uint32_t>(from.size()))));
  }

  Value list(const Value* items, size_t n) {
    return Value::of(static_cast<const List*>(arena_.make<List>(items, static_cast<uint32_t>(n))));
  }

  Value text(const std::string& bytes, uint8_t marks) {
    if (bytes.size() > UINT32_MAX) refuse("a text of more than 4 GiB");
    Text* text = arena_.make<Text>();
    text->data = bytes.data();
    text->size = static_cast<uint32_t>(bytes.size());
    text->marks = marks;
    return Value::of(static_cast<const Text*>(text));
  }

  static bool is_plain_word(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
  }

  Arena& arena_;
  uint8_t marks_ = 0;
};

std::vector<JinjaPiece> pieces_of(const TextBuilder& out) {
  std::vector<JinjaPiece> pieces;
  size_t begin = 0;
  for (const Span& span : out.spans()) {
    pieces.push_back({std::string(out.bytes().substr(begin, span.end - begin)), (span.marks & kInput) != 0,
                      (span.marks & kGeneration) != 0});
    begin = span.end;
  }
  return pieces;
}

}  // namespace

struct JinjaTemplate::Parsed {
  Tree tree;
};

constexpr size_t kMaxSourceMib = 2;  // published templates have less than a tenth of one

JinjaTemplate::JinjaTemplate(std::string_view source, std::string where) : where_(std::move(where)) {
  if (source.size() > kMaxSourceMib << 20)
    throw Error(ErrorCode::kInput,
                base::cat("the template has ", source.size() >> 20, " MiB; at most ", kMaxSourceMib, " are read"),
                where_);
  try {
    parsed_ = std::make_unique<Parsed>(Parsed{parse_template(source)});
    resolve_scopes(parsed_->tree);
  } catch (const SyntaxError& e) {
    throw Error(ErrorCode::kInput, e.message,
                base::cat(where_, where_.empty() ? "" : ":", place(parsed_ ? parsed_->tree.source : source, e.offset)));
  }
}

JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;
JinjaTemplate& JinjaTemplate::operator=(JinjaTemplate&&) noexcept = default;

std::vector<JinjaPiece> JinjaTemplate::render(const std::vector<JinjaVariable>& variables, const std::tm& now,
                                              const JinjaLimits& limits) const {
  Arena arena(static_cast<size_t>(limits.max_mib) << 20);
  Arena output_budget(static_cast<size_t>(limits.max_output_mib) << 20);
  TextBuilder out(output_budget);
  Variables values;
  Interpreter interpreter(parsed_->tree, arena, values, now, limits.max_steps);
  try {
    for (const JinjaVariable& v : variables) values.emplace_back(v.name, Importer(arena).variable(v));
    interpreter.run(out);
  } catch (const Refusal& e) {
    throw Error(ErrorCode::kInput, e.message,
                base::cat(where_, where_.empty() ? "" : ":", place(parsed_->tree.source, interpreter.offset())));
  }
  return pieces_of(out);
}

bool JinjaTemplate::has_generation() const { return parsed_->tree.has_generation; }
bool JinjaTemplate::mentions(std::string_view text) const {
  return parsed_->tree.source.find(text) != std::string::npos;
}

std::string joined_text(const std::vector<JinjaPiece>& pieces) {
  std::string text;
  for (const JinjaPiece& piece : pieces) text += piece.text;
  return text;
}

}  // namespace ponder::text
