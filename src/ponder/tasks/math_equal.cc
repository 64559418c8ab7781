#include "ponder/tasks/math_equal.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "ponder/base/cat.h"
#include "ponder/tasks/math_exact.h"
#include "ponder/tasks/math_numeric.h"
#include "ponder/tasks/math_parse.h"
#include "ponder/tasks/math_sets.h"
#include "ponder/tasks/math_units.h"

namespace ponder::tasks {
namespace {

constexpr int kDecimals = 6;  // a decimal with so many digits may stand for what it rounds

bool is_collection(const MathNode& n) {
  return n.is(MathKind::kList) || n.is(MathKind::kSet) || n.is(MathKind::kTuple);
}
bool is_unordered(const MathNode& n) { return n.is(MathKind::kList) || n.is(MathKind::kSet); }

bool is_equation(const MathNode& n) {
  return n.is(MathKind::kRelation) && n.text.find_first_not_of("=~") == std::string::npos;
}

// A name for what is asked: x, f(x), |AB|, A:B, NO/BO, (p, q).
bool is_name(const MathNode& n) {
  switch (n.kind) {
    case MathKind::kSymbol:
    case MathKind::kWords:
      return true;
    case MathKind::kFunction:
      return n.text != "root";
    case MathKind::kProduct:
    case MathKind::kQuotient:
    case MathKind::kRatio:
    case MathKind::kTuple:
    case MathKind::kQuantity:
      return std::all_of(n.args.begin(), n.args.end(), is_name);
    default:
      return false;
  }
}

bool has_symbols(const MathNode& n) {
  if (n.is(MathKind::kWords)) return true;
  if (n.is(MathKind::kSymbol)) return n.text != "\\pi" && n.text != "e" && n.text != "i" && n.text != "\\infty";
  if (n.is(MathKind::kFunction) && n.args.size() == 1 && n.text.size() == 1) return true;  // f(2)
  return std::any_of(n.args.begin(), n.args.end(), has_symbols);
}

bool is_variable(const MathNode& n) { return n.is(MathKind::kSymbol) && n.text[0] != '\\'; }

// What a chain of equations ends in: x = 1/3 ≈ 0.33 says 1/3.
const MathNode& chain_value(const MathNode& chain) {
  size_t last = chain.args.size() - 1;
  while (last > 1 && chain.text[last - 1] == kAbout) --last;
  return chain.args[last];
}

bool contains(const MathNode& n, MathKind kind) {
  if (n.is(kind)) return true;
  return std::any_of(n.args.begin(), n.args.end(), [&](const MathNode& arg) { return contains(arg, kind); });
}

// Every ± of the tree read as + or as −.
MathNode with_sign(const MathNode& n, bool plus) {
  MathNode out = n;
  for (MathNode& arg : out.args) arg = with_sign(arg, plus);
  if (!n.is(MathKind::kPlusMinus)) return out;
  if (plus) return make_node(MathKind::kSum, "", std::move(out.args));
  return difference_of(std::move(out.args[0]), std::move(out.args[1]));
}

// 1 for ∞, −1 for −∞, 0 for all else.
int infinite_sign(const MathNode& n) {
  if (n.is_symbol("\\infty")) return 1;
  if (n.is(MathKind::kNegation)) return -infinite_sign(n.args[0]);
  if (n.is(MathKind::kSum) && n.args.size() == 1) return infinite_sign(n.args[0]);
  return 0;
}

// Letters in a row as one lower-case word; nothing when there is more than letters. One letter keeps its case.
std::optional<std::string> word_of(const MathNode& n) {
  std::string word;
  if (n.is(MathKind::kWords) || n.is(MathKind::kSymbol)) {
    for (char c : n.text)
      if (std::isalnum(static_cast<unsigned char>(c)) || static_cast<unsigned char>(c) >= 128) word += c;
    if (n.is(MathKind::kSymbol) && word.size() != n.text.size()) return std::nullopt;
  } else if (n.is(MathKind::kProduct) || n.is(MathKind::kQuantity)) {
    for (const MathNode& arg : n.args) {
      auto part = word_of(arg);
      if (!part) return std::nullopt;
      word += *part;
    }
    if (n.is(MathKind::kQuantity))
      for (char c : n.text)
        if (c != ' ') word += c;
  } else {
    return std::nullopt;
  }
  if (word.size() > 1)
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return word;
}

MathNode all_reals() {
  MathNode infinity = make_node(MathKind::kSymbol, "\\infty");
  return make_node(MathKind::kTuple, "()", {make_node(MathKind::kNegation, "", {infinity}), infinity});
}

class Comparison {
 public:
  explicit Comparison(MathBudget& budget) : budget_(budget) {}

  bool equal(const MathNode& gold, const MathNode& answer) {
    budget_.spend(20);
    if (math_text(gold) == math_text(answer)) return true;
    if (gold.is_symbol("\\mathbb{R}")) return equal(all_reals(), answer);
    if (answer.is_symbol("\\mathbb{R}")) return equal(gold, all_reals());
    if (gold.is(MathKind::kMember)) return equal(gold.args[1], answer.is(MathKind::kMember) ? answer.args[1] : answer);
    if (answer.is(MathKind::kMember)) return equal(gold, answer.args[1]);
    if (contains(gold, MathKind::kPlusMinus) || contains(answer, MathKind::kPlusMinus))
      return equal(both_signs(gold), both_signs(answer));
    if (gold.is(MathKind::kRelation) || answer.is(MathKind::kRelation)) return relations(gold, answer);
    if (is_set(gold) || is_set(answer)) return sets(gold, answer);
    if (is_collection(gold) || is_collection(answer)) return collections(gold, answer);
    if (contains(gold, MathKind::kMatrix) || contains(answer, MathKind::kMatrix)) return matrices(gold, answer);
    if (gold.is(MathKind::kRatio) && answer.is(MathKind::kRatio) && in_order(gold.args, answer.args)) return true;
    return scalars(gold, answer);
  }

 private:
  static bool is_set(const MathNode& n) {
    return n.is(MathKind::kUnion) || n.is(MathKind::kIntersection) || n.is(MathKind::kDifference);
  }

  // ± within a list gives two items of it, elsewhere a list of two.
  MathNode both_signs(const MathNode& n) {
    if (!contains(n, MathKind::kPlusMinus)) return n;
    if (is_unordered(n)) {
      MathNode out = make_node(n.kind, n.text);
      for (const MathNode& arg : n.args) {
        MathNode both = both_signs(arg);
        if (is_unordered(both))
          out.args.insert(out.args.end(), both.args.begin(), both.args.end());
        else
          out.args.push_back(std::move(both));
      }
      return out;
    }
    if (is_equation(n)) return both_signs(chain_value(n));
    return make_node(MathKind::kList, "", {with_sign(n, true), with_sign(n, false)});
  }

  bool relations(const MathNode& gold, const MathNode& answer) {
    if (is_equation(answer) && !is_equation(gold)) {
      const MathNode &name = answer.args[0], &value = chain_value(answer);
      if (!has_symbols(name) && is_variable(value)) return equal(gold, name);  // "5 = x"
      // "6 = 5" says nothing.
      if (!has_symbols(name) && !is_variable(name) && !equal(name, value)) return false;
      return equal(gold, value);
    }
    if (is_equation(gold) && !is_equation(answer))
      return is_name(gold.args[0]) && !answer.is(MathKind::kRelation) && equal(chain_value(gold), answer);
    if (is_equation(gold)) return equations(gold, answer);
    if (gold.is(MathKind::kRelation) && answer.is(MathKind::kRelation) && inequalities(gold, answer)) return true;
    auto gold_set = gold.is(MathKind::kRelation) ? solution_set(gold) : std::optional<MathNode>(gold);
    auto answer_set = answer.is(MathKind::kRelation) ? solution_set(answer) : std::optional<MathNode>(answer);
    if (!gold_set || !answer_set) return false;
    if (gold_set->is(MathKind::kRelation) || answer_set->is(MathKind::kRelation)) return false;
    return equal(*gold_set, *answer_set);
  }

  bool equations(const MathNode& gold, const MathNode& answer) {
    const MathNode &gold_value = chain_value(gold), &answer_value = chain_value(answer);
    if (is_name(gold.args[0]) && is_name(answer.args[0]) && equal(gold.args[0], answer.args[0]))
      return equal(gold_value, answer_value);
    MathNode g = difference_of(gold.args[0], gold_value), a = difference_of(answer.args[0], answer_value);
    return proportional_sign(g, a, budget_) != 0;
  }

  // The same relation between neighbours, in the same direction or turned around, each up to a factor.
  bool inequalities(const MathNode& gold, const MathNode& answer) {
    if (gold.text.size() != answer.text.size()) return false;
    size_t n = gold.text.size();
    bool straight = true, turned = true;
    for (size_t i = 0; i < n; ++i) {
      straight = straight && same_step(gold, i, answer, i);
      turned = turned && same_step(gold, i, answer, n - 1 - i);
    }
    return straight || turned;
  }

  bool same_step(const MathNode& gold, size_t i, const MathNode& answer, size_t j) {
    MathNode g = difference_of(gold.args[i], gold.args[i + 1]), a = difference_of(answer.args[j], answer.args[j + 1]);
    char g_op = gold.text[i], a_op = answer.text[j];
    int sign = proportional_sign(g, a, budget_);
    if (sign > 0) return g_op == a_op;
    if (sign < 0) return g_op == turned_around(a_op);
    return g_op == a_op && equal(gold.args[i], answer.args[j]) && equal(gold.args[i + 1], answer.args[j + 1]);
  }

  bool sets(const MathNode& gold, const MathNode& answer) {
    if (gold.is(MathKind::kUnion) || answer.is(MathKind::kUnion)) {
      std::vector<MathNode> g = union_parts(gold), a = union_parts(answer);
      return any_order(g, a);
    }
    return gold.kind == answer.kind && in_order(gold.args, answer.args);
  }

  bool collections(const MathNode& gold, const MathNode& answer) {
    if (!is_collection(gold)) {
      if (!is_unordered(answer)) return matrix_as_tuple(gold, answer);
      std::vector<MathNode> items = without_repeats(answer.args);
      return items.size() == 1 && equal(gold, items[0]);
    }
    if (!is_collection(answer)) {
      if (!is_unordered(gold)) return matrix_as_tuple(answer, gold);
      return gold.args.size() == 1 && equal(gold.args[0], answer);
    }
    if (gold.is(MathKind::kTuple)) {
      if (!answer.is(MathKind::kTuple)) return gold.text == "()" && in_order(gold.args, answer.args);
      // (a, b] and (a, b) differ; for three and more the brackets are taste.
      if (gold.args.size() == 2 && gold.text != answer.text) return false;
      return in_order(gold.args, answer.args);
    }
    if (answer.is(MathKind::kTuple) && (answer.text != "()" || gold.args.size() < 2)) return false;
    return any_order(gold.args, answer.args);
  }

  // A row or a column of numbers may be written as a tuple.
  bool matrix_as_tuple(const MathNode& matrix, const MathNode& tuple) {
    if (!matrix.is(MathKind::kMatrix)) return false;
    if (matrix.rows != 1 && matrix.rows != static_cast<int>(matrix.args.size())) return false;
    return in_order(matrix.args, tuple.args);
  }

  bool in_order(const std::vector<MathNode>& gold, const std::vector<MathNode>& answer) {
    if (gold.size() != answer.size()) return false;
    for (size_t i = 0; i < gold.size(); ++i)
      if (!equal(gold[i], answer[i])) return false;
    return true;
  }

  std::vector<MathNode> without_repeats(const std::vector<MathNode>& items) {
    std::vector<MathNode> out;
    for (const MathNode& item : items) {
      bool known = std::any_of(out.begin(), out.end(), [&](const MathNode& o) {
        budget_.spend(5);
        return math_text(o) == math_text(item);
      });
      if (!known) out.push_back(item);
    }
    return out;
  }

  bool any_order(const std::vector<MathNode>& gold_items, const std::vector<MathNode>& answer_items) {
    std::vector<MathNode> gold = without_repeats(gold_items), answer = without_repeats(answer_items);
    if (gold.size() != answer.size()) return false;
    std::vector<bool> used(answer.size());
    for (const MathNode& g : gold) {
      bool found = false;
      for (size_t i = 0; i < answer.size() && !found; ++i) {
        if (used[i] || !equal(g, answer[i])) continue;
        used[i] = found = true;
      }
      if (!found) return false;
    }
    return true;
  }

  bool matrices(const MathNode& gold, const MathNode& answer) {
    MathNode g = folded_matrix(gold), a = folded_matrix(answer);
    if (!g.is(MathKind::kMatrix) || !a.is(MathKind::kMatrix)) return false;
    return g.rows == a.rows && g.text == a.text && in_order(g.args, a.args);
  }

  bool scalars(const MathNode& gold, const MathNode& answer) {
    // \text{Even} is "even" in any spelling; AB and ab are two products.
    if (contains(gold, MathKind::kWords) || contains(answer, MathKind::kWords)) {
      auto gold_word = word_of(gold), answer_word = word_of(answer);
      if (gold_word && answer_word && *gold_word == *answer_word) return true;
    }
    if (gold.is(MathKind::kQuantity) && answer.is(MathKind::kQuantity)) return quantities(gold, answer);
    if (gold.is(MathKind::kQuantity) && !gold.args[0].is(MathKind::kWords)) return equal(gold.args[0], answer);
    if (answer.is(MathKind::kQuantity) && !answer.args[0].is(MathKind::kWords)) return equal(gold, answer.args[0]);
    if (gold.is(MathKind::kPercent) != answer.is(MathKind::kPercent)) {
      // 28% is 28 hundredths, and 28 where a percentage was asked for.
      if (values(gold, answer)) return true;
      return gold.is(MathKind::kPercent) ? values(gold.args[0], answer) : values(gold, answer.args[0]);
    }
    return values(gold, answer);
  }

  // Two units of one kind are converted, of two kinds differ; what is no known unit does not count.
  bool quantities(const MathNode& gold, const MathNode& answer) {
    auto g = unit_value(gold.text), a = unit_value(answer.text);
    if (gold.text == answer.text || !g || !a) return equal(gold.args[0], answer.args[0]);
    if (g->dimension != a->dimension) return false;
    return values(converted(gold.args[0], g->factor), converted(answer.args[0], a->factor));
  }
  static MathNode converted(const MathNode& value, const std::string& factor) {
    auto by = parse_math(factor);
    return make_node(MathKind::kProduct, "", {value, by ? *by : make_number("1")});
  }

  bool values(const MathNode& gold, const MathNode& answer) {
    int g = infinite_sign(gold), a = infinite_sign(answer);
    if (g || a) return g == a;
    if (gold.is(MathKind::kWords) || answer.is(MathKind::kWords)) return false;
    MathBudget exact_budget(budget_.left());
    Same same = Same::kUnknown;
    try {
      same = exactly_equal(gold, answer, exact_budget);
    } catch (const MathBudgetSpent&) {
      // Too large for exact arithmetic: an interval may still tell them apart.
      return numerically(gold, answer, true);
    }
    budget_.spend(budget_.left() - exact_budget.left());
    if (same == Same::kYes) return true;
    if (same == Same::kUnknown && numerically(gold, answer, false)) return true;
    return as_decimals(gold, answer);
  }

  bool numerically(const MathNode& gold, const MathNode& answer, bool must_decide) {
    Same same = numerically_equal(gold, answer, budget_);
    if (same == Same::kUnknown && must_decide) throw MathBudgetSpent{};
    return same == Same::kYes;
  }

  static size_t decimals_of(const MathNode& n) {
    if (n.is(MathKind::kNegation) || n.is(MathKind::kPercent) || n.is(MathKind::kDegrees))
      return decimals_of(n.args[0]);
    if (!n.is(MathKind::kNumber)) return 0;
    size_t point = n.text.find('.');
    return point == std::string::npos ? 0 : n.text.size() - point - 1;
  }

  // 0.333333 for 1/3: a decimal with six places or more stands for what it rounds, if four digits of it count.
  bool as_decimals(const MathNode& gold, const MathNode& answer) {
    if (std::max(decimals_of(gold), decimals_of(answer)) < kDecimals || has_symbols(gold) || has_symbols(answer))
      return false;
    if (equal_when_rounded(gold, answer, kDecimals, budget_) != Same::kYes) return false;
    const auto size = [](MathNode n) { return make_node(MathKind::kFunction, "abs", {std::move(n)}); };
    MathNode error = make_node(MathKind::kProduct, "", {make_number("10000"), size(difference_of(gold, answer))});
    return sign_of(difference_of(size(gold), error), budget_) > 0;
  }

  MathBudget& budget_;
};

}  // namespace

MathVerdict compare_math(const MathNode& gold, const MathNode& answer, int64_t steps) {
  MathBudget budget(steps);
  try {
    return Comparison(budget).equal(gold, answer) ? MathVerdict::kEqual : MathVerdict::kDifferent;
  } catch (const MathBudgetSpent&) {
    return MathVerdict::kSpent;
  }
}

}  // namespace ponder::tasks
