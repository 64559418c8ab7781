// Outcome reward model (Cobbe et al., arXiv 2110.14168): mean over rows of the binary cross-entropy between σ(s) at the
// row's last shown position and its label.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_orm(const LossInput& in, const LossOptions&, LossResult& out) {
  for (size_t row = 0; row < in.rows(); ++row) {
    const size_t t = last_shown(in, row);
    if (t < static_cast<size_t>(in.offsets[row + 1])) add_cross_entropy(in, t, 1 / in.totals.rows, out);
  }
}

}  // namespace ponder::learn
