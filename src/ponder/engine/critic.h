// core::Critic over a model with a value head: the chance of a correct answer that it sees behind a prefix. Of a prefix
// only what no earlier request held is read. One a worker thread.
#pragma once
#include <cstdint>
#include <memory>

#include "ponder/core/ports.h"
#include "ponder/engine/options.h"

namespace ponder::model {
struct Parameters;
}

namespace ponder::engine {

class Batcher;

class LocalCritic : public core::Critic {
 public:
  // Error(kUsage) when the model has no value head.
  LocalCritic(const model::Parameters& parameters, const EngineOptions& options, int threads = 1);
  ~LocalCritic() override;

  // Error(kInput) for a prefix that is empty, longer than the context, or has ids outside the vocabulary.
  void submit(core::ScoreRequest request, core::Score* out, core::Waiter* waiter) override;
  bool advance() override;

  void clear_cache();             // after the weights changed; nothing may be in work
  int64_t kv_peak_bytes() const;  // what its keys and values took at most, since clear_cache()

 private:
  std::unique_ptr<Batcher> batcher_;
};

}  // namespace ponder::engine
