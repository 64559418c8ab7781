// DAPO (Yu et al., arXiv 2503.14476, eq. 8): (1/N) Σ_i Σ_t m·[−min(ρA, clip(ρ, 1 − ε_low, 1 + ε_high)A) + beta·k3]. One
// mean over all tokens, and more room above than below, which keeps rare tokens alive.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_dapo(const LossInput& in, const LossOptions& options, LossResult& out) {
  add_clipped_tokens(
      in, options, [&in](const RowSpan&) { return 1 / in.totals.tokens; }, out);
}

}  // namespace ponder::learn
