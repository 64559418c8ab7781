// Llama 2, 3, 3.1 and 3.2 (text), and the models that ponder trains from nothing: Touvron et al. 2023; Dubey et al.
// 2024.
#include "ponder/model/families.h"

namespace ponder::model {
namespace {

void read(ConfigReader& json, DecoderConfig& config) {
  read_activation(json, "hidden_act", Activation::kSilu, config);
  json.want_off({"attention_bias", "mlp_bias"}, "layers without biases");
  // Falcon 3's word for what llama computes.
  if (const std::string found = json.text_or("activation", "swiglu"); found != "swiglu")
    json.refuse("activation", found, "swiglu");
  read_rope(json, config);
}

void write(const DecoderConfig& config, base::Json& json) {
  write_rope(config, json);
  json["rms_norm_eps"] = config.norm_eps;
  json["hidden_act"] = "silu";
  json["attention_bias"] = false;
  json["mlp_bias"] = false;
}

}  // namespace

Family llama_family() { return {"llama", "LlamaForCausalLM", &kLlamaNorms, read, write}; }

}  // namespace ponder::model
