// Guesses what a sequence will go on with, so that the model reads several tokens in one pass: what followed the last
// tokens where they stood before (Saxena 2023, "prompt lookup decoding"), or what a smaller model writes (Leviathan et
// al. 2023). Used by LocalPolicy, which judges every guess, so that none of this changes what is sampled from.
#pragma once
#include <cstdint>
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/engine/batcher.h"
#include "ponder/engine/options.h"
#include "ponder/engine/sampler.h"

namespace ponder::engine {

// What followed the last 3, else 2, else 1 tokens where they stood before, the last time they did; where that is
// shorter than `most` it repeats itself. Empty when they never did.
core::Tokens look_up(core::TokenSpan tokens, int64_t most);

// One request for guesses behind `tokens`, and what came of it.
struct Draft {
  const core::Tokens* tokens = nullptr;
  const core::SampleParams* params = nullptr;
  base::RngKey key;       // guess i of the completion is drawn with uniform_at(key, i)
  uint64_t position = 0;  // of the first one in the completion
  int64_t most = 0;
  core::Tokens guesses = {};
  std::vector<Distribution> drawn_from = {};  // of each guess; nothing in it with temperature 0
};

class DraftModel {
 public:
  DraftModel(const model::Parameters& parameters, const EngineOptions& options, int threads)
      : batcher_(parameters, options, threads) {}

  // Fills in the guesses of each, none where the sequence is longer than what this model reads. They depend on the
  // weights and the draft alone.
  void guess(std::vector<Draft>& drafts);
  void clear_cache() { batcher_.clear_cache(); }
  int64_t kv_bytes() const { return batcher_.cache().bytes(); }
  int64_t kv_peak_bytes() const { return batcher_.cache().peak_bytes(); }

 private:
  Batcher batcher_;
  at::Tensor logits_;  // memory of a step's
};

}  // namespace ponder::engine
