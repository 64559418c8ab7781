// REINFORCE (Williams 1992): −(1/B) Σ_i Σ_t m·A_i·logp, with beta·k3 added per token when there is a reference.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_reinforce(const LossInput& in, const LossOptions& options, LossResult& out) {
  add_log_likelihood(in, options, 1 / in.totals.rows, out);
}

}  // namespace ponder::learn
