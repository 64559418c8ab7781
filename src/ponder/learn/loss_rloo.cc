// RLOO (Ahmadian et al., arXiv 2402.14740, eq. 7): −(1/B) Σ_i A_i·log π(o_i), log π(o_i) = Σ_t m·logp, where A_i is the
// reward less the mean of the other samples of its problem. The baseline is the whole difference to REINFORCE.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_rloo(const LossInput& in, const LossOptions& options, LossResult& out) {
  add_log_likelihood(in, options, 1 / in.totals.rows, out);
}

}  // namespace ponder::learn
