// Gives every variable of a parsed template its place. Jinja decides when it compiles, not when it runs, which variable
// a name means: a `set` inside a loop makes a new one for each round, a name that is set anywhere in a scope belongs to
// that scope from its beginning. This pass follows the same rules, so shadowing and leaks come out the same.
#pragma once
#include "ponder/text/jinja_ast.h"

namespace ponder::text::jinja {

void resolve_scopes(Tree& tree);  // SyntaxError: unknown filters and tests, break outside of a loop, …

}  // namespace ponder::text::jinja
