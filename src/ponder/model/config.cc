#include "ponder/model/config.h"

#include <algorithm>

#include "ponder/base/error.h"

namespace ponder::model {
namespace {

[[noreturn]] void bad(const std::string& message) { throw Error(ErrorCode::kUsage, message, "model"); }

void check_multiple(const char* name, int64_t value, int64_t of) {
  if (value < of || value % of != 0)
    bad(base::cat(name, " = ", value, " is not a positive multiple of ", of, "; the nearest is ",
                  std::max(of, (value + of / 2) / of * of)));
}

std::vector<int64_t> ids_of(const base::Json* value) {
  if (!value || value->is_null()) return {};
  if (!value->is_array()) return {value->as_int()};
  std::vector<int64_t> ids;
  for (const auto& id : value->as_array()) ids.push_back(id.as_int());
  return ids;
}

int64_t int_or(const base::Json& json, const char* key, int64_t missing) {
  const base::Json* value = json.find(key);
  return value && !value->is_null() ? value->as_int() : missing;
}
double number_or(const base::Json& json, const char* key, double missing) {
  const base::Json* value = json.find(key);
  return value && !value->is_null() ? value->as_double() : missing;
}
bool flag_or(const base::Json& json, const char* key, bool missing) {
  const base::Json* value = json.find(key);
  return value && !value->is_null() ? value->as_bool() : missing;
}

void check_computed(const base::Json& json, const std::string& where) {
  const auto refuse = [&](const char* key, const std::string& found, const char* computed) {
    throw Error(ErrorCode::kInput, base::cat(key, " is ", found, "; this decoder computes ", computed), where);
  };
  if (const auto& type = json.at("model_type").as_string(); type != "llama") refuse("model_type", type, "llama");
  const base::Json* activation = json.find("hidden_act");
  if (activation && activation->as_string() != "silu") refuse("hidden_act", activation->as_string(), "silu");
  for (const char* key : {"attention_bias", "mlp_bias"})
    if (flag_or(json, key, false)) refuse(key, "true", "layers without biases");
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const base::Json* rope = json.find(key);
    if (!rope || !rope->is_object()) continue;
    const base::Json* type = rope->find("rope_type") ? rope->find("rope_type") : rope->find("type");
    if (type && type->as_string() != "default") refuse("rope_type", type->as_string(), "rope_type default");
  }
}

}  // namespace

void DecoderConfig::fields(base::Fields& f) {
  f.field("family", family, {.help = "kind of decoder", .choices = {"llama"}});
  f.field("width", width, {.min = 16, .help = "size of the hidden state; a multiple of 16"});
  f.field("layers", layers, {.min = 1, .help = "decoder layers"});
  f.field("heads", heads, {.min = 1, .help = "query heads"});
  f.field("kv_heads", kv_heads, {.min = 0, .help = "key/value heads; 0 = as many as query heads"});
  f.field("head_dim", head_dim, {.min = 0, .help = "size of a head, a multiple of 16; 0 = width / heads"});
  f.field("ffn", ffn, {.min = 16, .help = "size of the feed-forward layer; a multiple of 16"});
  f.field("context", context, {.min = 2, .unit = "tokens", .help = "prompt and completion together"});
  f.field("rope_theta", rope_theta, {.min = 1, .help = "base of the rotary positions"});
  f.field("norm_eps", norm_eps, {.min = 0, .max = 1, .help = "added under the root of RMSNorm"});
  f.field("tied", tied, {.help = "the output head is the embedding"});
  f.field(
      "compute", compute,
      {.help = "matrix products on the CPU: f32, or bf16 inputs summed in f32; auto = bf16 where the processor has it",
       .choices = {"auto", "f32", "bf16"}});
}

void DecoderConfig::resolve() {
  if (family != "llama") bad(base::cat("unknown family \"", family, "\"; valid: llama"));
  if (layers < 1 || heads < 1 || context < 2) bad("layers and heads must be at least 1 and context at least 2");
  if (vocab < 1) bad("the vocabulary is empty; a tokenizer must give its size");
  check_multiple("width", width, 16);
  check_multiple("ffn", ffn, 16);
  if (kv_heads == 0) kv_heads = heads;
  if (heads % kv_heads != 0)
    bad(base::cat("heads = ", heads, " is not a multiple of kv_heads = ", kv_heads,
                  "; each key/value head serves equally many"));
  if (head_dim == 0) {
    if (width % heads != 0 || width / heads % 16 != 0)
      bad(base::cat("width = ", width, " does not split into ", heads,
                    " heads of a multiple of 16; set head_dim, or width = ", heads * 32));
    head_dim = width / heads;
  }
  check_multiple("head_dim", head_dim, 16);
  if (compute == "auto") compute = tensor::has_fast_bf16() ? "bf16" : "f32";
  if (compute != "f32" && compute != "bf16") bad(base::cat("compute = \"", compute, "\"; valid: auto, f32, bf16"));
  for (const int64_t id : eos_ids)
    if (id < 0 || id >= vocab) bad(base::cat("end token ", id, " is not in 0 … ", vocab - 1));
}

tensor::Compute DecoderConfig::product_type() const {
  return compute == "bf16" ? tensor::Compute::kBf16 : tensor::Compute::kF32;
}

tensor::HeadShape DecoderConfig::head_shape() const {
  return {heads, kv_heads, head_dim, compute == "bf16" ? tensor::KvType::kBf16 : tensor::KvType::kF32};
}

int64_t DecoderConfig::parameter_count() const {
  const int64_t attention = width * (2 * heads + 2 * kv_heads) * head_dim;
  const int64_t layer = attention + 3 * width * ffn + 2 * width;
  return (tied ? 1 : 2) * vocab * width + layers * layer + width + (value_head ? width + 1 : 0);
}

double forward_flops(const DecoderConfig& config, double context) {
  const auto f = [](int64_t n) { return static_cast<double>(n); };
  const double layer = f(config.width) * f((2 * config.heads + 2 * config.kv_heads) * config.head_dim) +
                       3 * f(config.width) * f(config.ffn);
  const double attention = 4 * f(config.heads * config.head_dim) * context;
  return 2 * (f(config.layers) * layer + f(config.vocab) * f(config.width)) + f(config.layers) * attention;
}

base::Json to_hf_json(const DecoderConfig& config) {
  const auto id = [](int64_t v) { return v < 0 ? base::Json() : base::Json(v); };
  base::Json json;
  json["architectures"] = base::Json::Array{"LlamaForCausalLM"};
  json["model_type"] = "llama";
  json["vocab_size"] = config.vocab;
  json["hidden_size"] = config.width;
  json["num_hidden_layers"] = config.layers;
  json["num_attention_heads"] = config.heads;
  json["num_key_value_heads"] = config.kv_heads;
  json["head_dim"] = config.head_dim;
  json["intermediate_size"] = config.ffn;
  json["max_position_embeddings"] = config.context;
  json["rope_theta"] = config.rope_theta;
  // transformers 5 reads rope_parameters, earlier ones rope_theta.
  json["rope_parameters"]["rope_theta"] = config.rope_theta;
  json["rope_parameters"]["rope_type"] = "default";
  json["rms_norm_eps"] = config.norm_eps;
  json["hidden_act"] = "silu";
  json["attention_bias"] = false;
  json["mlp_bias"] = false;
  json["tie_word_embeddings"] = config.tied;
  json["bos_token_id"] = id(config.bos_id);
  json["eos_token_id"] = config.eos_ids.size() == 1 ? base::Json(config.eos_ids[0]) : base::Json::list(config.eos_ids);
  if (config.eos_ids.empty()) json["eos_token_id"] = nullptr;
  json["pad_token_id"] = id(config.pad_id);
  json["torch_dtype"] = "float32";
  if (config.value_head) json["ponder_value_head"] = true;
  if (config.compute == "bf16") json["ponder_compute"] = config.compute;
  return json;
}

DecoderConfig from_hf_json(const base::Json& json, const std::string& where) {
  check_computed(json, where);
  DecoderConfig config;
  config.vocab = json.at("vocab_size").as_int();
  config.width = json.at("hidden_size").as_int();
  config.layers = json.at("num_hidden_layers").as_int();
  config.heads = json.at("num_attention_heads").as_int();
  config.kv_heads = int_or(json, "num_key_value_heads", config.heads);
  config.head_dim = int_or(json, "head_dim", 0);
  config.ffn = json.at("intermediate_size").as_int();
  config.context = json.at("max_position_embeddings").as_int();
  config.rope_theta = number_or(json, "rope_theta", 10000);
  if (const base::Json* rope = json.find("rope_parameters"); rope && rope->is_object())
    config.rope_theta = number_or(*rope, "rope_theta", config.rope_theta);
  config.norm_eps = number_or(json, "rms_norm_eps", 1e-6);
  config.tied = flag_or(json, "tie_word_embeddings", false);
  config.bos_id = int_or(json, "bos_token_id", -1);
  config.pad_id = int_or(json, "pad_token_id", -1);
  config.eos_ids = ids_of(json.find("eos_token_id"));
  config.value_head = flag_or(json, "ponder_value_head", false);
  if (const base::Json* compute = json.find("ponder_compute")) config.compute = compute->as_string();
  try {
    config.resolve();
  } catch (const Error& error) {
    throw Error(ErrorCode::kInput, error.message(), where);
  }
  return config;
}

}  // namespace ponder::model
