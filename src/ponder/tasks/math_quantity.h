// The unit behind a value, read from its tokens: "5 cm", "3 \text{ hours}", "12 m/s", "90 degrees". The grammar's
// products (math_parse.cc) call it; what a unit's words mean stands in math_units.h.
#pragma once
#include "ponder/tasks/math_cursor.h"

namespace ponder::tasks {

// Text behind a value is its unit, and so is a word behind a number.
bool is_unit_next(const MathCursor& in, const MathNode& value);
// The value as kQuantity, kPercent or kDegrees; the current token is the unit's first word.
MathNode with_unit(MathCursor& in, MathNode value);

}  // namespace ponder::tasks
