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
  // A token that may be drawn. The likelier one comes first, of equals the lower id.
  struct Candidate {
    float p = 0;
    core::Token id = 0;
    bool operator<(const Candidate& other) const { return p > other.p || (p == other.p && id < other.id); }
  };
  Drawn draw_from_all(const float* scaled, int64_t vocab, float logsumexp, float uniform);
  Drawn draw_from_candidates(float uniform);
  void cut(const core::SampleParams& params);
  double least_possible(const core::SampleParams& params);
  void keep_nucleus(double wanted);

  std::vector<float> scaled_;          // [V] logits / temperature
  std::vector<float> probability_;     // [V]
  std::vector<float> highest_;         // of each block of the vocabulary
  std::vector<double> block_total_;    // probability of each block
  std::vector<Candidate> candidates_;  // what the cuts leave
};

// Error(kUsage) says which parameter is wrong and what would be right.
void check_sample_params(const core::SampleParams& params);

}  // namespace ponder::engine
