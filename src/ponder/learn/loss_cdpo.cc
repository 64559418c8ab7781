// Conservative DPO (Mitchell 2023, "A note on DPO with noisy preferences"): −(1 − s)·log σ(beta·z) − s·log σ(−beta·z),
// where s = label_smoothing is the chance that a pair is labelled the wrong way round; z as in DPO.
#include "ponder/learn/loss_parts.h"

namespace ponder::learn {

void loss_cdpo(const LossInput& in, const LossOptions& options, LossResult& out) {
  const double beta = options.beta, s = options.label_smoothing;
  auto loss = [beta, s](double z) {
    const double x = beta * z;
    return Term{(1 - s) * minus_log_sigmoid(x) + s * minus_log_sigmoid(-x),
                beta * (s * sigmoid(x) - (1 - s) * sigmoid(-x))};
  };
  add_pairs(in, loss, out);
}

}  // namespace ponder::learn
