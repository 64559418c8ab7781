// CISPO (MiniMax-M1, arXiv 2506.13585, eq. 4–5): −(1/N) Σ_i Σ_t m·sg(min(ρ, 1 + ε_high))·A·logp, sg = no gradient;
// beta·k3 is added when there is a reference. The weight is cut, the gradient is not: no token falls silent.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_cispo(const LossInput& in, const LossOptions& options, LossResult& out) {
  const double scale = 1 / in.totals.tokens;
  for (size_t t = 0; t < in.logp.size(); ++t) {
    const double m = in.mask_at(t);
    if (m == 0) continue;
    const double rho = std::exp(log_ratio(in, t)), limit = 1 + options.clip_high;
    const double weight = std::min(rho, limit) * in.advantages[t];
    out.loss -= scale * m * weight * in.logp[t];
    out.grad_logp[t] -= scale * m * weight;
    out.stats.clipped += rho > limit;
    out.stats.ratios += 1;
    add_kl(in, options, t, scale, out);
  }
}

}  // namespace ponder::learn
