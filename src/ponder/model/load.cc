#include "ponder/model/load.h"

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/model/source.h"
#include "ponder/store/safetensors.h"
#include "ponder/tensor/guard.h"

namespace ponder::model {
namespace {

constexpr const char* kConfigFile = "config.json";
constexpr const char* kGenerationFile = "generation_config.json";
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kTokenizerFile = "tokenizer.json";
constexpr const char* kTokenizerConfigFile = "tokenizer_config.json";

base::Json generation_json(const base::Json& config) {
  base::Json json;
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (!config.at(key).is_null()) json[key] = config.at(key);
  json["do_sample"] = true;
  return json;
}

}  // namespace

WeightType weight_type(const std::string& name) {
  std::string known;
  for (size_t i = 0; i < std::size(kWeightTypes); ++i) {
    if (name == kWeightTypes[i]) return static_cast<WeightType>(i);
    known += base::cat(i ? ", " : "", kWeightTypes[i]);
  }
  throw Error(ErrorCode::kUsage, base::cat("weights = \"", name, "\"; valid: ", known), "model");
}

void save_config(const std::string& directory, const DecoderConfig& config) {
  const base::Json json = to_hf_json(config);
  base::write_file_atomic(base::join_path(directory, kConfigFile), json.dump(2) + "\n");
  base::write_file_atomic(base::join_path(directory, kGenerationFile), generation_json(json).dump(2) + "\n");
}

void save_hf(const std::string& directory, const Parameters& parameters, const std::string& tokenizer_json) {
  save_config(directory, parameters.config);
  if (!tokenizer_json.empty()) {
    base::write_file_atomic(base::join_path(directory, kTokenizerFile), tokenizer_json);
    // Without it transformers takes a Llama model's tokenizer for a SentencePiece one.
    base::Json tokenizer;
    tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast";
    tokenizer["model_max_length"] = parameters.config.context;
    base::write_file_atomic(base::join_path(directory, kTokenizerConfigFile), tokenizer.dump(2) + "\n");
  }
  const at::Tensor flat = parameters.flat.cpu();
  std::vector<store::TensorView> tensors;
  for (const auto& p : parameter_table(parameters.config))
    tensors.push_back({p.name, "F32", p.shape, flat.const_data_ptr<float>() + p.offset});
  store::write_safetensors(base::join_path(directory, kWeightsFile), tensors, {{"format", "pt"}});
}

DecoderConfig read_hf_config(const std::string& directory) {
  const auto read = [](const std::string& path) {
    constexpr int64_t kMaxMib = 16;  // thousands of times what published files have
    if (const int64_t bytes = base::file_size(path); bytes > kMaxMib << 20)
      throw Error(ErrorCode::kInput, base::cat("the file has ", bytes >> 20, " MiB; at most ", kMaxMib, " are read"),
                  path);
    return base::Json::parse(base::read_file(path), path);
  };
  const std::string path = base::join_path(directory, kConfigFile);
  DecoderConfig config = from_hf_json(read(path), path);
  const std::string generation = base::join_path(directory, kGenerationFile);
  if (base::file_exists(generation)) read_generation_json(read(generation), generation, config);
  return config;
}

LoadedModel load_hf(const std::string& directory, const LoadOptions& options) {
  DecoderConfig config = read_hf_config(directory);
  if (!options.compute.empty()) config.compute = options.compute;
  config.resolve();
  LoadedModel model;
  model.parameters.config = config;
  tensor::guarded("model", [&] {
    Source source = open_safetensors(directory);
    check_source(config, directory, source);
    hold_source(source, options, model.parameters);
  });
  const std::string tokenizer = base::join_path(directory, kTokenizerFile);
  if (base::file_exists(tokenizer)) model.tokenizer_json = base::read_file(tokenizer);
  return model;
}

}  // namespace ponder::model
