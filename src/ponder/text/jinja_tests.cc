// Jinja's tests: what may stand behind `is`.
#include <algorithm>

#include "ponder/text/jinja_filters.h"
#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"
#include "ponder/text/jinja_strings.h"

namespace ponder::text::jinja {
namespace {

using In = Interpreter;

template <class Question>
Value answer(const Arguments& arguments, const Question& question) {
  const Bound bound("the test", arguments, {});
  return Value::of(static_cast<bool>(question()));
}

Value defined(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return !v.is(Kind::kUndefined); });
}
Value undefined(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kUndefined); });
}
Value none(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kNone); });
}
Value boolean(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kBool); });
}
Value is_false(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kBool) && !v.boolean; });
}
Value is_true(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kBool) && v.boolean; });
}
Value integer(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kInt); });
}
Value floating(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kFloat); });
}
Value number(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is_number(); });
}
Value string(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kString); });
}
Value mapping(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kDict); });
}
Value sequence(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] {
    return v.is_sequence() || v.is(Kind::kString) || v.is(Kind::kDict) || v.is(Kind::kRange) || v.is(Kind::kUndefined);
  });
}
Value iterable(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] {
    return v.is_sequence() || v.is(Kind::kString) || v.is(Kind::kDict) || v.is(Kind::kRange) || v.is(Kind::kView) ||
           v.is(Kind::kUndefined) || v.is(Kind::kIterator) || v.is(Kind::kLoop);
  });
}
Value callable(In&, const Value& v, const Arguments& a) {
  return answer(
      a, [&] { return v.is(Kind::kFunction) || v.is(Kind::kMacro) || v.is(Kind::kLoop) || v.is(Kind::kUndefined); });
}
Value escaped(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kString) && v.text->is_markup; });
}
Value lower(In& in, const Value& v, const Arguments& a) {
  return answer(a, [&] { return is_in_case(str(in, v).view(), false); });
}
Value upper(In& in, const Value& v, const Arguments& a) {
  return answer(a, [&] { return is_in_case(str(in, v).view(), true); });
}
Value filter(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kString) && find_filter(v.text->view()); });
}
Value test(In&, const Value& v, const Arguments& a) {
  return answer(a, [&] { return v.is(Kind::kString) && find_test(v.text->view()); });
}

bool leaves(In& in, const Value& v, int64_t divisor, int64_t rest) {
  return equal(in, binary(in, ExprKind::kModulo, v, Value::of(divisor)), Value::of(rest));
}
Value odd(In& in, const Value& v, const Arguments& a) {
  return answer(a, [&] { return leaves(in, v, 2, 1); });
}
Value even(In& in, const Value& v, const Arguments& a) {
  return answer(a, [&] { return leaves(in, v, 2, 0); });
}
Value divisibleby(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("divisibleby", arguments, {"num"}, 1);
  return Value::of(equal(in, binary(in, ExprKind::kModulo, v, *bound[0]), Value::of(int64_t{0})));
}

Value sameas(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("sameas", arguments, {"other"}, 1);
  const Value& other = *bound[0];
  if (v.kind != other.kind) return Value::of(false);
  if (v.is_whole() || v.is(Kind::kNone)) return Value::of(equal(in, v, other));
  if (v.is(Kind::kFloat) || v.is(Kind::kString))
    refuse("whether two values of type ", type_name(v), " are one is left open by Python");
  return Value::of(v.names == other.names);
}

Value in_test(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("in", arguments, {"seq"}, 1);
  return Value::of(contains(in, *bound[0], v));
}

template <CompareOp op>
Value compared(In& in, const Value& v, const Arguments& arguments) {
  const Bound bound("the test", arguments, {""}, 1);
  return Value::of(compare(in, op, v, *bound[0]));
}

constexpr NativeFilter kTests[] = {
    {"!=", compared<CompareOp::kNotEqual>},
    {"<", compared<CompareOp::kLess>},
    {"<=", compared<CompareOp::kLessEqual>},
    {"==", compared<CompareOp::kEqual>},
    {">", compared<CompareOp::kGreater>},
    {">=", compared<CompareOp::kGreaterEqual>},
    {"boolean", boolean},
    {"callable", callable},
    {"defined", defined},
    {"divisibleby", divisibleby},
    {"eq", compared<CompareOp::kEqual>},
    {"equalto", compared<CompareOp::kEqual>},
    {"escaped", escaped},
    {"even", even},
    {"false", is_false},
    {"filter", filter},
    {"float", floating},
    {"ge", compared<CompareOp::kGreaterEqual>},
    {"greaterthan", compared<CompareOp::kGreater>},
    {"gt", compared<CompareOp::kGreater>},
    {"in", in_test},
    {"integer", integer},
    {"iterable", iterable},
    {"le", compared<CompareOp::kLessEqual>},
    {"lessthan", compared<CompareOp::kLess>},
    {"lower", lower},
    {"lt", compared<CompareOp::kLess>},
    {"mapping", mapping},
    {"ne", compared<CompareOp::kNotEqual>},
    {"none", none},
    {"number", number},
    {"odd", odd},
    {"sameas", sameas},
    {"sequence", sequence},
    {"string", string},
    {"test", test},
    {"true", is_true},
    {"undefined", undefined},
    {"upper", upper},
};

}  // namespace

const NativeFilter* find_test(std::string_view name) {
  for (const NativeFilter& t : kTests)
    if (t.name == name) return &t;
  return nullptr;
}

}  // namespace ponder::text::jinja
