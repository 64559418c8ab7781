#include "ponder/tasks/math_numeric.h"

#include <mpfr.h>

#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "ponder/base/rng.h"

namespace ponder::tasks {
namespace {

// Beyond 2^4096 a period of sin is not worth finding.
constexpr long kMaxWaveExponent = 4096;

// An operation has no value there (division by an interval around 0, the logarithm of a negative number, …).
struct MathUndefined {};

// [lo, hi]. The precision is that of the thread's current MathPrecision.
class Interval {
 public:
  Interval();
  explicit Interval(long value);
  Interval(const Interval& other);
  Interval& operator=(const Interval& other);
  ~Interval();

  static Interval literal(const std::string& digits);  // a number as it was written
  static Interval factorial(unsigned long n);
  static Interval pi();

  bool contains_zero() const;
  bool is_positive() const;  // all of it
  bool is_negative() const;
  bool is_wide(long bits) const;  // wider than 2^-bits, absolutely and against its size

  friend Interval operator+(const Interval& a, const Interval& b);
  friend Interval operator-(const Interval& a, const Interval& b);
  friend Interval operator*(const Interval& a, const Interval& b);
  friend Interval operator/(const Interval& a, const Interval& b);

  using Rounded = int (*)(mpfr_ptr, mpfr_srcptr, mpfr_rnd_t);
  Interval increasing(Rounded f) const;  // f of both ends, for f that grows
  Interval decreasing(Rounded f) const;
  Interval wave(Rounded f) const;  // sin or cos: their slope is at most 1
  Interval root(unsigned long n) const;
  Interval absolute() const;
  // The one whole number that floor or ceil gives on the whole interval.
  Interval whole(Rounded f) const;
  bool is_below(long bound) const;  // all of |x| is
  mpfr_srcptr low() const { return lo_; }
  mpfr_srcptr high() const { return hi_; }

 private:
  mpfr_t lo_, hi_;
};

// MPFR keeps constants and freed numbers for each thread; they go with it.
struct ThreadCaches {
  ~ThreadCaches() { mpfr_free_cache(); }
  void used() {}
};
thread_local ThreadCaches thread_caches;

class MathPrecision {
 public:
  explicit MathPrecision(long bits) : before_(mpfr_get_default_prec()) {
    thread_caches.used();
    mpfr_set_default_prec(bits);
  }
  ~MathPrecision() { mpfr_set_default_prec(before_); }
  MathPrecision(const MathPrecision&) = delete;
  MathPrecision& operator=(const MathPrecision&) = delete;

 private:
  mpfr_prec_t before_;  // MPFR keeps it for each thread by itself
};

struct Ball {
  Interval re, im;
  bool is_real = true;
};

Interval::Interval() : Interval(0L) {}
Interval::Interval(long value) {
  mpfr_init(lo_), mpfr_init(hi_);
  mpfr_set_si(lo_, value, MPFR_RNDD), mpfr_set_si(hi_, value, MPFR_RNDU);
}
Interval::Interval(const Interval& other) {
  mpfr_init(lo_), mpfr_init(hi_);
  mpfr_set(lo_, other.lo_, MPFR_RNDD), mpfr_set(hi_, other.hi_, MPFR_RNDU);
}
Interval& Interval::operator=(const Interval& other) {
  if (this != &other) mpfr_set(lo_, other.lo_, MPFR_RNDD), mpfr_set(hi_, other.hi_, MPFR_RNDU);
  return *this;
}
Interval::~Interval() { mpfr_clear(lo_), mpfr_clear(hi_); }

Interval Interval::literal(const std::string& digits) {
  Interval out;
  mpfr_set_str(out.lo_, digits.c_str(), 10, MPFR_RNDD), mpfr_set_str(out.hi_, digits.c_str(), 10, MPFR_RNDU);
  return out;
}
Interval Interval::factorial(unsigned long n) {
  Interval out;
  mpfr_fac_ui(out.lo_, n, MPFR_RNDD), mpfr_fac_ui(out.hi_, n, MPFR_RNDU);
  return out;
}
Interval Interval::pi() {
  Interval out;
  mpfr_const_pi(out.lo_, MPFR_RNDD), mpfr_const_pi(out.hi_, MPFR_RNDU);
  return out;
}

bool Interval::contains_zero() const { return !is_positive() && !is_negative(); }
bool Interval::is_positive() const { return !mpfr_nan_p(lo_) && mpfr_sgn(lo_) > 0; }
bool Interval::is_negative() const { return !mpfr_nan_p(hi_) && mpfr_sgn(hi_) < 0; }

bool Interval::is_wide(long bits) const {
  if (!mpfr_number_p(lo_) || !mpfr_number_p(hi_)) return true;
  mpfr_t width;
  mpfr_init(width);
  mpfr_sub(width, hi_, lo_, MPFR_RNDU);
  bool wide = !mpfr_zero_p(width) && mpfr_get_exp(width) > -bits;
  mpfr_clear(width);
  return wide;
}

bool Interval::is_below(long bound) const {
  return mpfr_cmpabs(lo_, Interval(bound).lo_) < 0 && mpfr_cmpabs(hi_, Interval(bound).lo_) < 0;
}

Interval operator+(const Interval& a, const Interval& b) {
  Interval out;
  mpfr_add(out.lo_, a.lo_, b.lo_, MPFR_RNDD), mpfr_add(out.hi_, a.hi_, b.hi_, MPFR_RNDU);
  return out;
}
Interval operator-(const Interval& a, const Interval& b) {
  Interval out;
  mpfr_sub(out.lo_, a.lo_, b.hi_, MPFR_RNDD), mpfr_sub(out.hi_, a.hi_, b.lo_, MPFR_RNDU);
  return out;
}
Interval operator*(const Interval& a, const Interval& b) {
  Interval out;
  mpfr_t t;
  mpfr_init(t);
  bool first = true;
  for (mpfr_srcptr x : {a.lo_, a.hi_}) {
    for (mpfr_srcptr y : {b.lo_, b.hi_}) {
      mpfr_mul(t, x, y, MPFR_RNDD);
      if (mpfr_nan_p(t)) {
        mpfr_clear(t);
        throw MathUndefined{};
      }
      if (first || mpfr_less_p(t, out.lo_)) mpfr_set(out.lo_, t, MPFR_RNDD);
      mpfr_mul(t, x, y, MPFR_RNDU);
      if (first || mpfr_greater_p(t, out.hi_)) mpfr_set(out.hi_, t, MPFR_RNDU);
      first = false;
    }
  }
  mpfr_clear(t);
  return out;
}
Interval operator/(const Interval& a, const Interval& b) {
  if (b.contains_zero()) throw MathUndefined{};
  Interval inverse;
  mpfr_ui_div(inverse.lo_, 1, b.hi_, MPFR_RNDD), mpfr_ui_div(inverse.hi_, 1, b.lo_, MPFR_RNDU);
  return a * inverse;
}

Interval Interval::increasing(Rounded f) const {
  Interval out;
  f(out.lo_, lo_, MPFR_RNDD), f(out.hi_, hi_, MPFR_RNDU);
  if (mpfr_nan_p(out.lo_) || mpfr_nan_p(out.hi_)) throw MathUndefined{};
  return out;
}
Interval Interval::decreasing(Rounded f) const {
  Interval out;
  f(out.lo_, hi_, MPFR_RNDD), f(out.hi_, lo_, MPFR_RNDU);
  if (mpfr_nan_p(out.lo_) || mpfr_nan_p(out.hi_)) throw MathUndefined{};
  return out;
}

// |f(x) − f(lo)| ≤ hi − lo.
Interval Interval::wave(Rounded f) const {
  for (mpfr_srcptr end : {lo_, hi_})
    if (!mpfr_number_p(end) || (!mpfr_zero_p(end) && mpfr_get_exp(end) > kMaxWaveExponent)) throw MathUndefined{};
  Interval at_low, width;
  f(at_low.lo_, lo_, MPFR_RNDD), f(at_low.hi_, lo_, MPFR_RNDU);
  mpfr_sub(width.hi_, hi_, lo_, MPFR_RNDU), mpfr_neg(width.lo_, width.hi_, MPFR_RNDD);
  return at_low + width;
}

Interval Interval::root(unsigned long n) const {
  if (n % 2 == 0 && mpfr_sgn(lo_) < 0) throw MathUndefined{};
  Interval out;
  mpfr_rootn_ui(out.lo_, lo_, n, MPFR_RNDD), mpfr_rootn_ui(out.hi_, hi_, n, MPFR_RNDU);
  return out;
}

Interval Interval::absolute() const {
  if (is_positive()) return *this;
  if (is_negative()) return Interval(0L) - *this;
  Interval out;
  mpfr_neg(out.hi_, lo_, MPFR_RNDU);
  mpfr_max(out.hi_, out.hi_, hi_, MPFR_RNDU);
  return out;
}

Interval Interval::whole(Rounded f) const {
  Interval out = increasing(f);
  if (!mpfr_equal_p(out.lo_, out.hi_)) throw MathUndefined{};
  return out;
}

Ball real_ball(Interval re) { return {std::move(re), Interval(), true}; }
Ball operator+(const Ball& a, const Ball& b) { return {a.re + b.re, a.im + b.im, a.is_real && b.is_real}; }
Ball operator-(const Ball& a, const Ball& b) { return {a.re - b.re, a.im - b.im, a.is_real && b.is_real}; }
Ball operator*(const Ball& a, const Ball& b) {
  if (a.is_real && b.is_real) return real_ball(a.re * b.re);
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re, false};
}
Ball operator/(const Ball& a, const Ball& b) {
  if (b.is_real) return {a.re / b.re, a.is_real ? Interval() : a.im / b.re, a.is_real};
  Interval size = b.re * b.re + b.im * b.im;
  Ball conjugate{b.re, Interval(0L) - b.im, false};
  Ball top = a * conjugate;
  return {top.re / size, top.im / size, false};
}

Ball whole_power(Ball base, long k) {
  bool inverse = k < 0;
  unsigned long n = inverse ? 0UL - static_cast<unsigned long>(k) : static_cast<unsigned long>(k);
  Ball out = real_ball(Interval(1L));
  for (; n > 0; n >>= 1) {
    if (n & 1) out = out * base;
    if (n > 1) base = base * base;
  }
  return inverse ? real_ball(Interval(1L)) / out : out;
}

Ball exponential(const Ball& x) {
  Ball size = real_ball(x.re.increasing(mpfr_exp));
  if (x.is_real) return size;
  return size * Ball{x.im.wave(mpfr_cos), x.im.wave(mpfr_sin), false};
}

Ball power(const Ball& base, const Ball& exponent) {
  if (!base.is_real || !base.re.is_positive()) throw MathUndefined{};
  return exponential(exponent * real_ball(base.re.increasing(mpfr_log)));
}

Ball root(const Ball& base, long n) {
  if (base.is_real && (n % 2 == 1 || !base.re.is_negative()))
    return real_ball(base.re.root(static_cast<unsigned long>(n)));
  if (n != 2) throw MathUndefined{};
  if (base.is_real) return {Interval(), (Interval(0L) - base.re).root(2), false};
  // √(a+bi) = √((r+a)/2) + i·b/(2√((r+a)/2)), r = |a+bi|; away from the negative axis.
  Interval r = (base.re * base.re + base.im * base.im).root(2);
  Interval re = ((r + base.re) / Interval(2L)).root(2);
  if (re.contains_zero()) throw MathUndefined{};
  return {re, base.im / (Interval(2L) * re), false};
}

constexpr long kPrecisions[] = {64, 192, 448};  // bits
constexpr long kAgreement = 400;                // bits that equal numbers agree in
constexpr int kPoints = 12, kEnoughPoints = 4;

struct Ratio {
  long top = 0, below = 1;
};
Interval interval_of(Ratio r) { return Interval(r.top) / Interval(r.below); }

using Point = std::map<std::string, Ratio>;  // a value for each variable

bool is_constant_name(const std::string& name) {
  return name == "\\pi" || name == "e" || name == "i" || name == "\\imath" || name == "\\infty";
}

void collect_variables(const MathNode& node, std::set<std::string>& names) {
  if (node.is(MathKind::kSymbol) && !is_constant_name(node.text)) names.insert(node.text);
  for (const MathNode& arg : node.args) collect_variables(arg, names);
}

class Evaluation {
 public:
  Evaluation(const Point& point, long bits, MathBudget& budget) : point_(point), bits_(bits), budget_(budget) {}

  Ball value(const MathNode& node) {
    budget_.spend(10 + bits_ / 8);
    switch (node.kind) {
      case MathKind::kNumber:
        budget_.spend(static_cast<int64_t>(node.text.size()) / 4);
        return real_ball(Interval::literal(node.text));
      case MathKind::kSymbol:
        return symbol(node.text);
      case MathKind::kSum: {
        Ball total = real_ball(Interval());
        for (const MathNode& arg : node.args) total = total + value(arg);
        return total;
      }
      case MathKind::kProduct: {
        Ball total = real_ball(Interval(1L));
        for (const MathNode& arg : node.args) total = total * value(arg);
        return total;
      }
      case MathKind::kNegation:
        return real_ball(Interval()) - value(node.args[0]);
      case MathKind::kQuotient:
        return value(node.args[0]) / value(node.args[1]);
      case MathKind::kRatio:
        if (node.args.size() != 2) throw MathUndefined{};
        return value(node.args[0]) / value(node.args[1]);
      case MathKind::kPower:
        return raised(value(node.args[0]), node.args[1]);
      case MathKind::kPercent:
        return value(node.args[0]) / real_ball(Interval(100L));
      case MathKind::kDegrees:
      case MathKind::kQuantity:
        return value(node.args[0]);
      case MathKind::kFactorial:
        return factorial(node.args[0]);
      case MathKind::kFunction:
        return function(node);
      default:
        throw MathUndefined{};
    }
  }

 private:
  Ball symbol(const std::string& name) {
    if (name == "\\pi") return real_ball(Interval::pi());
    if (name == "e") return real_ball(Interval(1L).increasing(mpfr_exp));
    if (name == "i" || name == "\\imath") return {Interval(), Interval(1L), false};
    auto it = point_.find(name);
    if (it == point_.end()) throw MathUndefined{};
    return real_ball(interval_of(it->second));
  }

  // An exponent that is a rational number of small whole numbers, without variables.
  std::optional<Ratio> rational(const MathNode& node) {
    if (node.is(MathKind::kNumber)) {
      if (node.text.size() > 9 || node.text.find('.') != std::string::npos) return std::nullopt;
      return Ratio{std::stol(node.text), 1};
    }
    if (node.is(MathKind::kNegation)) {
      auto r = rational(node.args[0]);
      if (r) r->top = -r->top;
      return r;
    }
    if (node.is(MathKind::kQuotient)) {
      auto top = rational(node.args[0]), below = rational(node.args[1]);
      if (!top || !below || top->below != 1 || below->below != 1 || below->top == 0) return std::nullopt;
      long sign = below->top < 0 ? -1 : 1, common = std::gcd(top->top, below->top);
      return Ratio{sign * top->top / common, sign * below->top / common};
    }
    if (node.is(MathKind::kSymbol)) {
      auto it = point_.find(node.text);
      if (it != point_.end() && it->second.below == 1) return it->second;
    }
    return std::nullopt;
  }

  Ball raised(const Ball& base, const MathNode& exponent) {
    auto k = rational(exponent);
    if (!k) return power(base, value(exponent));
    if (k->below == 1) return whole_power(base, k->top);
    if (k->below > 1000 || k->top > 1000 || k->top < -1000) return power(base, value(exponent));
    return whole_power(root(base, k->below), k->top);
  }

  Ball factorial(const MathNode& node) {
    auto n = rational(node);
    if (!n || n->below != 1 || n->top < 0 || n->top > 2000) throw MathUndefined{};
    budget_.spend(n->top / 4);
    return real_ball(Interval::factorial(static_cast<unsigned long>(n->top)));
  }

  static Interval real(const Ball& b) {
    if (!b.is_real) throw MathUndefined{};
    return b.re;
  }

  // An angle in degrees is turned into radians by the function that takes it.
  Interval angle(const MathNode& node) {
    Interval x = real(value(node));
    return contains_degrees(node) ? x * Interval::pi() / Interval(180L) : x;
  }
  static bool contains_degrees(const MathNode& node) {
    if (node.is(MathKind::kDegrees)) return true;
    for (const MathNode& arg : node.args)
      if (contains_degrees(arg)) return true;
    return false;
  }

  static Interval trigonometric(const std::string& name, const Interval& x) {
    if (name == "sin") return x.wave(mpfr_sin);
    if (name == "cos") return x.wave(mpfr_cos);
    if (name == "tan") return x.wave(mpfr_sin) / x.wave(mpfr_cos);
    if (name == "cot") return x.wave(mpfr_cos) / x.wave(mpfr_sin);
    return Interval(1L) / x.wave(name == "sec" ? mpfr_cos : mpfr_sin);
  }

  Ball function(const MathNode& node) {
    const std::string& name = node.text;
    if (name == "root" && node.args.size() == 2) return raised(value(node.args[0]), node.args[1]);
    if (node.args.size() != 1) throw MathUndefined{};
    const MathNode& arg = node.args[0];
    if (name == "exp") return exponential(value(arg));
    if (name == "abs") return absolute(value(arg));
    if (name.starts_with("log ")) return logarithm(name.substr(4), arg);
    if (name == "ln" || name == "log") return real_ball(positive(arg).increasing(mpfr_log));
    if (name == "lg") return real_ball(positive(arg).increasing(mpfr_log10));
    for (const char* wave : {"sin", "cos", "tan", "cot", "sec", "csc"})
      if (name == wave) return real_ball(trigonometric(name, angle(arg)));
    Interval one(1L), x = real(value(arg));
    if (name == "arctan" || name == "atan") return real_ball(x.increasing(mpfr_atan));
    if (name == "arcsin" || name == "asin") return real_ball(x.increasing(mpfr_asin));
    if (name == "arccos" || name == "acos") return real_ball(x.decreasing(mpfr_acos));
    if (name == "arccot") return real_ball((one / x).increasing(mpfr_atan));
    if (name == "sinh") return real_ball(x.increasing(mpfr_sinh));
    if (name == "tanh") return real_ball(x.increasing(mpfr_tanh));
    if (name == "cosh") return real_ball((x.increasing(mpfr_exp) + one / x.increasing(mpfr_exp)) / Interval(2L));
    if (name == "floor")
      return real_ball(x.whole([](mpfr_ptr out, mpfr_srcptr in, mpfr_rnd_t) { return mpfr_floor(out, in); }));
    if (name == "ceil")
      return real_ball(x.whole([](mpfr_ptr out, mpfr_srcptr in, mpfr_rnd_t) { return mpfr_ceil(out, in); }));
    throw MathUndefined{};
  }

  Ball absolute(const Ball& x) {
    if (x.is_real) return real_ball(x.re.absolute());
    return real_ball((x.re * x.re + x.im * x.im).root(2));
  }

  Interval positive(const MathNode& arg) {
    Interval one(1L), x = real(value(arg));
    if (!x.is_positive()) throw MathUndefined{};
    return x;
  }

  Ball logarithm(const std::string& base, const MathNode& arg) {
    bool is_number = base.size() <= 9 && !base.empty() && base.find_first_not_of("0123456789") == std::string::npos;
    auto it = point_.find(base);
    if (!is_number && it == point_.end()) throw MathUndefined{};
    Interval b = is_number ? Interval(std::stol(base)) : interval_of(it->second);
    if (!b.is_positive()) throw MathUndefined{};
    return real_ball(positive(arg).increasing(mpfr_log) / b.increasing(mpfr_log));
  }

  const Point& point_;
  long bits_;
  MathBudget& budget_;
};

// Where the variables are tried: rationals of both signs and of several sizes, then small whole numbers for what is
// defined at those alone.
Point point_of(const std::set<std::string>& names, int index) {
  Point point;
  for (const std::string& name : names) {
    base::Rng rng(base::RngKey(0x9e3779b97f4a7c15).child(name).child(static_cast<uint64_t>(index)));
    Ratio& value = point[name];
    if (index >= kPoints - 4) {
      value.top = rng.between(2, 40);
      continue;
    }
    constexpr long kScale[] = {1, 7, -1, -5};
    value = {kScale[index % 4] * rng.between(1, (1 << 30) - 1), (1 << 30) - 35};
  }
  return point;
}

// At one point: kNo as soon as an interval excludes 0, kYes when the last one is narrow around it.
Same compare_at(const MathNode& a, const MathNode& b, const Point& point, MathBudget& budget) {
  for (long bits : kPrecisions) {
    MathPrecision precision(bits);
    Evaluation evaluation(point, bits, budget);
    Ball difference = evaluation.value(a) - evaluation.value(b);
    if (!difference.re.contains_zero() || !difference.im.contains_zero()) return Same::kNo;
    if (bits == kPrecisions[2] && !difference.re.is_wide(kAgreement) && !difference.im.is_wide(kAgreement))
      return Same::kYes;
  }
  return Same::kUnknown;
}

}  // namespace

Same numerically_equal(const MathNode& a, const MathNode& b, MathBudget& budget) {
  std::set<std::string> names;
  collect_variables(a, names), collect_variables(b, names);
  int agreed = 0;
  for (int i = 0; i < (names.empty() ? 1 : kPoints); ++i) {
    Same here = Same::kUnknown;
    try {
      here = compare_at(a, b, point_of(names, i), budget);
    } catch (const MathUndefined&) {
    }
    if (here == Same::kNo) return Same::kNo;
    agreed += here == Same::kYes;
    if (agreed >= (names.empty() ? 1 : kEnoughPoints)) return Same::kYes;
  }
  return Same::kUnknown;
}

Same equal_when_rounded(const MathNode& a, const MathNode& b, int decimals, MathBudget& budget) {
  try {
    MathPrecision precision(192);
    const Point nowhere;
    Evaluation evaluation(nowhere, 192, budget);
    Ball difference = evaluation.value(a) - evaluation.value(b);
    if (!difference.is_real) return Same::kNo;
    Interval half_unit = Interval(1L) / Interval(2L) / whole_power(real_ball(Interval(10L)), decimals).re;
    Interval room = half_unit - difference.re.absolute();
    if (room.is_negative()) return Same::kNo;
    return mpfr_sgn(room.low()) >= 0 ? Same::kYes : Same::kUnknown;
  } catch (const MathUndefined&) {
    return Same::kUnknown;
  }
}

int sign_of(const MathNode& node, MathBudget& budget) {
  try {
    for (long bits : kPrecisions) {
      MathPrecision precision(bits);
      const Point nowhere;
      Evaluation evaluation(nowhere, bits, budget);
      Ball x = evaluation.value(node);
      if (!x.is_real) return 0;
      if (x.re.is_positive()) return 1;
      if (x.re.is_negative()) return -1;
    }
  } catch (const MathUndefined&) {
  }
  return 0;
}

}  // namespace ponder::tasks
