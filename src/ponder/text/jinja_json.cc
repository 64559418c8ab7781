// json.dumps, as transformers' tojson filter calls it.
#include <algorithm>

#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

class JsonWriter {
 public:
  JsonWriter(Interpreter& in, TextBuilder& out, const JsonStyle& style) : in_(in), out_(out), style_(style) {}

  void value(const Value& v) {
    in_.step();
    Interpreter::Deeper deeper(in_);
    switch (v.kind) {
      case Kind::kNone:
        return word("null");
      case Kind::kBool:
        return word(v.boolean ? "true" : "false");
      case Kind::kInt:
        return word(base::cat(v.integer));
      case Kind::kFloat:
        return word(number(v.number));
      case Kind::kString:
        return string(*v.text);
      case Kind::kList:
      case Kind::kTuple:
        return array(*v.list);
      case Kind::kDict:
        return object(*v.dict);
      case Kind::kUndefined:
        refuse_undefined(v);
      default:
        refuse("a value of type ", type_name(v), " cannot be written as JSON");
    }
  }

 private:
  void word(std::string_view text) { out_.append(text, 0); }

  static std::string number(double v) {
    const std::string text = float_repr(v);
    return text == "nan" ? "NaN" : text == "inf" ? "Infinity" : text == "-inf" ? "-Infinity" : text;
  }

  void line() {
    if (!style_.indent) return;
    word("\n");
    for (int i = 0; i < level_; ++i) word(*style_.indent);
  }
  void separator() {
    word(style_.item_separator);
    line();
  }

  void array(const List& list) {
    if (list.size == 0) return word("[]");
    word("[");
    ++level_;
    line();
    for (uint32_t i = 0; i < list.size; ++i) {
      if (i > 0) separator();
      value(list.items[i]);
    }
    --level_;
    line();
    word("]");
  }

  void object(const Dict& dict) {
    if (dict.size == 0) return word("{}");
    std::vector<std::pair<Value, Value>> items(dict.items, dict.items + dict.size);
    if (style_.sort_keys)
      std::stable_sort(items.begin(), items.end(),
                       [&](const auto& a, const auto& b) { return less(in_, a.first, b.first); });
    word("{");
    ++level_;
    line();
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) separator();
      key(items[i].first);
      word(style_.key_separator);
      value(items[i].second);
    }
    --level_;
    line();
    word("}");
  }

  void key(const Value& k) {
    if (k.is(Kind::kString)) return string(*k.text);
    if (!k.is_number() && !k.is(Kind::kNone)) refuse("a ", type_name(k), " cannot be a key in JSON");
    word("\"");
    value(k);
    word("\"");
  }

  void string(const Text& text) {
    const std::string_view bytes = text.view();
    in_.step_bytes(bytes.size());
    word("\"");
    size_t plain = 0;
    for (size_t i = 0; i < bytes.size();) {
      const auto c = static_cast<unsigned char>(bytes[i]);
      if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x7F || !style_.ensure_ascii)) {
        ++i;
        continue;
      }
      size_t length;
      const char32_t point = decode_utf8(bytes, i, &length);
      out_.append_slice(text, plain, i);
      out_.append(escape(point), marks_at(text, i));
      i += length;
      plain = i;
    }
    out_.append_slice(text, plain, bytes.size());
    word("\"");
  }

  static std::string hex(char32_t c) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string out = "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += kHex[c >> shift & 15];
    return out;
  }

  static std::string escape(char32_t c) {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\f':
        return "\\f";
      case '\b':
        return "\\b";
      default:
        if (c < 0x10000) return hex(c);
        return hex(0xD800 + ((c - 0x10000) >> 10)) + hex(0xDC00 + ((c - 0x10000) & 0x3FF));
    }
  }

  Interpreter& in_;
  TextBuilder& out_;
  const JsonStyle& style_;
  int level_ = 0;
};

}  // namespace

void append_json(Interpreter& in, TextBuilder& out, const Value& v, const JsonStyle& style) {
  JsonWriter(in, out, style).value(v);
}

}  // namespace ponder::text::jinja
