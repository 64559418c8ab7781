// A model as one GGUF file, or as the first of several: its metadata read as the config.json that it stands for, its
// tensors under their Hugging Face names and brought to f32 row by row where they lie. For open_model of recipes.
#pragma once
#include <string>

#include "ponder/model/load.h"
#include "ponder/store/gguf_export.h"

namespace ponder::model {

// Error(kInput) names the key or tensor that the decoder does not compute. There is no tokenizer_json.
LoadedModel load_gguf(const std::string& path, const LoadOptions& options);

base::Json gguf_config_json(const store::GgufFile& file);

// A Hugging Face directory as one GGUF file: what load_hf reads there, matrices as `type` (store/gguf_export.h).
// Error(kInput) names what is not a model that can be loaded, and what of config.json such a file cannot say.
void save_gguf(const std::string& directory, const std::string& path, store::GgmlType type,
               const store::GgufCheck& check = nullptr);

}  // namespace ponder::model
