#include "ponder/text/jinja_objects.h"

#include <algorithm>
#include <optional>

#include "ponder/text/jinja_python.h"

namespace ponder::text::jinja {
namespace {

// --- loop

bool read_ahead(Interpreter& in, Loop& loop) {
  if (!loop.has_after && !loop.is_ended) {
    loop.has_after = loop.items->next(in, &loop.after);
    loop.is_ended = !loop.has_after;
  }
  return loop.has_after;
}

Value cycle(Interpreter&, const Value& self, const Arguments& arguments) {
  if (!arguments.named.empty()) refuse("loop.cycle() takes no named arguments");
  if (arguments.positional.empty()) refuse("loop.cycle() needs something to cycle through");
  return arguments.positional[static_cast<size_t>(self.loop->index0) % arguments.positional.size()];
}

Value changed(Interpreter& in, const Value& self, const Arguments& arguments) {
  if (!arguments.named.empty()) refuse("loop.changed() takes no named arguments");
  Loop& loop = *self.loop;
  const Value now = in.list(arguments.positional, Kind::kTuple);
  if (loop.has_changed && equal(in, loop.last_changed, now)) return Value::of(false);
  loop.last_changed = now;
  loop.has_changed = true;
  return Value::of(true);
}

// --- Globals.

Value range(Interpreter& in, const Value&, const Arguments& arguments) {
  const Bound bound("range", arguments, {"", "", ""}, 1);
  int64_t n[3] = {0, 0, 1};
  for (size_t i = 0; i < 3; ++i)
    if (bound[i]) n[i] = as_index(*bound[i], "the argument of range()");
  if (!bound[1]) std::swap(n[0], n[1]);
  if (n[2] == 0) refuse("the step of range() must not be 0");
  constexpr int64_t kFar = int64_t{1} << 60;  // so that nothing below overflows
  for (const int64_t x : n)
    if (x > kFar || x < -kFar) refuse("range() takes numbers up to ", kFar);
  Value v = Value::of(Kind::kRange);
  v.range = in.arena().make<Range>(n[0], n[1], n[2]);
  if (v.range->size() > kMaxRange) refuse("a range of more than ", kMaxRange, " numbers");
  return v;
}

Value dict(Interpreter& in, const Value&, const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> items;
  if (arguments.positional.size() > 1) refuse("dict() takes at most 1 argument without a name");
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (from.is(Kind::kDict)) {
      items.assign(from.dict->items, from.dict->items + from.dict->size);
      in.arena().spend(items.size() * sizeof items[0]);
    } else {
      for (const Value& pair : to_vector(in, from)) {
        const std::vector<Value> parts = to_vector(in, pair);
        if (parts.size() != 2) refuse("dict() needs pairs of key and value, found ", parts.size(), " values");
        put_item(in, items, parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) put_item(in, items, in.text(name), value);
  return make_dict(in, items);
}

Value new_namespace(Interpreter& in, const Value& self, const Arguments& arguments) {
  const Value initial = dict(in, self, arguments);
  Value v = Value::of(Kind::kNamespace);
  v.names = in.arena().make<Namespace>();
  for (uint32_t i = 0; i < initial.dict->size; ++i)
    set_member(in, *v.names, initial.dict->items[i].first, initial.dict->items[i].second);
  return v;
}

Value raise_exception(Interpreter& in, const Value&, const Arguments& arguments) {
  const Bound bound("raise_exception", arguments, {"message"}, 1);
  refuse("the template refuses this conversation: ", str(in, *bound[0]).view());
}

Value strftime_now(Interpreter& in, const Value&, const Arguments& arguments) {
  const Bound bound("strftime_now", arguments, {"format"}, 1);
  const std::string format(as_text(*bound[0], "the format of strftime_now()"));
  constexpr size_t kMostBytes = 1000;
  if (format.size() > kMostBytes || format.find('\0') != std::string::npos)
    refuse("strftime_now() takes formats of up to ", kMostBytes, " bytes without NUL");
  // The mark in front tells an empty result from one that did not fit.
  std::string text(16 * kMostBytes, '\0');
  const size_t size = std::strftime(text.data(), text.size(), ("." + format).c_str(), &in.now());
  if (size == 0) refuse("strftime_now() gave more than ", text.size(), " bytes");
  return in.text(std::string_view(text).substr(1, size - 1));
}

}  // namespace

bool is_not_given(const Value& v) { return v.is(Kind::kUndefined) && !v.missing; }

void refuse_undefined(const Value& v) {
  if (is_not_given(v)) refuse("an undefined value is used");
  const Missing& m = *v.missing;
  if (!m.message.empty()) throw Refusal{std::string(m.message)};
  if (m.owner_type.empty()) refuse(m.name, " is undefined");
  refuse("a ", m.owner_type, " has no ", m.name);
}

bool advance_loop(Interpreter& in, Loop& loop, Value* item) {
  if (!read_ahead(in, loop)) return false;
  *item = loop.after;
  loop.has_after = false;
  ++loop.index0;
  loop.before = loop.current;
  loop.current = *item;
  return true;
}

int64_t loop_length(Interpreter& in, Loop& loop) {
  if (loop.known_length >= 0) return loop.known_length;
  std::vector<Value> rest;
  for (Value item; !loop.is_ended && loop.items->next(in, &item);) {
    in.step();
    in.arena().spend(sizeof item);
    rest.push_back(item);
  }
  loop.items = in.arena().make<ListItems>(in.list(rest).list);
  loop.is_ended = false;
  loop.known_length = static_cast<int64_t>(rest.size()) + loop.index0 + 1 + loop.has_after;
  return loop.known_length;
}

Value loop_attr(Interpreter& in, Loop& loop, std::string_view name) {
  if (name == "index") return Value::of(loop.index0 + 1);
  if (name == "index0") return Value::of(loop.index0);
  if (name == "first") return Value::of(loop.index0 == 0);
  if (name == "last") return Value::of(!read_ahead(in, loop));
  if (name == "length") return Value::of(loop_length(in, loop));
  if (name == "revindex") return Value::of(loop_length(in, loop) - loop.index0);
  if (name == "revindex0") return Value::of(loop_length(in, loop) - loop.index0 - 1);
  if (name == "depth") return Value::of(loop.depth0 + 1);
  if (name == "depth0") return Value::of(loop.depth0);
  if (name == "previtem") return loop.index0 == 0 ? in.missing_because("there is no previous item") : loop.before;
  if (name == "nextitem") return read_ahead(in, loop) ? loop.after : in.missing_because("there is no next item");
  if (name != "cycle" && name != "changed") return {};
  Value self = Value::of(Kind::kLoop);
  self.loop = &loop;
  return in.function(name == "cycle" ? "loop.cycle" : "loop.changed", name == "cycle" ? cycle : changed, self);
}

const Value* find_member(const Namespace& names, std::string_view name) {
  for (uint32_t i = 0; i < names.size; ++i)
    if (names.items[i].first.is(Kind::kString) && names.items[i].first.text->view() == name)
      return &names.items[i].second;
  return nullptr;
}

void set_member(Interpreter& in, Namespace& names, const Value& name, const Value& v) {
  if (name.is(Kind::kString) && name.text->view().starts_with("_"))
    refuse("the attributes of a namespace must not start with _, found ", name.text->view());
  for (uint32_t i = 0; i < names.size; ++i) {
    if (!equal(in, names.items[i].first, name)) continue;
    names.items[i].second = v;
    return;
  }
  if (names.size == names.capacity) {
    const uint32_t capacity = std::max<uint32_t>(4, names.capacity * 2);
    auto* items = in.arena().array<std::pair<Value, Value>>(capacity);
    std::copy(names.items, names.items + names.size, items);
    names.items = items;
    names.capacity = capacity;
  }
  names.items[names.size++] = {name, v};
}

void bind_macro(Interpreter& in, const MacroBody& macro, const Arguments& arguments, Value* slots) {
  const size_t n = macro.parameters.size();
  const std::string_view name = macro.name.empty() ? std::string_view("caller") : std::string_view(macro.name);
  std::vector<bool> used(arguments.named.size());
  const auto take = [&](std::string_view wanted) -> const Value* {
    for (size_t i = 0; i < arguments.named.size(); ++i) {
      if (used[i] || arguments.named[i].first != wanted) continue;
      used[i] = true;
      return &arguments.named[i].second;
    }
    return nullptr;
  };
  const size_t by_position = std::min(n, arguments.positional.size());
  bool found_caller = by_position == n && macro.has_caller_parameter;
  for (size_t i = 0; i < n; ++i) {
    const Expr& parameter = *macro.parameters[i];
    const Value* v = i < by_position ? &arguments.positional[i] : take(parameter.name);
    if (i >= by_position && parameter.name == "caller") found_caller = true;
    slots[parameter.place.slot] = v ? *v : Value();
  }
  if (macro.caller_slot >= 0 && !found_caller) {
    const Value* caller = take("caller");
    slots[macro.caller_slot] = caller ? *caller : in.missing_because("no caller is defined");
  }
  std::vector<std::pair<Value, Value>> rest;
  for (size_t i = 0; i < arguments.named.size(); ++i) {
    if (used[i]) continue;
    if (macro.kwargs_slot < 0) refuse("the macro ", name, " takes no argument named ", arguments.named[i].first);
    rest.emplace_back(in.text(arguments.named[i].first), arguments.named[i].second);
  }
  if (macro.kwargs_slot >= 0) slots[macro.kwargs_slot] = make_dict(in, rest);
  if (macro.varargs_slot >= 0) {
    slots[macro.varargs_slot] =
        in.list({arguments.positional.begin() + static_cast<std::ptrdiff_t>(by_position), arguments.positional.end()},
                Kind::kTuple);
  } else if (arguments.positional.size() > n) {
    refuse("the macro ", name, " takes at most ", n, " arguments, ", arguments.positional.size(), " are given");
  }
}

Value find_global(Interpreter& in, std::string_view name) {
  static constexpr std::pair<std::string_view, Native> kGlobals[] = {{"range", range},
                                                                     {"dict", dict},
                                                                     {"namespace", new_namespace},
                                                                     {"raise_exception", raise_exception},
                                                                     {"strftime_now", strftime_now},
                                                                     {"lipsum", nullptr},
                                                                     {"cycler", nullptr},
                                                                     {"joiner", nullptr}};
  for (const auto& [known, run] : kGlobals)
    if (known == name) return in.function(known, run);
  return {};
}

void put_item(Interpreter& in, std::vector<std::pair<Value, Value>>& items, const Value& key, const Value& v) {
  if (!is_hashable(key)) refuse("a ", type_name(key), " cannot be the key of a dict");
  for (auto& [known, value] : items)
    if (equal(in, known, key)) {
      value = v;
      return;
    }
  in.arena().spend(sizeof items[0]);
  items.emplace_back(key, v);
}

Value make_dict(Interpreter& in, const std::vector<std::pair<Value, Value>>& items) {
  auto* kept = in.arena().array<std::pair<Value, Value>>(items.size());
  std::copy(items.begin(), items.end(), kept);
  return Value::of(static_cast<const Dict*>(in.arena().make<Dict>(kept, static_cast<uint32_t>(items.size()))));
}

}  // namespace ponder::text::jinja
