// REINFORCE++ (Hu, arXiv 2501.03262, eq. 5 and 9): (1/N) Σ_i Σ_t m·[−min(ρA, clip(ρ, 1 ± ε)A) + beta·k3], where A is
// the reward normalised over the whole batch instead of a group.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_reinforce_pp(const LossInput& in, const LossOptions& options, LossResult& out) {
  add_clipped_tokens(
      in, options, [&in](const RowSpan&) { return 1 / in.totals.tokens; }, out);
}

}  // namespace ponder::learn
