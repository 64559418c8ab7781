// Dr. GRPO (Liu et al., arXiv 2503.20783, §3.2): (1/B) Σ_i (1/L) Σ_t m·[−min(ρA, clip(ρ, 1 ± ε)A) + beta·k3], A = r −
// mean of its group, L = max_len, the same for all rows: GRPO without its bias for short right and long wrong answers.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_dr_grpo(const LossInput& in, const LossOptions& options, LossResult& out) {
  const double length = options.max_len > 0 ? options.max_len : in.totals.max_row;
  add_clipped_tokens(
      in, options, [&](const RowSpan&) { return 1 / (in.totals.rows * length); }, out);
}

}  // namespace ponder::learn
