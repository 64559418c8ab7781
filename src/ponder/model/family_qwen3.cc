// Qwen 3 (dense): Llama with RMSNorm on each query and key head instead of Qwen 2's biases. Yang et al. 2025.
#include "ponder/model/families.h"

namespace ponder::model {
namespace {

void read(ConfigReader& json, DecoderConfig& config) {
  read_activation(json, "hidden_act", Activation::kSilu, config);
  json.want_off({"attention_bias"}, "layers without biases");
  read_rope(json, config);
  read_upper_windows(json, config);
  if (config.head_dim == 0) config.head_dim = 128;
  config.head_norms = true;
}

void write(const DecoderConfig& config, base::Json& json) {
  write_rope(config, json);
  json["rms_norm_eps"] = config.norm_eps;
  json["hidden_act"] = "silu";
  json["attention_bias"] = false;
  write_upper_windows(config, json);
}

}  // namespace

Family qwen3_family() { return {"qwen3", "Qwen3ForCausalLM", &kLlamaNorms, read, write}; }

}  // namespace ponder::model
