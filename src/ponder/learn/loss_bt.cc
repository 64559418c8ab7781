// Bradley–Terry reward model (Ouyang et al., arXiv 2203.02155, eq. 1): mean over pairs of −log σ(s_chosen − s_rejected
// − margin), s = the score at a row's last shown position.
#include "ponder/base/error.h"
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_bt(const LossInput& in, const LossOptions& options, LossResult& out) {
  const double scale = 1 / in.totals.pairs;
  for (const Pair& pair : in.pairs) {
    const size_t chosen = last_shown(in, static_cast<size_t>(pair.chosen));
    const size_t rejected = last_shown(in, static_cast<size_t>(pair.rejected));
    PONDER_CHECK(chosen < static_cast<size_t>(in.offsets[pair.chosen + 1]) &&
                     rejected < static_cast<size_t>(in.offsets[pair.rejected + 1]),
                 "both rows of a pair need a position whose mask is not 0");
    const double z = in.logp[chosen] - in.logp[rejected] - options.margin;
    out.loss += scale * minus_log_sigmoid(z);
    out.grad_logp[chosen] -= scale * sigmoid(-z);
    out.grad_logp[rejected] += scale * sigmoid(-z);
    out.stats.right += in.logp[chosen] > in.logp[rejected];
    out.stats.judged += 1;
  }
}

}  // namespace ponder::learn
