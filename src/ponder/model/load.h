// A model as a Hugging Face directory: config.json, generation_config.json, model.safetensors (f32), tokenizer.json.
// What is saved here loads in transformers as LlamaForCausalLM with the same logits, and the other way round.
#pragma once
#include <string>

#include "ponder/model/weights.h"

namespace ponder::model {

// Writes into an existing directory (a checkpoint that is not yet committed). tokenizer_json is written as given; "" =
// none.
void save_hf(const std::string& directory, const Parameters& parameters, const std::string& tokenizer_json);

struct LoadedModel {
  Parameters parameters;
  std::string tokenizer_json;  // "" when the directory has none
};
// F32, F16 and BF16 tensors are read into f32. Error(kInput) names the file and the tensor that is missing, left over
// or of another shape than config.json says.
LoadedModel load_hf(const std::string& directory);

}  // namespace ponder::model
