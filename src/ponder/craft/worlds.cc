#include "ponder/craft/worlds.h"

#include <algorithm>

#include "ponder/text/words.h"

namespace ponder::craft {
namespace {

constexpr int kNames = text::kNameF - text::kNameA + 1;

core::Token word(bool truth) { return truth ? text::kYes : text::kNo; }

core::Tokens shuffled_names(base::Rng& rng) {
  core::Tokens names;
  for (int i = 0; i < kNames; ++i) names.push_back(text::kNameA + i);
  rng.shuffle(names);
  return names;
}

// One of 0 … n−1 that is not i; n ≥ 2.
int another(int i, int n, base::Rng& rng) { return static_cast<int>((i + rng.between(1, n - 1)) % n); }

// Writes "[not] word" and gives its truth.
bool write_literal(core::Token shown, bool truth, base::Rng& rng, TraceWriter& out) {
  bool negated = rng.chance(0.35);
  if (negated) out.put({text::kNot});
  out.put({shown});
  return truth != negated;
}

// Writes "literal and|or literal" and gives its truth.
template <class Literal>
bool write_condition(base::Rng& rng, TraceWriter& out, const Literal& literal) {
  bool left = literal();
  bool conjunction = rng.chance(0.5);
  out.put({conjunction ? text::kAnd : text::kOr});
  bool right = literal();
  return conjunction ? left && right : left || right;
}

void write_expressions(base::Rng& rng, TraceWriter& out) {
  for (int line = 0; line < 6; ++line) {
    if (line > 0) out.put({text::kSemicolon});
    bool truth = write_condition(rng, out, [&] {
      bool value = rng.chance(0.5);
      return write_literal(word(value), value, rng, out);
    });
    out.put({text::kEquals, word(truth)});
  }
}

void write_rules(base::Rng& rng, TraceWriter& out) {
  core::Tokens names = shuffled_names(rng);
  bool truth[kNames] = {};
  int known = static_cast<int>(rng.between(2, 3));
  for (int i = 0; i < known; ++i) {
    truth[i] = rng.chance(0.5);
    out.put({names[i], text::kEquals, word(truth[i]), text::kSemicolon});
  }
  for (int rule = 0; rule < 2; ++rule, ++known) {
    out.put({text::kIf});
    int fact = static_cast<int>(rng.below(known));
    bool value = write_condition(rng, out, [&] {
      fact = another(fact, known, rng);
      return write_literal(names[fact], truth[fact], rng, out);
    });
    truth[known] = value;
    out.put({text::kThen, names[known], text::kSemicolon, names[known], text::kEquals, word(value), text::kSemicolon});
  }
  int asked = static_cast<int>(rng.below(known));
  out.put({text::kGet, names[asked], text::kEquals, word(truth[asked])});
}

}  // namespace

void write_logic(base::Rng& rng, TraceWriter& out) {
  if (rng.chance(0.5))
    write_expressions(rng, out);
  else
    write_rules(rng, out);
}

void write_table(base::Rng& rng, TraceWriter& out) {
  core::Tokens names = shuffled_names(rng);
  int entries = static_cast<int>(rng.between(3, 4));
  core::Tokens values;
  for (int i = 0; i < entries; ++i) {
    values.push_back(static_cast<core::Token>(rng.below(text::kMaxNumber + 1)));
    out.put({names[i], text::kEquals, values[i], text::kSemicolon});
  }
  core::Tokens sorted = values;
  std::sort(sorted.begin(), sorted.end());
  int a = static_cast<int>(rng.below(entries)), b = another(a, entries, rng);
  out.put({text::kGet, names[a], text::kEquals, values[a], text::kSemicolon});
  out.put({text::kGet, names[b], text::kEquals, values[b], text::kSemicolon});
  bool greater = rng.chance(0.5);
  out.put({names[a], greater ? text::kGreater : text::kLess, names[b],
           word(greater ? values[a] > values[b] : values[a] < values[b]), text::kSemicolon});
  if (rng.chance(0.5)) {
    out.put({text::kMax, text::kEquals, sorted.back(), text::kSemicolon, text::kMin, text::kEquals, sorted.front()});
  } else {
    out.put({text::kSort});
    out.put(values);
    out.put({text::kEquals});
    out.put(sorted);
  }
}

}  // namespace ponder::craft
