// `ponder bench`: speed of the hot paths on this machine, each as JSON lines with its unit and the model it ran on.
#include <algorithm>
#include <cstdio>

#include "ponder/base/clock.h"
#include "ponder/base/thread.h"
#include "ponder/learn/learner.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/rollout.h"
#include "ponder/tensor/device.h"
#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

// The laptop recipe's shape; weights are random, so speed does not depend on a trained model.
model::Parameters bench_model() {
  model::DecoderConfig config;
  config.vocab = static_cast<int64_t>(text::task_tokenizer().size());
  config.kv_heads = 2;
  config.pad_id = text::kPad;  // no end token: every sample runs to its full length
  config.resolve();
  return model::make_parameters(config, {}, base::RngKey(1));
}

core::Tokens random_tokens(int64_t n, base::RngKey key) {
  base::Rng rng(key);
  core::Tokens tokens;
  for (int64_t i = 0; i < n; ++i) tokens.push_back(static_cast<core::Token>(rng.below(100)));
  return tokens;
}

struct Measured {
  double value = 0;
  std::string unit;
};

// Tokens a second of `samples` samples of `length` tokens behind `prompts` different prompts.
Measured sampling_speed(const model::Parameters& model, int workers, int64_t samples, int64_t prompts,
                        int64_t prompt_tokens, int64_t length) {
  std::vector<core::SampleRequest> requests;
  for (int64_t i = 0; i < samples; ++i) {
    core::SampleRequest request;
    request.prefix = random_tokens(prompt_tokens, base::RngKey(static_cast<uint64_t>(i % prompts)));
    request.params.max_tokens = length;
    request.key = base::RngKey(7).child(static_cast<uint64_t>(i));
    requests.push_back(std::move(request));
  }
  Models models;
  models.policy = &model;
  models.workers = workers;
  const base::Stopwatch watch;
  sample_requests(models, std::move(requests), static_cast<size_t>(std::max<int64_t>(1, samples / prompts / workers)));
  return {static_cast<double>(samples * length) / watch.seconds(), "tokens/s"};
}

Measured training_speed(const model::Parameters& model, int workers, int64_t rows, int64_t length) {
  learn::Learner learner(model.clone(), {}, workers);
  std::vector<learn::Row> batch;
  for (int64_t i = 0; i < rows; ++i) {
    core::Example example{random_tokens(length, base::RngKey(3).child(static_cast<uint64_t>(i))), {}};
    example.weights.assign(example.tokens.size(), 1.0f);
    example.weights[0] = 0;
    batch.push_back(learn::make_row(example));
  }
  learner.step(batch, {"sft", {}}, 1e-4);  // warm-up
  const base::Stopwatch watch;
  int64_t tokens = 0;
  for (int i = 0; i < 5; ++i) tokens += learner.step(batch, {"sft", {}}, 1e-4).tokens;
  return {static_cast<double>(tokens) / watch.seconds(), "tokens/s"};
}

struct Bench {
  const char* name;
  Measured (*run)(const model::Parameters& model, int workers);
};

constexpr Bench kBenches[] = {
    {"sample", [](const model::Parameters& m, int w) { return sampling_speed(m, w, 512, 512, 12, 100); }},
    {"sample-groups-of-8", [](const model::Parameters& m, int w) { return sampling_speed(m, w, 256, 32, 12, 100); }},
    {"sample-shared-prefix", [](const model::Parameters& m, int w) { return sampling_speed(m, w, 64, 1, 200, 100); }},
    {"train-step", [](const model::Parameters& m, int w) { return training_speed(m, w, 128, 64); }},
};

}  // namespace

int command_bench(const BenchArgs& args) {
  tensor::set_operator_threads(1);
  for (const std::string& name : args.names)
    if (std::ranges::none_of(kBenches, [&](const Bench& b) { return name == b.name; }))
      throw Error(ErrorCode::kUsage,
                  base::cat("no benchmark \"", name,
                            "\"; there are sample, sample-groups-of-8, "
                            "sample-shared-prefix and train-step"),
                  "command line");
  const model::Parameters model = bench_model();
  const int workers = base::hardware_threads();
  for (const Bench& bench : kBenches) {
    if (!args.names.empty() && std::ranges::find(args.names, bench.name) == args.names.end()) continue;
    std::vector<double> values;
    Measured last;
    for (int i = 0; i < 4; ++i) {
      last = bench.run(model, workers);
      if (i > 0) values.push_back(last.value);  // the first one warms up
    }
    std::ranges::sort(values);
    base::Json row = base::Json::object();
    row["name"] = bench.name, row["value"] = values[1], row["unit"] = last.unit;
    row["peer"] = base::Json(), row["peer_value"] = base::Json(), row["ratio"] = base::Json();
    row["threads"] = workers, row["model"] = base::cat("llama ", model.config.parameter_count(), " parameters, f32");
    if (args.json) {
      std::printf("%s\n", row.dump().c_str());
    } else {
      std::printf("%-22s %10s %s  (median of 3, %d workers)\n", bench.name, base::human_count(values[1]).c_str(),
                  last.unit.c_str(), workers);
    }
  }
  return 0;
}

}  // namespace ponder::recipes
