// Process reward model (Lightman et al., arXiv 2305.20050; soft labels: Math-Shepherd, arXiv 2312.08935, eq. 2): binary
// cross-entropy between σ(s) and the label at every step end, (1/N) Σ m·BCE; the mask shows the step ends.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_prm(const LossInput& in, const LossOptions&, LossResult& out) {
  for (size_t t = 0; t < in.logp.size(); ++t) {
    if (in.mask_at(t) > 0) add_cross_entropy(in, t, in.mask_at(t) / in.totals.tokens, out);
  }
}

}  // namespace ponder::learn
