#include "ponder/tasks/math_quantity.h"

#include "ponder/base/cat.h"
#include "ponder/tasks/math_units.h"
#include "ponder/tasks/math_words.h"

namespace ponder::tasks {
namespace {

bool is_prose(const MathToken& token) { return token.kind == MathToken::kText || token.kind == MathToken::kWord; }

bool is_known_unit_word(const MathToken& token) {
  if (token.kind != MathToken::kWord || !command_of_word(token.text).empty()) return false;
  return is_unit_word(token.text) || (token.spaced && token.text.size() >= 4);
}

std::string take_unit(MathCursor& in) {
  std::string unit = in.now().text;
  in.advance();
  while (true) {
    if (in.is_mark("^") || in.is_mark("_")) {
      in.advance();
      std::string power = in.raw_group();
      if (power != "\\circ") base::append(unit, base::cat("^", power));
    } else if (is_prose(in.now())) {
      base::append(unit, base::cat(" ", in.now().text));
      in.advance();
    } else if (in.is_mark("/") && is_prose(in.next())) {
      base::append(unit, base::cat("/", in.next().text));
      in.advance(2);
    } else if (in.is_mark("-") && is_prose(in.next())) {
      base::append(unit, base::cat("-", in.next().text));
      in.advance(2);
    } else {
      return unit;
    }
  }
}

}  // namespace

bool is_unit_next(const MathCursor& in, const MathNode& value) {
  if (value.is(MathKind::kWords)) return false;
  return in.now().kind == MathToken::kText || is_known_unit_word(in.now());
}

MathNode with_unit(MathCursor& in, MathNode value) {
  const std::string name = unit_name(take_unit(in));
  if (name == "percent") return in.make(MathKind::kPercent, "", {std::move(value)});
  if (name == "degree") return in.make(MathKind::kDegrees, "", {std::move(value)});
  if (value.is(MathKind::kQuantity)) {
    value.text += " " + name;
    return value;
  }
  return in.make(MathKind::kQuantity, name, {std::move(value)});
}

}  // namespace ponder::tasks
