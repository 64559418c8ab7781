#include "ponder/recipes/plan.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <numeric>

#include "ponder/base/file.h"
#include "ponder/base/memory.h"
#include "ponder/base/thread.h"
#include "ponder/engine/kv_cache.h"
#include "ponder/engine/kv_memory.h"
#include "ponder/recipes/confidence.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/run.h"
#include "ponder/recipes/training_files.h"
#include "ponder/store/convert.h"
#include "ponder/store/gguf.h"
#include "ponder/tensor/gemm_rate.h"
#include "ponder/tensor/head_logp.h"

namespace ponder::recipes {
namespace {

// What the arithmetic assumes of samples, and how much of the measured rate learning and sampling reach: both measured
// on the laptop recipe.
constexpr double kPromptTokens = 16;        // of a procedural task
constexpr double kWordPromptTokens = 80;    // of a problem in words
constexpr double kWordSolutionTokens = 40;  // of its worked solution
constexpr double kShareOfLongest = 0.5;     // a completion, of max_tokens
constexpr double kTrainingShare = 0.65;
constexpr double kSamplingShare = 0.5;
constexpr double kRolloutBytes = 6;  // a recorded token, compressed
constexpr double kKept = 3;          // checkpoints a stage: two that are kept, one that is being written
constexpr double kFloat = sizeof(float);

double d(int64_t n) { return static_cast<double>(n); }

// ---- the machine ----

double field_of(const char* path, const std::string& name) {  // "MemAvailable:  123 kB"
  std::ifstream file(path);
  std::string key;
  for (double value; file >> key;) {
    if (file >> value && key == name) return value * 1024;
    file.clear();
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

// What is free on the machine, or within the limit of this process's control group where there is one.
double available_memory() {
  double available = field_of("/proc/meminfo", "MemAvailable:");
  for (const auto& [limit_path, used_path] :
       {std::pair{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
        std::pair{"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"}}) {
    double limit = 0, used = 0;
    if (std::ifstream(limit_path) >> limit && std::ifstream(used_path) >> used)
      available = std::min(available, std::max(0.0, limit - used));
  }
  return available;
}

double free_disk(std::string path) {
  while (!base::is_directory(path)) {
    const std::string parent = base::parent_path(path);
    path = parent == path ? "." : parent;
  }
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0) return 0;
  return static_cast<double>(info.f_bavail) * static_cast<double>(info.f_frsize);
}

// All workers multiply at once, each with one thread, as they do in a run.
double measure_rate(const model::DecoderConfig& config, int workers, const c10::Device& device) {
  constexpr double kSeconds = 0.25;
  std::vector<double> rates(static_cast<size_t>(workers));
  base::run_workers(workers, [&](int worker) {
    rates[static_cast<size_t>(worker)] =
        tensor::measure_gemm_rate(device, config.width, 2 * config.ffn, kSeconds, config.product_type());
  });
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

// ---- tokens and operations of the stages ----

class StageSums {
 public:
  StageSums(const Recipe& recipe, double rate)
      : config_(recipe.model),
        rate_(rate),
        prompt_(recipe.init.from.empty() ? kPromptTokens : kWordPromptTokens),
        passes_(recipe.init.trains_adapter() ? 2 : 3) {}
  double prompt() const { return prompt_; }

  // `tokens` are sampled, or read, in completions of `length` tokens.
  void sample(double tokens, double length) {
    add(tokens, model::forward_flops(config_, prompt_ + length / 2), kSamplingShare);
  }
  void train(double tokens, double row) {
    add(tokens, passes_ * model::forward_flops(config_, row / 2), kTrainingShare);
  }
  StagePlan take(const std::string& name) {
    plan_.name = name;
    return std::exchange(plan_, {});
  }

 private:
  void add(double tokens, double flops_a_token, double share) {
    plan_.tokens += tokens;
    plan_.flops += tokens * flops_a_token;
    plan_.seconds += tokens * flops_a_token / (rate_ * share);
  }
  const model::DecoderConfig& config_;
  double rate_;
  double prompt_;  // tokens
  double passes_;  // as costly as a forward pass; beside an adapter the weights need no gradient
  StagePlan plan_;
};

double length_of(int64_t max_tokens) { return kShareOfLongest * d(max_tokens); }

constexpr double kRow = 60;  // tokens of a document or demonstration

void plan_imitation(const TrainOptions& train, double row, StageSums& sums) {
  sums.train(d(train.steps) * d(train.batch_tokens), row);
}

void plan_base(const Recipe& recipe, StageSums& sums) {
  const double problems = d(recipe.base.problems) * d(static_cast<int64_t>(recipe.base.tasks.size()));
  const double length = length_of(recipe.base.max_tokens);
  sums.sample(problems * (kWordPromptTokens + length), length + d(recipe.base.prompt.shots) * kWordPromptTokens);
}

void plan_evaluation(const Recipe& recipe, double times, int64_t problems, StageSums& sums) {
  const double length = length_of(recipe.rl.max_tokens);
  sums.sample(times * d(problems) * d(static_cast<int64_t>(recipe.rl.mix.tasks.size())) * length, length);
}

void plan_critic(const CriticOptions& o, StageSums& sums) {
  const double length = length_of(o.max_tokens), completions = d(o.problems) * d(o.completions);
  sums.sample(completions * length, length);
  sums.sample(d(o.dev_problems) * d(kDevSamples) * d(static_cast<int64_t>(o.mix.tasks.size())) * length, length);
  if (o.kind == "confidence") return;
  sums.sample(completions * d(o.prefixes) * d(o.rollouts) * length / 2, length);
  sums.train(d(o.train.steps) * d(o.train.batch_tokens), length);
}

void plan_rl(const Recipe& recipe, StageSums& sums) {
  const RlOptions& o = recipe.rl;
  const double length = length_of(o.max_tokens), steps = d(o.train.steps), samples = steps * d(o.prompts) * d(o.group);
  sums.sample(samples * length + steps * d(o.prompts) * sums.prompt(), length);
  sums.train(samples * (sums.prompt() + length), sums.prompt() + length);
  if (learn::resolve_options(learn::find_loss(o.algo), o.loss).beta > 0)  // the reference reads every sample
    sums.sample(samples * (sums.prompt() + length), length);
  plan_evaluation(recipe, std::ceil(steps / d(o.eval_every)), o.eval_problems, sums);
}

void plan_search(const Recipe& recipe, StageSums& sums) {
  const SearchStageOptions& o = recipe.search;
  const double length = length_of(o.max_tokens), pool = d(o.pool);
  double budgets = 0, stopping = 0;
  for (int64_t budget : o.budgets) budgets += d(budget);
  for (int64_t budget : o.stopping_budgets) stopping += d(budget);
  for (size_t t = 0; t < o.tasks.size(); ++t) {
    const double n = d(o.problems[t]);
    const double pools = o.before_rl ? 2 : 1;
    sums.sample(n * length * (pools + 1 + 2 * pools * pool),
                length);  // greedy; the pool, written and read by the critic
    sums.sample(n * budgets * d(static_cast<int64_t>(o.tree_strategies.size())), length);
    if (t == 0)
      sums.sample(n * stopping * (d(static_cast<int64_t>(o.stopping_strategies.size())) + (o.oracle == "yes" ? 1 : 0)),
                  length);
  }
  sums.sample(d(o.harder_problems) * d(static_cast<int64_t>(o.harder_tasks.size())) * length * (1 + 2 * pool), length);
}

// files_row: tokens of a row of sft.data; 0: there are none.
StagePlan plan_stage(const Recipe& recipe, const std::string& stage, double files_row, StageSums& sums) {
  if (stage == "pretrain") plan_imitation(recipe.pretrain.train, kRow, sums);
  if (stage == "base") plan_base(recipe, sums);
  if (stage == "sft") {
    const double row = recipe.sft.solutions.empty() ? kRow : kWordPromptTokens + kWordSolutionTokens;
    plan_imitation(recipe.sft.train, files_row > 0 ? files_row : row, sums);
    plan_evaluation(recipe, 1, recipe.sft.eval_problems, sums);
  }
  if (stage == "critic" || stage == "critic_rl") plan_critic(recipe.critic, sums);
  if (stage == "rl") plan_rl(recipe, sums);
  if (stage == "search") plan_search(recipe, sums);
  return sums.take(stage);
}

// ---- memory and disk ----

// Floats that backward needs of each token: in every layer the residual stream and its norm twice, the heads, what they
// give, gate and up, and their product.
double activation_floats(const Recipe& recipe) {
  const model::DecoderConfig& c = recipe.model;
  const double low_rank = d(recipe.init.lora.r) * d(std::ssize(recipe.init.lora.target_modules));
  const double layer = 4 * d(c.width) + d(c.head_shape().columns()) + d(c.heads * c.head_dim) + 3 * d(c.ffn) + low_rank;
  return d(c.layers) * layer + 2 * d(c.width);
}

// Of a pack's logits what is kept at a time; the learner keeps its memory.
double logit_bytes(const Recipe& recipe, double pack_tokens) {
  const auto compute = recipe.model.compute == "bf16" ? tensor::Compute::kBf16 : tensor::Compute::kF32;
  const double rows = d(tensor::kept_rows(recipe.model.vocab, compute));
  return tensor::kKeptBytes * std::min(pack_tokens / rows, 1.0);
}

double cache_bytes(const Recipe& recipe) {
  const model::DecoderConfig& c = recipe.model;
  const double page = d(engine::kv_page_bytes(c, recipe.engine));
  if (recipe.engine.kv_pages > 0) return d(recipe.engine.kv_pages) * page;
  const double contexts = d(recipe.engine.max_rows) * d(engine::KvCache::pages_for(c.context) + 1) * page;
  return std::min(contexts, d(recipe.engine.kv_mib) * 0x1p20);
}

bool trains_critic(const Recipe& recipe, const std::string& stage) {
  return stage.starts_with("critic") && recipe.critic.kind == "value_head";
}

bool is_learning(const Recipe& recipe, const std::string& stage) {
  return stage != "search" && stage != "report" && stage != "base" && stage != "probe" &&
         (!stage.starts_with("critic") || trains_critic(recipe, stage));
}

// A base that is only read: packed in the file's own width, its embedding left in the file; on a GPU one f32 buffer.
double base_bytes(const Recipe& recipe, const Plan& plan) {
  if (plan.device != "cpu") return d(plan.parameters) * kFloat;
  const std::string& from = recipe.init.from;
  const bool halves =
      recipe.model.compute == "bf16" || (is_gguf_file(from) ? store::main_type(store::GgufFile(from))
                                                            : store::main_type(policy_directory(from))) == "BF16";
  const double embedding = recipe.model.tied ? 0 : d(recipe.model.vocab) * d(recipe.model.width);
  return (d(plan.parameters) - embedding) * (halves ? 0.5 : 1) * kFloat;
}

void plan_memory(const Recipe& recipe, Plan& plan) {
  const double trained_bytes = d(plan.trained) * kFloat;
  double models = 1, pack_tokens = 0;
  for (const std::string& stage : recipe.stages) {
    if (stage == "rl" || trains_critic(recipe, stage)) models += 1;  // a reference, or a critic beside the policy
    if (stage == "pretrain") pack_tokens = std::max(pack_tokens, d(recipe.pretrain.train.learner.pack_tokens));
    if (stage == "sft") pack_tokens = std::max(pack_tokens, d(recipe.sft.train.learner.pack_tokens));
    if (stage == "rl") pack_tokens = std::max(pack_tokens, d(recipe.rl.train.learner.pack_tokens));
    if (trains_critic(recipe, stage)) pack_tokens = std::max(pack_tokens, d(recipe.critic.train.learner.pack_tokens));
  }
  const bool learns =
      std::ranges::any_of(recipe.stages, [&](const std::string& stage) { return is_learning(recipe, stage); });
  plan.program = base::resident_bytes();
  // As products read them: once for all that sample, and of a small model both ways round for learning. Workers that
  // share a large one's products have one gradient, one set of activations, and pack on the spot.
  const bool shared = learn::shares_products(recipe.rl.train.learner, plan.parameters);
  const double packed_bytes = trained_bytes * (recipe.model.compute == "bf16" ? 0.5 : 1);
  const bool packs_for_learning = learns && (!shared || recipe.init.trains_adapter());
  plan.weights = models * trained_bytes + (1 + (packs_for_learning ? 2 : 0)) * packed_bytes;
  if (recipe.init.trains_adapter()) plan.weights += base_bytes(recipe, plan);
  plan.optimizer = learns ? 2 * trained_bytes : 0;
  const double learners = shared ? 1 : d(plan.workers);
  plan.gradients = learns ? learners * trained_bytes : 0;
  plan.logits = learns ? learners * logit_bytes(recipe, pack_tokens) : 0;
  plan.activations = learners * pack_tokens * activation_floats(recipe) * kFloat;
  plan.kv_cache =
      engine::crew_of(recipe.engine, plan.parameters, static_cast<int>(plan.workers)).engines * cache_bytes(recipe);
  plan.memory = plan.program + plan.weights + plan.optimizer + plan.gradients + plan.logits +
                std::max(plan.activations, plan.kv_cache);
  plan.memory_available = available_memory() + plan.program;
}

void plan_disk(const Recipe& recipe, const std::string& run_dir, Plan& plan) {
  plan.checkpoint = 3 * d(plan.trained) * kFloat;  // the weights and the optimizer's two moments
  const auto learning =
      std::ranges::count_if(recipe.stages, [&](const std::string& stage) { return is_learning(recipe, stage); });
  plan.checkpoints =
      plan.checkpoint * (kKept - 1) * static_cast<double>(learning) + (learning > 0 ? plan.checkpoint : 0);
  if (std::ranges::count(recipe.stages, "rl") > 0)
    plan.rollouts = d(recipe.rl.train.steps) * d(recipe.rl.prompts) * d(recipe.rl.group) *
                    length_of(recipe.rl.max_tokens) * kRolloutBytes;
  plan.disk = plan.checkpoints + plan.rollouts;
  plan.disk_free = free_disk(run_dir);
}

Plan plan_machine(const Recipe& recipe, const c10::Device& device) {
  Plan plan;
  plan.parameters = recipe.model.parameter_count();
  plan.trained = recipe.init.trains_adapter() ? model::adapter_size(recipe.model, recipe.init.lora) : plan.parameters;
  plan.device = device.str();
  plan.workers = recipe.workers > 0 ? recipe.workers : device.is_cuda() ? 1 : base::hardware_threads();
  plan_memory(recipe, plan);
  return plan;
}

std::string mib(double bytes) { return base::cat(base::fixed(bytes / 0x1p20, bytes < 0x1p20 ? 2 : 0), " MiB"); }

}  // namespace

Plan make_plan(const Recipe& recipe, const std::string& run_dir) {
  const c10::Device device = tensor::resolve_device(recipe.device);
  Plan plan = plan_machine(recipe, device);
  plan_disk(recipe, run_dir, plan);
  if (has_stage(recipe, "sft") && !recipe.sft.data.empty()) {
    const TrainingFiles files = read_training_files(recipe);
    plan.files = summary_of(files, recipe), plan.files_json = to_json(files);
    plan.files_row = d(files.tokens) / d(std::ssize(files.rows));
  }
  plan.gemm_rate = measure_rate(recipe.model, static_cast<int>(plan.workers), device);
  StageSums sums(recipe, plan.gemm_rate);
  for (const std::string& stage : recipe.stages) plan.stages.push_back(plan_stage(recipe, stage, plan.files_row, sums));
  return plan;
}

base::Json to_json(const Plan& plan) {
  const auto bytes = [](double n) { return static_cast<int64_t>(n); };
  base::Json json = base::Json::object();
  json["parameters"] = plan.parameters, json["trained"] = plan.trained;
  json["workers"] = plan.workers, json["device"] = plan.device;
  json["memory"] = base::Json::Object{{"program", bytes(plan.program)},
                                      {"weights", bytes(plan.weights)},
                                      {"optimizer", bytes(plan.optimizer)},
                                      {"gradients", bytes(plan.gradients)},
                                      {"logits", bytes(plan.logits)},
                                      {"activations", bytes(plan.activations)},
                                      {"kv_cache", bytes(plan.kv_cache)},
                                      {"total", bytes(plan.memory)},
                                      {"available", bytes(plan.memory_available)}};
  json["disk"] = base::Json::Object{{"checkpoint", bytes(plan.checkpoint)},
                                    {"checkpoints", bytes(plan.checkpoints)},
                                    {"rollouts", bytes(plan.rollouts)},
                                    {"total", bytes(plan.disk)},
                                    {"free", bytes(plan.disk_free)}};
  if (!plan.files_json.is_null()) json["sft_data"] = plan.files_json;
  json["gemm_flops_per_second"] = plan.gemm_rate;
  json["stages"] = base::Json::array();
  double seconds = 0;
  for (const StagePlan& stage : plan.stages) {
    json["stages"].push_back(base::Json::Object{{"name", stage.name},
                                                {"tokens", bytes(stage.tokens)},
                                                {"flops", stage.flops},
                                                {"seconds_estimate", stage.seconds}});
    seconds += stage.seconds;
  }
  json["seconds_estimate"] = seconds;
  return json;
}

namespace {

void refuse_too_little_memory(const Plan& plan) {
  // What a GPU's memory holds is not known here.
  if (plan.device == "cpu" && plan.memory > plan.memory_available)
    throw Error(
        ErrorCode::kResource,
        base::cat("this run needs about ", mib(plan.memory), " of memory and ", mib(plan.memory_available),
                  " are available; fewer workers, a smaller learner.pack_tokens, engine.kv_mib or model need less"),
        "memory");
}

}  // namespace

void check_memory(const Recipe& recipe) {
  refuse_too_little_memory(plan_machine(recipe, tensor::resolve_device(recipe.device)));
}

void check_resources(const Plan& plan, const std::string& run_dir) {
  refuse_too_little_memory(plan);
  if (plan.disk > plan.disk_free)
    throw Error(ErrorCode::kResource,
                base::cat("this run needs about ", mib(plan.disk), " of disk and ", mib(plan.disk_free),
                          " are free; make room, or choose another directory with --out"),
                run_dir);
}

int print_plan(const Recipe& recipe, const std::string& run_dir, bool json) {
  const Plan plan = make_plan(recipe, run_dir);
  if (json) {
    std::printf("%s\n", to_json(plan).dump().c_str());
    check_resources(plan, run_dir);
    return 0;
  }
  const std::string adapter = recipe.init.trains_adapter()
                                  ? base::cat(", an adapter of ", base::human_count(d(plan.trained)), " is trained")
                                  : "";
  std::printf("%s: %s parameters%s, %lld workers on %s; nothing is written\n\nmemory  %s of %s available\n",
              run_dir.c_str(), base::human_count(d(plan.parameters)).c_str(), adapter.c_str(),
              static_cast<long long>(plan.workers), plan.device.c_str(), mib(plan.memory).c_str(),
              mib(plan.memory_available).c_str());
  for (const auto& [name, bytes] :
       {std::pair{"program", plan.program}, std::pair{"weights", plan.weights}, std::pair{"optimizer", plan.optimizer},
        std::pair{"gradients", plan.gradients}, std::pair{"logits", plan.logits},
        std::pair{"activations", plan.activations}, std::pair{"KV cache", plan.kv_cache}})
    std::printf("  %-12s %s\n", name, mib(bytes).c_str());
  std::printf("disk    %s of %s free\n  checkpoints  %s (%s each)\n  rollouts     %s\n\n", mib(plan.disk).c_str(),
              mib(plan.disk_free).c_str(), mib(plan.checkpoints).c_str(), mib(plan.checkpoint).c_str(),
              mib(plan.rollouts).c_str());
  if (!plan.files.empty()) std::printf("sft.data  %s\n\n", plan.files.c_str());
  double seconds = 0;
  std::printf("%-12s %10s %10s %14s\n", "stage", "tokens", "FLOP", "time, about");
  for (const StagePlan& stage : plan.stages) {
    seconds += stage.seconds;
    if (stage.tokens > 0)
      std::printf("%-12s %10s %10s %14s\n", stage.name.c_str(), base::human_count(stage.tokens).c_str(),
                  base::human_count(stage.flops).c_str(), base::human_seconds(stage.seconds).c_str());
  }
  std::printf(
      "\nin all about %s: an estimate from this machine's %s FLOP/s in matrix products just now, and from\n"
      "completions of half their greatest length\n",
      base::human_seconds(seconds).c_str(), base::human_count(plan.gemm_rate).c_str());
  check_resources(plan, run_dir);
  return 0;
}

}  // namespace ponder::recipes
