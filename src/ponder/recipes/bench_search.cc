#include "ponder/recipes/bench_search.h"

#include <algorithm>
#include <coroutine>
#include <map>
#include <memory>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/base/thread.h"
#include "ponder/engine/critic.h"
#include "ponder/engine/policy.h"
#include "ponder/recipes/bench_sampling.h"
#include "ponder/search/run.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

double d(int64_t n) { return static_cast<double>(n); }

// Tokens without meaning: a step is a piece, every completion of full length claims its last token.
class BenchCodec : public core::Codec {
 public:
  explicit BenchCodec(int64_t length) : length_(static_cast<size_t>(length)) {}
  std::string decode(core::TokenSpan tokens) const override { return base::cat(tokens.size(), " tokens"); }
  std::optional<std::string> answer(const core::Problem&, core::TokenSpan completion) const override {
    if (completion.size() < length_) return std::nullopt;
    return base::cat(completion.back());
  }
  core::Tokens step_ends() const override { return {}; }

 private:
  size_t length_;
};

// Counts what goes in and out of a policy, and the time that it takes.
class Watched : public core::Policy {
 public:
  explicit Watched(engine::LocalPolicy& inner, int64_t most_rows) : inner_(inner), most_rows_(most_rows) {}

  void submit(core::SampleRequest request, core::Completion* out, core::Waiter* waiter) override {
    const base::Stopwatch watch;
    auto own = std::make_unique<core::Waiter>(core::Waiter{&nobody_, std::noop_coroutine(), 1});
    inner_.submit(std::move(request), out, own.get());
    waiting_.emplace_back(std::move(own), waiter);
    seconds += watch.seconds();
  }

  bool advance() override {
    const base::Stopwatch watch;
    const auto rows = std::min(static_cast<int64_t>(waiting_.size()), most_rows_);
    const bool worked = inner_.advance();
    seconds += watch.seconds();
    if (!worked) return false;
    live += d(rows) * watch.seconds(), live_seconds += watch.seconds();
    while (nobody_.resume_one()) {
    }
    std::vector<core::Waiter*> arrived;
    std::erase_if(waiting_, [&](const auto& pair) {
      if (pair.first->pending > 0) return false;
      arrived.push_back(pair.second);
      return true;
    });
    for (core::Waiter* waiter : arrived) waiter->arrived();
    return true;
  }

  double seconds = 0, live = 0, live_seconds = 0;

 private:
  engine::LocalPolicy& inner_;
  int64_t most_rows_;
  core::ReadyQueue nobody_;
  std::vector<std::pair<std::unique_ptr<core::Waiter>, core::Waiter*>> waiting_;
};

// The time that a critic takes.
class WatchedCritic : public core::Critic {
 public:
  explicit WatchedCritic(engine::LocalCritic& inner) : inner_(inner) {}
  void submit(core::ScoreRequest request, core::Score* out, core::Waiter* waiter) override {
    inner_.submit(std::move(request), out, waiter);
  }
  bool advance() override {
    const base::Stopwatch watch;
    const bool worked = inner_.advance();
    seconds += watch.seconds();
    return worked;
  }
  double seconds = 0;

 private:
  engine::LocalCritic& inner_;
};

// What one worker's share came to.
struct Share {
  double seconds = 0, model_seconds = 0, live = 0, live_seconds = 0;
  double written = 0, processed = 0, needed = 0, nodes = 0, node_bytes = 0;
};

struct SearchBench {
  SearchShape shape;
  BenchCodec codec{1};
  std::vector<search::SearchInput> inputs;
  std::vector<std::unique_ptr<engine::LocalPolicy>> policies;
  std::vector<std::unique_ptr<engine::LocalCritic>> critics;  // none, or one a policy
  std::unique_ptr<model::Parameters> critic;                  // those that they share
  std::function<BenchRun()> sampling;

  std::unique_ptr<search::Strategy> strategy() const {
    std::vector<std::string> options = shape.options;
    options.insert(options.begin(),
                   {shape.critic ? "guide=critic" : "guide=likelihood", base::cat("max_tokens=", shape.max_tokens),
                    base::cat("step_tokens=", shape.step_tokens), "temperature=1"});
    return search::make_strategy(shape.search, options);
  }

  Share search_share(size_t worker, size_t begin, size_t end, int64_t side_by_side) const {
    engine::LocalPolicy& policy = *policies[worker];
    policy.clear_cache();
    Watched watched(policy, engine::EngineOptions{}.max_rows);
    core::Ports ports;
    ports.policy = &watched, ports.codec = &codec;
    std::unique_ptr<WatchedCritic> critic;
    if (shape.critic) {
      critics[worker]->clear_cache();
      critic = std::make_unique<WatchedCritic>(*critics[worker]);
      ports.critic = critic.get();
    }
    search::RunOptions options;
    if (shape.budget > 0) options.budget.tokens = shape.budget;
    options.max_live = side_by_side;
    Share share;
    const base::Stopwatch watch;
    const auto take = [&](size_t, search::SearchRow& row) {
      PONDER_CHECK(row.ok(), row.error);
      const core::Usage& usage = row.result.usage;
      share.written += d(usage.generated), share.processed += d(usage.processed);
      share.needed += d(search::needed_tokens(row.result));
      share.nodes += d(static_cast<int64_t>(row.result.tree.size()));
      share.node_bytes += d(row.result.tree.node_bytes());
      row = {};
    };
    const std::vector<search::SearchInput> mine(inputs.begin() + static_cast<std::ptrdiff_t>(begin),
                                                inputs.begin() + static_cast<std::ptrdiff_t>(end));
    const auto own = strategy();
    search::run_searches(mine, *own, ports, base::RngKey(5), options, take);
    share.seconds = watch.seconds();
    share.model_seconds = watched.seconds + (critic ? critic->seconds : 0), share.live = watched.live,
    share.live_seconds = watched.live_seconds;
    return share;
  }

  std::vector<Share> search_all(size_t problems, int64_t side_by_side) const {
    std::vector<Share> shares(policies.size());
    base::run_workers(static_cast<int>(policies.size()), [&](int worker) {
      tensor::set_operator_threads(1);
      const auto w = static_cast<size_t>(worker), n = policies.size();
      shares[w] = search_share(w, problems * w / n, problems * (w + 1) / n, side_by_side);
    });
    return shares;
  }

  BenchRun run() const {
    const base::Stopwatch watch;
    const std::vector<Share> shares = search_all(inputs.size(), static_cast<int64_t>(inputs.size()));
    BenchRun result{.tokens = 0, .seconds = watch.seconds()};
    Share sum;
    for (const Share& s : shares) {
      sum.seconds += s.seconds, sum.model_seconds += s.model_seconds, sum.live += s.live;
      sum.live_seconds += s.live_seconds, sum.written += s.written, sum.processed += s.processed;
      sum.needed += s.needed, sum.nodes += s.nodes, sum.node_bytes += s.node_bytes;
    }
    result.tokens = sum.written;
    int64_t peak = 0;
    for (const auto& policy : policies) peak += policy->kv_peak_bytes();
    for (const auto& critic : critics) peak += critic->kv_peak_bytes();
    const base::Stopwatch alone;
    double written_alone = 0;
    for (const Share& s : search_all(std::min<size_t>(inputs.size(), 4 * policies.size()), 1))
      written_alone += s.written;
    const double rate_alone = written_alone / alone.seconds();
    const BenchRun plain = sampling();
    const double rows = d(engine::EngineOptions{}.max_rows);
    result.parts = {{"recomputed", sum.processed / sum.needed},
                    {"live_rows", sum.live / sum.live_seconds / rows},
                    {"kv_peak_mib", d(peak) / (1 << 20)},
                    {"overhead", 1 - sum.model_seconds / sum.seconds},
                    {"nodes", sum.nodes},
                    {"node_bytes", sum.node_bytes / sum.nodes},
                    {"to_sampling", result.tokens / result.seconds / (plain.tokens / plain.seconds)},
                    {"to_one", result.tokens / result.seconds / rate_alone}};
    return result;
  }
};

}  // namespace

std::function<BenchRun()> make_search_bench(const model::Parameters& model, int workers, const SearchShape& shape) {
  auto bench = std::make_shared<SearchBench>();
  bench->shape = shape;
  bench->codec = BenchCodec(shape.max_tokens);
  const base::RngKey key(13);
  for (int64_t p = 0; p < shape.problems; ++p) {
    search::SearchInput input;
    input.problem.id = base::cat(p);
    input.prompt = random_tokens(shape.prompt_tokens, model.config.vocab, key.child(static_cast<uint64_t>(p)));
    bench->inputs.push_back(std::move(input));
  }
  const engine::Crew crew = engine::crew_of({}, model.config.parameter_count(), workers);
  const engine::EngineOptions options{.kv_bytes = (shape.kv_mib << 20) / crew.engines, .kv_roomy = shape.kv_mib > 0};
  for (int i = 0; i < crew.engines; ++i)
    bench->policies.push_back(std::make_unique<engine::LocalPolicy>(model, options, crew.threads));
  if (shape.critic) {
    model::DecoderConfig config = model.config;
    config.value_head = true;
    bench->critic = std::make_unique<model::Parameters>(model::make_parameters(config, {}, base::RngKey(2)).packed());
    for (int i = 0; i < crew.engines; ++i)
      bench->critics.push_back(
          std::make_unique<engine::LocalCritic>(*bench->critic, engine::EngineOptions{}, crew.threads));
  }
  // As many sequences in work as the engines may have, of the length that the searches' completions have.
  const int64_t rows = engine::EngineOptions{}.max_rows * crew.engines;
  bench->sampling = make_sampling_bench(model, workers, {rows, 1, shape.prompt_tokens, shape.max_tokens}, Timed::kAll);
  return [bench] { return bench->run(); };
}

}  // namespace ponder::recipes
