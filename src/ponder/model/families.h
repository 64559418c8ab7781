// The decoders of published models: what each family's config.json says and how its weights are called. A family is one
// file (family_<name>.cc) and one row of the table in families.cc; docs/adding-a-model.md shows the way.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ponder/model/config.h"
#include "ponder/model/config_json.h"

namespace ponder::store {
class GgufMetadata;
class GgufPairs;
}  // namespace ponder::store

namespace ponder::model {

// Names of a layer's norms, behind "model.layers.<l>." and before ".weight". The output norms are "" where a family has
// none.
struct NormNames {
  const char *attention, *attention_output, *ffn, *ffn_output;
};
inline constexpr NormNames kLlamaNorms = {"input_layernorm", "", "post_attention_layernorm", ""};

struct Family {
  const char* name;          // model_type of config.json
  const char* architecture;  // the class in transformers
  const NormNames* norms;
  // What config.json says beyond the sizes that all have in common. read() refuses what the decoder does not compute.
  void (*read)(ConfigReader& json, DecoderConfig& config);
  void (*write)(const DecoderConfig& config, base::Json& json);
  // GGUF, for families that have a row in store/gguf_names.cc: the keys beyond the common ones (prefix is
  // "<architecture>."), what they say in config.json's words, and how they are written.
  std::vector<std::string_view> gguf_keys = {};
  void (*read_gguf)(const store::GgufMetadata& metadata, const std::string& prefix, base::Json& json) = nullptr;
  void (*write_gguf)(const DecoderConfig& config, const std::string& prefix, store::GgufPairs& pairs) = nullptr;
};

const std::vector<Family>& all_families();
const Family& find_family(const std::string& name);  // Error(kUsage) names those that there are
std::string family_names();                          // "llama, mistral, …"

Family llama_family();    // family_llama.cc: Llama 2 and 3
Family mistral_family();  // family_mistral.cc
Family qwen2_family();    // family_qwen2.cc: Qwen 2 and 2.5
Family qwen3_family();    // family_qwen3.cc
Family gemma3_family();   // family_gemma3.cc: the text decoder of Gemma 3

}  // namespace ponder::model
