#include "ponder/recipes/open_model.h"

#include <future>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/memory.h"
#include "ponder/model/gguf.h"
#include "ponder/model/load.h"
#include "ponder/recipes/adapter_base.h"
#include "ponder/recipes/confidence.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/recipes/start.h"
#include "ponder/store/checkpoint.h"
#include "ponder/tensor/device.h"
#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

constexpr const char* kModels = "a run directory, a Hugging Face directory or a GGUF file";

// The newest checkpoint that was committed, damaged or not: an older one in its place would be another model. Its name
// ends in the step, with leading zeros.
std::string newest_committed(const std::string& dir) {
  std::string newest;
  for (const std::string& name : base::list_directory(dir))
    if (name.find(".tmp-") == std::string::npos &&
        base::file_exists(base::join_path(base::join_path(dir, name), "DONE")) &&
        std::pair(name.size(), name) > std::pair(newest.size(), newest))
      newest = name;
  return newest.empty() ? "" : base::join_path(dir, newest);
}

// The checkpoint that a stage ended with, as the run's state says; "" while it has not ended.
std::string last_of(const std::string& run_dir, const char* stage) {
  const std::string path = base::join_path(run_dir, "state.json");
  if (!base::file_exists(path)) return "";
  const base::Json state = base::Json::parse(base::read_file(path), path);
  const base::Json* finished = state.find("finished");
  const base::Json* left = finished ? finished->find(stage) : nullptr;
  const std::string checkpoint = left ? left->string_at("checkpoint") : "";
  return checkpoint.empty() ? "" : base::join_path(run_dir, checkpoint);
}

// What the first of these stages that has saved anything ended with, or has saved last; "" when none has.
std::string newest_of(const std::string& run_dir, std::initializer_list<const char*> stages) {
  for (const char* stage : stages) {
    if (const std::string last = last_of(run_dir, stage); !last.empty()) return last;
    const std::string dir = base::join_path(base::join_path(run_dir, "checkpoints"), stage);
    if (!base::is_directory(dir)) continue;
    if (const std::string newest = newest_committed(dir); !newest.empty()) return newest;
  }
  return "";
}

// An adapter comes with its base.
model::LoadedModel load_verified(const std::string& path, model::LoadOptions options) {
  if (!base::is_directory(path)) return model::load_gguf(path, options);
  verify_files(path);
  if (!model::is_adapter(path)) return model::load_hf(path, options);
  if (options.compute.empty() && base::file_exists(base::join_path(path, "config.json")))
    options.compute = model::read_hf_config(path).compute;
  const std::string base = find_adapter_base(path);
  model::LoadedModel model = load_verified(base, options);
  model.parameters.adapter = open_adapter(path, {base}, model.parameters.config);
  return model;
}

// Where its parts lie; nothing is read of them.
OpenedModel find_model(const std::string& path) {
  OpenedModel found{.policy_path = is_gguf_file(path) ? path : policy_directory(path), .critic_path = ""};
  if (found.policy_path != path) found.critic_path = newest_of(path, {"critic_rl", "critic"});
  return found;
}

}  // namespace

void verify_files(const std::string& path) {
  const bool is_checkpoint = base::file_exists(base::join_path(path, "manifest.json")) ||
                             base::file_exists(base::join_path(path, "DONE")) ||
                             base::file_exists(base::join_path(path, "trainer.json"));
  if (is_checkpoint) store::verify_checkpoint(path);
}

const text::Tokenizer& OpenedModel::tokenizer() const {
  if (!text)
    throw Error(ErrorCode::kInput, no_text + "; without a tokenizer give --tokens, for example 1,2,3", policy_path);
  return *text;
}

const text::WordTokenizer& OpenedModel::words() const {
  const auto* words = dynamic_cast<const text::WordTokenizer*>(&tokenizer());
  if (!words)
    throw Error(ErrorCode::kInput, "this model does not write in the language of the procedural tasks", policy_path);
  return *words;
}

bool is_gguf_file(const std::string& path) { return path.ends_with(".gguf") && base::file_exists(path); }

std::string newest_policy(const std::string& run_dir) { return newest_of(run_dir, {"rl", "sft", "pretrain"}); }

std::string policy_directory(const std::string& path) {
  if (!base::file_exists(path) && !base::is_directory(path))
    throw Error(ErrorCode::kInput, base::cat("no such model; MODEL is ", kModels), path);
  if (!base::is_directory(path)) throw Error(ErrorCode::kInput, base::cat("this is a file; MODEL is ", kModels), path);
  if (base::file_exists(base::join_path(path, "config.json")) || model::is_adapter(path)) return path;
  const std::string newest = newest_policy(path);
  if (newest.empty())
    throw Error(ErrorCode::kInput,
                "neither config.json nor a finished checkpoint is here; MODEL is a run directory with at least one "
                "checkpoint, or a Hugging Face directory",
                path);
  return newest;
}

// The run that a run's directory, or one of its checkpoints (RUN/checkpoints/STAGE/step-…), belongs to; "" = none.
std::string run_of(const std::string& path) {
  if (path.empty() || is_gguf_file(path)) return "";
  const std::string stages = base::parent_path(base::parent_path(path));
  for (const std::string& run : {path, base::file_name(stages) == "checkpoints" ? base::parent_path(stages) : ""})
    if (!run.empty() && base::file_exists(base::join_path(run, "config.yaml")) && !newest_policy(run).empty())
      return run;
  return "";
}

bool is_adapter_model(const std::string& path) {
  return !is_gguf_file(path) && model::is_adapter(policy_directory(path));
}

std::string tokenizer_home(const std::string& path) {
  if (is_gguf_file(path)) return path;
  const std::string directory = policy_directory(path);
  const bool has_own = !model::is_adapter(directory) || base::file_exists(base::join_path(directory, "tokenizer.json"));
  return has_own ? directory : find_adapter_base(directory);
}

model::LoadedModel load_model(const std::string& path, const model::LoadOptions& options) {
  return load_verified(is_gguf_file(path) ? path : policy_directory(path), options);
}

model::LoadedModel load_trainable(const std::string& path) {
  model::LoadedModel model = load_model(path, model::Hold::kTrainable);
  if (model.parameters.adapter) model.parameters = model::merge_adapter(std::move(model.parameters));
  return model;
}

OpenedModel describe_model(const std::string& path) {
  OpenedModel found = find_model(path);
  found.policy = load_verified(found.policy_path, model::Hold::kNothing).parameters;
  if (!found.critic_path.empty()) found.critic = load_verified(found.critic_path, model::Hold::kNothing).parameters;
  return found;
}

OpenedModel open_model(const std::string& path, const OpenOptions& options) {
  OpenedModel opened = find_model(path);
  const std::string& policy_path = opened.policy_path;
  const c10::Device where = tensor::resolve_device(options.device);
  model::LoadOptions load = where.is_cpu() ? model::Hold::kReadOnly : model::Hold::kTrainable;
  load.compute = options.compute;
  const std::string adapter = options.adapter.empty() ? "" : adapter_directory(options.adapter);
  if (!adapter.empty() && load.compute.empty() && base::file_exists(base::join_path(adapter, "config.json")))
    load.compute = model::read_hf_config(adapter).compute;  // as it was trained
  model::LoadOptions load_policy = load;
  load_policy.weights = model::weight_type(options.weights);
  // A large vocabulary takes as long as the weights: they are read side by side.
  auto text = std::async([&] { return open_tokenizer(policy_path); });
  opened.policy = load_verified(policy_path, load_policy).parameters;
  for (const std::string& directory : {options.adapter, path})
    if (opened.run.empty()) opened.run = run_of(directory);
  try {
    opened.text = text.get();
  } catch (const Error& e) {  // token ids do without
    if (e.code() != ErrorCode::kInput) throw;
    opened.no_text = e.message();
  }
  if (policy_path != path)  // a run's: checkpoints/STAGE/step-…
    opened.confidence = confidence_of_run(path, base::file_name(base::parent_path(policy_path)));
  if (!opened.critic_path.empty()) opened.critic = load_verified(opened.critic_path, load).parameters;
  if (!adapter.empty()) {
    if (opened.policy.adapter)
      throw Error(ErrorCode::kUsage, "this model has an adapter already; merge that one with `ponder convert`", path);
    opened.policy.adapter = open_adapter(adapter, {policy_path}, opened.policy.config);
  }
  opened.policy = opened.policy.on(where);
  if (opened.critic) opened.critic = opened.critic->on(where);
  base::return_freed_memory();
  return opened;
}

namespace {

// Which of the options is given, as the command line names it; null: none.
const char* first_given(const WordArgs& args) {
  if (args.style) return "--style";
  if (args.shots) return "--shots";
  if (args.examples) return "--examples";
  if (args.answer) return "--answer";
  if (args.ask) return "--ask";
  if (args.system) return "--system";
  return args.stop.empty() ? nullptr : "--stop";
}

}  // namespace

std::shared_ptr<const text::ProblemCodec> open_codec(const OpenedModel& model, const WordArgs& args) {
  if (const auto* words = dynamic_cast<const text::WordTokenizer*>(&model.tokenizer())) {
    if (const char* option = first_given(args))
      throw Error(ErrorCode::kUsage, "this model writes in the tasks' own language; the option is for models of words",
                  option);
    return std::make_shared<text::TaskCodec>(*words);
  }
  tasks::WordOptions options = model.run.empty() ? tasks::WordOptions{} : recipe_of_run(model.run).prompt;
  options.style = args.style.value_or(options.style);
  options.shots = args.shots.value_or(options.shots);
  options.examples = args.examples.value_or(options.examples);
  options.answer = args.answer.value_or(options.answer);
  options.ask = args.ask.value_or(options.ask);
  options.system = args.system.value_or(options.system);
  if (!args.stop.empty()) options.stop = args.stop;
  return std::make_shared<tasks::WordCodec>(word_model(model.text, model.policy.config, model.policy_path), options);
}

}  // namespace ponder::recipes
