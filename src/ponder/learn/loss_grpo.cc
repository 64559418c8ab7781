// GRPO (DeepSeekMath, arXiv 2402.03300, eq. 3): (1/B) Σ_i (1/|o_i|) Σ_t m·[−min(ρA, clip(ρ, 1 ± ε)A) + beta·k3],
// A = (r − mean) / (std + eps) of its group. Every answer weighs the same, however long.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_grpo(const LossInput& in, const LossOptions& options, LossResult& out) {
  add_clipped_tokens(
      in, options, [&in](const RowSpan& row) { return row.tokens > 0 ? 1 / (in.totals.rows * row.tokens) : 0.0; }, out);
}

}  // namespace ponder::learn
