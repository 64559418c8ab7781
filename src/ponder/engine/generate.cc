#include "ponder/engine/generate.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <coroutine>

#include "ponder/base/error.h"
#include "ponder/engine/prefix.h"
#include "ponder/model/decoder.h"
#include "ponder/tensor/guard.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"

namespace ponder::engine {
namespace {

template <class Port, class Request, class Answer>
std::vector<Answer> serve_all(Port& port, std::vector<Request> requests, std::vector<Answer> answers) {
  core::ReadyQueue nobody;
  core::Waiter waiter{&nobody, std::noop_coroutine(), requests.size()};
  for (size_t i = 0; i < requests.size(); ++i) port.submit(std::move(requests[i]), &answers[i], &waiter);
  while (waiter.pending > 0) PONDER_CHECK(port.advance(), "requests were submitted and never answered");
  return answers;
}

at::Tensor hidden_of(const model::Parameters& parameters, const model::DecoderWeights& weights,
                     core::TokenSpan tokens) {
  const model::DecoderConfig& config = parameters.config;
  check_prefix(tokens, config);
  const int64_t n = static_cast<int64_t>(tokens.size());
  if (n > config.context)
    throw Error(ErrorCode::kInput, base::cat(n, " tokens do not fit the model's context of ", config.context));
  at::Tensor ids = at::empty({n}, at::kLong);
  std::copy(tokens.begin(), tokens.end(), ids.mutable_data_ptr<int64_t>());
  return model::packed_hidden(config, weights, ids.to(weights.device()), {{0, n}});
}

}  // namespace

std::vector<core::Completion> sample_batch(core::Policy& policy, std::vector<core::SampleRequest> requests) {
  std::vector<core::Completion> answers(requests.size());
  return serve_all(policy, std::move(requests), std::move(answers));
}

std::vector<core::Score> score_batch(core::Critic& critic, std::vector<core::ScoreRequest> requests) {
  std::vector<core::Score> answers(requests.size());
  return serve_all(critic, std::move(requests), std::move(answers));
}

std::vector<float> score_tokens(const model::Parameters& parameters, core::TokenSpan tokens) {
  return tensor::guarded("engine", [&] {
    const c10::InferenceMode inference;
    constexpr int64_t kLogits = int64_t{1} << 24;  // 64 MiB: those of a large vocabulary are made in parts
    const int64_t most_rows = std::clamp<int64_t>(kLogits / parameters.config.vocab, 16, 512);
    const auto weights = parameters.weights();
    const at::Tensor hidden = hidden_of(parameters, weights, tokens);
    std::vector<float> logps;
    for (int64_t first = 0; first + 1 < hidden.size(0); first += most_rows) {
      const int64_t n = std::min(most_rows, hidden.size(0) - 1 - first);
      at::Tensor targets = at::empty({n}, at::kLong);
      std::copy_n(tokens.begin() + first + 1, n, targets.mutable_data_ptr<int64_t>());
      const at::Tensor logits = tensor::linear(hidden.narrow(0, first, n), weights.head).cpu().contiguous();
      const at::Tensor logp = tensor::target_logp(logits, targets, false).logp;
      logps.insert(logps.end(), logp.const_data_ptr<float>(), logp.const_data_ptr<float>() + n);
    }
    return logps;
  });
}

at::Tensor token_logits(const model::Parameters& parameters, core::TokenSpan tokens) {
  return tensor::guarded("engine", [&] {
    const at::NoGradGuard no_grad;
    const auto weights = parameters.weights();
    return tensor::linear(hidden_of(parameters, weights, tokens), weights.head).cpu().contiguous();
  });
}

}  // namespace ponder::engine
