// A model as a Hugging Face directory: config.json, generation_config.json, model.safetensors (f32), tokenizer.json.
// What is saved here loads in transformers with the same logits, and the other way round, for every family of
// families.h.
#pragma once
#include <string>

#include "ponder/model/weights.h"

namespace ponder::model {

// Writes into an existing directory (a checkpoint that is not yet committed). tokenizer_json is written as given; "" =
// none. save_config: config.json and generation_config.json alone.
void save_config(const std::string& directory, const DecoderConfig& config);
void save_hf(const std::string& directory, const Parameters& parameters, const std::string& tokenizer_json);

struct LoadedModel {
  Parameters parameters;
  std::string tokenizer_json;  // "" when the directory has none
};
// What is made of the files: one f32 buffer, or packed matrices alone, which take the files' own size (f32 and bf16
// ones, whatever the model computes in) and give the same bits. The embedding of a model that is only read stays in its
// file, which must not be written to meanwhile. Or nothing: names and shapes are checked, and no weight is read.
enum class Hold { kTrainable, kReadOnly, kNothing };

// How the matrices of a model that is only read are kept: as the files have them (quantized ones dequantized), in f32,
// rounded to bf16, or in blocks (gemm_int8.h): of 8 bits, or of 4 for the layers' matrices and 8 for the head. Files'
// own blocks that fit are taken as they are. What is rounded gives no longer the files' own results.
enum class WeightType { kAuto, kF32, kBf16, kQ8_0, kQ4_0 };
inline constexpr const char* kWeightTypes[] = {"auto", "f32", "bf16", "q8_0", "q4_0"};
WeightType weight_type(const std::string& name);  // Error(kUsage) names the right ones

struct LoadOptions {
  LoadOptions(Hold hold = Hold::kTrainable) : hold(hold) {}  // NOLINT(google-explicit-constructor)
  Hold hold;
  std::string compute = "";  // of config.h: f32 or bf16; "" = what the files say
  WeightType weights = WeightType::kAuto;
};

// config.json and generation_config.json alone.
DecoderConfig read_hf_config(const std::string& directory);

// F32, F16 and BF16 tensors; one file, or several with an index. Error(kInput) names the file and the tensor that is
// missing, left over or of another shape than config.json says, or holds a weight that is NaN or infinite.
LoadedModel load_hf(const std::string& directory, const LoadOptions& options = {});

}  // namespace ponder::model
