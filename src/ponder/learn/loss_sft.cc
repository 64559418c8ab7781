// Imitation (pre-training, supervised fine-tuning): −(1/N) Σ_i Σ_t m·logp (average = token), or −(1/B) Σ_i (1/|o_i|)
// Σ_t m·logp (average = row), in which a long answer weighs as much as a short one.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_sft(const LossInput& in, const LossOptions& options, LossResult& out) {
  const bool by_row = options.average == "row";
  for (size_t row = 0; row < in.rows(); ++row) {
    const RowSpan span = row_span(in, row);
    if (span.tokens == 0) continue;
    const double scale = by_row ? 1 / (in.totals.rows * span.tokens) : 1 / in.totals.tokens;
    for (size_t t = span.begin; t < span.end; ++t) {
      out.loss -= scale * in.mask_at(t) * in.logp[t];
      out.grad_logp[t] -= scale * in.mask_at(t);
    }
  }
}

}  // namespace ponder::learn
