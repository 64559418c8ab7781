#include "ponder/model/load.h"

#include <ATen/ops/empty.h>
#include <c10/util/Half.h>

#include <cstring>
#include <map>
#include <memory>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/store/safetensors.h"
#include "ponder/tensor/guard.h"

namespace ponder::model {
namespace {

constexpr const char* kConfigFile = "config.json";
constexpr const char* kGenerationFile = "generation_config.json";
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kIndexFile = "model.safetensors.index.json";
constexpr const char* kTokenizerFile = "tokenizer.json";
constexpr const char* kTokenizerConfigFile = "tokenizer_config.json";

base::Json generation_json(const base::Json& config) {
  base::Json json;
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (!config.at(key).is_null()) json[key] = config.at(key);
  json["do_sample"] = true;
  return json;
}

// The files that hold the weights: one, or those that the index of a split model names.
std::vector<std::unique_ptr<store::SafetensorsFile>> open_weights(const std::string& directory) {
  std::set<std::string> names;
  const std::string index = base::join_path(directory, kIndexFile);
  if (!base::file_exists(base::join_path(directory, kWeightsFile)) && base::file_exists(index)) {
    const base::Json json = base::Json::parse(base::read_file(index), index);
    for (const auto& [tensor, file] : json.at("weight_map").as_object()) {
      if (file.as_string().find('/') != std::string::npos)
        throw Error(ErrorCode::kInput, base::cat("the file of ", tensor, " must lie in the model's own directory"),
                    index);
      names.insert(file.as_string());
    }
  } else {
    names.insert(kWeightsFile);
  }
  std::vector<std::unique_ptr<store::SafetensorsFile>> files;
  for (const auto& name : names)
    files.push_back(std::make_unique<store::SafetensorsFile>(base::join_path(directory, name)));
  return files;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += base::cat(i ? "," : "", shape[i]);
  return text + "]";
}

// The bytes in a file need not be aligned.
void read_f32(const store::SafetensorsFile& file, const store::TensorEntry& entry, float* out) {
  const std::string_view bytes = file.bytes(entry);
  if (entry.dtype == "F32") {
    std::memcpy(out, bytes.data(), bytes.size());
    return;
  }
  const bool half = entry.dtype == "F16";
  if (!half && entry.dtype != "BF16")
    throw Error(ErrorCode::kInput, base::cat(entry.name, " has dtype ", entry.dtype, "; F32, F16 and BF16 can be read"),
                file.path());
  for (size_t i = 0; i < bytes.size() / 2; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, bytes.data() + 2 * i, 2);
    const uint32_t wide = static_cast<uint32_t>(bits) << 16;
    if (half)
      out[i] = c10::detail::fp16_ieee_to_fp32_value(bits);
    else
      std::memcpy(out + i, &wide, 4);
  }
}

// What other programs leave in a file and this decoder works out itself.
bool is_redundant(const std::string& name, const DecoderConfig& config) {
  return name.ends_with("rotary_emb.inv_freq") || (config.tied && name == "lm_head.weight");
}

Parameters read_parameters(const std::string& directory, const DecoderConfig& config) {
  const auto files = open_weights(directory);
  std::map<std::string, std::pair<const store::SafetensorsFile*, const store::TensorEntry*>> found;
  for (const auto& file : files)
    for (const auto& entry : file->entries())
      if (!is_redundant(entry.name, config)) found[entry.name] = {file.get(), &entry};
  Parameters parameters{config, at::empty({config.parameter_count()}, at::kFloat)};
  for (const auto& p : parameter_table(config)) {
    const auto it = found.find(p.name);
    if (it == found.end())
      throw Error(ErrorCode::kInput, base::cat("the weights lack ", p.name, " ", shape_text(p.shape)), directory);
    const auto [file, entry] = it->second;
    if (entry->shape != p.shape)
      throw Error(ErrorCode::kInput,
                  base::cat(p.name, " is ", shape_text(entry->shape), "; config.json says ", shape_text(p.shape)),
                  file->path());
    read_f32(*file, *entry, parameters.flat.mutable_data_ptr<float>() + p.offset);
    found.erase(it);
  }
  if (!found.empty())
    throw Error(ErrorCode::kInput,
                base::cat("the weights hold ", found.begin()->first, ", which a ", config.family,
                          " of this config.json has not"),
                found.begin()->second.first->path());
  return parameters;
}

}  // namespace

void save_hf(const std::string& directory, const Parameters& parameters, const std::string& tokenizer_json) {
  const base::Json config = to_hf_json(parameters.config);
  const auto write = [&](const char* name, const std::string& text) {
    base::write_file_atomic(base::join_path(directory, name), text);
  };
  write(kConfigFile, config.dump(2) + "\n");
  write(kGenerationFile, generation_json(config).dump(2) + "\n");
  if (!tokenizer_json.empty()) {
    write(kTokenizerFile, tokenizer_json);
    // Without it transformers takes a Llama model's tokenizer for a SentencePiece one.
    base::Json tokenizer;
    tokenizer["tokenizer_class"] = "PreTrainedTokenizerFast";
    tokenizer["model_max_length"] = parameters.config.context;
    write(kTokenizerConfigFile, tokenizer.dump(2) + "\n");
  }
  const at::Tensor flat = parameters.flat.cpu();
  std::vector<store::TensorView> tensors;
  for (const auto& p : parameter_table(parameters.config))
    tensors.push_back({p.name, "F32", p.shape, flat.const_data_ptr<float>() + p.offset});
  store::write_safetensors(base::join_path(directory, kWeightsFile), tensors, {{"format", "pt"}});
}

LoadedModel load_hf(const std::string& directory) {
  const std::string path = base::join_path(directory, kConfigFile);
  DecoderConfig config = from_hf_json(base::Json::parse(base::read_file(path), path), path);
  LoadedModel model{tensor::guarded("model", [&] { return read_parameters(directory, config); }), ""};
  const std::string tokenizer = base::join_path(directory, kTokenizerFile);
  if (base::file_exists(tokenizer)) model.tokenizer_json = base::read_file(tokenizer);
  return model;
}

}  // namespace ponder::model
