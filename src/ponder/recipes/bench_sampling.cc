#include "ponder/recipes/bench_sampling.h"

#include <algorithm>
#include <coroutine>
#include <memory>
#include <span>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/base/thread.h"
#include "ponder/engine/policy.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

double d(int64_t n) { return static_cast<double>(n); }

// Decoding proper begins when every sample of a worker has its first token.
struct Times {
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t decoded = 0;
};

Times sample_share(engine::LocalPolicy& policy, std::vector<core::SampleRequest> requests,
                   std::span<core::Completion> completions) {
  policy.clear_cache();
  const base::Stopwatch watch;
  core::ReadyQueue nobody;
  core::Waiter waiter{&nobody, std::noop_coroutine(), requests.size()};
  for (size_t i = 0; i < requests.size(); ++i) policy.submit(std::move(requests[i]), &completions[i], &waiter);
  Times times;
  const auto has_begun = [](const core::Completion& c) { return !c.tokens.empty(); };
  while (waiter.pending > 0) {
    PONDER_CHECK(policy.advance(), "requests were submitted and never answered");
    if (times.prefill_seconds > 0 || !std::ranges::all_of(completions, has_begun)) continue;
    times.prefill_seconds = watch.seconds();
    for (const core::Completion& c : completions) times.decoded -= static_cast<int64_t>(c.tokens.size());
  }
  times.decode_seconds = watch.seconds() - times.prefill_seconds;
  for (const core::Completion& c : completions) times.decoded += static_cast<int64_t>(c.tokens.size());
  return times;
}

// The samplers stay between the runs, as those of a server do.
struct Bench {
  model::DecoderConfig config;
  SamplingShape shape;
  Timed timed;
  std::vector<core::SampleRequest> requests;
  std::vector<std::unique_ptr<engine::LocalPolicy>> policies;  // a worker's share of the requests each

  BenchRun run() const {
    std::vector<core::Completion> completions(requests.size());
    std::vector<Times> times(policies.size());
    const base::Stopwatch watch;
    base::run_workers(static_cast<int>(policies.size()), [&](int worker) {
      tensor::set_operator_threads(1);
      const auto w = static_cast<size_t>(worker), n = policies.size();
      const size_t begin = requests.size() * w / n, end = requests.size() * (w + 1) / n;
      const auto at = [&](size_t i) { return requests.begin() + static_cast<std::ptrdiff_t>(i); };
      times[w] = sample_share(*policies[w], {at(begin), at(end)}, std::span(completions).subspan(begin, end - begin));
    });
    return result(watch.seconds(), times, completions);
  }

  BenchRun result(double seconds, const std::vector<Times>& times,
                  const std::vector<core::Completion>& completions) const {
    double decode_rate = 0, prefill = 0;
    int64_t decoded = 0;
    for (const Times& t : times) {
      decoded += t.decoded;
      if (t.decoded > 0) decode_rate += d(t.decoded) / t.decode_seconds;
      prefill = std::max(prefill, t.prefill_seconds);
    }
    BenchRun run;
    if (timed == Timed::kPrefill) {
      run.tokens = d(shape.prompts * shape.prompt_tokens), run.seconds = prefill;
      const double head = 2 * d(config.vocab) * d(config.width);
      run.flops =
          run.tokens * (model::forward_flops(config, d(shape.prompt_tokens + 1) / 2) - head) + d(shape.prompts) * head;
      return run;
    }
    if (timed == Timed::kDecode) {
      run.tokens = d(decoded), run.seconds = d(decoded) / decode_rate;
      run.flops = d(decoded) * model::forward_flops(config, d(shape.prompt_tokens) + d(shape.new_tokens) / 2);
    } else {
      run.tokens = d(shape.prompts * shape.samples * shape.new_tokens), run.seconds = seconds;
      run.flops = sampling_flops(config, shape.prompt_tokens, completions);
    }
    run.parts = {{"decode_tokens_per_s", decode_rate}, {"prefill_seconds", prefill}};
    return run;
  }
};

}  // namespace

core::Tokens random_tokens(int64_t n, int64_t vocab, base::RngKey key) {
  base::Rng rng(key);
  core::Tokens tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(static_cast<core::Token>(rng.below(static_cast<uint64_t>(vocab))));
  return tokens;
}

std::vector<core::SampleRequest> sample_requests_for(const SamplingShape& shape, int64_t vocab, base::RngKey key) {
  std::vector<core::SampleRequest> requests;
  for (int64_t p = 0; p < shape.prompts; ++p) {
    const base::RngKey prompt_key = key.child(static_cast<uint64_t>(p));
    for (int64_t s = 0; s < shape.samples; ++s) {
      core::SampleRequest request;
      request.prefix = random_tokens(shape.prompt_tokens, vocab, prompt_key);
      request.params.max_tokens = shape.new_tokens;
      request.key = prompt_key.child("sample").child(static_cast<uint64_t>(s));
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

double sampling_flops(const model::DecoderConfig& config, int64_t prompt_tokens,
                      const std::vector<core::Completion>& completions) {
  double sum = 0;
  for (const core::Completion& c : completions) {
    const int64_t decoded = static_cast<int64_t>(c.tokens.size()) - 1;  // the last one is drawn and never read
    sum += d(c.processed - decoded) * model::forward_flops(config, d(prompt_tokens + 1) / 2) +
           d(decoded) * model::forward_flops(config, d(prompt_tokens) + d(decoded + 1) / 2);
  }
  return sum;
}

std::function<BenchRun()> make_sampling_bench(const model::Parameters& model, int workers, const SamplingShape& shape,
                                              Timed timed) {
  auto bench = std::make_shared<Bench>();
  bench->config = model.config, bench->shape = shape, bench->timed = timed;
  bench->requests = sample_requests_for(shape, model.config.vocab, base::RngKey(7));
  const engine::Crew crew = engine::crew_of({}, model.config.parameter_count(), workers);
  const int64_t engines = std::min<int64_t>(crew.engines, shape.prompts * shape.samples);
  for (int64_t i = 0; i < engines; ++i)
    bench->policies.push_back(std::make_unique<engine::LocalPolicy>(model, engine::EngineOptions{}, crew.threads));
  return [bench] { return bench->run(); };
}

std::function<BenchRun()> make_lookup_bench(const model::Parameters& model, int workers) {
  constexpr int64_t kPeriod = 24, kRounds = 8, kNewTokens = 128;
  const int threads = engine::crew_of({}, model.config.parameter_count(), workers).threads;
  struct State {
    std::unique_ptr<engine::LocalPolicy> plain, lookup;
    core::SampleRequest request;
  };
  auto state = std::make_shared<State>();
  state->plain = std::make_unique<engine::LocalPolicy>(model, engine::EngineOptions{}, threads);
  state->lookup = std::make_unique<engine::LocalPolicy>(model, engine::EngineOptions{.speculate = "lookup"}, threads);
  const core::Tokens part = random_tokens(kPeriod, model.config.vocab, base::RngKey(8));
  for (int64_t i = 0; i < kRounds; ++i)
    state->request.prefix.insert(state->request.prefix.end(), part.begin(), part.end());
  state->request.params.temperature = 0;
  state->request.params.max_tokens = kNewTokens;
  return [state, config = model.config] {
    std::vector<core::Completion> lookup(1), plain(1);
    const Times times = sample_share(*state->lookup, {state->request}, lookup);
    const Times without = sample_share(*state->plain, {state->request}, plain);
    PONDER_CHECK(lookup[0].tokens == plain[0].tokens && lookup[0].logps == plain[0].logps,
                 "guesses changed the sample");
    BenchRun run{.tokens = d(times.decoded), .seconds = times.decode_seconds};
    run.flops = run.tokens * model::forward_flops(config, d(kPeriod * kRounds) + run.tokens / 2);
    run.parts = {{"plain_tokens_per_s", d(without.decoded) / without.decode_seconds},
                 {"guesses_right", d(lookup[0].accepted) / std::max(1.0, d(lookup[0].drafted))}};
    return run;
  };
}

}  // namespace ponder::recipes
