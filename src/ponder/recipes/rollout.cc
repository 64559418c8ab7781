#include "ponder/recipes/rollout.h"

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <memory>

#include "ponder/base/error.h"
#include "ponder/base/stop.h"
#include "ponder/base/thread.h"
#include "ponder/engine/critic.h"
#include "ponder/engine/generate.h"
#include "ponder/engine/kv_memory.h"
#include "ponder/engine/policy.h"
#include "ponder/recipes/oracle.h"
#include "ponder/tasks/problem_judge.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

// Requests [i·neighbours, (i+1)·neighbours) belong together; block i goes to worker i mod W.
std::vector<size_t> share_of(int worker, int workers, size_t requests, size_t neighbours) {
  std::vector<size_t> share;
  for (size_t begin = 0, block = 0; begin < requests; begin += neighbours, ++block) {
    if (static_cast<int>(block % static_cast<size_t>(workers)) != worker) continue;
    for (size_t i = begin; i < std::min(begin + neighbours, requests); ++i) share.push_back(i);
  }
  return share;
}

// Of a search: the larger one of the models that write decides how threads are shared out.
engine::Crew search_crew(const Models& models) {
  int64_t parameters = models.policy->config.parameter_count();
  if (models.second) parameters = std::max(parameters, models.second->config.parameter_count());
  return engine::crew_of(models.engine, parameters, models.workers);
}

engine::Crew crew_for(const Models& models, const model::Parameters& parameters) {
  return engine::crew_of(models.engine, parameters.config.parameter_count(), models.workers);
}

const model::Parameters* draft_of(const Models& models, const model::Parameters& packed) {
  return models.draft ? &packed : nullptr;
}

const model::Parameters* local_critic(const Models& models) { return models.oracle ? nullptr : models.critic; }

// Each engine of a search has so many.
int64_t caches_of(const Models& models) { return 1 + (local_critic(models) != nullptr) + (models.second != nullptr); }

// Caches of one call share its memory out evenly.
engine::EngineOptions cache_share(const Models& models, int64_t caches) {
  engine::EngineOptions options = models.engine;
  if (models.kv_memory > 0) {
    options.kv_pages = 0;
    options.kv_bytes = (models.kv_memory << 20) / caches;
    options.kv_roomy = true;
  }
  return options;
}

}  // namespace

void check_room(const Models& models, int64_t tokens) {
  if (models.second && models.second->config.context < std::min(tokens, models.policy->config.context))
    throw Error(ErrorCode::kUsage,
                base::cat("this model reads ", models.second->config.context, " tokens; what is covered up may have ",
                          std::min(tokens, models.policy->config.context)),
                "--discriminator");
  if (models.kv_memory == 0) return;
  const auto bytes_of = [&](const model::Parameters* model) {
    return model ? engine::kv_bytes_for(model->config, models.engine, tokens) : 0;
  };
  // A draft has as many pages as the model, whatever its own context.
  const int64_t policy = bytes_of(models.policy), page = engine::kv_page_bytes(models.policy->config, models.engine);
  const int64_t draft = models.draft ? policy / page * engine::kv_page_bytes(models.draft->config, models.engine) : 0;
  const int64_t need = std::max({policy + draft, bytes_of(local_critic(models)), bytes_of(models.second)});
  const int64_t engines = search_crew(models).engines, caches = engines * caches_of(models);
  const auto mib = [](int64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; };
  if ((models.kv_memory << 20) / caches >= need) return;
  throw Error(
      ErrorCode::kUsage,
      base::cat(models.kv_memory, " MiB are too little for the keys and values of sequences of ", tokens, " tokens in ",
                caches, caches > 1 ? " caches; " : " cache; ", mib(caches * need), " MiB would do",
                engines > 1 ? base::cat(", or fewer --workers: ", mib(caches / engines * need), " MiB with one") : ""),
      "--kv-memory");
}

std::vector<core::Completion> sample_requests(const Models& models, std::vector<core::SampleRequest> requests,
                                              size_t neighbours, const std::function<void(int64_t)>& done) {
  std::vector<core::Completion> results(requests.size());
  const model::Parameters policy_weights = models.policy->packed();
  const model::Parameters draft_weights = models.draft ? models.draft->packed() : model::Parameters{};
  std::atomic<int64_t> finished = 0;
  const engine::Crew crew = crew_for(models, *models.policy);
  const engine::EngineOptions options = cache_share(models, crew.engines);
  base::run_workers(crew.engines, [&](int worker) {
    tensor::set_operator_threads(1);
    const std::vector<size_t> share = share_of(worker, crew.engines, requests.size(), neighbours);
    if (share.empty()) return;
    engine::LocalPolicy policy(policy_weights, options, crew.threads, draft_of(models, draft_weights));
    core::ReadyQueue nobody;
    core::Waiter waiter{&nobody, std::noop_coroutine(), share.size()};
    for (size_t i : share) policy.submit(std::move(requests[i]), &results[i], &waiter);
    while (waiter.pending > 0) {
      if (models.may_stop && base::stop_requested()) throw Error(ErrorCode::kStopped, "stopped by the user");
      const size_t pending = waiter.pending;
      PONDER_CHECK(policy.advance(), "requests were submitted and never answered");
      if (waiter.pending == pending) continue;
      finished += static_cast<int64_t>(pending - waiter.pending);
      if (done) done(finished);
    }
  });
  return results;
}

std::vector<core::Score> score_prefixes(const Models& models, std::vector<core::ScoreRequest> requests) {
  std::vector<core::Score> results(requests.size());
  const model::Parameters critic_weights = models.critic->packed();
  const engine::Crew crew = crew_for(models, *models.critic);
  const engine::EngineOptions options = cache_share(models, crew.engines);
  base::run_workers(crew.engines, [&](int worker) {
    tensor::set_operator_threads(1);
    const std::vector<size_t> share = share_of(worker, crew.engines, requests.size(), 1);
    if (share.empty()) return;
    std::vector<core::ScoreRequest> mine;
    for (size_t i : share) mine.push_back(std::move(requests[i]));
    engine::LocalCritic critic(critic_weights, options, crew.threads);
    const std::vector<core::Score> scores = engine::score_batch(critic, std::move(mine));
    for (size_t k = 0; k < share.size(); ++k) results[share[k]] = scores[k];
  });
  return results;
}

void with_ports(const Models& models, const text::ProblemCodec& codec,
                const std::function<void(int engine, int engines, const core::Ports& ports)>& work) {
  const model::Parameters policy_weights = models.policy->packed();
  const model::Parameters critic_weights = models.critic ? models.critic->packed() : model::Parameters{};
  const model::Parameters draft_weights = models.draft ? models.draft->packed() : model::Parameters{};
  const model::Parameters second_weights = models.second ? models.second->packed() : model::Parameters{};
  const engine::Crew crew = search_crew(models);
  const engine::EngineOptions options = cache_share(models, crew.engines * caches_of(models));
  const tasks::ProblemJudge judge(codec);
  base::run_workers(crew.engines, [&](int engine) {
    tensor::set_operator_threads(1);
    core::ReadyQueue ready;
    engine::LocalPolicy policy(policy_weights, options, crew.threads, draft_of(models, draft_weights));
    std::unique_ptr<Oracle> oracle;
    std::unique_ptr<engine::LocalCritic> critic;
    if (models.oracle) {
      oracle = std::make_unique<Oracle>(*models.oracle, codec);
    } else if (models.critic) {
      critic = std::make_unique<engine::LocalCritic>(critic_weights, options, crew.threads);
    }
    std::unique_ptr<engine::LocalPolicy> second;
    if (models.second) second = std::make_unique<engine::LocalPolicy>(second_weights, options, crew.threads);
    const auto count = [&] {
      if (!models.stats) return;
      int64_t peak = policy.kv_peak_bytes();
      if (critic) peak += critic->kv_peak_bytes();
      if (second) peak += second->kv_peak_bytes();
      models.stats->kv_peak_bytes += peak;
    };
    core::Critic* judges = oracle ? static_cast<core::Critic*>(oracle.get()) : critic.get();
    try {
      work(engine, crew.engines, core::Ports{&policy, judges, &codec, &ready, models.confidence, &judge, second.get()});
    } catch (...) {
      count();
      throw;
    }
    count();
  });
}

}  // namespace ponder::recipes
