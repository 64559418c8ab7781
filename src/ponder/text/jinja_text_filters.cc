// Jinja's filters of texts.
#include <algorithm>

#include "ponder/text/jinja_filters.h"
#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_strings.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

using In = Interpreter;

bool is_true(In& in, const Value* v) { return v && truth(in, *v); }

// soft_str: texts stay what they are, safe ones too.
Value with_case(In& in, const Value& v, const Arguments& arguments, Case to) {
  const Bound bound("upper, lower, title or capitalize", arguments, {});
  const Text& text = str(in, v);
  Text* out = in.arena().make<Text>(*change_case(in, text, to));
  out->is_markup = text.is_markup;
  return Value::of(static_cast<const Text*>(out));
}
Value upper(In& in, const Value& v, const Arguments& a) { return with_case(in, v, a, Case::kUpper); }
Value lower(In& in, const Value& v, const Arguments& a) { return with_case(in, v, a, Case::kLower); }
Value capitalize(In& in, const Value& v, const Arguments& a) { return with_case(in, v, a, Case::kCapital); }

// Words begin behind - ( { [ < and white space, and only there.
Value title(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("title", arguments, {});
  const Text& text = str(in, v);
  const std::string_view bytes = text.view();
  TextBuilder out(in.arena());
  const auto is_border = [](char32_t c) {
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || is_space(c);
  };
  size_t begin = 0;
  while (begin < bytes.size()) {
    size_t length, end = begin;
    const bool is_gap = is_border(decode_utf8(bytes, begin, &length));
    while (end < bytes.size() && is_border(decode_utf8(bytes, end, &length)) == is_gap) end += length;
    decode_utf8(bytes, begin, &length);
    out.append(*change_case(in, *slice_text(in.arena(), text, begin, begin + length), Case::kUpper));
    out.append(*change_case(in, *slice_text(in.arena(), text, begin + length, end), Case::kLower));
    begin = end;
  }
  return Value::of(out.finish());
}

Value trim(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("trim", arguments, {"chars"});
  return strip(in, str(in, v), bound[0] ? *bound[0] : Value::none(), true, true);
}

Value string_filter(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("string", arguments, {});
  return Value::of(&str(in, v));
}

Value replace_filter(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"}, 2);
  const bool is_all = !bound[2] || bound[2]->is(Kind::kNone);
  Text& text = *in.arena().make<Text>(str(in, v));  // the result may be this very text
  text.is_markup = false;
  return replace(in, text, str(in, *bound[0]), str(in, *bound[1]), is_all ? -1 : as_index(*bound[2], "count"));
}

Value indent(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("indent", arguments, {"width", "first", "blank"});
  as_text(v, "what is indented");
  Value indention = in.text("    ");
  if (bound[0] && bound[0]->is(Kind::kString)) {
    indention = *bound[0];
  } else if (bound[0]) {
    indention = binary(in, ExprKind::kMultiply, in.text(" "), Value::of(as_index(*bound[0], "the width of indent")));
  }
  const bool with_first = is_true(in, bound[1]), with_blank = is_true(in, bound[2]);
  TextBuilder whole(in.arena());
  whole.append(*v.text);
  whole.append("\n", 0);
  const Text& text = *whole.finish();
  TextBuilder out(in.arena());
  if (with_first) out.append(*indention.text);
  bool is_first = true;
  for (const Line& line : lines_of(in, text)) {
    if (!is_first) {
      out.append("\n", 0);
      in.step_bytes(indention.text->size);
      if (with_blank || line.end > line.begin) out.append(*indention.text);
    }
    is_first = false;
    out.append_slice(text, line.begin, line.end);
  }
  return Value::of(out.finish());
}

Value center(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("center", arguments, {"width"});
  return pad(in, str(in, v), bound[0] ? as_index(*bound[0], "the width of center") : 80, " ", 0.5);
}

Value wordcount(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("wordcount", arguments, {});
  const std::string_view bytes = str(in, v).view();
  int64_t words = 0;
  bool is_inside = false;
  for (size_t i = 0, length; i < bytes.size(); i += length) {
    const char32_t c = decode_utf8(bytes, i, &length);
    const bool is_word = c == '_' || is_alpha(c) || is_numeric(c);
    words += is_word && !is_inside;
    is_inside = is_word;
  }
  return Value::of(words);
}

Value truncate(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("truncate", arguments, {"length", "killwords", "end", "leeway"});
  as_text(v, "what is truncated");
  const int64_t most = bound[0] ? as_index(*bound[0], "the length of truncate") : 255;
  const Value end = bound[2] ? *bound[2] : in.text("...");
  const auto end_length = static_cast<int64_t>(count_code_points(as_text(end, "the end of truncate")));
  const int64_t leeway = bound[3] && !bound[3]->is(Kind::kNone) ? as_index(*bound[3], "the leeway of truncate") : 5;
  if (most < end_length) refuse("the length of truncate must be at least that of its end, ", end_length);
  if (leeway < 0) refuse("the leeway of truncate must not be negative");
  if (length(in, v) <= most + leeway) return v;
  const Value cut = slice(in, v, Value::none(), Value::of(most - end_length), Value::none());
  if (is_true(in, bound[1])) return binary(in, ExprKind::kAdd, cut, end);
  const size_t space = cut.text->view().rfind(' ');
  const Text* words = slice_text(in.arena(), *cut.text, 0, space == std::string_view::npos ? cut.text->size : space);
  return binary(in, ExprKind::kAdd, Value::of(words), end);
}

Value format(In& in, const Value& v, const Arguments& arguments) {
  if (!arguments.positional.empty() && !arguments.named.empty())
    refuse("format takes arguments by position or by name, not both");
  const Text& text = str(in, v);
  if (arguments.named.empty()) return format_percent(in, text, in.list(arguments.positional, Kind::kTuple));
  std::vector<std::pair<Value, Value>> named;
  for (const auto& [name, value] : arguments.named) named.emplace_back(in.borrowed_text(name), value);
  return format_percent(in, text, make_dict(in, named));
}

Value safe(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("safe", arguments, {});
  Text* text = in.arena().make<Text>(str(in, v));
  text->is_markup = true;
  return Value::of(static_cast<const Text*>(text));
}

Value escape(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("escape", arguments, {});
  return escape_html(in, v);
}

constexpr NativeFilter kFilters[] = {
    {"e", escape},      {"upper", upper},   {"lower", lower},          {"capitalize", capitalize},
    {"title", title},   {"trim", trim},     {"string", string_filter}, {"replace", replace_filter},
    {"indent", indent}, {"center", center}, {"wordcount", wordcount},  {"truncate", truncate},
    {"format", format}, {"safe", safe},     {"escape", escape},
};

}  // namespace

const NativeFilter* find_text_filter(std::string_view name) {
  for (const NativeFilter& f : kFilters)
    if (f.name == name) return &f;
  return nullptr;
}

Value escape_html(Interpreter& in, const Value& v) {
  const Text& text = str(in, v);
  if (text.is_markup) return Value::of(&text);
  const std::string_view bytes = text.view();
  in.step_bytes(bytes.size());
  TextBuilder out(in.arena());
  size_t plain = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    static constexpr std::string_view kSpecial = "&<>'\"";
    static constexpr std::string_view kEscaped[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
    const size_t which = kSpecial.find(bytes[i]);
    if (which == std::string_view::npos) continue;
    out.append_slice(text, plain, i);
    out.append(kEscaped[which], marks_at(text, i));
    plain = i + 1;
  }
  out.append_slice(text, plain, bytes.size());
  Text* escaped = in.arena().make<Text>(*out.finish());
  escaped->is_markup = true;
  return Value::of(static_cast<const Text*>(escaped));
}

}  // namespace ponder::text::jinja
