// What every request's prefix must be; for policy, critic and score.
#pragma once
#include "ponder/base/error.h"
#include "ponder/core/token.h"
#include "ponder/model/config.h"

namespace ponder::engine {

inline void check_prefix(core::TokenSpan prefix, const model::DecoderConfig& config) {
  if (prefix.empty())
    throw Error(ErrorCode::kInput, "the prompt is empty; a model needs at least one token to go on from");
  for (size_t i = 0; i < prefix.size(); ++i)
    if (prefix[i] < 0 || prefix[i] >= config.vocab)
      throw Error(ErrorCode::kInput,
                  base::cat("token ", prefix[i], " is not in the vocabulary (0 … ", config.vocab - 1, ")"),
                  base::cat("token ", i, " of the prompt"));
}

}  // namespace ponder::engine
