#include "ponder/recipes/bench_cases.h"

#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <numeric>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/thread.h"
#include "ponder/learn/learner.h"
#include "ponder/model/load.h"
#include "ponder/recipes/bench_sampling.h"
#include "ponder/recipes/bench_search.h"
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

// ---- sampling ----

template <int64_t kPrompts, int64_t kSamples, int64_t kPromptTokens>
std::function<BenchRun()> make_sampling(const model::Parameters& model, int workers) {
  return make_sampling_bench(model, workers, {kPrompts, kSamples, kPromptTokens, kNewTokens}, Timed::kAll);
}

template <int64_t kSequences>
std::function<BenchRun()> make_decode(const model::Parameters& model, int workers) {
  return make_sampling_bench(model, workers, {kSequences, 1, 32, kSequences == 1 ? 64 : 32}, Timed::kDecode);
}

std::function<BenchRun()> make_prefill(const model::Parameters& model, int workers) {
  return make_sampling_bench(model, workers, {1, 1, 512, 1}, Timed::kPrefill);
}

// ---- search ----

std::function<BenchRun()> make_mcts(const model::Parameters& model, int workers) {
  return make_search_bench(model, workers, {.search = "mcts"});
}
std::function<BenchRun()> make_beam(const model::Parameters& model, int workers) {
  return make_search_bench(model, workers, {.search = "beam"});
}
std::function<BenchRun()> make_dvts(const model::Parameters& model, int workers) {
  return make_search_bench(model, workers, {.search = "dvts"});
}
std::function<BenchRun()> make_critic_beam(const model::Parameters& model, int workers) {
  return make_search_bench(model, workers, {.search = "beam", .options = {"passes=1"}, .budget = 0, .critic = true});
}
std::function<BenchRun()> make_search_nodes(const model::Parameters& model, int workers) {
  return make_search_bench(model, workers, {.search = "mcts", .budget = 12500, .kv_mib = 8192});
}

// ---- training ----

// Random rows that predict `tokens` tokens each, all of them learned.
std::vector<learn::Row> random_rows(int64_t rows, int64_t tokens, int64_t vocab) {
  std::vector<learn::Row> made;
  for (int64_t i = 0; i < rows; ++i) {
    core::Example example{random_tokens(tokens + 1, vocab, base::RngKey(3).child(static_cast<uint64_t>(i))), {}};
    example.weights.assign(example.tokens.size(), 1.0f);
    example.weights[0] = 0;
    made.push_back(learn::make_row(example));
  }
  return made;
}

std::function<BenchRun()> make_train_step(const model::Parameters& model, int workers) {
  constexpr int64_t kRows = 64, kRowTokens = 256;  // predictions; a row has one token more
  auto learner = std::make_shared<learn::Learner>(model.clone(), learn::LearnerOptions{}, workers);
  return [learner, rows = random_rows(kRows, kRowTokens, model.config.vocab)] {
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
  return [learner, rows = random_rows(kRows, kRowTokens, model.config.vocab)] {
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
    auto requests = sample_requests_for({kPrompts, kSamples, kPromptTokens, kNewTokens}, kVocab, key);
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
  config.context = 1024;
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
      {"prefill-512", "reads a prompt of 512 tokens", make_prefill},
      {"decode-1", "64 tokens of one sequence behind a prompt of 32, one after the other", make_decode<1>},
      {"decode-8", "32 tokens of each of 8 sequences behind prompts of 32 of their own", make_decode<8>},
      {"decode-16", "the same with 16 sequences", make_decode<16>},
      {"decode-32", "the same with 32 sequences", make_decode<32>},
      {"decode-64", "the same with 64 sequences", make_decode<64>},
      {"speculate", "128 tokens of one sequence behind a prompt that repeats itself, several in a pass by lookup",
       make_lookup_bench},
      {"search-mcts", "64 problems side by side, Monte Carlo tree search of 2,048 tokens each in steps of 8",
       make_mcts},
      {"search-beam", "the same with beam search", make_beam},
      {"search-dvts", "the same with DVTS", make_dvts},
      {"search-critic",
       "one pass of beam search each, 16 beams of 16 steps, every step read by a critic of its own size",
       make_critic_beam},
      {"search-nodes", "Monte Carlo tree search of 12,500 tokens each, 100,000 nodes, 8 GiB of keys and values",
       make_search_nodes,
       /*trains=*/false, /*large=*/false, /*slow=*/true},
      {"train-step", "one AdamW step with clipping on 64 rows of 256 tokens", make_train_step, true},
      {"train-large", "one AdamW step with clipping on 4 rows of 192 tokens, of the model that --model names",
       make_train_large, /*trains=*/true, /*large=*/true},
      {"grpo-step", "8 prompts of 64 tokens, 8 samples of 128 each, and the GRPO update from random rewards",
       make_grpo_step<Rewards::kRandom>, true},
      {"grpo-zero", "the same with equal rewards: nothing to learn from", make_grpo_step<Rewards::kEqual>, true},
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
