// core::Policy over a model in this process: continuous batching with a shared page cache. A completion's bits depend
// on the weights, the prefix, the parameters and the key alone: not on batch size, neighbours, order, sharing or
// eviction. One a worker thread, or one with a team of threads; all of them share the model's weights.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/engine/options.h"

namespace ponder::model {
struct Parameters;
}

namespace ponder::engine {

class Batcher;
struct PolicyState;
struct Row;

// What weights are, whatever they are called: the sum of their bit patterns, modulo 2⁶⁴. Equal weights have equal ids
// on every device, as long as they are held in the same way; one update changes it.
uint64_t weights_id(const model::Parameters& parameters);

class LocalPolicy : public core::Policy {
 public:
  // Shares the parameters' memory: what a trainer writes there is sampled from next, after set_version().
  // `threads` compute together what it is asked, the caller among them.
  // A draft is a smaller model with the same vocabulary that guesses what this one will write (engine/draft.h). Greedy
  // completions keep their bits, sampled ones their distribution, and what they depend on stays the same. Its keys and
  // values share the memory of the model's. Error(kUsage) for another vocabulary.
  LocalPolicy(const model::Parameters& parameters, const EngineOptions& options, int threads = 1,
              const model::Parameters* draft = nullptr);
  ~LocalPolicy() override;

  // Error(kInput) for a prefix that is empty or has ids outside the vocabulary, Error(kUsage) for parameters out of
  // range.
  void submit(core::SampleRequest request, core::Completion* out, core::Waiter* waiter) override;
  bool advance() override;
  bool cancel(const core::Completion* out) override;

  // Says which weights the buffer now holds. Another version than before drops the cache and has the buffer read again
  // for the id that completions carry; nothing may be in work.
  void set_version(int64_t version);
  int64_t version() const { return version_; }
  void clear_cache();
  int64_t kv_bytes() const;       // most memory that its keys and values may take, the draft's included
  int64_t kv_peak_bytes() const;  // what they did take at most, since clear_cache()

 private:
  void guess(const std::vector<Row*>& rows);
  void end_late_rows(std::vector<core::Waiter*>& answered);

  int64_t version_ = 0;
  std::unique_ptr<Batcher> batcher_;
  std::unique_ptr<PolicyState> state_;
};

}  // namespace ponder::engine
