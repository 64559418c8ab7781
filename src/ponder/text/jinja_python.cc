#include "ponder/text/jinja_python.h"

#include <charconv>
#include <cmath>

#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

enum class Order { kLess, kEqual, kGreater, kNone };  // kNone: NaN

Order order_of(long double a, long double b) {
  return a < b ? Order::kLess : a > b ? Order::kGreater : a == b ? Order::kEqual : Order::kNone;
}

long double exact(const Value& v) {  // 64 bits of whole numbers fit
  return v.is(Kind::kFloat) ? static_cast<long double>(v.number) : static_cast<long double>(v.whole());
}

[[noreturn]] void refuse_order(const Value& a, const Value& b) {
  if (a.is(Kind::kUndefined)) refuse_undefined(a);
  if (b.is(Kind::kUndefined)) refuse_undefined(b);
  refuse("values of type ", type_name(a), " and ", type_name(b), " have no order");
}

Order order(Interpreter& in, const Value& a, const Value& b) {
  Interpreter::Deeper deeper(in);
  if (a.is_number() && b.is_number()) return order_of(exact(a), exact(b));
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    in.step_bytes(std::min(a.text->size, b.text->size));
    const int c = a.text->view().compare(b.text->view());  // UTF-8 keeps the order of code points
    return c < 0 ? Order::kLess : c > 0 ? Order::kGreater : Order::kEqual;
  }
  if (!a.is_sequence() || a.kind != b.kind) refuse_order(a, b);
  const uint32_t both = std::min(a.list->size, b.list->size);
  for (uint32_t i = 0; i < both; ++i) {
    in.step();
    if (!equal(in, a.list->items[i], b.list->items[i])) return order(in, a.list->items[i], b.list->items[i]);
  }
  return order_of(a.list->size, b.list->size);
}

bool equal_dicts(Interpreter& in, const Dict& a, const Dict& b) {
  if (a.size != b.size) return false;
  for (uint32_t i = 0; i < a.size; ++i) {
    const Value* other = find_key(in, b, a.items[i].first);
    if (!other || !equal(in, a.items[i].second, *other)) return false;
  }
  return true;
}

class Printer {
 public:
  Printer(Interpreter& in, TextBuilder& out) : in_(in), out_(out) {}

  void repr(const Value& v) {
    in_.step();
    Interpreter::Deeper deeper(in_);
    switch (v.kind) {
      case Kind::kUndefined:
        return word("Undefined");
      case Kind::kNone:
        return word("None");
      case Kind::kBool:
        return word(v.boolean ? "True" : "False");
      case Kind::kInt:
        return word(base::cat(v.integer));
      case Kind::kFloat:
        return word(float_repr(v.number));
      case Kind::kString:
        return quoted(*v.text);
      case Kind::kList:
        return items(*v.list, "[", "]");
      case Kind::kTuple:
        return items(*v.list, "(", v.list->size == 1 ? ",)" : ")");
      case Kind::kDict:
        return pairs(v.dict->items, v.dict->size);
      case Kind::kNamespace:
        word("<Namespace ");
        pairs(v.names->items, v.names->size);
        return word(">");
      case Kind::kView:
        return view(*v.view);
      case Kind::kRange:
        return word(base::cat("range(", v.range->start, ", ", v.range->stop,
                              v.range->step == 1 ? "" : base::cat(", ", v.range->step), ")"));
      case Kind::kMacro:
        return word(v.macro->body->name.empty() ? "<Macro anonymous>"
                                                : base::cat("<Macro '", v.macro->body->name, "'>"));
      case Kind::kLoop:
        return word(base::cat("<LoopContext ", v.loop->index0 + 1, "/", loop_length(in_, *v.loop), ">"));
      case Kind::kIterator:
      case Kind::kFunction:
        refuse("a ", type_name(v), " cannot be printed", v.is(Kind::kIterator) ? "; make it a list first" : "");
    }
  }

 private:
  void word(std::string_view text) { out_.append(text, 0); }

  void items(const List& list, std::string_view open, std::string_view close) {
    word(open);
    for (uint32_t i = 0; i < list.size; ++i) {
      if (i > 0) word(", ");
      repr(list.items[i]);
    }
    word(close);
  }

  void pairs(const std::pair<Value, Value>* items, uint32_t size) {
    word("{");
    for (uint32_t i = 0; i < size; ++i) {
      if (i > 0) word(", ");
      repr(items[i].first);
      word(": ");
      repr(items[i].second);
    }
    word("}");
  }

  void view(const View& v) {
    word(v.part == View::Part::kKeys     ? "dict_keys(["
         : v.part == View::Part::kValues ? "dict_values(["
                                         : "dict_items([");
    for (uint32_t i = 0; i < v.dict->size; ++i) {
      if (i > 0) word(", ");
      if (v.part == View::Part::kItems) word("(");
      if (v.part != View::Part::kValues) repr(v.dict->items[i].first);
      if (v.part == View::Part::kItems) word(", ");
      if (v.part != View::Part::kKeys) repr(v.dict->items[i].second);
      if (v.part == View::Part::kItems) word(")");
    }
    word("])");
  }

  void quoted(const Text& text) {
    in_.step_bytes(text.size);
    const std::string_view bytes = text.view();
    const bool is_double = bytes.find('\'') != std::string_view::npos && bytes.find('"') == std::string_view::npos;
    const char quote = is_double ? '"' : '\'';
    if (text.is_markup) word("Markup(");
    word({&quote, 1});
    size_t plain = 0;  // where what needs no escape began
    for (size_t i = 0; i < bytes.size();) {
      size_t length;
      const char32_t c = decode_utf8(bytes, i, &length);
      if (c != '\\' && c != static_cast<char32_t>(quote) && is_printable(c)) {
        i += length;
        continue;
      }
      out_.append_slice(text, plain, i);
      out_.append(escape(c), marks_at(text, i));
      i += length;
      plain = i;
    }
    out_.append_slice(text, plain, bytes.size());
    word({&quote, 1});
    if (text.is_markup) word(")");
  }

  static std::string escape(char32_t c) {
    switch (c) {
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\\':
        return "\\\\";
      case '\'':
        return "\\'";
      default:
        return c == '"' ? "\\\"" : unicode_escape(c);
    }
  }

  Interpreter& in_;
  TextBuilder& out_;
};

}  // namespace

std::string unicode_escape(char32_t c) {
  static constexpr char kHex[] = "0123456789abcdef";
  const int digits = c < 0x100 ? 2 : c < 0x10000 ? 4 : 8;
  std::string out = digits == 2 ? "\\x" : digits == 4 ? "\\u" : "\\U";
  for (int i = digits - 1; i >= 0; --i) out += kHex[c >> (4 * i) & 15];
  return out;
}

const char* type_name(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kView:
      return "dict view";
    case Kind::kRange:
      return "range";
    case Kind::kNamespace:
      return "namespace";
    case Kind::kIterator:
      return v.iterator->kind_name;
    case Kind::kFunction:
      return "function";
    case Kind::kMacro:
      return "macro";
    case Kind::kLoop:
      return "loop";
  }
  return "";
}

bool truth(Interpreter& in, const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return v.boolean;
    case Kind::kInt:
      return v.integer != 0;
    case Kind::kFloat:
      return v.number != 0;
    case Kind::kString:
      return v.text->size > 0;
    case Kind::kList:
    case Kind::kTuple:
      return v.list->size > 0;
    case Kind::kDict:
      return v.dict->size > 0;
    case Kind::kView:
      return v.view->dict->size > 0;
    case Kind::kRange:
      return v.range->size() > 0;
    case Kind::kLoop:
      return loop_length(in, *v.loop) > 0;
    case Kind::kNamespace:
    case Kind::kIterator:
    case Kind::kFunction:
    case Kind::kMacro:
      return true;
  }
  return true;
}

bool equal(Interpreter& in, const Value& a, const Value& b) {
  in.step();
  if (a.is_number() && b.is_number()) return exact(a) == exact(b);
  if (a.kind != b.kind) return false;
  Interpreter::Deeper deeper(in);
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      in.step_bytes(a.text->size);
      return a.text->view() == b.text->view();
    case Kind::kList:
    case Kind::kTuple:
      if (a.list->size != b.list->size) return false;
      for (uint32_t i = 0; i < a.list->size; ++i)
        if (!equal(in, a.list->items[i], b.list->items[i])) return false;
      return true;
    case Kind::kDict:
      return equal_dicts(in, *a.dict, *b.dict);
    case Kind::kRange: {
      const int64_t n = a.range->size();
      return n == b.range->size() &&
             (n == 0 || (a.range->start == b.range->start && (n == 1 || a.range->step == b.range->step)));
    }
    case Kind::kView:
      refuse("the views of two dicts cannot be compared; make them lists first");
    default:
      return a.names == b.names;  // the same object
  }
}

bool less(Interpreter& in, const Value& a, const Value& b) { return order(in, a, b) == Order::kLess; }

bool compare(Interpreter& in, CompareOp op, const Value& a, const Value& b) {
  switch (op) {
    case CompareOp::kEqual:
      return equal(in, a, b);
    case CompareOp::kNotEqual:
      return !equal(in, a, b);
    case CompareOp::kIn:
      return contains(in, b, a);
    case CompareOp::kNotIn:
      return !contains(in, b, a);
    default:
      break;
  }
  const Order o = order(in, a, b);
  switch (op) {
    case CompareOp::kLess:
      return o == Order::kLess;
    case CompareOp::kLessEqual:
      return o == Order::kLess || o == Order::kEqual;
    case CompareOp::kGreater:
      return o == Order::kGreater;
    default:
      return o == Order::kGreater || o == Order::kEqual;
  }
}

bool is_hashable(const Value& v) {
  if (v.is(Kind::kList) || v.is(Kind::kDict)) return false;
  if (v.is(Kind::kTuple))
    for (uint32_t i = 0; i < v.list->size; ++i)
      if (!is_hashable(v.list->items[i])) return false;
  return true;
}

bool contains(Interpreter& in, const Value& container, const Value& item) {
  switch (container.kind) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!item.is(Kind::kString)) refuse("only a str can be in a str, not a value of type ", type_name(item));
      in.step_bytes(container.text->size);
      return container.text->view().find(item.text->view()) != std::string_view::npos;
    case Kind::kDict:
      if (!is_hashable(item)) refuse("a ", type_name(item), " cannot be the key of a dict");
      return find_key(in, *container.dict, item);
    default:
      break;
  }
  Iterator* items = in.iterate(container);
  for (Value v; items->next(in, &v);)
    if (equal(in, v, item)) return true;
  return false;
}

std::optional<int64_t> known_length(Interpreter& in, const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return 0;
    case Kind::kString:
      in.step_bytes(v.text->size);
      return static_cast<int64_t>(count_code_points(v.text->view()));
    case Kind::kList:
    case Kind::kTuple:
      return v.list->size;
    case Kind::kDict:
      return v.dict->size;
    case Kind::kView:
      return v.view->dict->size;
    case Kind::kRange:
      return v.range->size();
    case Kind::kLoop:
      return loop_length(in, *v.loop);
    default:
      return std::nullopt;
  }
}

int64_t length(Interpreter& in, const Value& v) {
  const std::optional<int64_t> n = known_length(in, v);
  if (!n) refuse("a value of type ", type_name(v), " has no length");
  return *n;
}

void append_str(Interpreter& in, TextBuilder& out, const Value& v) {
  if (v.is(Kind::kString)) {
    in.step_bytes(v.text->size);
    out.append(*v.text);
  } else if (!v.is(Kind::kUndefined)) {
    append_repr(in, out, v);
  }
}

void append_repr(Interpreter& in, TextBuilder& out, const Value& v) { Printer(in, out).repr(v); }

const Text& str(Interpreter& in, const Value& v) {
  if (v.is(Kind::kString)) return *v.text;
  TextBuilder text(in.arena());
  append_str(in, text, v);
  return *text.finish();
}

std::string float_repr(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  char buffer[48];
  const auto result = std::to_chars(buffer, buffer + sizeof buffer, v, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(result.ptr - buffer));
  const size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);  // two digits of exponent at least, as Python has it
  std::string digits;
  for (const char c : text.substr(0, e))
    if (c >= '0' && c <= '9') digits += c;
  std::string out = std::signbit(v) ? "-" : "";
  if (exponent < 0) return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string shown(std::string_view text) {
  constexpr size_t kMost = 60;
  if (text.size() <= kMost) return base::cat("\"", text, "\"");
  size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return base::cat("\"", text.substr(0, end), "…\"");
}

std::string_view as_text(const Value& v, std::string_view what) {
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (!v.is(Kind::kString)) refuse(what, " must be a str, found ", type_name(v));
  return v.text->view();
}

int64_t as_index(const Value& v, std::string_view what) {
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (!v.is_whole()) refuse(what, " must be an int, found ", type_name(v));
  return v.whole();
}

std::vector<Value> to_vector(Interpreter& in, const Value& v) {
  std::vector<Value> items;
  Iterator* it = in.iterate(v);
  for (Value item; it->next(in, &item);) {
    in.step();
    in.arena().spend(sizeof(Value));
    items.push_back(item);
  }
  return items;
}

}  // namespace ponder::text::jinja
