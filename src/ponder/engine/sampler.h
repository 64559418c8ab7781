// Draws one token from logits. Used by LocalPolicy; plain, on the CPU.
#pragma once
#include <cstdint>
#include <vector>

#include "ponder/core/ports.h"

namespace ponder::engine {

struct Drawn {
  core::Token token = 0;
  float logp = 0;  // nats, under the distribution that was drawn from; with temperature 0 under the model's own
};

class Sampler {
 public:
  // The distribution is that of logits / temperature, cut to the top_k likeliest tokens, then to the fewest likeliest
  // whose share reaches top_p (Holtzman et al. 2020), then to those with min_p times the likeliest one's probability or
  // more (Nguyen et al. 2024); ties go to the lower id. The token is the one at which the cumulative probability, in
  // the order of ids, passes `uniform` in [0, 1). Temperature 0 takes the likeliest token. Error(kInternal) when the
  // logits are not numbers.
  Drawn draw(const float* logits, int64_t vocab, const core::SampleParams& params, float uniform);

 private:
  Drawn draw_from_all(int64_t vocab, float logsumexp, float uniform);
  Drawn draw_from_kept(float uniform);
  void keep(int64_t vocab, const core::SampleParams& params);

  std::vector<float> scaled_;       // [V] logits / temperature
  std::vector<float> probability_;  // [V]
  std::vector<core::Token> kept_;   // what the cuts left
};

// Error(kUsage) says which parameter is wrong and what would be right.
void check_sample_params(const core::SampleParams& params);

}  // namespace ponder::engine
