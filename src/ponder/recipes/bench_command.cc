// `ponder bench`: speed of the hot paths on this machine, as JSON lines or a table.
#include <algorithm>
#include <cstdio>

#include "ponder/base/error.h"
#include "ponder/base/thread.h"
#include "ponder/recipes/bench_cases.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

double rate(const BenchRun& run) { return run.tokens / run.seconds; }

std::vector<const BenchCase*> chosen_cases(const std::vector<std::string>& names) {
  std::vector<const BenchCase*> chosen;
  std::string known;
  for (const BenchCase& c : bench_cases()) {
    known += base::cat(known.empty() ? "" : ", ", c.name);
    if (names.empty() ? !c.large : std::ranges::find(names, c.name) != names.end()) chosen.push_back(&c);
  }
  for (const std::string& name : names)
    if (std::ranges::none_of(chosen, [&](const BenchCase* c) { return name == c->name; }))
      throw Error(ErrorCode::kUsage, base::cat("no benchmark \"", name, "\"; there are ", known), "command line");
  return chosen;
}

base::Json shape_json(const model::DecoderConfig& config) {
  base::Json shape = base::Json::object();
  shape["width"] = config.width, shape["layers"] = config.layers, shape["heads"] = config.heads;
  shape["kv_heads"] = config.kv_heads, shape["ffn"] = config.ffn, shape["vocab"] = config.vocab;
  shape["parameters"] = config.parameter_count();
  return shape;
}

// The run with the median rate stands for all: its parts belong together.
base::Json row_of(const BenchCase& bench, const BenchArgs& args, const model::DecoderConfig& config, int workers,
                  std::vector<BenchRun> runs, double gemm_rate) {
  std::ranges::sort(runs, {}, rate);
  const BenchRun& median = runs[runs.size() / 2];
  base::Json row = base::Json::object();
  row["name"] = bench.name, row["value"] = rate(median), row["unit"] = "tokens/s";
  row["min"] = rate(runs.front()), row["max"] = rate(runs.back()), row["repeats"] = static_cast<int64_t>(runs.size());
  row["seconds"] = median.seconds, row["gflops"] = median.flops / median.seconds / 1e9;
  row["gemm_gflops"] = gemm_rate / 1e9, row["gemm_share"] = median.flops / median.seconds / gemm_rate;
  for (const auto& [key, value] : median.parts) row[key] = value;
  row["threads"] = workers, row["dtype"] = args.dtype;
  row["model"] = base::cat(config.family, " ", config.parameter_count(), " parameters, ", args.dtype);
  row["shape"] = shape_json(config);
  row["peer"] = base::Json(), row["peer_value"] = base::Json(), row["ratio"] = base::Json();  // bench/bench.py has them
  return row;
}

void print_row(const base::Json& row) {
  const auto count = [&](const char* key) { return base::human_count(row.at(key).as_double()); };
  std::printf("%-17s %8s tokens/s  (%s to %s)  %6.1f GFLOP/s, %2.0f%% of the products' own rate\n",
              row.at("name").as_string().c_str(), count("value").c_str(), count("min").c_str(), count("max").c_str(),
              row.at("gflops").as_double(), 100 * row.at("gemm_share").as_double());
  std::fflush(stdout);
}

}  // namespace

std::string bench_help() {
  std::string help;
  for (const BenchCase& c : bench_cases()) help += base::cat("  ", c.name, ": ", c.does, "\n");
  return help;
}

int command_bench(const BenchArgs& args) {
  tensor::set_operator_threads(1);
  if (!args.save_model.empty()) {
    save_bench_model(args.save_model);
    return 0;
  }
  const std::vector<const BenchCase*> cases = chosen_cases(args.names);
  const bool large = std::ranges::any_of(cases, &BenchCase::large);
  if (large != !args.model.empty() || (large && cases.size() > 1))
    throw Error(ErrorCode::kUsage, "train-large, and it alone, trains the model that --model names", "command line");
  model::Parameters model = large ? load_trainable(args.model).parameters : bench_model(args.dtype);
  model.config.compute = args.dtype;
  const int workers = args.threads > 0 ? static_cast<int>(args.threads) : base::hardware_threads();
  const double gemm_rate = bench_gemm_rate(model.config, workers);
  if (!args.json)
    std::printf("%s of %s parameters, %s, threads: %d, median of %lld\n", model.config.family.c_str(),
                base::human_count(static_cast<double>(model.config.parameter_count())).c_str(), args.dtype.c_str(),
                workers, static_cast<long long>(args.repeats));
  for (const BenchCase* bench : cases) {
    const std::function<BenchRun()> work = bench->make(model, workers);
    work();
    std::vector<BenchRun> runs;
    for (int64_t i = 0; i < args.repeats; ++i) runs.push_back(work());
    const base::Json row = row_of(*bench, args, model.config, workers, std::move(runs), gemm_rate);
    if (args.json) {
      std::printf("%s\n", row.dump().c_str());
      std::fflush(stdout);
    } else {
      print_row(row);
    }
  }
  return 0;
}

}  // namespace ponder::recipes
