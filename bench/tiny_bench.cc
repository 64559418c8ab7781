// Speed of sampling and of training on a laptop-sized model (d 128, 4 layers), one core, as JSON lines.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "ponder/base/clock.h"
#include "ponder/base/json.h"
#include "ponder/engine/generate.h"
#include "ponder/engine/policy.h"
#include "ponder/model/decoder.h"
#include "ponder/tensor/device.h"
#include "ponder/tensor/log_softmax.h"
#include "ponder/tensor/ops.h"

namespace {

using namespace ponder;

constexpr int kRepeats = 5;

model::Parameters tiny_model() {
  model::DecoderConfig config;  // the defaults are the laptop model
  config.vocab = 144;
  config.resolve();
  return model::make_parameters(config, {}, base::RngKey(1));
}

// The best of some repeats: what the code can do when the machine lets it.
void report(const char* name, double tokens, const std::function<void()>& work) {
  work();
  double best = 1e30;
  for (int i = 0; i < kRepeats; ++i) {
    const base::Stopwatch watch;
    work();
    best = std::min(best, watch.seconds());
  }
  base::Json row;
  row["name"] = name;
  row["value"] = tokens / best;
  row["unit"] = "tokens/s";
  row["threads"] = 1;
  row["model"] = "d128 L4 V144 f32";
  std::printf("%s\n", row.dump().c_str());
}

// 256 sequences, prompts of 16 tokens in groups of 8 samples, 100 new tokens each.
void bench_sampling(const model::Parameters& parameters) {
  constexpr int64_t kRows = 256, kNew = 100;
  engine::LocalPolicy policy(parameters, {.max_rows = kRows});
  std::vector<core::SampleRequest> requests;
  for (int64_t i = 0; i < kRows; ++i) {
    core::SampleRequest request;
    base::Rng rng(base::RngKey(2).child(static_cast<uint64_t>(i / 8)));
    for (int j = 0; j < 16; ++j) request.prefix.push_back(static_cast<core::Token>(rng.below(144)));
    request.params.max_tokens = kNew;
    request.key = base::RngKey(3).child(static_cast<uint64_t>(i));
    requests.push_back(std::move(request));
  }
  report("sample_256x100", kRows * kNew, [&] {
    policy.clear_cache();
    engine::sample_batch(policy, requests);
  });
}

// Forward and backward over packs of sequences of 110 tokens, cross-entropy.
void bench_training(const model::Parameters& parameters, int64_t tokens) {
  const model::DecoderConfig& config = parameters.config;
  at::Tensor gradient = at::zeros_like(parameters.flat);
  const auto weights = model::leaf_views(config, parameters.flat, gradient);
  std::vector<int64_t> starts = {0};
  while (starts.back() < tokens) starts.push_back(std::min<int64_t>(tokens, starts.back() + 110));
  at::Tensor ids = at::empty({tokens}, at::kLong);
  base::Rng rng(base::RngKey(4));
  for (int64_t i = 0; i < tokens; ++i) ids.mutable_data_ptr<int64_t>()[i] = rng.below(config.vocab);
  const at::Tensor targets = ids.roll(-1), weight = at::full({tokens}, -1.0 / static_cast<double>(tokens));
  report("train_step", static_cast<double>(tokens), [&] {
    const at::Tensor logits = tensor::linear(model::packed_hidden(config, weights, ids, starts), weights.head);
    at::Tensor grad = logits.detach().clone();
    const auto result = tensor::target_logp(grad, targets, false);
    tensor::target_logp_backward_(grad, targets, result.logsumexp, weight);
    logits.backward(grad);
  });
}

}  // namespace

int main() {
  tensor::set_operator_threads(1);
  const model::Parameters parameters = tiny_model();
  bench_sampling(parameters);
  for (const int64_t tokens : {2048, 4096}) bench_training(parameters, tokens);
}
