// `ponder bench`: speed of the hot paths on this machine, as JSON lines or a table.
#include <algorithm>
#include <cstdio>

#include "ponder/base/clock.h"
#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/memory.h"
#include "ponder/base/thread.h"
#include "ponder/recipes/bench_cases.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/tensor/device.h"
#include "ponder/tensor/gemm_rate.h"

namespace ponder::recipes {
namespace {

double rate(const BenchRun& run) { return run.tokens / run.seconds; }

constexpr const char* kLoad = "load";

// All of them, or those that were named; of a user's model those that train are not among all.
std::vector<const BenchCase*> chosen_cases(const BenchArgs& args) {
  std::vector<const BenchCase*> chosen;
  std::string known = args.model.empty() ? "" : kLoad;
  const auto named = [&](const BenchCase& c) { return std::ranges::find(args.names, c.name) != args.names.end(); };
  for (const BenchCase& c : bench_cases()) {
    if (!args.model.empty() && c.trains && !c.large) {
      if (named(c))
        throw Error(ErrorCode::kUsage, base::cat(c.name, " trains; with --model a model is only read"), "command line");
      continue;
    }
    if (c.large && named(c) && (args.model.empty() || args.names.size() > 1))
      throw Error(ErrorCode::kUsage, "train-large, and it alone, trains the model that --model names", "command line");
    known += base::cat(known.empty() ? "" : ", ", c.name);
    if (args.names.empty() ? !c.large && !c.slow : named(c)) chosen.push_back(&c);
  }
  for (const std::string& name : args.names)
    if (name != kLoad && std::ranges::none_of(chosen, [&](const BenchCase* c) { return name == c->name; }))
      throw Error(ErrorCode::kUsage, base::cat("no benchmark \"", name, "\"; there are ", known), "command line");
  return chosen;
}

// The model that is timed, and what opening it took.
struct Subject {
  model::Parameters model;
  std::string name;
  double load_seconds = 0, resident_bytes = 0;  // of the weights, tokenizer and all else that opening left
};

Subject open_subject(const BenchArgs& args, bool trained) {
  if (args.model.empty()) {
    Subject s{bench_model(args.dtype), "", 0, 0};
    s.name = base::cat("llama ", s.model.config.parameter_count(), " parameters, ", args.dtype);
    return s;
  }
  if (trained) {
    Subject s{load_trainable(args.model).parameters, base::file_name(args.model), 0, 0};
    s.model.config.compute = args.dtype;
    return s;
  }
  tensor::measure_gemm_rate(tensor::resolve_device("cpu"), 64, 64, 1e-4,
                            tensor::Compute::kF32);  // LibTorch is there now
  const double before = base::resident_bytes();
  const base::Stopwatch watch;
  OpenedModel opened = open_model(args.model, {.device = "cpu", .compute = args.dtype, .weights = args.weights});
  Subject s{std::move(opened.policy), base::file_name(args.model), watch.seconds(), base::resident_bytes() - before};
  s.model.config.eos_ids.clear();  // every sample runs to its full length
  return s;
}

base::Json load_row(const Subject& subject, const BenchArgs& args) {
  const auto held = static_cast<double>(model::held_bytes(subject.model));
  base::Json row = base::Json::object();
  row["name"] = kLoad, row["value"] = subject.load_seconds, row["unit"] = "s";
  row["rss_mib"] = subject.resident_bytes / 1048576, row["weights_mib"] = held / 1048576;
  row["rss_ratio"] = subject.resident_bytes / held;
  row["threads"] = int64_t{1}, row["dtype"] = args.dtype, row["weights"] = args.weights, row["model"] = subject.name;
  row["peer"] = base::Json(), row["peer_value"] = base::Json(), row["ratio"] = base::Json();
  return row;
}

base::Json shape_json(const model::DecoderConfig& config) {
  base::Json shape = base::Json::object();
  shape["width"] = config.width, shape["layers"] = config.layers, shape["heads"] = config.heads;
  shape["kv_heads"] = config.kv_heads, shape["ffn"] = config.ffn, shape["vocab"] = config.vocab;
  shape["parameters"] = config.parameter_count();
  return shape;
}

// The run with the median rate stands for all: its parts belong together.
base::Json row_of(const BenchCase& bench, const BenchArgs& args, const Subject& subject, int workers,
                  std::vector<BenchRun> runs, double gemm_rate) {
  std::ranges::sort(runs, {}, rate);
  const BenchRun& median = runs[runs.size() / 2];
  base::Json row = base::Json::object();
  row["name"] = bench.name, row["value"] = rate(median), row["unit"] = "tokens/s";
  row["min"] = rate(runs.front()), row["max"] = rate(runs.back()), row["repeats"] = static_cast<int64_t>(runs.size());
  row["seconds"] = median.seconds, row["gflops"] = median.flops / median.seconds / 1e9;
  row["gemm_gflops"] = gemm_rate / 1e9, row["gemm_share"] = median.flops / median.seconds / gemm_rate;
  for (const auto& [key, value] : median.parts) row[key] = value;
  row["threads"] = workers, row["dtype"] = args.dtype, row["weights"] = args.weights;
  row["model"] = subject.name;
  row["shape"] = shape_json(subject.model.config);
  row["peer"] = base::Json(), row["peer_value"] = base::Json(), row["ratio"] = base::Json();  // bench/bench.py has them
  return row;
}

void print(const base::Json& row, bool as_json) {
  const auto number = [&](const char* key) { return row.at(key).as_double(); };
  const std::string name = row.at("name").as_string();
  if (as_json)
    std::printf("%s\n", row.dump().c_str());
  else if (name == kLoad)
    std::printf("%-17s %8.2f s, %.0f MiB, %.2f times the weights' %.0f MiB\n", kLoad, number("value"),
                number("rss_mib"), number("rss_ratio"), number("weights_mib"));
  else
    std::printf("%-17s %8s tokens/s  (%s to %s)  %6.1f GFLOP/s, %2.0f%% of the products' own rate\n", name.c_str(),
                base::human_count(number("value")).c_str(), base::human_count(number("min")).c_str(),
                base::human_count(number("max")).c_str(), number("gflops"), 100 * number("gemm_share"));
  std::fflush(stdout);
}

}  // namespace

std::string bench_help() {
  std::string help;
  for (const BenchCase& c : bench_cases()) help += base::cat("  ", c.name, ": ", c.does, "\n");
  help += base::cat("  ", kLoad, ": opens --model; seconds, and the memory that this took\n");
  return help;
}

int command_bench(const BenchArgs& args) {
  tensor::set_operator_threads(1);
  if (!args.save_model.empty()) {
    save_bench_model(args.save_model);
    return 0;
  }
  const std::vector<const BenchCase*> cases = chosen_cases(args);
  const bool load = std::ranges::find(args.names, kLoad) != args.names.end();
  if (load && args.model.empty())
    throw Error(ErrorCode::kUsage, "load times a model from a file; give --model", "command line");
  const Subject subject = open_subject(args, std::ranges::any_of(cases, &BenchCase::large));
  if (!args.model.empty() && (load || args.names.empty())) print(load_row(subject, args), args.json);
  if (cases.empty()) return 0;
  const int workers = args.threads > 0 ? static_cast<int>(args.threads) : base::hardware_threads();
  const double gemm_rate = bench_gemm_rate(subject.model.config, workers);
  if (!args.json)
    std::printf("%s of %s parameters, %s, threads: %d, median of %lld\n", subject.model.config.family.c_str(),
                base::human_count(static_cast<double>(subject.model.config.parameter_count())).c_str(),
                args.dtype.c_str(), workers, static_cast<long long>(args.repeats));
  for (const BenchCase* bench : cases) {
    const std::function<BenchRun()> work = bench->make(subject.model, workers);
    if (args.warm_up) work();
    std::vector<BenchRun> runs;
    for (int64_t i = 0; i < args.repeats; ++i) runs.push_back(work());
    print(row_of(*bench, args, subject, workers, std::move(runs), gemm_rate), args.json);
  }
  return 0;
}

}  // namespace ponder::recipes
