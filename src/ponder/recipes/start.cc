#include "ponder/recipes/start.h"

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/model/gguf.h"
#include "ponder/model/load.h"
#include "ponder/recipes/adapter_base.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/word_codec.h"
#include "ponder/tensor/device.h"
#include "ponder/text/format.h"
#include "ponder/text/gguf_tokenizer_json.h"
#include "ponder/text/open_tokenizer.h"

namespace ponder::recipes {
namespace {

// What may lie beside a model's weights and has nothing to do with them.
constexpr const char* kTokenizerFiles[] = {"tokenizer.json",        "tokenizer_config.json", "special_tokens_map.json",
                                           "added_tokens.json",     "chat_template.jinja",   "chat_template.json",
                                           "generation_config.json"};

std::string gguf_config(const store::GgufFile& file) {
  return text::gguf_tokenizer_config(gguf_vocabulary(file.metadata()),
                                     std::string(file.metadata().string_or("tokenizer.chat_template", "")));
}

// Problems of the training part with their solutions, in the form that answers are wanted in.
std::vector<tasks::WorkedExample> training_examples(const Recipe& recipe) {
  const base::RngKey key = base::RngKey(static_cast<uint64_t>(recipe.seed)).child("base").child("examples");
  std::vector<core::Item> items = tasks::find_dataset_task(recipe.base.tasks.at(0)).dataset().train;
  base::Rng rng(key);
  rng.shuffle(items);
  std::vector<tasks::WorkedExample> examples;
  for (const core::Item& item : items) {
    if (static_cast<int64_t>(examples.size()) == recipe.base.prompt.shots) break;
    if (auto solution = tasks::worked_solution(item)) examples.push_back({item.problem.question, std::move(*solution)});
  }
  return examples;
}

}  // namespace

tasks::WordModel word_model(std::shared_ptr<const text::Tokenizer> tokenizer, const model::DecoderConfig& config,
                            const std::string& path) {
  tasks::WordModel model;
  model.tokenizer = std::move(tokenizer);
  model.chat = open_chat_source(path);
  model.ends.assign(config.eos_ids.begin(), config.eos_ids.end());
  model.context = config.context;
  model.path = path;
  return model;
}

model::DecoderConfig read_model_config(const std::string& path) {
  if (is_gguf_file(path)) return model::from_hf_json(model::gguf_config_json(store::GgufFile(path)), path);
  const std::string directory = policy_directory(path);
  const bool has_own = base::file_exists(base::join_path(directory, "config.json"));
  return has_own ? model::read_hf_config(directory) : read_model_config(find_adapter_base(directory));
}

TokenizerFiles tokenizer_files(const std::string& model) {
  TokenizerFiles files;
  const std::string home = tokenizer_home(model);
  if (is_gguf_file(home)) {
    const store::GgufFile file(home);
    if (file.metadata().string_or("tokenizer.ggml.model", "none") == "none") return files;
    files["tokenizer.json"] = text::gguf_tokenizer_json(gguf_vocabulary(file.metadata()), home);
    files["tokenizer_config.json"] = gguf_config(file);
    return files;
  }
  for (const char* name : kTokenizerFiles)
    if (const std::string path = base::join_path(home, name); base::file_exists(path))
      files[name] = base::read_file(path);
  return files;
}

model::Parameters load_start(const Recipe& recipe) {
  const std::string& from = recipe.init.from;
  if (!recipe.init.trains_adapter()) {
    model::Parameters parameters = load_trainable(from).parameters;
    parameters.config.compute = recipe.model.compute;
    return parameters;
  }
  // Only the CPU multiplies with what is only read; elsewhere the base is a buffer that nobody changes.
  const bool on_cpu = tensor::resolve_device(recipe.device).is_cpu();
  model::LoadOptions options = on_cpu ? model::Hold::kReadOnly : model::Hold::kTrainable;
  options.compute = recipe.model.compute;
  model::Parameters parameters = load_model(from, options).parameters;
  const base::RngKey key = base::RngKey(static_cast<uint64_t>(recipe.seed)).child("lora");
  parameters.adapter = model::make_adapter(parameters.config, recipe.init.lora, key);
  return parameters;
}

TokenizerFiles start_tokenizer_files(const Recipe& recipe) {
  const std::string& from = recipe.init.from;
  if (from.empty()) return {{"tokenizer.json", text::task_tokenizer().to_json()}};
  TokenizerFiles files = tokenizer_files(from);
  if (!files.contains("tokenizer.json"))
    throw Error(ErrorCode::kInput,
                "has no tokenizer that ponder reads (tokenizer.json, or a vocabulary in its GGUF file), "
                "so it cannot be trained on texts",
                from);
  return files;
}

std::shared_ptr<const text::ProblemCodec> make_codec(const Recipe& recipe, const std::string& directory) {
  if (recipe.init.from.empty()) return std::make_shared<text::TaskCodec>(text::task_tokenizer());
  const std::string& from = directory.empty() ? recipe.init.from : directory;
  return std::make_shared<tasks::WordCodec>(word_model(open_tokenizer(from), recipe.model, from), recipe.prompt);
}

std::shared_ptr<const text::ProblemCodec> make_base_codec(const Recipe& recipe) {
  const std::string& from = recipe.init.from;
  tasks::WordModel model = word_model(open_tokenizer(from), recipe.model, from);
  model.examples = training_examples(recipe);
  return std::make_shared<tasks::WordCodec>(std::move(model), recipe.base.prompt);
}

std::shared_ptr<const text::ProblemCodec> codec_of_run(const std::string& run_dir, const Recipe& recipe) {
  if (recipe.init.from.empty()) return make_codec(recipe);
  return make_codec(recipe, newest_policy(run_dir));
}

}  // namespace ponder::recipes
