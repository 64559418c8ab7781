// Qwen 2 and 2.5: Llama with biases on queries, keys and values; upper layers may see a window. Yang et al. 2024.
#include "ponder/model/families.h"

namespace ponder::model {
namespace {

void read(ConfigReader& json, DecoderConfig& config) {
  read_activation(json, "hidden_act", Activation::kSilu, config);
  read_rope(json, config);
  read_upper_windows(json, config);
  config.qkv_bias = true;
}

void write(const DecoderConfig& config, base::Json& json) {
  write_rope(config, json);
  json["rms_norm_eps"] = config.norm_eps;
  json["hidden_act"] = "silu";
  write_upper_windows(config, json);
}

}  // namespace

Family qwen2_family() { return {"qwen2", "Qwen2ForCausalLM", &kLlamaNorms, read, write}; }

}  // namespace ponder::model
