// What Python does with values: truth, equality, order, str and repr, attributes, items, slices, operators, calls of
// globals. Used by the interpreter, filters, tests and methods. All throw Refusal where Python raises.
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "ponder/text/jinja_interpreter.h"

namespace ponder::text::jinja {

const char* type_name(const Value& v);  // as Python names it: "str", "dict", …
bool truth(Interpreter& in, const Value& v);
bool equal(Interpreter& in, const Value& a, const Value& b);
bool less(Interpreter& in, const Value& a, const Value& b);
bool compare(Interpreter& in, CompareOp op, const Value& a, const Value& b);
bool contains(Interpreter& in, const Value& container, const Value& item);
bool is_hashable(const Value& v);
int64_t length(Interpreter& in, const Value& v);
std::optional<int64_t> known_length(Interpreter& in, const Value& v);  // nothing where len() raises

const Text& str(Interpreter& in, const Value& v);
void append_str(Interpreter& in, TextBuilder& out, const Value& v);
void append_repr(Interpreter& in, TextBuilder& out, const Value& v);
std::string float_repr(double v);
std::string shown(std::string_view text);  // quoted and cut, for messages

Value get_attr(Interpreter& in, const Value& v, std::string_view name);
Value get_item(Interpreter& in, const Value& v, const Value& key);
const Value* find_key(Interpreter& in, const Dict& dict, const Value& key);  // null: not there
Value slice(Interpreter& in, const Value& v, const Value& begin, const Value& end, const Value& step);
Value binary(Interpreter& in, ExprKind op, const Value& a, const Value& b);
Value unary(Interpreter& in, ExprKind op, const Value& v);

std::string_view as_text(const Value& v, std::string_view what);  // Refusal when it is no string
int64_t as_index(const Value& v, std::string_view what);          // Refusal when it is no whole number
std::vector<Value> to_vector(Interpreter& in, const Value& v);
// value % arguments, with Python's printf rules.
Value format_percent(Interpreter& in, const Text& format, const Value& arguments);
// format.format(*arguments)
Value format_braces(Interpreter& in, const Text& format, const Arguments& arguments);
Value escape_html(Interpreter& in, const Value& v);  // markupsafe.escape

// A method of a string, list or dict. Nothing: Python has no such attribute.
struct Method {
  Native run = nullptr;  // null: Python has it, templates here have not
  bool changes = false;  // Jinja's sandbox hides what changes a value
};
std::optional<Method> find_method(const Value& v, std::string_view name);

// json.dumps as the tojson filter calls it.
struct JsonStyle {
  std::string item_separator = ", ", key_separator = ": ";
  std::optional<std::string> indent;
  bool ensure_ascii = false, sort_keys = false;
};
void append_json(Interpreter& in, TextBuilder& out, const Value& v, const JsonStyle& style);

}  // namespace ponder::text::jinja
