// + - * / // % ** with Python's rules for numbers, texts and lists.
#include <cmath>
#include <limits>

#include "ponder/text/jinja_objects.h"
#include "ponder/text/jinja_python.h"

namespace ponder::text::jinja {
namespace {

const char* sign_of(ExprKind op) {
  switch (op) {
    case ExprKind::kAdd:
      return "+";
    case ExprKind::kSubtract:
    case ExprKind::kNegative:
      return "-";
    case ExprKind::kMultiply:
      return "*";
    case ExprKind::kDivide:
      return "/";
    case ExprKind::kFloorDivide:
      return "//";
    case ExprKind::kModulo:
      return "%";
    default:
      return "**";
  }
}

[[noreturn]] void refuse_overflow() { refuse("a whole number beyond 64 bits"); }

// Division that rounds down, and its remainder; b is not 0.
int64_t floor_divide(int64_t a, int64_t b) {
  if (a == std::numeric_limits<int64_t>::min() && b == -1) refuse_overflow();
  return a / b - (a % b != 0 && (a % b < 0) != (b < 0));
}
int64_t floor_modulo(int64_t a, int64_t b) {
  if (b == -1) return 0;
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
double floor_modulo(double a, double b) {
  double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}
double floor_divide(double a, double b) {
  const double quotient = (a - floor_modulo(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double down = std::floor(quotient);
  return quotient - down > 0.5 ? down + 1 : down;
}

Value power(const Value& a, const Value& b) {
  if (a.is_whole() && b.is_whole() && b.whole() >= 0) {
    int64_t result = 1, base = a.whole();
    for (int64_t n = b.whole(); n > 0; n >>= 1) {
      if ((n & 1) && __builtin_mul_overflow(result, base, &result)) refuse_overflow();
      if (n > 1 && __builtin_mul_overflow(base, base, &base)) refuse_overflow();
    }
    return Value::of(result);
  }
  const double x = a.as_double(), y = b.as_double();
  if (x == 0 && y < 0) refuse("0 cannot be raised to a negative power");
  if (x < 0 && std::isfinite(y) && y != std::floor(y))
    refuse("a negative number to a broken power is a complex number");
  const double result = std::pow(x, y);
  if (std::isinf(result) && std::isfinite(x) && std::isfinite(y)) refuse("the power is too large for a float");
  return Value::of(result);
}

Value whole_numbers(ExprKind op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflows = false;
  switch (op) {
    case ExprKind::kAdd:
      overflows = __builtin_add_overflow(a, b, &result);
      break;
    case ExprKind::kSubtract:
      overflows = __builtin_sub_overflow(a, b, &result);
      break;
    case ExprKind::kMultiply:
      overflows = __builtin_mul_overflow(a, b, &result);
      break;
    case ExprKind::kFloorDivide:
      result = floor_divide(a, b);
      break;
    case ExprKind::kModulo:
      result = floor_modulo(a, b);
      break;
    default:
      return Value::of(static_cast<double>(a) / static_cast<double>(b));
  }
  if (overflows) refuse_overflow();
  return Value::of(result);
}

Value numbers(ExprKind op, const Value& a, const Value& b) {
  if (op == ExprKind::kPower) return power(a, b);
  const bool divides = op == ExprKind::kDivide || op == ExprKind::kFloorDivide || op == ExprKind::kModulo;
  if (divides && b.as_double() == 0) refuse("division by zero");
  if (a.is_whole() && b.is_whole()) return whole_numbers(op, a.whole(), b.whole());
  const double x = a.as_double(), y = b.as_double();
  switch (op) {
    case ExprKind::kAdd:
      return Value::of(x + y);
    case ExprKind::kSubtract:
      return Value::of(x - y);
    case ExprKind::kMultiply:
      return Value::of(x * y);
    case ExprKind::kDivide:
      return Value::of(x / y);
    case ExprKind::kFloorDivide:
      return Value::of(floor_divide(x, y));
    default:
      return Value::of(floor_modulo(x, y));
  }
}

const Text* joined(Interpreter& in, const Text& a, const Text& b) {
  const bool is_markup = a.is_markup || b.is_markup;
  if (!is_markup && b.size == 0) return &a;
  if (!is_markup && a.size == 0) return &b;
  in.step_bytes(a.size + size_t{b.size});
  TextBuilder out(in.arena());
  // What was not marked safe is escaped when it meets what was.
  out.append(is_markup ? *escape_html(in, Value::of(&a)).text : a);
  out.append(is_markup ? *escape_html(in, Value::of(&b)).text : b);
  const Text* text = out.finish();
  if (!is_markup) return text;
  Text* markup = in.arena().make<Text>(*text);
  markup->is_markup = true;
  return markup;
}

Value repeated_text(Interpreter& in, const Text& text, int64_t times) {
  TextBuilder out(in.arena());
  for (int64_t i = 0; text.size > 0 && i < times; ++i) {
    in.step_bytes(text.size);
    out.append(text);
  }
  Text* result = in.arena().make<Text>(*out.finish());
  result->is_markup = text.is_markup;
  return Value::of(static_cast<const Text*>(result));
}

Value repeated_list(Interpreter& in, const Value& v, int64_t times) {
  const List& list = *v.list;
  std::vector<Value> items;
  for (int64_t i = 0; list.size > 0 && i < times; ++i) {
    in.step(list.size);
    in.arena().spend(list.size * sizeof(Value));
    items.insert(items.end(), list.items, list.items + list.size);
  }
  return in.list(items, v.kind);
}

Value joined_lists(Interpreter& in, const Value& a, const Value& b) {
  in.step(size_t{a.list->size} + b.list->size);
  std::vector<Value> items(a.list->items, a.list->items + a.list->size);
  items.insert(items.end(), b.list->items, b.list->items + b.list->size);
  return in.list(items, a.kind);
}

}  // namespace

Value binary(Interpreter& in, ExprKind op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return numbers(op, a, b);
  if (op == ExprKind::kModulo && a.is(Kind::kString)) return format_percent(in, *a.text, b);
  if (a.is(Kind::kUndefined)) refuse_undefined(a);
  if (b.is(Kind::kUndefined)) refuse_undefined(b);
  if (op == ExprKind::kAdd && a.kind == b.kind) {
    if (a.is(Kind::kString)) return Value::of(joined(in, *a.text, *b.text));
    if (a.is_sequence()) return joined_lists(in, a, b);
  }
  if (op == ExprKind::kMultiply) {
    const Value& sequence = a.is_whole() ? b : a;
    const Value& times = a.is_whole() ? a : b;
    if (times.is_whole() && sequence.is(Kind::kString)) return repeated_text(in, *sequence.text, times.whole());
    if (times.is_whole() && sequence.is_sequence()) return repeated_list(in, sequence, times.whole());
  }
  refuse(type_name(a), " ", sign_of(op), " ", type_name(b), " has no meaning");
}

Value unary(Interpreter&, ExprKind op, const Value& v) {
  if (v.is(Kind::kUndefined)) refuse_undefined(v);
  if (!v.is_number()) refuse("a sign in front of a ", type_name(v), " has no meaning");
  if (op == ExprKind::kPositive) return v.is_whole() ? Value::of(v.whole()) : v;
  if (v.is(Kind::kFloat)) return Value::of(-v.number);
  return whole_numbers(ExprKind::kSubtract, 0, v.whole());
}

}  // namespace ponder::text::jinja
