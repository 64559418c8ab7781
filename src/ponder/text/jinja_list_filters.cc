// Jinja's filters of lists and dicts. Those that are lazy there are lazy here: they work when they are read, and once.
#include <algorithm>
#include <charconv>

#include "ponder/text/jinja_filters.h"
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

constexpr NativeFilter kFilters[] = {
    {"count", length_filter},
    {"map", map},
    {"select", select},
    {"reject", reject},
    {"selectattr", selectattr},
    {"rejectattr", rejectattr},
    {"items", items},
    {"unique", unique},
    {"batch", batch},
    {"reverse", reverse},
    {"first", first},
    {"last", last},
    {"min", min},
    {"max", max},
    {"sum", sum},
    {"length", length_filter},
    {"list", list_filter},
    {"sort", sort},
    {"dictsort", dictsort},
    {"join", join},
};

}  // namespace

const NativeFilter* find_list_filter(std::string_view name) {
  for (const NativeFilter& f : kFilters)
    if (f.name == name) return &f;
  return nullptr;
}

}  // namespace ponder::text::jinja
