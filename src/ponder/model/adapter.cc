#include "ponder/model/adapter.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/model/config_json.h"
#include "ponder/model/source.h"
#include "ponder/store/safetensors.h"
#include "ponder/tensor/guard.h"

namespace ponder::model {
namespace {

constexpr const char* kConfigFile = "adapter_config.json";
constexpr const char* kWeightsFile = "adapter_model.safetensors";

// A matrix of a layer that may be adapted: W [out,in], rows first … of the fused matrix that the decoder multiplies.
struct Module {
  std::string name, path;  // "q_proj", "self_attn.q_proj"
  int64_t out = 0, in = 0, first = 0;
  std::vector<tensor::LowRank> LayerWeights::*beside = nullptr;
};

std::vector<Module> modules_of(const DecoderConfig& c) {
  const int64_t q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim;
  return {{"q_proj", "self_attn.q_proj", q, c.width, 0, &LayerWeights::qkv_adapters},
          {"k_proj", "self_attn.k_proj", kv, c.width, q, &LayerWeights::qkv_adapters},
          {"v_proj", "self_attn.v_proj", kv, c.width, q + kv, &LayerWeights::qkv_adapters},
          {"o_proj", "self_attn.o_proj", c.width, q, 0, &LayerWeights::out_adapters},
          {"gate_proj", "mlp.gate_proj", c.ffn, c.width, 0, &LayerWeights::gate_up_adapters},
          {"up_proj", "mlp.up_proj", c.ffn, c.width, c.ffn, &LayerWeights::gate_up_adapters},
          {"down_proj", "mlp.down_proj", c.width, c.ffn, 0, &LayerWeights::down_adapters}};
}

bool targets(const AdapterConfig& adapter, const Module& module) {
  return std::ranges::find(adapter.target_modules, module.name) != adapter.target_modules.end();
}

// visit(layer, module, name of A, name of B) in the order of the buffer.
template <class Visit>
void visit_modules(const DecoderConfig& config, const AdapterConfig& adapter, Visit visit) {
  const std::vector<Module> modules = modules_of(config);
  for (int64_t l = 0; l < config.layers; ++l)
    for (const Module& module : modules) {
      if (!targets(adapter, module)) continue;
      const std::string name = base::cat("base_model.model.model.layers.", l, ".", module.path);
      visit(l, module, name + ".lora_A.weight", name + ".lora_B.weight");
    }
}

int64_t size_of(const std::vector<ParameterInfo>& table) {
  return table.empty() ? 0 : table.back().offset + table.back().numel();
}

std::string list_text(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += base::cat(text.empty() ? "" : ", ", name);
  return text;
}

base::Json config_json(const AdapterConfig& c, const std::string& base_model) {
  base::Json json = base::Json::object();
  json["peft_type"] = "LORA", json["task_type"] = "CAUSAL_LM";
  json["base_model_name_or_path"] = base_model.empty() ? base::Json() : base::Json(base_model);
  json["r"] = c.r, json["lora_alpha"] = c.lora_alpha, json["lora_dropout"] = c.lora_dropout;
  json["target_modules"] = base::Json::list(c.target_modules);
  json["use_rslora"] = c.use_rslora, json["bias"] = "none", json["fan_in_fan_out"] = false;
  json["inference_mode"] = true;
  return json;
}

// What else PEFT's LoraConfig (0.21) says, and what other versions may.
void check_plain(ConfigReader& json) {
  if (const std::string type = json.text_or("peft_type", "none"); type != "LORA")
    json.refuse("peft_type", type, "adapters of type LORA");
  if (const std::string bias = json.text_or("bias", "none"); bias != "none")
    json.refuse("bias", bias, "adapters without bias");
  // These compute something else than products with A and B beside a layer's matrices.
  json.want_off({"fan_in_fan_out", "use_dora", "lora_bias", "modules_to_save", "rank_pattern", "alpha_pattern",
                 "layers_to_transform", "layer_replication", "exclude_modules", "target_parameters",
                 "trainable_token_indices", "alora_invocation_tokens", "arrow_config", "use_qalora", "use_bdlora",
                 "kasa_config", "monteclora_config", "velora_config", "megatron_config"},
                "plain LoRA adapters, with none of it");
  if (json.find("layers_to_transform") && !json.find("layers_to_transform")->is_array())  // 0 is a layer
    json.refuse("layers_to_transform", json.find("layers_to_transform")->dump(), "adapters of all layers");
  // How A and B began. Other ways change the model's own weights then, and these again when PEFT opens them.
  if (const base::Json* begun = json.find("init_lora_weights"); begun && !begun->is_bool())
    if (const std::string how = json.text_or("init_lora_weights", "");
        how != "gaussian" && how != "eva" && how != "orthogonal")
      json.refuse("init_lora_weights", how,
                  "adapters beside the model's own weights; convert it to plain LoRA with PEFT first");
  // Without effect: where it comes from and what for (base_model_name_or_path is read elsewhere); settings of ways to
  // begin, of which init_lora_weights says whether one was taken; settings of keys that must be off.
  json.ignore({"base_model_name_or_path", "revision", "task_type", "peft_version", "auto_mapping", "inference_mode",
               "eva_config", "corda_config", "loftq_config", "lora_ga_config", "layers_pattern", "megatron_core",
               "qalora_group_size", "ensure_weight_tying"});
}

std::vector<std::string> read_targets(ConfigReader& json) {
  const base::Json* modules = json.find("target_modules");
  if (!modules) json.fail("there is no target_modules");
  if (modules->is_string() && modules->as_string() == "all-linear") return adapter_modules();
  std::vector<std::string> names;
  if (!modules->is_array() || !std::ranges::all_of(modules->as_array(), [](const auto& v) { return v.is_string(); }))
    json.refuse("target_modules", modules->dump(),
                base::cat("adapters beside a list of ", list_text(adapter_modules()), ", or \"all-linear\""));
  for (const base::Json& name : modules->as_array()) names.push_back(name.as_string());
  return names;
}

AdapterConfig read_config(const base::Json& file, const std::string& where) {
  ConfigReader json(file, where);
  check_plain(json);
  AdapterConfig config;
  config.r = json.integer("r"), config.lora_alpha = json.number("lora_alpha");
  config.use_rslora = json.flag_or("use_rslora", config.use_rslora);
  config.lora_dropout = json.number_or("lora_dropout", config.lora_dropout);
  config.target_modules = read_targets(json);
  json.finish();
  try {
    config.check();
  } catch (const Error& e) {
    throw Error(ErrorCode::kInput, e.message(), where);
  }
  return config;
}

}  // namespace

const std::vector<std::string>& adapter_modules() {
  static const std::vector<std::string> names = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                                 "gate_proj", "up_proj", "down_proj"};
  return names;
}

void AdapterConfig::fields(base::Fields& f) {
  f.field("r", r, {.min = 0, .max = 4096, .help = "rank: rows of A, columns of B; 0 = no adapter, all weights learn"});
  f.field("lora_alpha", lora_alpha, {.min = 0, .help = "the adapter's product is scaled by lora_alpha / r"});
  f.field("target_modules", target_modules,
          {.help = "matrices of each layer beside which an adapter stands", .choices = adapter_modules()});
  f.field("use_rslora", use_rslora, {.help = "scale by lora_alpha / √r (Kalajdzievski 2023)"});
}

void AdapterConfig::check() const {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::kUsage, what); };
  if (r < 1 || r > 4096) refuse(base::cat("r is ", r, "; a rank is 1 to 4096"));
  if (!(lora_alpha >= 0) || std::isinf(lora_alpha))
    refuse(base::cat("lora_alpha is ", lora_alpha, "; it is 0 or more"));
  if (!(lora_dropout >= 0 && lora_dropout < 1))
    refuse(base::cat("lora_dropout is ", lora_dropout, "; it is at least 0 and less than 1"));
  if (target_modules.empty())
    refuse(base::cat("target_modules is empty; it names some of ", list_text(adapter_modules())));
  for (const std::string& name : target_modules)
    if (std::ranges::find(adapter_modules(), name) == adapter_modules().end())
      refuse(base::cat("target_modules names ", name, "; adapters can stand beside ", list_text(adapter_modules())));
}

double AdapterConfig::scale() const {
  const auto rank = static_cast<double>(r);
  return lora_alpha / (use_rslora ? std::sqrt(rank) : rank);
}

std::vector<ParameterInfo> adapter_table(const DecoderConfig& config, const AdapterConfig& adapter) {
  std::vector<ParameterInfo> table;
  int64_t offset = 0;
  const auto add = [&](const std::string& name, int64_t rows, int64_t columns) {
    table.push_back({name, offset, {rows, columns}});
    offset += rows * columns;
  };
  visit_modules(config, adapter, [&](int64_t, const Module& module, const std::string& a, const std::string& b) {
    add(a, adapter.r, module.in);
    add(b, module.out, adapter.r);
  });
  return table;
}

int64_t adapter_size(const DecoderConfig& config, const AdapterConfig& adapter) {
  return size_of(adapter_table(config, adapter));
}

std::shared_ptr<Adapter> make_adapter(const DecoderConfig& config, const AdapterConfig& adapter, base::RngKey key) {
  adapter.check();
  const std::vector<ParameterInfo> table = adapter_table(config, adapter);
  auto made = std::make_shared<Adapter>(Adapter{adapter, at::empty({size_of(table)}, at::kFloat)});
  float* flat = made->flat.mutable_data_ptr<float>();
  for (const ParameterInfo& p : table) {
    const bool is_b = p.name.ends_with("lora_B.weight");
    const double bound = is_b ? 0 : 1 / std::sqrt(static_cast<double>(p.shape[1]));
    base::Rng rng(key.child(p.name));
    for (int64_t i = 0; i < p.numel(); ++i)
      flat[p.offset + i] = is_b ? 0.0f : static_cast<float>(bound * (2 * rng.uniform() - 1));
  }
  return made;
}

void attach_adapter(const DecoderConfig& config, const AdapterConfig& adapter, const TakeAdapterMatrix& take_matrix,
                    DecoderWeights& weights) {
  int64_t offset = 0;
  const auto take = [&](int64_t rows, int64_t columns) {
    tensor::Matrix matrix = take_matrix(offset, rows, columns);
    offset += rows * columns;
    return matrix;
  };
  visit_modules(config, adapter, [&](int64_t layer, const Module& module, const std::string&, const std::string&) {
    tensor::LowRank part;
    part.a = take(adapter.r, module.in), part.b = take(module.out, adapter.r);
    part.first = module.first, part.scale = adapter.scale();
    (weights.layers[static_cast<size_t>(layer)].*module.beside).push_back(std::move(part));
  });
}

Parameters merge_adapter(Parameters parameters) {
  PONDER_CHECK(parameters.adapter && parameters.flat.defined(), "merging wants an adapter and weights in one buffer");
  const at::NoGradGuard no_grad;
  const std::shared_ptr<Adapter> merged = std::exchange(parameters.adapter, nullptr);
  const Adapter& adapter = *merged;
  const std::vector<ParameterInfo> table = adapter_table(parameters.config, adapter.config);
  const auto piece = [](const at::Tensor& flat, const ParameterInfo& p) {
    return flat.narrow(0, p.offset, p.numel()).view(p.shape);
  };
  const std::vector<ParameterInfo> weights = parameter_table(parameters.config);
  size_t next = 0;
  visit_modules(
      parameters.config, adapter.config,
      [&](int64_t layer, const Module& module, const std::string&, const std::string&) {
        const ParameterInfo &a = table[next], &b = table[next + 1];
        next += 2;
        const std::string name = base::cat("model.layers.", layer, ".", module.path, ".weight");
        const auto w = std::ranges::find(weights, name, &ParameterInfo::name);
        PONDER_CHECK(w != weights.end(), "there is no ", name, " to merge into");
        piece(parameters.flat, *w).addmm_(piece(adapter.flat, b), piece(adapter.flat, a), 1, adapter.config.scale());
      });
  return parameters;
}

bool is_adapter(const std::string& directory) { return base::file_exists(base::join_path(directory, kConfigFile)); }

std::string adapter_base_model(const std::string& directory) {
  const std::string path = base::join_path(directory, kConfigFile);
  const base::Json json = base::Json::parse(base::read_file(path), path);
  return ConfigReader(json, path).text_or("base_model_name_or_path", "");
}

void save_adapter(const std::string& directory, const Parameters& parameters, const std::string& base_model) {
  PONDER_CHECK(parameters.adapter, "there is no adapter to save");
  const Adapter& adapter = *parameters.adapter;
  base::write_file_atomic(base::join_path(directory, kConfigFile),
                          config_json(adapter.config, base_model).dump(2) + "\n");
  const at::Tensor flat = adapter.flat.cpu();
  std::vector<store::TensorView> tensors;
  for (const ParameterInfo& p : adapter_table(parameters.config, adapter.config))
    tensors.push_back({p.name, "F32", p.shape, flat.const_data_ptr<float>() + p.offset});
  store::write_safetensors(base::join_path(directory, kWeightsFile), tensors, {{"format", "pt"}});
}

std::shared_ptr<Adapter> load_adapter(const std::string& directory, const DecoderConfig& config) {
  const std::string path = base::join_path(directory, kConfigFile), file = base::join_path(directory, kWeightsFile);
  const base::Json json = base::Json::parse(base::read_file(path), path);
  const AdapterConfig adapter = read_config(json, path);
  const std::vector<ParameterInfo> table = adapter_table(config, adapter);
  auto loaded = std::make_shared<Adapter>(Adapter{adapter, at::empty({size_of(table)}, at::kFloat)});
  tensor::guarded("adapter", [&] {
    const Source source = open_safetensors_file(file);
    check_tensors(table, "adapter_config.json and the model", file, source);
    for (const ParameterInfo& p : table) {
      float* out = loaded->flat.mutable_data_ptr<float>() + p.offset;
      const SourceTensor& tensor = source.at(p.name);
      for (int64_t row = 0; row < tensor.rows(); ++row, out += tensor.columns()) read_floats(tensor, row, out);
    }
  });
  return loaded;
}

}  // namespace ponder::model
