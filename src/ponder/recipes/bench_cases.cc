#include "ponder/recipes/bench_cases.h"

#include <sys/resource.h>

#include <algorithm>
#include <coroutine>
#include <memory>
#include <numeric>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/thread.h"
#include "ponder/engine/policy.h"
#include "ponder/learn/learner.h"
#include "ponder/model/load.h"
#include "ponder/recipes/rollout.h"
#include "ponder/reward/advantage.h"
#include "ponder/tensor/device.h"
#include "ponder/tensor/gemm_rate.h"
#include "ponder/text/word_tokenizer.h"

namespace ponder::recipes {
namespace {

constexpr int64_t kVocab = 128;
constexpr int64_t kNewTokens = 128;

double d(int64_t n) { return static_cast<double>(n); }

core::Tokens random_tokens(int64_t n, base::RngKey key, int64_t vocab = kVocab) {
  base::Rng rng(key);
  core::Tokens tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(static_cast<core::Token>(rng.below(vocab)));
  return tokens;
}

// `prompts` different prompts of `length` tokens with `samples` requests each.
std::vector<core::SampleRequest> sample_requests_for(int64_t prompts, int64_t samples, int64_t length,
                                                     base::RngKey key) {
  std::vector<core::SampleRequest> requests;
  for (int64_t p = 0; p < prompts; ++p) {
    const base::RngKey prompt_key = key.child(static_cast<uint64_t>(p));
    for (int64_t s = 0; s < samples; ++s) {
      core::SampleRequest request;
      request.prefix = random_tokens(length, prompt_key);
      request.params.max_tokens = kNewTokens;
      request.key = prompt_key.child("sample").child(static_cast<uint64_t>(s));
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

// Operations of sampling: what a cache held already was not computed and does not count.
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

// ---- sampling ----

// Decoding proper begins when every sample of a worker has its first token.
struct DecodeTimes {
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t decoded = 0;
};

DecodeTimes sample_share(const model::Parameters& model, std::vector<core::SampleRequest> requests,
                         std::span<core::Completion> completions) {
  const base::Stopwatch watch;
  engine::LocalPolicy policy(model, {});
  core::ReadyQueue nobody;
  core::Waiter waiter{&nobody, std::noop_coroutine(), requests.size()};
  for (size_t i = 0; i < requests.size(); ++i) policy.submit(std::move(requests[i]), &completions[i], &waiter);
  DecodeTimes times;
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

BenchRun time_sampling(const model::Parameters& model, int workers, const std::vector<core::SampleRequest>& requests) {
  std::vector<core::Completion> completions(requests.size());
  std::vector<DecodeTimes> times(static_cast<size_t>(workers));
  const base::Stopwatch watch;
  base::run_workers(workers, [&](int worker) {
    tensor::set_operator_threads(1);
    const auto w = static_cast<size_t>(worker), n = static_cast<size_t>(workers);
    const size_t begin = requests.size() * w / n, end = requests.size() * (w + 1) / n;
    const auto at = [&](size_t i) { return requests.begin() + static_cast<std::ptrdiff_t>(i); };
    times[w] = sample_share(model, {at(begin), at(end)}, std::span(completions).subspan(begin, end - begin));
  });
  BenchRun run{.tokens = d(static_cast<int64_t>(requests.size()) * kNewTokens), .seconds = watch.seconds()};
  run.flops = sampling_flops(model.config, static_cast<int64_t>(requests[0].prefix.size()), completions);
  double decode_rate = 0, prefill = 0;
  for (const DecodeTimes& t : times) {
    decode_rate += d(t.decoded) / t.decode_seconds;
    prefill = std::max(prefill, t.prefill_seconds);
  }
  run.parts = {{"decode_tokens_per_s", decode_rate}, {"prefill_seconds", prefill}};
  return run;
}

template <int64_t kPrompts, int64_t kSamples, int64_t kPromptTokens>
std::function<BenchRun()> make_sampling(const model::Parameters& model, int workers) {
  auto requests = sample_requests_for(kPrompts, kSamples, kPromptTokens, base::RngKey(7));
  return [&model, workers, requests = std::move(requests)] { return time_sampling(model, workers, requests); };
}

// ---- training ----

std::function<BenchRun()> make_train_step(const model::Parameters& model, int workers) {
  constexpr int64_t kRows = 64, kRowTokens = 256;  // predictions; a row has one token more
  auto learner = std::make_shared<learn::Learner>(model.clone(), learn::LearnerOptions{}, workers);
  std::vector<learn::Row> rows;
  for (int64_t i = 0; i < kRows; ++i) {
    core::Example example{random_tokens(kRowTokens + 1, base::RngKey(3).child(static_cast<uint64_t>(i))), {}};
    example.weights.assign(example.tokens.size(), 1.0f);
    example.weights[0] = 0;
    rows.push_back(learn::make_row(example));
  }
  return [learner, rows = std::move(rows)] {
    const learn::StepStats stats = learner->step(rows, {"sft", {}}, 1e-4);
    PONDER_CHECK(stats.updated && stats.tokens == kRows * kRowTokens, "the step did not learn from all tokens");
    return BenchRun{.tokens = d(stats.tokens), .seconds = stats.seconds, .flops = stats.flops};
  };
}

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return d(usage.ru_maxrss) / 1024;
}

// Nothing is copied: a large model is there once.
std::function<BenchRun()> make_train_large(const model::Parameters& model, int workers) {
  constexpr int64_t kRows = 4, kRowTokens = 192;  // predictions
  auto learner = std::make_shared<learn::Learner>(model, learn::LearnerOptions{}, workers);
  std::vector<learn::Row> rows;
  for (int64_t i = 0; i < kRows; ++i) {
    core::Example example{
        random_tokens(kRowTokens + 1, base::RngKey(3).child(static_cast<uint64_t>(i)), model.config.vocab), {}};
    example.weights.assign(example.tokens.size(), 1.0f);
    example.weights[0] = 0;
    rows.push_back(learn::make_row(example));
  }
  return [learner, rows = std::move(rows)] {
    const learn::StepStats stats = learner->step(rows, {"sft", {}}, 1e-5);
    PONDER_CHECK(stats.updated && stats.targets == kRows * kRowTokens, "the step did not learn from all tokens");
    BenchRun run{.tokens = d(stats.tokens), .seconds = stats.seconds, .flops = stats.flops};
    run.parts = {
        {"pass_tokens_per_s", d(stats.tokens) / stats.pass_seconds}, {"loss", stats.loss}, {"peak_mib", peak_mib()}};
    return run;
  };
}

// ---- a whole step of reinforcement learning ----

enum class Rewards { kRandom, kEqual };

// Rewards are drawn, not judged: what a verifier costs is not what is timed here.
std::vector<learn::Row> rewarded_rows(const std::vector<core::SampleRequest>& requests,
                                      std::vector<core::Completion> completions, int64_t samples, Rewards rewards,
                                      base::RngKey key) {
  base::Rng rng(key);
  std::vector<core::Group> groups(requests.size() / static_cast<size_t>(samples));
  for (size_t i = 0; i < completions.size(); ++i) {
    core::Group& group = groups[i / static_cast<size_t>(samples)];
    core::Completion& c = completions[i];
    group.trajectories.push_back(
        {requests[i].prefix, std::move(c.tokens), std::move(c.logps), 0, c.stop, requests[i].key});
    group.rewards.push_back(rewards == Rewards::kEqual ? 1.0f : static_cast<float>(rng.uniform()));
  }
  reward::fill_advantages(groups, {});
  std::vector<learn::Row> rows;
  for (const core::Group& group : groups)
    for (size_t i = 0; i < group.trajectories.size(); ++i)
      rows.push_back(learn::make_row(group.trajectories[i], group.advantages[i]));
  return rows;
}

template <Rewards kRewards>
std::function<BenchRun()> make_grpo_step(const model::Parameters& model, int workers) {
  constexpr int64_t kPrompts = 8, kSamples = 8, kPromptTokens = 64;
  struct State {
    model::Parameters policy;
    learn::Learner learner;
    uint64_t step = 0;
  };
  const model::Parameters policy = model.clone();
  auto state = std::make_shared<State>(State{policy, learn::Learner(policy, {}, workers)});
  return [state, workers] {
    const base::RngKey key = base::RngKey(11).child(state->step++);
    auto requests = sample_requests_for(kPrompts, kSamples, kPromptTokens, key);
    const base::Stopwatch watch;
    Models models;
    models.policy = &state->policy;
    models.workers = workers;
    std::vector<core::Completion> completions = sample_requests(models, requests, kSamples);
    const double sampled = watch.seconds();
    BenchRun run{.tokens = d(kPrompts * kSamples * kNewTokens)};
    run.flops = sampling_flops(state->policy.config, kPromptTokens, completions);
    const auto rows = rewarded_rows(requests, std::move(completions), kSamples, kRewards, key.child("rewards"));
    const learn::StepStats stats = state->learner.step(rows, {"grpo", {}}, 1e-5);
    run.seconds = watch.seconds();
    run.flops += stats.flops;
    run.parts = {{"sample_seconds", sampled},
                 {"learn_seconds", run.seconds - sampled},
                 {"learned_tokens", d(stats.tokens)},
                 {"max_logp_gap", stats.max_logp_gap}};
    return run;
  };
}

}  // namespace

model::Parameters bench_model(const std::string& dtype) {
  model::DecoderConfig config;
  config.compute = dtype;
  config.vocab = kVocab;
  config.width = 160, config.layers = 5, config.heads = 5, config.ffn = 640;
  config.context = 512;
  config.resolve();
  return model::make_parameters(config, {}, base::RngKey(1));
}

void save_bench_model(const std::string& directory) {
  std::vector<std::string> words;
  for (int64_t i = 0; i < kVocab; ++i) words.push_back(base::cat("w", i));
  base::make_directories(directory);
  model::save_hf(directory, bench_model("f32"), text::WordTokenizer(std::move(words)).to_json());
}

const std::vector<BenchCase>& bench_cases() {
  static const std::vector<BenchCase> cases = {
      {"sample-64", "64 samples of 128 tokens, each behind a prompt of 64 of its own", make_sampling<64, 1, 64>},
      {"sample-256", "256 samples of 128 tokens, each behind a prompt of 64 of its own", make_sampling<256, 1, 64>},
      {"shared-prompt-64", "64 samples of 128 tokens behind one prompt of 256", make_sampling<1, 64, 256>},
      {"train-step", "one AdamW step with clipping on 64 rows of 256 tokens", make_train_step},
      {"train-large", "one AdamW step with clipping on 4 rows of 192 tokens, of the model that --model names",
       make_train_large, /*large=*/true},
      {"grpo-step", "8 prompts of 64 tokens, 8 samples of 128 each, and the GRPO update from random rewards",
       make_grpo_step<Rewards::kRandom>},
      {"grpo-zero", "the same with equal rewards: nothing to learn from", make_grpo_step<Rewards::kEqual>},
  };
  return cases;
}

double bench_gemm_rate(const model::DecoderConfig& config, int workers) {
  constexpr double kSecondsEach = 0.04;
  constexpr int kTries = 5;
  const c10::Device cpu = tensor::resolve_device("cpu");
  const int64_t attention = config.heads * config.head_dim, pairs = 2 * config.kv_heads * config.head_dim;
  const std::pair<int64_t, int64_t> shapes[] = {{config.width, attention + pairs},
                                                {attention, config.width},
                                                {config.width, 2 * config.ffn},
                                                {config.ffn, config.width}};  // in, out
  std::vector<double> rates(static_cast<size_t>(workers));
  base::run_workers(workers, [&](int worker) {
    double work = 0, seconds = 0;
    for (const auto& [in, out] : shapes) {
      double best = 0;  // a peak: what disturbed a try is not the machine's limit
      for (int i = 0; i < kTries; ++i)
        best = std::max(best, tensor::measure_gemm_rate(cpu, in, out, kSecondsEach, config.product_type()));
      work += d(in * out);
      seconds += d(in * out) / best;
    }
    rates[static_cast<size_t>(worker)] = work / seconds;
  });
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace ponder::recipes
