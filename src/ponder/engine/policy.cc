#include "ponder/engine/policy.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/engine/batcher.h"
#include "ponder/engine/prefix.h"
#include "ponder/engine/sampler.h"
#include "ponder/tensor/guard.h"
#include "ponder/tensor/ops.h"
#include "ponder/tensor/team.h"

namespace ponder::engine {
namespace {

struct SampleRow : Row {
  core::SampleParams params;
  base::RngKey key;
  size_t written = 0;  // tokens of the completion, those in front of out->tokens included
  core::Completion* out = nullptr;
  core::Waiter* waiter = nullptr;
};

// A token for each row, out of logits [rows,vocab].
std::vector<Drawn> draw_all(const std::vector<Row*>& rows, const float* logits, int64_t vocab) {
  constexpr int64_t kOperations = 8;  // for each logit, about
  const auto n = static_cast<int64_t>(rows.size());
  std::vector<Drawn> drawn(rows.size());
  tensor::share_large(n * vocab * kOperations, n, 1, [&](int64_t from, int64_t to) {
    thread_local Sampler sampler;
    for (int64_t i = from; i < to; ++i) {
      const auto& row = static_cast<const SampleRow&>(*rows[static_cast<size_t>(i)]);
      const float uniform = base::uniform_at(row.key, row.out->tokens.size());
      drawn[static_cast<size_t>(i)] = sampler.draw(logits + i * vocab, vocab, row.params, uniform);
    }
  });
  return drawn;
}

// Takes the token in; true when it was the last one.
bool extend(SampleRow& row, const Drawn& drawn, const model::DecoderConfig& config) {
  core::Completion& out = *row.out;
  out.tokens.push_back(drawn.token);
  out.logps.push_back(drawn.logp);
  row.tokens.push_back(drawn.token);
  ++row.written;
  const auto is = [&](const auto& ids) { return std::find(ids.begin(), ids.end(), drawn.token) != ids.end(); };
  const core::TokenSpan completion = core::TokenSpan(row.tokens).last(row.written);
  out.ended = is(config.eos_ids) || (row.params.endings && row.params.endings->ended(completion));
  if (out.ended || is(row.params.stop)) {
    out.stop = core::StopReason::kStopToken;
    return true;
  }
  if (static_cast<int64_t>(out.tokens.size()) == row.params.max_tokens) {
    out.stop = core::StopReason::kMaxTokens;
    return true;
  }
  out.stop = core::StopReason::kContextFull;
  return static_cast<int64_t>(row.tokens.size()) == config.context;
}

}  // namespace

uint64_t weights_id(const model::Parameters& parameters) {
  return tensor::guarded("engine", [&] {
    const c10::InferenceMode inference;
    return model::bit_sum(parameters);
  });
}

struct PolicyState {
  model::Parameters parameters;  // for the id alone: shares the memory that is sampled from
  uint64_t weights = weights_id(parameters);
  at::Tensor logits = {};                    // memory of a step's
  std::vector<core::Waiter*> answered = {};  // requests that needed no forward pass
};

LocalPolicy::LocalPolicy(const model::Parameters& parameters, const EngineOptions& options, int threads)
    : batcher_(tensor::guarded("engine", [&] { return std::make_unique<Batcher>(parameters, options, threads); })),
      state_(std::make_unique<PolicyState>(PolicyState{parameters})) {}

LocalPolicy::~LocalPolicy() = default;

void LocalPolicy::submit(core::SampleRequest request, core::Completion* out, core::Waiter* waiter) {
  check_sample_params(request.params);
  check_prefix(request.prefix, batcher_->config());
  PONDER_CHECK(request.written >= 0 && request.written <= static_cast<int64_t>(request.prefix.size()), "a prefix of ",
               request.prefix.size(), " tokens holds no ", request.written, " that were written");
  *out = {};
  out->weights = state_->weights;
  batcher_->expect(static_cast<int64_t>(request.prefix.size()) + request.params.max_tokens);
  const bool full = static_cast<int64_t>(request.prefix.size()) >= batcher_->config().context;
  if (full || request.params.max_tokens == 0) {
    out->stop = full ? core::StopReason::kContextFull : core::StopReason::kMaxTokens;
    state_->answered.push_back(waiter);
    return;
  }
  auto row = std::make_unique<SampleRow>();
  row->tokens = std::move(request.prefix);
  row->params = std::move(request.params);
  row->key = request.key;
  row->written = static_cast<size_t>(request.written);
  row->out = out;
  row->waiter = waiter;
  batcher_->submit(std::move(row));
}

bool LocalPolicy::advance() {
  std::vector<core::Waiter*> answered = std::exchange(state_->answered, {});
  if (answered.empty() && batcher_->idle()) return false;
  if (!batcher_->idle()) {
    tensor::guarded("engine", [&] {
      const c10::InferenceMode inference;
      const tensor::TeamScope scope(batcher_->team());
      const Batcher::Step step = batcher_->step();
      const model::DecoderConfig& config = batcher_->config();
      const at::Tensor logits =
          tensor::linear_into(state_->logits, step.hidden, batcher_->weights().head).cpu().contiguous();  // [rows,V]
      const std::vector<Drawn> drawn = draw_all(step.rows, logits.const_data_ptr<float>(), config.vocab);
      std::vector<Row*> finished;
      for (size_t i = 0; i < step.rows.size(); ++i) {
        Row* any = step.rows[i];
        auto& row = static_cast<SampleRow&>(*any);
        if (!extend(row, drawn[i], config)) continue;
        row.out->processed = row.processed;
        answered.push_back(row.waiter);
        finished.push_back(any);
      }
      batcher_->finish(finished);
    });
  }
  for (core::Waiter* waiter : answered) waiter->arrived();
  return true;
}

void LocalPolicy::set_version(int64_t version) {
  if (version == version_) return;
  clear_cache();
  state_->weights = weights_id(state_->parameters);
  version_ = version;
}

void LocalPolicy::clear_cache() { batcher_->clear_cache(); }

int64_t LocalPolicy::kv_bytes() const { return batcher_->cache().bytes(); }

}  // namespace ponder::engine
