// Mistral 7B and its relatives: Llama whose layers all see a window, where sliding_window says so. Jiang et al. 2023.
#include "ponder/model/families.h"
#include "ponder/store/gguf.h"
#include "ponder/store/gguf_write.h"

namespace ponder::model {
namespace {

void read(ConfigReader& json, DecoderConfig& config) {
  read_activation(json, "hidden_act", Activation::kSilu, config);
  read_rope(json, config);
  // Absent stands for 4096, null for none; find() does not tell these apart.
  config.window = json.integer_or("sliding_window", json.has("sliding_window") ? 0 : 4096);
  if (config.window < 0) json.fail("sliding_window must be at least 1, or null for none");
  if (config.window > 0) config.windowed.assign(static_cast<size_t>(config.layers), true);
}

void write(const DecoderConfig& config, base::Json& json) {
  write_rope(config, json);
  json["rms_norm_eps"] = config.norm_eps;
  json["hidden_act"] = "silu";
  json["sliding_window"] = config.windowed.empty() ? base::Json() : base::Json(config.window);
}

void read_gguf(const store::GgufMetadata& metadata, const std::string& prefix, base::Json& json) {
  json["sliding_window"] = metadata.int_at(prefix + "attention.sliding_window");
}

void write_gguf(const DecoderConfig& config, const std::string& prefix, store::GgufPairs& pairs) {
  if (!config.windowed.empty()) pairs.add_u32(prefix + "attention.sliding_window", config.window);
}

}  // namespace

Family mistral_family() {
  return {"mistral", "MistralForCausalLM",         &kLlamaNorms, read,
          write,     {"attention.sliding_window"}, read_gguf,    write_gguf};
}

}  // namespace ponder::model
