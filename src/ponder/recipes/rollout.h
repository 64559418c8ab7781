// Sampling, scoring and searching with several workers: each worker thread has an engine of its own over the same
// weights, or all are the threads of one (engine.share). Which worker serves a request changes nothing in its result.
#pragma once
#include <atomic>
#include <functional>
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/engine/options.h"
#include "ponder/model/weights.h"
#include "ponder/text/problem_codec.h"

namespace ponder::recipes {

// What the engines of one with_ports() took, added to when they end, however they end.
struct EngineStats {
  std::atomic<int64_t> kv_peak_bytes = 0;  // the most that keys and values took, the sum of what each engine says
};

// What the workers of one call share.
struct Models {
  const model::Parameters* policy = nullptr;
  const model::Parameters* critic = nullptr;  // null: none
  engine::EngineOptions engine;
  int workers = 1;
  const model::Parameters* draft = nullptr;   // guesses what the policy will write; null: none
  const model::Parameters* second = nullptr;  // core::Ports::second of searches; null: none
  // MiB that keys and values take in all engines together, critics', second models' and drafts' too, in equal parts (a
  // draft shares its model's); 0: as `engine` says.
  int64_t kv_memory = 0;
  const core::Confidence* confidence = nullptr;     // null: none
  const std::vector<core::Item>* oracle = nullptr;  // a control: a verifier that knows these is the critic (oracle.h)
  // When the user asks to stop, sampling and searching give up at once with Error(kStopped). Otherwise sampling goes on
  // to its end: for steps that are finished before a run stops.
  bool may_stop = false;
  EngineStats* stats = nullptr;  // of with_ports(); null: nobody asks
};

// Before decoding sequences of up to so many tokens. Error(kUsage) says what would do where kv_memory is set and too
// little for them, or where a second model cannot read what the policy can write.
void check_room(const Models& models, int64_t tokens);

// Completions in the order of the requests. Neighbouring requests (the samples of one prompt) go to the same worker, so
// that their prompt is read once. done(finished requests) is called from worker threads.
std::vector<core::Completion> sample_requests(const Models& models, std::vector<core::SampleRequest> requests,
                                              size_t neighbours, const std::function<void(int64_t)>& done = {});

// The critic's values of whole prefixes, in order.
std::vector<core::Score> score_prefixes(const Models& models, std::vector<core::ScoreRequest> requests);

// Runs work(engine, engines, ports) for each engine, in threads of their own; for searches.
void with_ports(const Models& models, const text::ProblemCodec& codec,
                const std::function<void(int engine, int engines, const core::Ports& ports)>& work);

}  // namespace ponder::recipes
