// Small worlds of facts for pre-training text: boolean expressions, rules over named facts, tables of numbers.
#pragma once
#include "ponder/base/rng.h"
#include "ponder/craft/trace.h"

namespace ponder::craft {

// "yes and not no = yes ; …", or "a = yes ; b = no ; if a and not b then c ; c = yes ; …" (what no rule makes true is
// no).
void write_logic(base::Rng& rng, TraceWriter& out);
// "b = 13 ; a = 7 ; d = 42 ; get a = 7 ; max = 42 ; b > a yes ; sort 13 7 42 = 7 13 42"
void write_table(base::Rng& rng, TraceWriter& out);

}  // namespace ponder::craft
