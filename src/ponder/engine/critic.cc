#include "ponder/engine/critic.h"

#include <c10/core/InferenceMode.h>

#include <cmath>

#include "ponder/base/error.h"
#include "ponder/engine/batcher.h"
#include "ponder/engine/prefix.h"
#include "ponder/model/decoder.h"
#include "ponder/tensor/guard.h"

namespace ponder::engine {
namespace {

struct ScoreRow : Row {
  core::Score* out = nullptr;
  core::Waiter* waiter = nullptr;
};

}  // namespace

LocalCritic::LocalCritic(const model::Parameters& parameters, const EngineOptions& options, int threads) {
  if (!parameters.config.value_head)
    throw Error(ErrorCode::kUsage, "this model has no value head; a critic is trained with `critic:` in a recipe");
  batcher_ = tensor::guarded("engine", [&] { return std::make_unique<Batcher>(parameters, options, threads); });
}

LocalCritic::~LocalCritic() = default;

void LocalCritic::submit(core::ScoreRequest request, core::Score* out, core::Waiter* waiter) {
  const model::DecoderConfig& config = batcher_->config();
  check_prefix(request.prefix, config);
  if (static_cast<int64_t>(request.prefix.size()) > config.context)
    throw Error(ErrorCode::kInput, base::cat("a prefix of ", request.prefix.size(),
                                             " tokens is longer than the critic's context of ", config.context));
  auto row = std::make_unique<ScoreRow>();
  row->tokens = std::move(request.prefix);
  row->out = out;
  row->waiter = waiter;
  batcher_->submit(std::move(row));
}

bool LocalCritic::advance() {
  if (batcher_->idle()) return false;
  std::vector<core::Waiter*> answered;
  tensor::guarded("engine", [&] {
    const c10::InferenceMode inference;
    const Batcher::Step step = batcher_->step();
    const at::Tensor logits = model::value_logits(batcher_->weights(), step.hidden).cpu();
    for (size_t i = 0; i < step.rows.size(); ++i) {
      auto& row = static_cast<ScoreRow&>(*step.rows[i]);
      const float logit = logits.const_data_ptr<float>()[i];
      if (!std::isfinite(logit))
        throw Error(ErrorCode::kInternal, "the critic's value is not a finite number", "engine");
      *row.out = {1.0f / (1.0f + std::exp(-logit)), row.processed};
      answered.push_back(row.waiter);
    }
    batcher_->finish(step.rows);
  });
  for (core::Waiter* waiter : answered) waiter->arrived();
  return true;
}

void LocalCritic::clear_cache() { batcher_->clear_cache(); }

int64_t LocalCritic::kv_peak_bytes() const { return batcher_->cache().peak_bytes(); }

}  // namespace ponder::engine
