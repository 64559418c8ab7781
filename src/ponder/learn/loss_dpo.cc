// DPO (Rafailov et al., arXiv 2305.18290, eq. 7): mean over pairs of −log σ(beta·z), z = Σ_t m(logp − logp_ref) of the
// chosen row minus that of the rejected row.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_dpo(const LossInput& in, const LossOptions& options, LossResult& out) {
  const double beta = options.beta;
  add_pairs(
      in,
      [beta](double z) {
        return Term{minus_log_sigmoid(beta * z), -beta * sigmoid(-beta * z)};
      },
      out);
}

}  // namespace ponder::learn
