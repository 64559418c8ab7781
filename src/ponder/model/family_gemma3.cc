// The text decoder of Gemma 3: norms around one and on both sides of each block, normalized heads, gelu, an embedding
// that is scaled up, and windowed layers with a rope of their own. Gemma team 2025.
#include <algorithm>
#include <cmath>

#include "ponder/base/cat.h"
#include "ponder/model/families.h"
#include "ponder/store/gguf.h"
#include "ponder/store/gguf_write.h"

namespace ponder::model {
namespace {

constexpr NormNames kNorms = {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                              "post_feedforward_layernorm"};
constexpr double kTheta = 1e6, kWindowTheta = 1e4;

void read_ropes(ConfigReader& json, DecoderConfig& config) {
  const double theta = json.number_or("rope_theta", kTheta);
  config.window_theta = json.number_or("rope_local_base_freq", kWindowTheta);
  config.rotary = {.theta = theta};
  if (const base::Json* both = json.find("rope_parameters")) {
    ConfigReader ropes(*both, json.where(), "rope_parameters");
    if (const base::Json* full = ropes.find("full_attention"))
      config.rotary = read_rotary(json, *full, "rope_parameters.full_attention", theta, config.context);
    if (const base::Json* local = ropes.find("sliding_attention")) {
      const auto r =
          read_rotary(json, *local, "rope_parameters.sliding_attention", config.window_theta, config.context);
      if (r.scaling != tensor::RotaryScaling::kNone)
        ropes.refuse("rope_type of sliding_attention", "not default", "windowed layers that are not stretched");
      config.window_theta = r.theta;
    }
    ropes.finish();
  }
  if (!(config.window_theta >= 1)) json.fail("rope_local_base_freq (of the windowed layers) must be at least 1");
  if (const base::Json* scaling = json.find("rope_scaling"))
    config.rotary = read_rotary(json, *scaling, "rope_scaling", config.rotary.theta, config.context);
  config.rope_theta = config.rotary.theta;
}

void read_windows(ConfigReader& json, DecoderConfig& config) {
  // Absent stands for 4096; with null no layer may have a window, which resolve() sees to.
  config.window = json.integer_or("sliding_window", json.has("sliding_window") ? 0 : 4096);
  const int64_t older = json.integer_or("_sliding_window_pattern", 6);
  const int64_t pattern = json.integer_or("sliding_window_pattern", older);
  if (pattern < 1) json.fail("sliding_window_pattern must be at least 1");
  if (read_layer_types(json, config)) return;
  for (int64_t l = 0; l < config.layers; ++l) config.windowed.push_back((l + 1) % pattern != 0);
}

void read(ConfigReader& json, DecoderConfig& config) {
  read_activation(json, "hidden_activation", Activation::kGeluTanh, config);
  read_activation(json, "hidden_act", Activation::kGeluTanh, config);
  json.want_off({"attention_bias"}, "layers without biases");
  json.want_off({"attn_logit_softcapping", "final_logit_softcapping"}, "logits that are not capped");
  json.want_off({"use_bidirectional_attention"}, "causal attention");
  read_ropes(json, config);
  read_windows(json, config);
  if (config.head_dim == 0) config.head_dim = 256;
  const int64_t scalar = json.integer_or("query_pre_attn_scalar", 256);
  constexpr int64_t kMostScalar = 1 << 24;  // which is written and read as itself, by way of the scale
  if (scalar < 1 || scalar > kMostScalar)
    json.fail(base::cat("query_pre_attn_scalar is ", scalar, "; it must be 1 … ", kMostScalar));
  config.attention_scale = 1 / std::sqrt(static_cast<double>(scalar));
  config.tied = json.flag_or("tie_word_embeddings", true);
  config.head_norms = config.output_norms = true;
  config.norm_offset = 1;
  // In f32, as transformers scales an f32 model; its bf16 models scale with the nearest bf16.
  config.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(config.width)));
}

void write(const DecoderConfig& config, base::Json& json) {
  json["rope_theta"] = config.rope_theta;
  json["rope_local_base_freq"] = config.window_theta;
  if (config.rotary.scaling != tensor::RotaryScaling::kNone) json["rope_scaling"] = rotary_json(config.full_rotary());
  json["rope_parameters"]["full_attention"] = rotary_json(config.full_rotary());
  json["rope_parameters"]["sliding_attention"] = rotary_json({.theta = config.window_theta});
  json["rms_norm_eps"] = config.norm_eps;
  json["hidden_activation"] = "gelu_pytorch_tanh";
  json["attention_bias"] = false;
  json["query_pre_attn_scalar"] = std::llround(1 / (config.attention_scale * config.attention_scale));
  json["sliding_window"] = config.windowed.empty() ? base::Json(4096) : base::Json(config.window);
  json["layer_types"] = layer_types_json(config);
}

// llama.cpp's layers l with l % period < period − 1 have windows; of period 0 all.
constexpr int64_t kUsualPeriod = 6;
bool is_windowed(int64_t layer, int64_t period) { return period == 0 || layer % period < period - 1; }

void read_gguf(const store::GgufMetadata& metadata, const std::string& prefix, base::Json& json) {
  const int64_t layers = json.int_at("num_hidden_layers");
  // Without a window no layer has one, as of period 1.
  const int64_t window = metadata.int_or(prefix + "attention.sliding_window", 0);
  const int64_t period = window > 0 ? metadata.int_or(prefix + "attention.sliding_window_pattern", kUsualPeriod) : 1;
  base::Json types = base::Json::array();
  for (int64_t l = 0; l < std::min<int64_t>(layers, 1024); ++l)  // from_hf_json refuses more
    types.push_back(is_windowed(l, std::max<int64_t>(period, 0)) ? "sliding_attention" : "full_attention");
  json["layer_types"] = std::move(types);
  if (window > 0) json["sliding_window"] = window;
  json["rope_local_base_freq"] = metadata.double_or(prefix + "rope.freq_base_swa", kWindowTheta);
  // As llama.cpp does: by the head, but for the largest model, which is known by its layers.
  constexpr int64_t kLargest = 62;
  json["query_pre_attn_scalar"] =
      layers == kLargest ? json.int_at("hidden_size") / json.int_at("num_attention_heads") : json.int_at("head_dim");
}

void write_gguf(const DecoderConfig& config, const std::string& prefix, store::GgufPairs& pairs) {
  const auto fits = [&](int64_t period) {
    for (int64_t l = 0; l < config.layers; ++l)
      if (config.is_windowed(l) != is_windowed(l, period)) return false;
    return true;
  };
  int64_t period = kUsualPeriod;
  for (int64_t p = 0; p <= config.layers && !fits(period); ++p)
    if (fits(p)) period = p;
  pairs.add_u32(prefix + "attention.sliding_window", config.windowed.empty() ? config.context : config.window);
  if (period != kUsualPeriod) pairs.add_u32(prefix + "attention.sliding_window_pattern", period);
  if (config.window_theta != kWindowTheta) pairs.add_f32(prefix + "rope.freq_base_swa", config.window_theta);
}

}  // namespace

Family gemma3_family() {
  return {"gemma3_text", "Gemma3ForCausalLM",
          &kNorms,       read,
          write,         {"attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base_swa"},
          read_gguf,     write_gguf};
}

}  // namespace ponder::model
