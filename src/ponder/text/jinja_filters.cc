// Jinja's filters of numbers, those for every value, and the list of all.
#include "ponder/text/jinja_filters.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_strings.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

using In = Interpreter;

bool is_true(In& in, const Value* v) { return v && truth(in, *v); }

// --- Numbers.

// int(text, base) of Python: spaces around, a sign, a prefix where the base allows one, single underscores.
std::optional<int64_t> whole_of(std::string_view text, int64_t base) {
  size_t begin = 0, end = text.size();
  strip_spaces(text, true, true, &begin, &end);
  text = text.substr(begin, end - begin);
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  const auto prefix = [&](char c) { return text.size() > 1 && text[0] == '0' && (text[1] | 32) == c; };
  for (const auto& [c, b] : {std::pair{'x', 16}, std::pair{'o', 8}, std::pair{'b', 2}})
    if (base == b && prefix(c)) {
      text.remove_prefix(2);
      if (text.starts_with('_')) text.remove_prefix(1);
      break;
    }
  std::string digits = is_negative ? "-" : "";
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '_' && i > 0 && i + 1 < text.size() && text[i - 1] != '_') continue;
    digits += text[i];
  }
  if (digits.empty() || digits == "-" || (is_negative && digits[1] == '-')) return std::nullopt;
  int64_t v = 0;
  const auto [last, error] = std::from_chars(digits.data(), digits.data() + digits.size(), v, static_cast<int>(base));
  if (error == std::errc::result_out_of_range) refuse("the whole number ", shown(text), " does not fit into 64 bits");
  return error == std::errc() && last == digits.data() + digits.size() ? std::optional(v) : std::nullopt;
}

std::optional<double> real_of(std::string_view text) {
  size_t begin = 0, end = text.size();
  strip_spaces(text, true, true, &begin, &end);
  text = text.substr(begin, end - begin);
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto is_digit = [&](size_t k) { return k < text.size() && text[k] >= '0' && text[k] <= '9'; };
    if (text[i] == '_' && i > 0 && is_digit(i - 1) && is_digit(i + 1)) continue;
    digits += text[i];
  }
  // strtod knows hexadecimal and NaN with a payload, Python does not.
  if (digits.empty() || digits.find_first_of("xXpP(") != std::string::npos || digits.find('\0') != std::string::npos)
    return std::nullopt;
  char* last = nullptr;
  const double v = std::strtod(digits.c_str(), &last);
  return last == digits.c_str() + digits.size() && !is_space(static_cast<unsigned char>(digits[0])) ? std::optional(v)
                                                                                                    : std::nullopt;
}

Value truncated(double v, const Value& otherwise) {
  if (std::isnan(v)) return otherwise;
  if (!(std::fabs(v) < 9.2e18)) refuse("the float ", float_repr(v), " does not fit into a whole number of 64 bits");
  return Value::of(static_cast<int64_t>(v));
}

Value int_filter(In&, const Value& v, const Arguments& arguments) {
  const Bound bound("int", arguments, {"default", "base"});
  const Value otherwise = bound[0] ? *bound[0] : Value::of(int64_t{0});
  const int64_t base = bound[1] ? as_index(*bound[1], "the base of int") : 10;
  if (base < 2 || base > 36) refuse("int takes bases from 2 to 36");
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (v.is_whole()) return Value::of(v.whole());
  if (v.is(Kind::kFloat)) return truncated(v.number, otherwise);
  if (!v.is(Kind::kString)) return otherwise;
  if (const std::optional<int64_t> n = whole_of(v.text->view(), base)) return Value::of(*n);
  const std::optional<double> real = real_of(v.text->view());
  return real && std::isfinite(*real) ? truncated(*real, otherwise) : otherwise;
}

Value float_filter(In&, const Value& v, const Arguments& arguments) {
  const Bound bound("float", arguments, {"default"});
  const Value otherwise = bound[0] ? *bound[0] : Value::of(0.0);
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (v.is_number()) return Value::of(v.as_double());
  if (!v.is(Kind::kString)) return otherwise;
  const std::optional<double> real = real_of(v.text->view());
  return real ? Value::of(*real) : otherwise;
}

Value abs_filter(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("abs", arguments, {});
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (!v.is_number()) refuse("abs needs a number, found ", type_name(v));
  if (v.is(Kind::kFloat)) return Value::of(std::fabs(v.number));
  return v.whole() < 0 ? unary(in, ExprKind::kNegative, v) : Value::of(v.whole());
}

Value round_filter(In&, const Value& v, const Arguments& arguments) {
  const Bound bound("round", arguments, {"precision", "method"});
  const int64_t precision = bound[0] ? as_index(*bound[0], "the precision of round") : 0;
  const std::string_view method = bound[1] ? as_text(*bound[1], "the method of round") : "common";
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (!v.is_number()) refuse("round needs a number, found ", type_name(v));
  if (precision < 0 || precision > 300) refuse("round takes a precision from 0 to 300");
  if (method == "common") {
    if (v.is_whole()) return Value::of(v.whole());
    if (!std::isfinite(v.number)) return v;
    char buffer[640];  // %f rounds the exact value, halves to even, as Python does
    std::snprintf(buffer, sizeof buffer, "%.*f", static_cast<int>(precision), v.number);
    return Value::of(std::strtod(buffer, nullptr));
  }
  if (method != "ceil" && method != "floor") refuse("the method of round is common, ceil or floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = v.as_double() * scale;
  return Value::of((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

// --- The rest.

Value default_filter(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("default", arguments, {"default_value", "boolean"});
  const bool is_replaced = v.is(Kind::kUndefined) || (is_true(in, bound[1]) && !truth(in, v));
  return !is_replaced ? v : bound[0] ? *bound[0] : in.text("");
}

Value attr(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("attr", arguments, {"name"}, 1);
  const std::string_view name = as_text(*bound[0], "the name of an attribute");
  if (v.is(Kind::kDict) && !find_method(v, name)) return in.missing(name, type_name(v));  // keys are no attributes
  return get_attr(in, v, name);
}

Value tojson(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = is_true(in, bound[0]);
  style.sort_keys = is_true(in, bound[3]);
  if (bound[1] && !bound[1]->is(Kind::kNone)) {
    if (bound[1]->is(Kind::kString)) {
      style.indent = std::string(bound[1]->text->view());
    } else {
      const int64_t spaces = as_index(*bound[1], "the indent of tojson");
      if (spaces > 1000) refuse("the indent of tojson goes up to 1000");
      style.indent = std::string(static_cast<size_t>(std::max<int64_t>(0, spaces)), ' ');
    }
    style.item_separator = ",";
  }
  if (bound[2] && !bound[2]->is(Kind::kNone)) {
    const std::vector<Value> pair = to_vector(in, *bound[2]);
    if (pair.size() != 2) refuse("the separators of tojson are two, found ", pair.size());
    style.item_separator = std::string(as_text(pair[0], "a separator of tojson"));
    style.key_separator = std::string(as_text(pair[1], "a separator of tojson"));
  }
  TextBuilder out(in.arena());
  append_json(in, out, v, style);
  return Value::of(out.finish());
}

constexpr NativeFilter kFilters[] = {
    {"abs", abs_filter},         {"attr", attr},          {"d", default_filter},    {"default", default_filter},
    {"filesizeformat", nullptr}, {"float", float_filter}, {"forceescape", nullptr}, {"groupby", nullptr},
    {"int", int_filter},         {"pprint", nullptr},     {"random", nullptr},      {"round", round_filter},
    {"slice", nullptr},          {"striptags", nullptr},  {"tojson", tojson},       {"urlencode", nullptr},
    {"urlize", nullptr},         {"wordwrap", nullptr},   {"xmlattr", nullptr},
};

}  // namespace

const NativeFilter* find_filter(std::string_view name) {
  for (const NativeFilter& f : kFilters)
    if (f.name == name) return &f;
  const NativeFilter* of_list = find_list_filter(name);
  return of_list ? of_list : find_text_filter(name);
}

}  // namespace ponder::text::jinja
