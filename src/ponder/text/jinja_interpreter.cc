#include "ponder/text/jinja_interpreter.h"

#include <algorithm>

#include "ponder/text/jinja_filters.h"
#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"

namespace ponder::text::jinja {

// Sends text into a builder of its own for as long as it lives.
class Interpreter::Captured {
 public:
  Captured(Interpreter& in, TextBuilder& text) : in_(in), before_(in.out_) { in.out_ = &text; }
  ~Captured() { in_.out_ = before_; }

 private:
  Interpreter& in_;
  TextBuilder* before_;
};

// The items that a loop's condition lets through, each asked for when its turn comes.
class Interpreter::LoopFilter : public Iterator {
 public:
  LoopFilter(const Stmt& s, Iterator* items, Frame* frame) : s_(s), items_(items), frame_(frame) {}
  bool next(Interpreter& in, Value* item) override {
    Deeper deeper(in);
    Frame* before = std::exchange(in.frame_, frame_);
    bool is_found = false;
    while (!is_found && items_->next(in, item)) {
      in.step();
      in.assign(*s_.test_target, *item);
      is_found = truth(in, in.eval(*s_.condition));
      if (is_found && s_.test_target->kind == ExprKind::kTuple) *item = in.eval_items(*s_.test_target, Kind::kTuple);
    }
    in.frame_ = before;
    return is_found;
  }

 private:
  const Stmt& s_;
  Iterator* items_;
  Frame* frame_;
};

void Interpreter::out_of_steps() const { refuse("the template takes too many steps"); }
void Interpreter::too_deep() const { refuse("the template calls itself, or nests values, deeper than is supported"); }

void Interpreter::run(TextBuilder& out) {
  Captured captured(*this, out);
  frame_ = new_frame(tree_.slots, nullptr);
  run_loads(tree_.loads);
  run_body(tree_.body);
}

// --- Frames and names.

Frame* Interpreter::new_frame(uint32_t slots, Frame* parent) {
  Frame* frame = arena_.make<Frame>();
  frame->slots = arena_.array<Value>(slots);
  frame->parent = parent;
  return frame;
}

Value& Interpreter::slot(const Place& place) {
  Frame* frame = frame_;
  for (uint32_t i = 0; i < place.depth; ++i) frame = frame->parent;
  return frame->slots[place.slot];
}

void Interpreter::run_loads(const std::vector<Load>& loads) {
  for (const Load& load : loads) {
    Value& v = frame_->slots[load.slot];
    v = {};
    if (load.from == Load::From::kPlace) v = slot(load.place);
    if (load.from == Load::From::kContext) v = global(load.name);
  }
}

Value Interpreter::global(std::string_view name) {
  for (const auto& [known, value] : variables_)
    if (known == name) return value;
  return find_global(*this, name);
}

void Interpreter::assign(const Expr& target, const Value& v) {
  if (target.kind == ExprKind::kName) {
    slot(target.place) = v;
  } else if (target.kind == ExprKind::kMember) {
    const Value& owner = slot(target.place);
    if (!owner.is(Kind::kNamespace)) refuse(target.name, " is no namespace, so its attributes cannot be set");
    set_member(*this, *owner.names, target.items[0]->constant, v);
  } else {
    const std::vector<Value> parts = to_vector(*this, v);
    if (parts.size() != target.items.size())
      refuse("cannot unpack ", parts.size(), " values into ", target.items.size(), " names");
    for (size_t i = 0; i < parts.size(); ++i) assign(*target.items[i], parts[i]);
  }
}

// --- Statements.

Interpreter::Flow Interpreter::run_body(const Body& body) {
  for (const Stmt* s : body) {
    step();
    at_ = s->offset;
    if (const Flow flow = run_statement(*s); flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_statement(const Stmt& s) {
  Deeper deeper(*this);
  switch (s.kind) {
    case StmtKind::kText:
      out_->append(s.text, 0);
      return Flow::kNext;
    case StmtKind::kOutput:
      for (const Expr* e : s.exprs) print(eval(*e));
      return Flow::kNext;
    case StmtKind::kIf:
      return run_if(s);
    case StmtKind::kFor:
      return run_for(s);
    case StmtKind::kSet:
      assign(*s.target, eval(*s.value));
      return Flow::kNext;
    case StmtKind::kSetBlock:
      return run_set_block(s);
    case StmtKind::kFilterBlock:
      return run_filter_block(s);
    case StmtKind::kWith:
      return run_with(s);
    case StmtKind::kMacro:
      assign(*s.target, make_macro(s.macro));
      return Flow::kNext;
    case StmtKind::kCallBlock:
      run_call_block(s);
      return Flow::kNext;
    case StmtKind::kGeneration:
      run_generation(s);
      return Flow::kNext;
    case StmtKind::kBreak:
      return Flow::kBreak;
    case StmtKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNext;
}

void Interpreter::print(const Value& v) { append_str(*this, *out_, v); }

Interpreter::Flow Interpreter::run_if(const Stmt& s) {
  for (size_t i = 0; i < s.exprs.size(); ++i)
    if (truth(*this, eval(*s.exprs[i]))) return run_body(s.bodies[i]);
  return run_body(s.otherwise);
}

Interpreter::Flow Interpreter::run_for(const Stmt& s) {
  const Value over = eval(*s.value);
  at_ = s.offset;
  if (s.is_recursive) {
    Frame* outer = frame_;
    Loop* loop = arena_.make<Loop>();
    loop->recursive = &s;
    loop->closure = outer;
    loop->depth0 = -1;
    Arguments arguments;
    arguments.positional.push_back(over);
    print(call_loop(*loop, arguments));
    return Flow::kNext;
  }
  Iterator* items = iterate(over);
  int64_t known = known_length(*this, over).value_or(-1);
  if (s.condition) {
    items = arena_.make<LoopFilter>(s, items, new_frame(s.test_slots, frame_));
    known = -1;
  }
  return run_rounds(s, items, known, 0);
}

Interpreter::Flow Interpreter::run_rounds(const Stmt& s, Iterator* items, int64_t known_length, int64_t depth0) {
  Loop* loop = nullptr;
  if (s.is_extended) {
    loop = arena_.make<Loop>();
    loop->items = items;
    loop->known_length = known_length;
    loop->depth0 = depth0;
    loop->recursive = s.is_recursive ? &s : nullptr;
    loop->closure = s.is_recursive ? frame_->parent : nullptr;
  }
  bool is_untouched = true;  // no round came to its end: what Jinja's else asks
  while (true) {
    step();
    Value item;
    if (loop ? !advance_loop(*this, *loop, &item) : !items->next(*this, &item)) break;
    run_loads(s.loads);
    assign(*s.target, item);
    if (loop) {
      Value v = Value::of(Kind::kLoop);
      v.loop = loop;
      frame_->slots[s.loop_slot] = v;
    }
    const Flow flow = run_body(s.bodies[0]);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNext) is_untouched = false;
  }
  if (s.otherwise.empty() || !is_untouched) return Flow::kNext;
  run_loads(s.else_loads);
  return run_body(s.otherwise);
}

// The items of a recursive loop, as text.
Value Interpreter::call_loop(Loop& loop, const Arguments& arguments) {
  if (!loop.recursive) refuse("only a loop marked recursive can be called");
  const Bound bound("loop", arguments, {"iterable"}, 1);
  Deeper deeper(*this);
  const Stmt& s = *loop.recursive;
  Frame* before = frame_;
  frame_ = loop.closure;
  Iterator* items = iterate(*bound[0]);
  int64_t known = known_length(*this, *bound[0]).value_or(-1);
  if (s.condition) {
    items = arena_.make<LoopFilter>(s, items, new_frame(s.test_slots, frame_));
    known = -1;
  }
  frame_ = new_frame(s.slots, loop.closure);
  TextBuilder text(arena_);
  {
    Captured captured(*this, text);
    run_rounds(s, items, known, loop.depth0 + 1);
  }
  frame_ = before;
  return Value::of(text.finish());
}

Interpreter::Flow Interpreter::run_captured(const Stmt& s, TextBuilder& text) {
  run_loads(s.loads);
  Captured captured(*this, text);
  return run_body(s.bodies[0]);
}

Interpreter::Flow Interpreter::run_set_block(const Stmt& s) {
  TextBuilder text(arena_);
  if (const Flow flow = run_captured(s, text); flow != Flow::kNext) return flow;
  Value v = Value::of(text.finish());
  if (s.value) v = eval_filter(*s.value, &v);
  assign(*s.target, v);
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_filter_block(const Stmt& s) {
  TextBuilder text(arena_);
  if (const Flow flow = run_captured(s, text); flow != Flow::kNext) return flow;
  const Value v = Value::of(text.finish());
  print(eval_filter(*s.value, &v));
  return Flow::kNext;
}

Interpreter::Flow Interpreter::run_with(const Stmt& s) {
  run_loads(s.loads);
  for (size_t i = 0; i < s.targets.size(); ++i) assign(*s.targets[i], eval(*s.exprs[i]));
  return run_body(s.bodies[0]);
}

void Interpreter::run_call_block(const Stmt& s) {
  const Value caller = make_macro(s.macro);
  print(eval_call(*s.value, &caller));
}

void Interpreter::run_generation(const Stmt& s) {
  const Value body = make_macro(s.macro);
  const Value text = call_macro(*body.macro, {});
  out_->append(*text.text, kGeneration);
}

// --- Macros.

Value Interpreter::make_macro(const MacroBody& body) {
  Value v = Value::of(Kind::kMacro);
  v.macro = arena_.make<Macro>(&body, frame_);
  return v;
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  switch (callee.kind) {
    case Kind::kMacro:
      return call_macro(*callee.macro, arguments);
    case Kind::kLoop:
      return call_loop(*callee.loop, arguments);
    case Kind::kFunction:
      if (!callee.function->run) refuse(callee.function->name, "() is not supported in chat templates");
      return callee.function->run(*this, callee.function->self, arguments);
    case Kind::kUndefined:
      refuse_undefined(callee);
    default:
      refuse("a value of type ", type_name(callee), " cannot be called");
  }
}

Value Interpreter::call_macro(const Macro& macro, const Arguments& arguments) {
  Deeper deeper(*this);
  const MacroBody& m = *macro.body;
  Frame* before = frame_;
  frame_ = new_frame(m.slots, macro.closure);
  run_loads(m.loads);
  bind_macro(*this, m, arguments, frame_->slots);
  const size_t no_default = m.parameters.size() - m.defaults.size();
  for (size_t i = 0; i < m.parameters.size(); ++i) {
    Value& v = frame_->slots[m.parameters[i]->place.slot];
    if (!is_not_given(v)) continue;
    v = i < no_default ? missing_because(base::cat("the parameter ", m.parameters[i]->name, " was not given"))
                       : eval(*m.defaults[i - no_default]);
  }
  TextBuilder text(arena_);
  {
    Captured captured(*this, text);
    run_body(m.body);
  }
  frame_ = before;
  return Value::of(text.finish());
}

// --- Expressions.

Value Interpreter::eval(const Expr& e) {
  step();
  Deeper deeper(*this);
  switch (e.kind) {
    case ExprKind::kConst:
      return e.constant;
    case ExprKind::kName:
      return eval_name(e);
    case ExprKind::kGetAttr: {
      const Value owner = eval(*e.items[0]);
      at_ = e.offset;
      return get_attr(*this, owner, e.name);
    }
    case ExprKind::kGetItem: {
      const Value owner = eval(*e.items[0]);
      const Value key = eval(*e.items[1]);
      at_ = e.offset;
      return get_item(*this, owner, key);
    }
    case ExprKind::kAnd: {
      const Value left = eval(*e.items[0]);
      return truth(*this, left) ? eval(*e.items[1]) : left;
    }
    case ExprKind::kOr: {
      const Value left = eval(*e.items[0]);
      return truth(*this, left) ? left : eval(*e.items[1]);
    }
    case ExprKind::kNot:
      return Value::of(!truth(*this, eval(*e.items[0])));
    case ExprKind::kCondition:
      if (truth(*this, eval(*e.items[0]))) return eval(*e.items[1]);
      return e.items[2] ? eval(*e.items[2]) : missing_because("an inline if was false and has no else");
    case ExprKind::kCall:
      return eval_call(e, nullptr);
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return eval_filter(e, nullptr);
    case ExprKind::kCompare:
      return eval_compare(e);
    default:
      return eval_other(e);
  }
}

Value Interpreter::eval_other(const Expr& e) {
  switch (e.kind) {
    case ExprKind::kTuple:
      return eval_items(e, Kind::kTuple);
    case ExprKind::kList:
      return eval_items(e, Kind::kList);
    case ExprKind::kDict:
      return eval_dict(e);
    case ExprKind::kSlice:
      return eval_slice(e);
    case ExprKind::kConcat:
      return eval_concat(e);
    case ExprKind::kNegative:
    case ExprKind::kPositive: {
      const Value v = eval(*e.items[0]);
      at_ = e.offset;
      return unary(*this, e.kind, v);
    }
    default:
      return eval_binary(e);
  }
}

Value Interpreter::eval_name(const Expr& e) {
  const Value& v = slot(e.place);
  if (v.is(Kind::kUndefined) && (!v.missing || is_not_given(v))) return missing(e.name);
  return v;
}

Value Interpreter::eval_binary(const Expr& e) {
  const Value a = eval(*e.items[0]);
  const Value b = eval(*e.items[1]);
  at_ = e.offset;
  return binary(*this, e.kind, a, b);
}

Value Interpreter::eval_compare(const Expr& e) {
  Value left = eval(*e.items[0]);
  for (size_t i = 0; i < e.ops.size(); ++i) {
    const Value right = eval(*e.items[i + 1]);
    at_ = e.offset;
    if (!compare(*this, e.ops[i], left, right)) return Value::of(false);
    left = right;
  }
  return Value::of(true);
}

Value Interpreter::eval_concat(const Expr& e) {
  std::vector<Value> parts;
  for (const Expr* item : e.items) parts.push_back(eval(*item));
  at_ = e.offset;
  TextBuilder text(arena_);
  for (const Value& v : parts) append_str(*this, text, v);
  return Value::of(text.finish());
}

Value Interpreter::eval_items(const Expr& e, Kind kind) {
  Value* items = arena_.array<Value>(e.items.size());
  for (size_t i = 0; i < e.items.size(); ++i) items[i] = eval(*e.items[i]);
  return Value::of(static_cast<const List*>(arena_.make<List>(items, static_cast<uint32_t>(e.items.size()))), kind);
}

Value Interpreter::eval_dict(const Expr& e) {
  std::vector<std::pair<Value, Value>> items;
  for (size_t i = 0; i + 1 < e.items.size(); i += 2) {
    const Value key = eval(*e.items[i]);
    const Value value = eval(*e.items[i + 1]);
    at_ = e.items[i]->offset;
    put_item(*this, items, key, value);
  }
  return make_dict(*this, items);
}

Value Interpreter::eval_slice(const Expr& e) {
  const Value v = eval(*e.items[0]);
  Value part[3];
  for (size_t i = 0; i < 3; ++i) part[i] = e.items[i + 1] ? eval(*e.items[i + 1]) : Value::none();
  at_ = e.offset;
  return slice(*this, v, part[0], part[1], part[2]);
}

void Interpreter::fill_arguments(const Expr& e, Arguments& arguments) {
  for (size_t i = 1; i < e.items.size(); ++i) arguments.positional.push_back(eval(*e.items[i]));
  if (e.spread_list)
    for (const Value& v : to_vector(*this, eval(*e.spread_list))) arguments.positional.push_back(v);
  for (const auto& [name, value] : e.named) arguments.named.emplace_back(name, eval(*value));
  if (!e.spread_dict) return;
  const Value more = eval(*e.spread_dict);
  if (!more.is(Kind::kDict)) refuse("** needs a dict, found ", type_name(more));
  for (uint32_t i = 0; i < more.dict->size; ++i) {
    const auto& [key, value] = more.dict->items[i];
    const std::string_view name = as_text(key, "the name of an argument");
    for (const auto& [other, unused] : arguments.named)
      if (other == name) refuse("the argument ", name, " is given twice");
    arguments.named.emplace_back(name, value);
  }
}

Value Interpreter::eval_call(const Expr& e, const Value* caller) {
  const Value callee = eval(*e.items[0]);
  Arguments arguments;
  fill_arguments(e, arguments);
  if (caller) arguments.named.emplace_back("caller", *caller);
  at_ = e.offset;
  return call(callee, arguments);
}

Value Interpreter::eval_filter(const Expr& e, const Value* input) {
  Value v;
  if (input) {
    // A chain on a block: the innermost filter gets the text.
    v = e.items[0] ? eval_filter(*e.items[0], input) : *input;
  } else {
    v = eval(*e.items[0]);
  }
  Arguments arguments;
  fill_arguments(e, arguments);
  at_ = e.offset;
  const char* what = e.kind == ExprKind::kFilter ? "filter" : "test";
  if (!e.filter) refuse("there is no ", what, " named ", e.name);
  if (!e.filter->run) refuse("the ", what, " ", e.name, " is not supported in chat templates");
  return e.filter->run(*this, v, arguments);
}

// --- Making values.

Value Interpreter::text(std::string_view bytes, uint8_t marks) { return borrowed_text(arena_.copy(bytes), marks); }

Value Interpreter::borrowed_text(std::string_view bytes, uint8_t marks) {
  if (bytes.size() > UINT32_MAX) refuse("a text of more than 4 GiB");
  Text* text = arena_.make<Text>();
  text->data = bytes.data();
  text->size = static_cast<uint32_t>(bytes.size());
  text->marks = marks;
  return Value::of(static_cast<const Text*>(text));
}

Value Interpreter::list(const std::vector<Value>& items, Kind kind) {
  Value* kept = arena_.array<Value>(items.size());
  std::copy(items.begin(), items.end(), kept);
  return Value::of(static_cast<const List*>(arena_.make<List>(kept, static_cast<uint32_t>(items.size()))), kind);
}

Value Interpreter::missing(std::string_view name, std::string_view owner_type) {
  Value v;
  v.missing = arena_.make<Missing>(std::string_view(), name, owner_type);
  return v;
}

Value Interpreter::missing_because(std::string message) {
  Value v;
  v.missing = arena_.make<Missing>(arena_.copy(message), std::string_view(), std::string_view());
  return v;
}

Value Interpreter::function(std::string_view name, Native run, Value self) {
  return Value::of(static_cast<const Function*>(arena_.make<Function>(name, run, self)));
}

const Arguments& Interpreter::keep(const Arguments& arguments) {
  arena_.spend(sizeof arguments + arguments.positional.size() * sizeof(Value) +
               arguments.named.size() * sizeof arguments.named[0]);
  return *kept_.emplace_back(std::make_unique<Arguments>(arguments));
}

Bound::Bound(std::string_view function, const Arguments& arguments, std::initializer_list<std::string_view> names,
             size_t required) {
  if (arguments.positional.size() > names.size())
    refuse(function, "() takes at most ", names.size(), " arguments, ", arguments.positional.size(), " are given");
  for (size_t i = 0; i < arguments.positional.size(); ++i) values_[i] = &arguments.positional[i];
  for (const auto& [name, value] : arguments.named) {
    const auto* found = std::find(names.begin(), names.end(), name);
    if (found == names.end() || name.empty()) refuse(function, "() has no argument named ", name);
    const auto i = static_cast<size_t>(found - names.begin());
    if (values_[i]) refuse(function, "() is given its argument ", name, " twice");
    values_[i] = &value;
  }
  for (size_t i = 0; i < required; ++i)
    if (!values_[i]) refuse(function, "() needs ", required, required == 1 ? " argument" : " arguments");
}

}  // namespace ponder::text::jinja
