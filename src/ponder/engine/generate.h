// Sampling and scoring without coroutines, for recipes.
#pragma once
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/tensor/fwd.h"

namespace ponder::model {
struct Parameters;
}

namespace ponder::engine {

// Submits all requests and works until each is answered; completions in the order of the requests.
std::vector<core::Completion> sample_batch(core::Policy& policy, std::vector<core::SampleRequest> requests);
std::vector<core::Score> score_batch(core::Critic& critic, std::vector<core::ScoreRequest> requests);

// Log-probs (nats) of each token given those before it: [n−1], of tokens[1] and so on. The same bits that sampling at
// temperature 1 records. Error(kInput) when the tokens do not fit the vocabulary or the context.
std::vector<float> score_tokens(const model::Parameters& parameters, core::TokenSpan tokens);

// Next-token logits behind every token, f32 [T,V] on the CPU.
at::Tensor token_logits(const model::Parameters& parameters, core::TokenSpan tokens);

}  // namespace ponder::engine
