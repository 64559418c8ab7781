// Attributes, items, slices and iteration.
#include <algorithm>

#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_unicode.h"

namespace ponder::text::jinja {
namespace {

// Numbers have attributes in Python that no template uses.
bool is_number_attribute(std::string_view name) {
  for (const std::string_view known :
       {"real", "imag", "numerator", "denominator", "conjugate", "bit_length", "bit_count", "to_bytes", "from_bytes",
        "as_integer_ratio", "is_integer", "hex", "fromhex"})
    if (name == known) return true;
  return false;
}

// What getattr(v, name) finds; not given: nothing.
Value own_attr(Interpreter& in, const Value& v, std::string_view name) {
  if (name.starts_with("__") && !(v.is(Kind::kDict) || v.is(Kind::kNamespace)))
    return in.missing_because(base::cat("the attribute ", name, " is hidden from templates"));
  switch (v.kind) {
    case Kind::kNamespace: {
      const Value* member = find_member(*v.names, name);
      return member ? *member : Value();
    }
    case Kind::kLoop:
      return loop_attr(in, *v.loop, name);
    case Kind::kMacro:
      if (name == "name") return in.text(v.macro->body->name);
      return {};
    case Kind::kBool:
    case Kind::kInt:
    case Kind::kFloat:
      if (is_number_attribute(name)) refuse("the attribute ", name, " of numbers is not supported in chat templates");
      return {};
    default:
      break;
  }
  const std::optional<Method> method = find_method(v, name);
  if (!method) return {};
  if (method->changes)
    return in.missing_because(
        base::cat("the method ", name, " changes a ", type_name(v), ", which templates may not do"));
  return in.function(in.arena().copy(name), method->run, v);
}

Value char_at(Interpreter& in, const Text& text, size_t index) {
  const size_t begin = byte_of_code_point(text.view(), index);
  size_t length;
  decode_utf8(text.view(), begin, &length);
  return Value::of(slice_text(in.arena(), text, begin, begin + length));
}

// An index of Python's into a sequence of n: negative ones count from the end. -1: outside.
int64_t place_of(int64_t index, int64_t n) {
  if (index < 0) index += n;
  return index < 0 || index >= n ? -1 : index;
}

class DictItems : public Iterator {
 public:
  DictItems(const Dict* dict, View::Part part) : dict_(dict), part_(part) {}
  bool next(Interpreter& in, Value* item) override {
    if (at_ == dict_->size) return false;
    const auto& [key, value] = dict_->items[at_++];
    *item = part_ == View::Part::kKeys     ? key
            : part_ == View::Part::kValues ? value
                                           : in.list({key, value}, Kind::kTuple);
    return true;
  }

 private:
  const Dict* dict_;
  View::Part part_;
  uint32_t at_ = 0;
};

class Chars : public Iterator {
 public:
  explicit Chars(const Text* text) : text_(text) {}
  bool next(Interpreter& in, Value* item) override {
    if (at_ == text_->size) return false;
    size_t length;
    decode_utf8(text_->view(), at_, &length);
    *item = Value::of(slice_text(in.arena(), *text_, at_, at_ + length));
    at_ += length;
    return true;
  }

 private:
  const Text* text_;
  size_t at_ = 0;
};

class Numbers : public Iterator {
 public:
  explicit Numbers(const Range* range) : range_(range) {}
  bool next(Interpreter&, Value* item) override {
    if (at_ == range_->size()) return false;
    *item = Value::of(range_->at(at_++));
    return true;
  }

 private:
  const Range* range_;
  int64_t at_ = 0;
};

class Nothing : public Iterator {
 public:
  bool next(Interpreter&, Value*) override { return false; }
};

// The parts of [begin:end:step] for a sequence of n, as Python clamps them.
struct Cut {
  int64_t begin, step, count;
};

Cut cut_of(const Value& begin, const Value& end, const Value& step, int64_t n) {
  const auto part = [](const Value& v, int64_t otherwise) {
    return v.is(Kind::kNone) ? otherwise : as_index(v, "a part of a slice");
  };
  const int64_t by = part(step, 1);
  if (by == 0) refuse("the step of a slice must not be 0");
  const int64_t low = by < 0 ? -1 : 0, high = by < 0 ? n - 1 : n;
  const auto clamped = [&](const Value& v, int64_t otherwise) {
    if (v.is(Kind::kNone)) return otherwise;
    int64_t i = part(v, 0);
    if (i < 0) i = i < -n ? low : i + n;
    return std::clamp(i, low, high);
  };
  const int64_t from = clamped(begin, by < 0 ? high : low), to = clamped(end, by < 0 ? low : high);
  const int64_t stride = by < 0 ? -std::max(by, -n - 1) : std::min(by, n + 1);
  const int64_t distance = by < 0 ? from - to : to - from;
  return {from, by < 0 ? -stride : stride, distance <= 0 ? 0 : (distance - 1) / stride + 1};
}

Value slice_text_by(Interpreter& in, const Text& text, const Cut& cut) {
  const std::string_view bytes = text.view();
  in.step_bytes(text.size);
  if (cut.step == 1 || cut.count <= 1) {
    const size_t begin = byte_of_code_point(bytes, static_cast<size_t>(std::max<int64_t>(0, cut.begin)));
    const size_t end = begin + byte_of_code_point(bytes.substr(begin), static_cast<size_t>(cut.count));
    return Value::of(slice_text(in.arena(), text, cut.count == 0 ? 0 : begin, cut.count == 0 ? 0 : end));
  }
  std::vector<uint32_t> starts;
  in.arena().spend(text.size * sizeof(uint32_t));
  for (size_t i = 0, length; i < bytes.size(); i += length) {
    starts.push_back(static_cast<uint32_t>(i));
    decode_utf8(bytes, i, &length);
  }
  starts.push_back(text.size);
  TextBuilder out(in.arena());
  for (int64_t i = 0; i < cut.count; ++i) {
    const auto at = static_cast<size_t>(cut.begin + i * cut.step);
    out.append_slice(text, starts[at], starts[at + 1]);
  }
  return Value::of(out.finish());
}

}  // namespace

Iterator* Interpreter::iterate(const Value& v) {
  switch (v.kind) {
    case Kind::kUndefined:
      return arena_.make<Nothing>();
    case Kind::kString:
      return arena_.make<Chars>(v.text);
    case Kind::kList:
    case Kind::kTuple:
      return arena_.make<ListItems>(v.list);
    case Kind::kDict:
      return arena_.make<DictItems>(v.dict, View::Part::kKeys);
    case Kind::kView:
      return arena_.make<DictItems>(v.view->dict, v.view->part);
    case Kind::kRange:
      return arena_.make<Numbers>(v.range);
    case Kind::kIterator:
      return v.iterator;
    default:
      refuse("a value of type ", type_name(v), " cannot be iterated over");
  }
}

const Value* find_key(Interpreter& in, const Dict& dict, const Value& key) {
  if (!key.is(Kind::kString)) {
    for (uint32_t i = 0; i < dict.size; ++i)
      if (equal(in, dict.items[i].first, key)) return &dict.items[i].second;
    return nullptr;
  }
  in.step(1 + dict.size / 8);
  for (uint32_t i = 0; i < dict.size; ++i)
    if (dict.items[i].first.is(Kind::kString) && dict.items[i].first.text->view() == key.text->view())
      return &dict.items[i].second;
  return nullptr;
}

Value get_attr(Interpreter& in, const Value& v, std::string_view name) {
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  const Value own = own_attr(in, v, name);
  if (!is_not_given(own)) return own;
  if (v.is(Kind::kDict))
    for (uint32_t i = 0; i < v.dict->size; ++i)
      if (v.dict->items[i].first.is(Kind::kString) && v.dict->items[i].first.text->view() == name)
        return v.dict->items[i].second;
  return in.missing(name, type_name(v));
}

Value get_item(Interpreter& in, const Value& v, const Value& key) {
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (v.is(Kind::kDict) && is_hashable(key))
    if (const Value* found = find_key(in, *v.dict, key)) return *found;
  if (key.is_whole()) {
    if (v.is_sequence()) {
      const int64_t i = place_of(key.whole(), v.list->size);
      if (i >= 0) return v.list->items[i];
    } else if (v.is(Kind::kString)) {
      const int64_t i = place_of(key.whole(), length(in, v));
      if (i >= 0) return char_at(in, *v.text, static_cast<size_t>(i));
    } else if (v.is(Kind::kRange)) {
      const int64_t i = place_of(key.whole(), v.range->size());
      if (i >= 0) return Value::of(v.range->at(i));
    }
  }
  if (!key.is(Kind::kString)) return in.missing("such element", type_name(v));
  const Value own = own_attr(in, v, key.text->view());
  return is_not_given(own) ? in.missing(key.text->view(), type_name(v)) : own;
}

Value slice(Interpreter& in, const Value& v, const Value& begin, const Value& end, const Value& step) {
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (!v.is_sequence() && !v.is(Kind::kString) && !v.is(Kind::kRange))
    refuse("a value of type ", type_name(v), " cannot be sliced");
  const Cut cut = cut_of(begin, end, step, length(in, v));
  if (v.is(Kind::kString)) return slice_text_by(in, *v.text, cut);
  if (v.is(Kind::kRange)) {
    const int64_t from = v.range->at(cut.begin);
    Value out = Value::of(Kind::kRange);
    out.range = in.arena().make<Range>(from, from + cut.count * cut.step * v.range->step, cut.step * v.range->step);
    return out;
  }
  in.step(static_cast<size_t>(cut.count));
  Value* items = in.arena().array<Value>(static_cast<size_t>(cut.count));
  for (int64_t i = 0; i < cut.count; ++i) items[i] = v.list->items[cut.begin + i * cut.step];
  return Value::of(static_cast<const List*>(in.arena().make<List>(items, static_cast<uint32_t>(cut.count))), v.kind);
}

}  // namespace ponder::text::jinja
