// PPO, policy part (Schulman et al., arXiv 1707.06347, eq. 7): (1/N) Σ_i Σ_t m·[−min(ρA, clip(ρ, 1 ± ε)A) + beta·k3], A
// a number for every token, from GAE or the like.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_ppo(const LossInput& in, const LossOptions& options, LossResult& out) {
  add_clipped_tokens(
      in, options, [&in](const RowSpan&) { return 1 / in.totals.tokens; }, out);
}

}  // namespace ponder::learn
