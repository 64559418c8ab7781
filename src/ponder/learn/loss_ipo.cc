// IPO (Azar et al., arXiv 2310.12036, eq. 17): mean over pairs of (z − 1/(2·beta))², z as in DPO: the gap has a target
// and does not grow without end.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_ipo(const LossInput& in, const LossOptions& options, LossResult& out) {
  const double target = 1 / (2 * options.beta);
  add_pairs(
      in,
      [target](double z) {
        return Term{(z - target) * (z - target), 2 * (z - target)};
      },
      out);
}

}  // namespace ponder::learn
