// The things that Jinja itself brings: loop, namespace, macros' arguments, undefined values, globals; and dicts.
#pragma once
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/text/jinja_interpreter.h"

namespace ponder::text::jinja {

bool is_not_given(const Value& v);  // a variable or argument that nothing was assigned to
[[noreturn]] void refuse_undefined(const Value& v);

bool advance_loop(Interpreter& in, Loop& loop, Value* item);  // false at the end
int64_t loop_length(Interpreter& in, Loop& loop);
Value loop_attr(Interpreter& in, Loop& loop, std::string_view name);  // not given: it has none of that name

const Value* find_member(const Namespace& names, std::string_view name);  // null: not set
void set_member(Interpreter& in, Namespace& names, const Value& name, const Value& v);

// Puts the arguments of a call into a macro's slots; parameters without one stay "not given".
void bind_macro(Interpreter& in, const MacroBody& macro, const Arguments& arguments, Value* slots);

// What the name means when the rendering gives it no value: range, namespace, raise_exception, …
Value find_global(Interpreter& in, std::string_view name);

void put_item(Interpreter& in, std::vector<std::pair<Value, Value>>& items, const Value& key, const Value& v);
Value make_dict(Interpreter& in, const std::vector<std::pair<Value, Value>>& items);

std::string unicode_escape(char32_t c);  // \xe9, \u2028, \U0001f600

// The items of a list, one by one.
class ListItems : public Iterator {
 public:
  explicit ListItems(const List* list) : list_(list) {}
  bool next(Interpreter&, Value* item) override {
    if (at_ == list_->size) return false;
    *item = list_->items[at_++];
    return true;
  }

 private:
  const List* list_;
  uint32_t at_ = 0;
};

}  // namespace ponder::text::jinja
