// Jinja's filters. Those that are lazy there are lazy here: they work when they are read, and once.
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
Value lower_case(In& in, const Value& v) {
  return v.is(Kind::kString) ? Value::of(change_case(in, *v.text, Case::kLower)) : v;
}

// What attribute="a.b.0" names in a value.
class Getter {
 public:
  Getter(In& in, const Value* attribute, bool folds_case, Value otherwise = Value::none())
      : folds_case_(folds_case), otherwise_(otherwise) {
    if (!attribute || attribute->is(Kind::kNone)) return;
    std::vector<Value> parts;
    if (attribute->is(Kind::kString)) {
      split(in, attribute->text->view(), parts);
    } else {
      parts.push_back(*attribute);
    }
    parts_ = in.list(parts).list;
  }
  Value operator()(In& in, Value v) const {
    for (uint32_t i = 0; parts_ && i < parts_->size; ++i) {
      v = get_item(in, v, parts_->items[i]);
      if (v.is(Kind::kUndefined) && !otherwise_.is(Kind::kNone)) v = otherwise_;
    }
    return folds_case_ ? lower_case(in, v) : v;
  }

 private:
  static void split(In& in, std::string_view rest, std::vector<Value>& parts) {
    while (true) {
      const size_t dot = std::min(rest.find('.'), rest.size());
      const std::string_view part = rest.substr(0, dot);
      int64_t n = 0;
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), n);
      const bool is_number = error == std::errc() && end == part.data() + part.size() && part[0] != '-';
      parts.push_back(is_number ? Value::of(n) : in.borrowed_text(part));
      if (dot == rest.size()) return;
      rest = rest.substr(dot + 1);
    }
  }

  const List* parts_ = nullptr;
  bool folds_case_;
  Value otherwise_;
};

Value call_filter(In& in, std::string_view name, const Value& v, const Arguments& arguments, bool is_test) {
  const NativeFilter* filter = is_test ? find_test(name) : find_filter(name);
  const char* what = is_test ? "test" : "filter";
  if (!filter) refuse("there is no ", what, " named ", name);
  if (!filter->run) refuse("the ", what, " ", name, " is not supported in chat templates");
  return filter->run(in, v, arguments);
}

Arguments without_first(const Arguments& arguments, size_t n) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(), rest.positional.begin() + static_cast<std::ptrdiff_t>(n));
  return rest;
}

// --- map, select, reject, selectattr, rejectattr

class Map : public Iterator {
 public:
  Map(const Value& over, const Arguments& arguments) : over_(over), arguments_(arguments) {}
  bool next(In& in, Value* item) override {
    In::Deeper deeper(in);
    if (!items_) items_ = truth(in, over_) ? in.iterate(over_) : in.iterate({});
    in.step();
    if (!items_->next(in, item)) return false;
    *item = apply(in, *item);
    return true;
  }

 private:
  Value apply(In& in, const Value& v) const {
    if (arguments_.positional.empty() && !arguments_.named.empty()) {
      const Bound bound("map", arguments_, {"attribute", "default"}, 1);
      return Getter(in, bound[0], false, bound[1] ? *bound[1] : Value::none())(in, v);
    }
    if (arguments_.positional.empty()) refuse("map needs the name of a filter or attribute=");
    const std::string_view name = as_text(arguments_.positional[0], "the name of the filter for map");
    return call_filter(in, name, v, without_first(arguments_, 1), false);
  }

  Value over_;
  const Arguments& arguments_;
  Iterator* items_ = nullptr;
};

class Select : public Iterator {
 public:
  Select(const Value& over, const Arguments& arguments, bool keeps, bool by_attribute)
      : over_(over), arguments_(arguments), keeps_(keeps), by_attribute_(by_attribute) {}
  bool next(In& in, Value* item) override {
    In::Deeper deeper(in);
    if (!items_) items_ = truth(in, over_) ? in.iterate(over_) : in.iterate({});
    while (items_->next(in, item)) {
      in.step();
      if (fits(in, *item) == keeps_) return true;
    }
    return false;
  }

 private:
  bool fits(In& in, Value v) const {
    const size_t at = by_attribute_ ? 1 : 0;
    if (by_attribute_) {
      if (arguments_.positional.empty()) refuse("selectattr and rejectattr need the name of an attribute");
      v = Getter(in, &arguments_.positional[0], false)(in, v);
    }
    if (arguments_.positional.size() <= at) return truth(in, v);
    const std::string_view name = as_text(arguments_.positional[at], "the name of a test");
    return truth(in, call_filter(in, name, v, without_first(arguments_, at + 1), true));
  }

  Value over_;
  const Arguments& arguments_;
  bool keeps_, by_attribute_;
  Iterator* items_ = nullptr;
};

Value map(In& in, const Value& v, const Arguments& arguments) {
  return Value::of(static_cast<Iterator*>(in.arena().make<Map>(v, in.keep(arguments))));
}
Value selection(In& in, const Value& v, const Arguments& arguments, bool keeps, bool by_attribute) {
  return Value::of(static_cast<Iterator*>(in.arena().make<Select>(v, in.keep(arguments), keeps, by_attribute)));
}
Value select(In& in, const Value& v, const Arguments& a) { return selection(in, v, a, true, false); }
Value reject(In& in, const Value& v, const Arguments& a) { return selection(in, v, a, false, false); }
Value selectattr(In& in, const Value& v, const Arguments& a) { return selection(in, v, a, true, true); }
Value rejectattr(In& in, const Value& v, const Arguments& a) { return selection(in, v, a, false, true); }

// --- Other lazy ones.

class Items : public Iterator {
 public:
  explicit Items(const Value& of) : of_(of) {}
  bool next(In& in, Value* item) override {
    if (of_.is(Kind::kUndefined)) return false;
    if (!of_.is(Kind::kDict)) refuse("items needs a dict, found ", type_name(of_));
    if (at_ == of_.dict->size) return false;
    const auto& [key, value] = of_.dict->items[at_++];
    *item = in.list({key, value}, Kind::kTuple);
    return true;
  }

 private:
  Value of_;
  uint32_t at_ = 0;
};

class Unique : public Iterator {
 public:
  Unique(const Value& over, Getter getter) : over_(over), getter_(getter) {}
  bool next(In& in, Value* item) override {
    In::Deeper deeper(in);
    if (!items_) items_ = in.iterate(over_);
    while (items_->next(in, item)) {
      const Value key = getter_(in, *item);
      if (!is_hashable(key)) refuse("unique cannot compare values of type ", type_name(key));
      bool is_new = true;
      for (const Link* link = seen_; link && is_new; link = link->next) is_new = !equal(in, link->key, key);
      if (!is_new) continue;
      seen_ = in.arena().make<Link>(key, seen_);
      return true;
    }
    return false;
  }

 private:
  struct Link {
    Value key;
    const Link* next;
  };
  Value over_;
  Getter getter_;
  Iterator* items_ = nullptr;
  const Link* seen_ = nullptr;
};

class Batch : public Iterator {
 public:
  Batch(const Value& over, int64_t size, const Value& fill) : over_(over), size_(size), fill_(fill) {}
  bool next(In& in, Value* item) override {
    In::Deeper deeper(in);
    if (!items_) items_ = in.iterate(over_);
    std::vector<Value> row;
    if (has_next_) row.push_back(next_);
    has_next_ = false;
    for (Value v; items_->next(in, &v);) {
      in.step();
      if (static_cast<int64_t>(row.size()) == size_) {
        next_ = v;
        has_next_ = true;
        break;
      }
      row.push_back(v);
    }
    if (row.empty() && !has_next_) return false;
    while (!has_next_ && !fill_.is(Kind::kNone) && static_cast<int64_t>(row.size()) < size_) row.push_back(fill_);
    in.step(row.size());
    *item = in.list(row);
    return true;
  }

 private:
  Value over_;
  int64_t size_;
  Value fill_, next_;
  Iterator* items_ = nullptr;
  bool has_next_ = false;
};

class Backwards : public Iterator {
 public:
  explicit Backwards(const List* list) : list_(list), left_(list->size) {}
  bool next(In&, Value* item) override {
    if (left_ == 0) return false;
    *item = list_->items[--left_];
    return true;
  }

 private:
  const List* list_;
  uint32_t left_;
};

template <class T>
Value lazy(T* iterator) {
  return Value::of(static_cast<Iterator*>(iterator));
}

Value items(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("items", arguments, {});
  return lazy(in.arena().make<Items>(v));
}

Value unique(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
  return lazy(in.arena().make<Unique>(v, Getter(in, bound[1], !is_true(in, bound[0]))));
}

Value batch(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("batch", arguments, {"linecount", "fill_with"}, 1);
  const int64_t size = as_index(*bound[0], "the size of a batch");
  if (size < 1) refuse("the size of a batch must be at least 1");
  return lazy(in.arena().make<Batch>(v, size, bound[1] ? *bound[1] : Value::none()));
}

Value reverse(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("reverse", arguments, {});
  if (v.is(Kind::kString)) return slice(in, v, Value::none(), Value::none(), Value::of(int64_t{-1}));
  std::vector<Value> all = to_vector(in, v);
  if (v.is(Kind::kIterator)) {
    std::reverse(all.begin(), all.end());
    return in.list(all);
  }
  return lazy(in.arena().make<Backwards>(in.list(all).list));
}

// --- One of a sequence, or something made of all.

Value first(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("first", arguments, {});
  Value item;
  return in.iterate(v)->next(in, &item) ? item : in.missing_because("the sequence is empty, it has no first item");
}

Value last(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("last", arguments, {});
  if (v.is(Kind::kIterator)) refuse("last cannot look behind a ", type_name(v), "; make it a list first");
  if (v.is(Kind::kString) && v.text->size > 0)
    return Value::of(slice_text(in.arena(), *v.text, previous_code_point(v.text->view(), v.text->size), v.text->size));
  const std::vector<Value> all = to_vector(in, v);
  return all.empty() ? in.missing_because("the sequence is empty, it has no last item") : all.back();
}

Value extreme(In& in, const Value& v, const Arguments& arguments, bool wants_less) {
  const Bound bound("min or max", arguments, {"case_sensitive", "attribute"});
  const Getter getter(in, bound[1], !is_true(in, bound[0]));
  Iterator* all = in.iterate(v);
  Value best;
  if (!all->next(in, &best)) return in.missing_because("the sequence is empty, it has no least and no greatest item");
  Value best_key = getter(in, best);
  for (Value item; all->next(in, &item);) {
    const Value key = getter(in, item);
    if (wants_less ? !less(in, key, best_key) : !less(in, best_key, key)) continue;
    best = item;
    best_key = key;
  }
  return best;
}
Value min(In& in, const Value& v, const Arguments& a) { return extreme(in, v, a, true); }
Value max(In& in, const Value& v, const Arguments& a) { return extreme(in, v, a, false); }

Value sum(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("sum", arguments, {"attribute", "start"});
  const Getter getter(in, bound[0], false);
  Value total = bound[1] ? *bound[1] : Value::of(int64_t{0});
  if (total.is(Kind::kString)) refuse("sum cannot add texts; use join");
  Iterator* all = in.iterate(v);
  for (Value item; all->next(in, &item);) total = binary(in, ExprKind::kAdd, total, getter(in, item));
  return total;
}

Value length_filter(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("length", arguments, {});
  return Value::of(length(in, v));
}

Value list_filter(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("list", arguments, {});
  return in.list(to_vector(in, v));
}

struct Keyed {
  std::vector<Value> keys;
  Value item;
};

bool keys_less(In& in, const std::vector<Value>& a, const std::vector<Value>& b) {
  for (size_t i = 0; i < a.size(); ++i)
    if (!equal(in, a[i], b[i])) return less(in, a[i], b[i]);
  return false;
}

Value sorted(In& in, std::vector<Keyed> rows, bool is_reversed) {
  // Equal items keep their order, backwards too.
  if (is_reversed) std::reverse(rows.begin(), rows.end());
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const Keyed& a, const Keyed& b) { return keys_less(in, a.keys, b.keys); });
  if (is_reversed) std::reverse(rows.begin(), rows.end());
  std::vector<Value> out;
  for (const Keyed& row : rows) out.push_back(row.item);
  return in.list(out);
}

Value sort(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const bool folds_case = !is_true(in, bound[1]);
  std::vector<Getter> getters;
  if (bound[2] && bound[2]->is(Kind::kString)) {
    std::string_view rest = bound[2]->text->view();  // "a,b": by a, then by b
    for (bool is_more = true; is_more;) {
      const size_t comma = std::min(rest.find(','), rest.size());
      const Value part = in.borrowed_text(rest.substr(0, comma));
      getters.emplace_back(in, &part, folds_case);
      is_more = comma < rest.size();
      if (is_more) rest = rest.substr(comma + 1);
    }
  } else {
    getters.emplace_back(in, bound[2], folds_case);
  }
  std::vector<Keyed> rows;
  for (const Value& item : to_vector(in, v)) {
    in.arena().spend(sizeof(Keyed) + getters.size() * sizeof(Value));
    rows.push_back({{}, item});
    for (const Getter& getter : getters) rows.back().keys.push_back(getter(in, item));
  }
  return sorted(in, std::move(rows), is_true(in, bound[0]));
}

Value dictsort(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (!v.is(Kind::kDict)) refuse("dictsort needs a dict, found ", type_name(v));
  const std::string_view by = bound[1] ? as_text(*bound[1], "by") : "key";
  if (by != "key" && by != "value") refuse("dictsort sorts by \"key\" or \"value\"");
  const bool folds_case = !is_true(in, bound[0]);
  std::vector<Keyed> rows;
  for (uint32_t i = 0; i < v.dict->size; ++i) {
    const auto& [key, value] = v.dict->items[i];
    const Value& wanted = by == "key" ? key : value;
    in.arena().spend(sizeof(Keyed) + sizeof(Value));
    rows.push_back({{folds_case ? lower_case(in, wanted) : wanted}, in.list({key, value}, Kind::kTuple)});
  }
  return sorted(in, std::move(rows), is_true(in, bound[2]));
}

Value join(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("join", arguments, {"d", "attribute"});
  const Text* separator = bound[0] ? &str(in, *bound[0]) : in.text("").text;
  const Getter getter(in, bound[1], false);
  TextBuilder out(in.arena());
  Iterator* all = in.iterate(v);
  bool is_first = true;
  for (Value item; all->next(in, &item);) {
    in.step_bytes(separator->size);
    if (!is_first) out.append(*separator);
    is_first = false;
    append_str(in, out, getter(in, item));
  }
  return Value::of(out.finish());
}

// --- Texts.

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
  Text text = str(in, v);
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
    {"abs", abs_filter},
    {"attr", attr},
    {"batch", batch},
    {"capitalize", capitalize},
    {"center", center},
    {"count", length_filter},
    {"d", default_filter},
    {"default", default_filter},
    {"dictsort", dictsort},
    {"e", escape},
    {"escape", escape},
    {"filesizeformat", nullptr},
    {"first", first},
    {"float", float_filter},
    {"forceescape", nullptr},
    {"format", format},
    {"groupby", nullptr},
    {"indent", indent},
    {"int", int_filter},
    {"items", items},
    {"join", join},
    {"last", last},
    {"length", length_filter},
    {"list", list_filter},
    {"lower", lower},
    {"map", map},
    {"max", max},
    {"min", min},
    {"pprint", nullptr},
    {"random", nullptr},
    {"reject", reject},
    {"rejectattr", rejectattr},
    {"replace", replace_filter},
    {"reverse", reverse},
    {"round", round_filter},
    {"safe", safe},
    {"select", select},
    {"selectattr", selectattr},
    {"slice", nullptr},
    {"sort", sort},
    {"string", string_filter},
    {"striptags", nullptr},
    {"sum", sum},
    {"title", title},
    {"tojson", tojson},
    {"trim", trim},
    {"truncate", truncate},
    {"unique", unique},
    {"upper", upper},
    {"urlencode", nullptr},
    {"urlize", nullptr},
    {"wordcount", wordcount},
    {"wordwrap", nullptr},
    {"xmlattr", nullptr},
};

}  // namespace

const NativeFilter* find_filter(std::string_view name) {
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
