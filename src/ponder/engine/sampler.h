// Draws one token from logits, or says whether a token that was guessed will do. Used by LocalPolicy; plain, on the
// CPU.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "ponder/core/ports.h"

namespace ponder::engine {

inline constexpr int64_t kDrawOperations = 8;  // for each logit, about

struct Drawn {
  core::Token token = 0;
  float logp = 0;     // nats, under the distribution that was drawn from; with temperature 0 under the model's own
  float entropy = 0;  // nats, of the model's own distribution; where it is asked for
};

// Probabilities of the tokens that could be drawn.
struct Distribution {
  core::Tokens ids;      // ascending; empty: every token of the vocabulary
  std::vector<float> p;  // [ids], [V]

  double at(core::Token token) const {
    if (ids.empty()) return p[static_cast<size_t>(token)];
    const auto found = std::lower_bound(ids.begin(), ids.end(), token);
    return found != ids.end() && *found == token ? p[static_cast<size_t>(found - ids.begin())] : 0;
  }
};

class Sampler {
 public:
  // The distribution is that of logits / temperature, cut to the top_k likeliest tokens, then to the fewest likeliest
  // whose share reaches top_p (Holtzman et al. 2020), then to those with min_p times the likeliest one's probability or
  // more (Nguyen et al. 2024); ties go to the lower id. The token is the one at which the cumulative probability, in
  // the order of ids, passes `uniform` in [0, 1). Temperature 0 takes the likeliest token. Error(kInternal) when the
  // logits are not numbers.
  // `drawn_from`, where it is not null, gets what the token was drawn from; nothing with temperature 0.
  Drawn draw(const float* logits, int64_t vocab, const core::SampleParams& params, float uniform,
             Distribution* drawn_from = nullptr);

  // Draws from p, the distribution that draw() has, by way of a guess x that was drawn from q: x with probability
  // min(1, p(x) / q(x)), otherwise a token drawn in proportion to max(0, p − q) (Leviathan et al. 2023, Chen et al.
  // 2023). The guess and the two uniforms must be independent of one another. Temperature 0 takes the likeliest token,
  // guessed or not.
  struct Guess {
    core::Token token = 0;
    const Distribution* q = nullptr;
  };
  Drawn judge(const float* logits, int64_t vocab, const core::SampleParams& params, const Guess& guess,
              float accept_uniform, float other_uniform);

 private:
  // A token that may be drawn. The likelier one comes first, of equals the lower id.
  struct Candidate {
    float p = 0;
    core::Token id = 0;
    bool operator<(const Candidate& other) const { return p > other.p || (p == other.p && id < other.id); }
  };
  // A token that is likelier than its guesses: by how much.
  struct Missed {
    double p = 0, more = 0;
    core::Token id = 0;
  };
  // What the last logits gave.
  enum class Kind { kLikeliest, kAll, kCandidates };
  void read(const float* logits, int64_t vocab, const core::SampleParams& params);
  Drawn draw_read(float uniform);
  Drawn draw_from_all(float uniform);
  Drawn draw_from_candidates(float uniform);
  float logp_of(double p, core::Token token) const;
  double probability(core::Token token) const;
  Distribution distribution() const;
  template <class Take>
  void for_each_token(Take take) const;
  void cut(const core::SampleParams& params);
  double least_possible(const core::SampleParams& params);
  void keep_nucleus(double wanted);

  Kind kind_ = Kind::kLikeliest;
  const float* read_ = nullptr;  // [V] logits / temperature: scaled_, or the caller's
  int64_t vocab_ = 0;
  float logsumexp_ = 0;                // of read_
  double total_ = 0;                   // of the candidates
  std::vector<float> scaled_;          // [V]
  std::vector<float> probability_;     // [V]
  std::vector<float> highest_;         // of each block of the vocabulary
  std::vector<double> block_total_;    // probability of each block
  std::vector<Candidate> candidates_;  // what the cuts leave, in the order of ids
  std::vector<Missed> missed_;
};

// −Σ p ln p of softmax(logits), in nats.
float entropy_of(const float* logits, int64_t vocab);

// Error(kUsage) says which parameter is wrong and what would be right.
void check_sample_params(const core::SampleParams& params);

}  // namespace ponder::engine
