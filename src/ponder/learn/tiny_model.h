// A decoder of a few thousand weights for this room's tests.
#pragma once
#include "ponder/model/weights.h"

namespace ponder::learn {

inline model::Parameters tiny_model(uint64_t seed, bool value_head = false, const char* compute = "f32",
                                    int64_t vocab = 12) {
  model::DecoderConfig config;
  config.width = 16;
  config.layers = 2;
  config.heads = 1;
  config.ffn = 32;
  config.context = 64;
  config.vocab = vocab;
  config.value_head = value_head;
  config.compute = compute;
  config.resolve();
  return model::make_parameters(config, {.number_features = false, .embedding_std = 0.3}, base::RngKey(seed));
}

}  // namespace ponder::learn
