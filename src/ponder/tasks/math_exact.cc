#include "ponder/tasks/math_exact.h"

#include <gmpxx.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <vector>

#include "ponder/base/cat.h"

namespace ponder::tasks {
namespace {

// What has no normal form here (∞, sets, an undefined value).
struct NoNormalForm {};

struct Exponent {
  int64_t top = 0, below = 1;  // below > 0, in lowest terms
  auto operator<=>(const Exponent&) const = default;
};

constexpr int64_t kMaxExponent = 1000000;

Exponent make_exponent(int64_t top, int64_t below) {
  int64_t g = std::gcd(top, below);
  if (g > 1) top /= g, below /= g;
  if (below > kMaxExponent || top > kMaxExponent || top < -kMaxExponent) throw MathBudgetSpent{};
  return {top, below};
}
Exponent operator+(Exponent a, Exponent b) {
  return make_exponent(a.top * b.below + b.top * a.below, a.below * b.below);
}
Exponent operator*(Exponent a, Exponent b) {
  // In lowest terms each is below 10^6, so the products fit.
  return make_exponent(a.top * b.top, a.below * b.below);
}

// text: digits with at most one point, as math_parse leaves them.
mpq_class literal_value(std::string_view text) {
  std::string digits(text);
  size_t point = digits.find('.');
  size_t decimals = 0;
  if (point != std::string::npos) {
    digits.erase(point, 1);
    decimals = digits.size() - point;
  }
  mpq_class value{mpz_class(digits, 10)};
  if (decimals > 0) {
    mpz_ui_pow_ui(value.get_den_mpz_t(), 10, decimals);
    value.canonicalize();
  }
  return value;
}

using Monomial = std::vector<std::pair<int, Exponent>>;  // (atom, exponent ≠ 0), sorted by atom
using Polynomial = std::map<Monomial, mpq_class>;        // without zero coefficients

struct Quotient {
  Polynomial top, below;
};

struct Atom {
  std::string key;
  mpz_class prime = 0;     // its value when it is a prime (or a large number without small factors)
  bool is_opaque = false;  // a function's value: nothing is known about it
};

constexpr int kImaginary = 0;  // the first atom of every space

Polynomial constant(const mpq_class& c) {
  Polynomial p;
  if (c != 0) p[{}] = c;
  return p;
}
Quotient whole(Polynomial p) { return {std::move(p), constant(1)}; }

// Both sides of a comparison share one space, so equal atoms have equal numbers.
class Space {
 public:
  explicit Space(MathBudget& budget) : budget_(budget) { atom_of("i"); }

  Quotient value(const MathNode& node) {
    budget_.spend(4);
    switch (node.kind) {
      case MathKind::kNumber:
        budget_.spend(static_cast<int64_t>(node.text.size()) / 16);
        return whole(constant(literal_value(node.text)));
      case MathKind::kSymbol:
        return symbol(node.text);
      case MathKind::kSum: {
        Quotient total = whole({});
        for (const MathNode& arg : node.args) total = add(total, value(arg));
        return total;
      }
      case MathKind::kProduct: {
        Quotient total = whole(constant(1));
        for (const MathNode& arg : node.args) total = multiply(total, value(arg));
        return total;
      }
      case MathKind::kNegation:
        return scaled(value(node.args[0]), -1);
      case MathKind::kQuotient:
        return divide(value(node.args[0]), value(node.args[1]));
      case MathKind::kRatio:
        if (node.args.size() != 2) throw NoNormalForm{};
        return divide(value(node.args[0]), value(node.args[1]));
      case MathKind::kPower:
        return power(value(node.args[0]), value(node.args[1]));
      case MathKind::kPercent:
        return scaled(value(node.args[0]), mpq_class(1, 100));
      case MathKind::kDegrees:
      case MathKind::kQuantity:
        return value(node.args[0]);
      case MathKind::kFactorial:
        return factorial(value(node.args[0]));
      case MathKind::kFunction:
        return function(node);
      default:
        throw NoNormalForm{};
    }
  }

  Quotient add(const Quotient& a, const Quotient& b) {
    if (a.below == b.below) return {sum(a.top, b.top), a.below};
    return {sum(product(a.top, b.below), product(b.top, a.below)), product(a.below, b.below)};
  }
  Quotient multiply(const Quotient& a, const Quotient& b) { return {product(a.top, b.top), product(a.below, b.below)}; }
  Quotient scaled(Quotient q, const mpq_class& by) {
    for (auto& [monomial, c] : q.top) c *= by;
    return q;
  }
  Quotient divide(const Quotient& a, const Quotient& b) {
    if (b.top.empty() || b.below.empty()) throw NoNormalForm{};  // by zero
    return multiply(a, inverse(b));
  }

  Polynomial sum(Polynomial a, const Polynomial& b) {
    for (const auto& [monomial, c] : b) {
      budget_.spend(1 + cost(c));
      auto [it, is_new] = a.try_emplace(monomial, c);
      if (is_new) continue;
      it->second += c;
      if (it->second == 0) a.erase(it);
    }
    return a;
  }

  Polynomial product(const Polynomial& a, const Polynomial& b) {
    Polynomial out;
    for (const auto& [ma, ca] : a) {
      for (const auto& [mb, cb] : b) {
        budget_.spend(2 + static_cast<int64_t>(ma.size() + mb.size()) + cost(ca) + cost(cb));
        mpq_class c = ca * cb;
        Monomial monomial = merged(ma, mb, c);
        auto [it, is_new] = out.try_emplace(std::move(monomial), c);
        if (is_new) continue;
        it->second += c;
        if (it->second == 0) out.erase(it);
      }
    }
    return out;
  }

  // Atoms about which nothing is known, or π and e at once: whether they are independent is open.
  bool decides(const Quotient& difference) const {
    bool has_pi = false, has_e = false;
    for (const Polynomial* p : {&difference.top, &difference.below}) {
      for (const auto& [monomial, c] : *p) {
        for (const auto& [atom, exponent] : monomial) {
          if (atoms_[atom].is_opaque) return false;
          has_pi |= atoms_[atom].key == "s\\pi";
          has_e |= atoms_[atom].key == "se";
        }
      }
    }
    return !(has_pi && has_e);
  }

 private:
  static int64_t cost(const mpq_class& c) {
    return static_cast<int64_t>(mpz_size(c.get_num_mpz_t()) + mpz_size(c.get_den_mpz_t())) / 4;
  }
  void check_bits(int64_t bits) const {
    if (bits > kMaxMathBits) throw MathBudgetSpent{};
  }

  int atom_of(const std::string& key, bool is_opaque = false, const mpz_class& prime = 0) {
    auto [it, is_new] = numbers_.try_emplace(key, static_cast<int>(atoms_.size()));
    if (is_new) atoms_.push_back({key, prime, is_opaque});
    return it->second;
  }
  // What is left after the factors below 2000 may be no prime.
  int prime_atom(const mpz_class& p) { return atom_of("p" + p.get_str(), p >= 2000 * 2000, p); }
  static Polynomial monomial_of(int atom, Exponent e) { return {{{{atom, e}}, 1}}; }
  Quotient opaque(const std::string& key) { return whole(monomial_of(atom_of("f" + key, true), {1, 1})); }

  Quotient symbol(const std::string& name) {
    if (name == "i" || name == "\\imath" || name == "\\i") return whole(monomial_of(kImaginary, {1, 1}));
    if (name == "\\infty") throw NoNormalForm{};
    return whole(monomial_of(atom_of("s" + name), {1, 1}));
  }

  // The product of two monomials; whole powers of primes and of i go into c.
  Monomial merged(const Monomial& a, const Monomial& b, mpq_class& c) {
    Monomial out;
    auto ia = a.begin();
    auto ib = b.begin();
    while (ia != a.end() || ib != b.end()) {
      std::pair<int, Exponent> next;
      if (ib == b.end() || (ia != a.end() && ia->first < ib->first))
        next = *ia++;
      else if (ia == a.end() || ib->first < ia->first)
        next = *ib++;
      else
        next = {ia->first, ia->second + ib->second}, ++ia, ++ib;
      if (next.first == kImaginary) {
        int64_t k = ((next.second.top % 4) + 4) % 4;
        if (k >= 2) c = -c;
        next.second = {k % 2, 1};
      } else if (atoms_[next.first].prime != 0) {
        int64_t below = next.second.below, top = next.second.top;
        int64_t k = top >= 0 ? top / below : -((-top + below - 1) / below);
        c *= rational_power(mpq_class(atoms_[next.first].prime), k);
        next.second = make_exponent(top - k * below, below);
      }
      if (next.second.top != 0) out.push_back(next);
    }
    return out;
  }

  mpq_class rational_power(const mpq_class& base, int64_t k) {
    if (k == 0) return 1;
    if (base == 0) {
      if (k < 0) throw NoNormalForm{};
      return 0;
    }
    if (base == 1) return 1;
    if (base == -1) return k % 2 ? -1 : 1;
    uint64_t n = static_cast<uint64_t>(k < 0 ? -k : k);
    int64_t bits = static_cast<int64_t>(
        std::max(mpz_sizeinbase(base.get_num_mpz_t(), 2), mpz_sizeinbase(base.get_den_mpz_t(), 2)));
    if (n > static_cast<uint64_t>(kMaxMathBits)) throw MathBudgetSpent{};
    check_bits(bits * static_cast<int64_t>(n));
    budget_.spend(bits * static_cast<int64_t>(n) / 256);
    mpq_class out;
    mpz_pow_ui(out.get_num_mpz_t(), base.get_num_mpz_t(), n);
    mpz_pow_ui(out.get_den_mpz_t(), base.get_den_mpz_t(), n);
    if (k < 0) out = 1 / out;
    out.canonicalize();
    return out;
  }

  static std::optional<mpq_class> as_rational(const Quotient& q) {
    if (q.top.empty()) return mpq_class(0);
    if (q.top.size() != 1 || q.below.size() != 1) return std::nullopt;
    if (!q.top.begin()->first.empty() || !q.below.begin()->first.empty()) return std::nullopt;
    return q.top.begin()->second / q.below.begin()->second;
  }

  Polynomial inverse_monomial(const Polynomial& p) {
    Monomial flipped = p.begin()->first;
    for (auto& [atom, e] : flipped) e.top = -e.top;
    mpq_class c = 1 / p.begin()->second;
    Monomial monomial = merged(flipped, {}, c);
    return {{std::move(monomial), c}};
  }

  // One over q; a denominator of one term goes into the numerator.
  Quotient inverse(const Quotient& q) {
    if (q.top.size() == 1) return {product(q.below, inverse_monomial(q.top)), constant(1)};
    return {q.below, q.top};
  }

  Quotient power(const Quotient& base, const Quotient& exponent) {
    std::optional<mpq_class> k = as_rational(exponent);
    if (k) {
      if (!k->get_num().fits_slong_p() || !k->get_den().fits_slong_p()) throw MathBudgetSpent{};
      if (k->get_den() == 1) return whole_power(base, k->get_num().get_si());
      return root_power(base, *k);
    }
    return symbolic_power(base, exponent);
  }

  Quotient whole_power(const Quotient& base, int64_t k) {
    if (auto r = as_rational(base)) return whole(constant(rational_power(*r, k)));
    if (base.top.empty()) throw NoNormalForm{};
    Quotient b = k < 0 ? inverse(base) : base;
    uint64_t n = static_cast<uint64_t>(k < 0 ? -k : k);
    if (b.top.size() == 1 && b.below.size() == 1) {
      if (n > kMaxExponent) throw MathBudgetSpent{};
      return {monomial_power(b.top, static_cast<int64_t>(n)), monomial_power(b.below, static_cast<int64_t>(n))};
    }
    if (n > 100) throw MathBudgetSpent{};
    Quotient out = whole(constant(1));
    for (uint64_t i = 0; i < n; ++i) out = multiply(out, b);
    return out;
  }

  Polynomial monomial_power(const Polynomial& p, int64_t n) {
    Monomial raised = p.begin()->first;
    for (auto& [atom, e] : raised) e = e * Exponent{n, 1};
    mpq_class c = rational_power(p.begin()->second, n);
    Monomial monomial = merged(raised, {}, c);
    return {{std::move(monomial), c}};
  }

  // Factors a positive whole number into small primes and one rest; calls factor(p, times).
  template <class Factor>
  void factorize(mpz_class n, const Factor& factor) {
    for (unsigned long p = 2; p < 2000 && n > 1; p += p == 2 ? 1 : 2) {
      if (mpz_class(p) * p > n) break;
      int64_t times = 0;
      while (mpz_divisible_ui_p(n.get_mpz_t(), p)) {
        budget_.spend(1 + static_cast<int64_t>(mpz_size(n.get_mpz_t())) / 4);
        n /= p;
        ++times;
      }
      if (times) factor(mpz_class(p), times);
    }
    if (n == 1) return;
    // What is left has no small factor; a perfect power is taken apart, all else stands for itself.
    for (unsigned long k = 2; k <= 5; ++k) {
      mpz_class r;
      if (mpz_root(r.get_mpz_t(), n.get_mpz_t(), k)) return factor(r, static_cast<int64_t>(k));
    }
    factor(n, 1);
  }

  // r^e for a rational r > 0 and e = top/below.
  Polynomial positive_root(const mpq_class& r, Exponent e) {
    budget_.spend(50);
    check_bits(static_cast<int64_t>(mpz_sizeinbase(r.get_num_mpz_t(), 2)) * 8);
    Polynomial out = constant(1);
    for (int sign : {1, -1}) {
      factorize(sign > 0 ? r.get_num() : r.get_den(), [&](const mpz_class& p, int64_t times) {
        mpq_class c = 1;
        Monomial monomial = merged({{prime_atom(p), e * Exponent{sign * times, 1}}}, {}, c);
        out = product(out, {{monomial, c}});
      });
    }
    return out;
  }

  Quotient root_power(const Quotient& base, const mpq_class& k) {
    Exponent e = make_exponent(k.get_num().get_si(), k.get_den().get_si());
    if (base.top.empty()) {
      if (e.top < 0) throw NoNormalForm{};
      return whole({});
    }
    if (auto r = as_rational(base)) return rational_root(*r, e);
    if (base.below.size() == 1) {
      Polynomial p = product(base.top, inverse_monomial(base.below));
      if (p.size() == 1) {
        const auto& [monomial, c] = *p.begin();
        bool single = monomial.size() == 1 && c > 0 && monomial[0].first != kImaginary;
        bool positive = single && !atoms_[monomial[0].first].is_opaque && c > 0 &&
                        (atoms_[monomial[0].first].prime != 0 || monomial[0].second == Exponent{1, 1} ||
                         atoms_[monomial[0].first].key == "s\\pi" || atoms_[monomial[0].first].key == "se");
        if (positive) {
          mpq_class one = 1;
          Monomial raised = merged({{monomial[0].first, monomial[0].second * e}}, {}, one);
          return whole(product(positive_root(c, e), {{raised, one}}));
        }
      }
      return polynomial_root(p, e);
    }
    int64_t whole_part = e.top / e.below;
    return multiply(whole_power(base, whole_part),
                    root_atom("(" + text(base) + ")", make_exponent(e.top - whole_part * e.below, e.below)));
  }

  Quotient root_atom(const std::string& key, Exponent e) { return whole(monomial_of(atom_of("r" + key, true), e)); }

  // (content · primitive part)^e = content^e · (primitive part)^e for a positive content.
  Quotient polynomial_root(const Polynomial& p, Exponent e) {
    mpq_class content = abs(p.rbegin()->second);
    Polynomial primitive = p;
    for (auto& [monomial, c] : primitive) c /= content;
    int64_t whole_part = e.top >= 0 ? e.top / e.below : -((-e.top + e.below - 1) / e.below);
    Exponent rest = make_exponent(e.top - whole_part * e.below, e.below);
    Quotient out = multiply(whole(positive_root(content, e)), whole_power(whole(primitive), whole_part));
    return multiply(out, root_atom(text(primitive), rest));
  }

  Quotient rational_root(const mpq_class& r, Exponent e) {
    if (r > 0) return whole(positive_root(r, e));
    Polynomial size = positive_root(-r, e);
    if (e.below % 2 == 1) {  // the real root
      if (e.top % 2) size = product(size, constant(-1));
      return whole(size);
    }
    if (e.below == 2) {
      mpq_class one = 1;
      Monomial imaginary = merged({{kImaginary, {((e.top % 4) + 4) % 4, 1}}}, {}, one);
      return whole(product(size, {{imaginary, one}}));
    }
    throw NoNormalForm{};
  }

  // b^(c·t + …): each term of the exponent gives an atom b^t to the power c.
  Quotient symbolic_power(const Quotient& base, const Quotient& exponent) {
    if (exponent.below.size() != 1) return opaque(base::cat("pow:", text(base), ":", text(exponent)));
    Polynomial exponents = product(exponent.top, inverse_monomial(exponent.below));
    Quotient out = whole(constant(1));
    std::optional<mpq_class> number = as_rational(base);
    bool is_e = base.top.size() == 1 && text(base) == text(symbol("e"));
    for (const auto& [monomial, c] : exponents) {
      if (monomial.empty()) {
        out = multiply(out, power(base, whole(constant(c))));
        continue;
      }
      Polynomial t{{monomial, 1}};
      if (!c.get_num().fits_slong_p() || !c.get_den().fits_slong_p()) throw MathBudgetSpent{};
      Exponent e = make_exponent(c.get_num().get_si(), c.get_den().get_si());
      if (number && *number > 0) {
        for (int sign : {1, -1})
          factorize(sign > 0 ? number->get_num() : number->get_den(), [&](const mpz_class& p, int64_t times) {
            int atom = atom_of(base::cat("fpow:", p.get_str(), ":", text(t)), true);
            out = multiply(out, whole(monomial_of(atom, e * Exponent{sign * times, 1})));
          });
      } else if (is_e || e.below == 1) {
        out = multiply(out, whole(monomial_of(atom_of(base::cat("fpow:", text(base), ":", text(t)), true), e)));
      } else {
        t.begin()->second = c;
        out = multiply(out, opaque(base::cat("pow:", text(base), ":", text(t))));
      }
    }
    return out;
  }

  Quotient factorial(const Quotient& q) {
    auto n = as_rational(q);
    if (!n) return opaque(base::cat("factorial:", text(q)));
    if (n->get_den() != 1 || *n < 0) throw NoNormalForm{};
    if (*n > 20000) throw MathBudgetSpent{};
    unsigned long k = n->get_num().get_ui();
    budget_.spend(static_cast<int64_t>(k) / 8);
    mpz_class out;
    mpz_fac_ui(out.get_mpz_t(), k);
    return whole(constant(out));
  }

  Quotient binomial(const Quotient& a, const Quotient& b) {
    auto n = as_rational(a), k = as_rational(b);
    if (!n && k && k->get_den() == 1 && *k >= 0 && *k <= 20) return falling(a, k->get_num().get_si());
    if (!n || !k) return opaque(base::cat("binom:", text(a), ":", text(b)));
    if (n->get_den() != 1 || k->get_den() != 1 || *k < 0 || *n < 0) throw NoNormalForm{};
    if (*n > 20000 || *k > 20000) throw MathBudgetSpent{};
    budget_.spend(static_cast<int64_t>(k->get_num().get_ui()) / 4);
    mpz_class out;
    mpz_bin_ui(out.get_mpz_t(), n->get_num_mpz_t(), k->get_num().get_ui());
    return whole(constant(out));
  }

  // n(n−1)…(n−k+1)/k!
  Quotient falling(const Quotient& n, long k) {
    Quotient out = whole(constant(1));
    for (long j = 0; j < k; ++j)
      out = scaled(multiply(out, add(n, whole(constant(-j)))), mpq_class(1, static_cast<unsigned long>(j + 1)));
    return out;
  }

  Quotient function(const MathNode& node) {
    if (node.text == "root" && node.args.size() == 2) return power(value(node.args[0]), value(node.args[1]));
    if (node.text == "exp" && node.args.size() == 1) return power(symbol("e"), value(node.args[0]));
    if (node.text == "binom" && node.args.size() == 2) return binomial(value(node.args[0]), value(node.args[1]));
    std::vector<Quotient> args;
    for (const MathNode& arg : node.args) args.push_back(value(arg));
    if (args.size() == 1) {
      if (auto r = as_rational(args[0])) {
        if (node.text == "abs") return whole(constant(abs(*r)));
        mpz_class rounded;
        if (node.text == "floor" || node.text == "ceil") {
          (node.text == "floor" ? mpz_fdiv_q : mpz_cdiv_q)(rounded.get_mpz_t(), r->get_num_mpz_t(), r->get_den_mpz_t());
          return whole(constant(rounded));
        }
      }
    }
    std::string key = node.text;
    for (size_t i = 0; i < args.size(); ++i)
      base::append(key, base::cat(node.args[i].is(MathKind::kDegrees) ? ":deg:" : ":", text(args[i])));
    return opaque(key);
  }

  // A fixed notation within this space: equal quotients may still have different texts, which costs a proof, never a
  // wrong one.
  std::string text(const Polynomial& p) {
    std::string out;
    for (const auto& [monomial, c] : p) {
      budget_.spend(2 + cost(c));
      out += "+" + c.get_str();
      for (const auto& [atom, e] : monomial) base::append(out, base::cat("*", atom, "^", e.top, "/", e.below));
    }
    return out;
  }
  std::string text(const Quotient& q) {
    if (q.below.size() == 1) return text(product(q.top, inverse_monomial(q.below)));
    mpq_class lead = q.below.rbegin()->second;
    Polynomial top = q.top, below = q.below;
    for (auto& [m, c] : top) c /= lead;
    for (auto& [m, c] : below) c /= lead;
    return base::cat("(", text(top), ")/(", text(below), ")");
  }

  MathBudget& budget_;
  std::vector<Atom> atoms_;
  std::map<std::string, int> numbers_;
};

std::optional<mpq_class> rational_of(const MathNode& node) {
  try {
    MathBudget budget(100000);
    Space space(budget);
    Quotient q = space.value(node);
    if (q.below.empty()) return std::nullopt;
    if (q.top.empty()) return mpq_class(0);
    if (q.top.size() != 1 || q.below.size() != 1 || !q.top.begin()->first.empty() || !q.below.begin()->first.empty())
      return std::nullopt;
    return q.top.begin()->second / q.below.begin()->second;
  } catch (const NoNormalForm&) {
  } catch (const MathBudgetSpent&) {
  }
  return std::nullopt;
}

}  // namespace

Same exactly_equal(const MathNode& a, const MathNode& b, MathBudget& budget) {
  try {
    Space space(budget);
    Quotient x = space.value(a), y = space.value(b);
    if (x.below.empty() || y.below.empty()) return Same::kUnknown;
    Quotient difference = space.add(x, space.scaled(y, -1));
    if (difference.top.empty()) return Same::kYes;
    return space.decides(difference) ? Same::kNo : Same::kUnknown;
  } catch (const NoNormalForm&) {
    return Same::kUnknown;
  }
}

int proportional_sign(const MathNode& a, const MathNode& b, MathBudget& budget) {
  try {
    Space space(budget);
    Quotient x = space.value(a), y = space.value(b);
    // Cross-multiplied, so that denominators do not matter: x.top·y.below against y.top·x.below.
    Polynomial left = space.product(x.top, y.below), right = space.product(y.top, x.below);
    if (left.empty() || right.empty() || left.size() != right.size()) return 0;
    mpq_class factor = left.begin()->second / right.begin()->second;
    for (auto l = left.begin(), r = right.begin(); l != left.end(); ++l, ++r)
      if (l->first != r->first || l->second != factor * r->second) return 0;
    return sgn(factor);
  } catch (const NoNormalForm&) {
    return 0;
  }
}

std::optional<std::string> rational_text(const MathNode& node) {
  auto r = rational_of(node);
  if (!r) return std::nullopt;
  return r->get_str();
}

std::optional<std::string> rational_rounded(const MathNode& node, int decimals) {
  auto r = rational_of(node);
  if (!r) return std::nullopt;
  mpz_class scale;
  mpz_ui_pow_ui(scale.get_mpz_t(), 10, static_cast<unsigned long>(decimals));
  mpq_class scaled = abs(*r) * scale + mpq_class(1, 2);
  mpz_class rounded;
  mpz_fdiv_q(rounded.get_mpz_t(), scaled.get_num_mpz_t(), scaled.get_den_mpz_t());
  if (*r < 0) rounded = -rounded;
  return rounded.get_str();
}

}  // namespace ponder::tasks
