// GSPO (Zheng et al., arXiv 2507.18071, eq. 5–7): (1/B) Σ_i −min(ρ_i A_i, clip(ρ_i, 1 − ε_low, 1 + ε_high)A_i), one
// ratio a row, ρ_i = exp((1/|o_i|) Σ_t m(logp − logp_old)); (1/B) Σ_i (1/|o_i|) Σ_t m·beta·k3 is added when there is a
// reference.
#include "ponder/base/error.h"
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_gspo(const LossInput& in, const LossOptions& options, LossResult& out) {
  for (size_t row = 0; row < in.rows(); ++row) {
    const RowSpan span = row_span(in, row);
    if (span.tokens == 0) continue;
    const double advantage = in.advantages[span.begin];
    double mean_log_ratio = 0;
    for (size_t t = span.begin; t < span.end; ++t) {
      PONDER_CHECK(in.advantages[t] == advantage, "gspo needs one advantage a row, row ", row, " has several");
      mean_log_ratio += in.mask_at(t) * log_ratio(in, t) / span.tokens;
    }
    const Term s = clipped_surrogate(mean_log_ratio, advantage, options.clip, options.clip_high);
    out.loss += s.value / in.totals.rows;
    out.stats.clipped += s.clipped;
    out.stats.ratios += 1;
    const double scale = 1 / (in.totals.rows * span.tokens);
    for (size_t t = span.begin; t < span.end; ++t) {
      out.grad_logp[t] += scale * in.mask_at(t) * s.slope;
      add_kl(in, options, t, scale, out);
    }
  }
}

}  // namespace ponder::learn
