// Low-rank adapters (LoRA, Hu et al. 2021): beside chosen matrices W of a model that is only read, products with
// scale · B · A, whose weights alone are trained. In PEFT's words and layout (adapter_config.json,
// adapter_model.safetensors), both ways. Recipes make or load one and put it into Parameters::adapter; decoder, engine
// and learner do the rest.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/base/rng.h"
#include "ponder/model/weights.h"

namespace ponder::model {

// PEFT's LoraConfig: y = W·x + scale · B·(A·x), A [r,in], B [out,r].
struct AdapterConfig {
  int64_t r = 8;  // as an option, 0 = no adapter
  double lora_alpha = 8;
  std::vector<std::string> target_modules = {"q_proj", "v_proj"};
  bool use_rslora = false;  // scale = alpha / √r (Kalajdzievski 2023) instead of alpha / r
  double lora_dropout = 0;  // of a loaded adapter; ponder trains without
  void fields(base::Fields& f);
  void check() const;  // of one that is wanted; Error(kUsage) says what is wrong and what would be right
  double scale() const;
};

struct Adapter {
  AdapterConfig config;
  at::Tensor flat;  // f32 [N]: all A and B
};

// The modules that may have an adapter, in the order of a layer.
const std::vector<std::string>& adapter_modules();

// All tensors of an adapter by PEFT's names, in the order in which they lie in its buffer.
std::vector<ParameterInfo> adapter_table(const DecoderConfig& config, const AdapterConfig& adapter);
int64_t adapter_size(const DecoderConfig& config, const AdapterConfig& adapter);  // N of its buffer

// As PEFT begins: A uniform within 1/√in, B zero, so that the model is as before. The same key gives the same bits.
std::shared_ptr<Adapter> make_adapter(const DecoderConfig& config, const AdapterConfig& adapter, base::RngKey key);

// Puts the adapter's matrices beside those of weights; take_matrix(offset, rows, columns) makes them.
using TakeAdapterMatrix = std::function<tensor::Matrix(int64_t offset, int64_t rows, int64_t columns)>;
void attach_adapter(const DecoderConfig& config, const AdapterConfig& adapter, const TakeAdapterMatrix& take_matrix,
                    DecoderWeights& weights);

// The same model as plain weights: W + scale · B · A, in the same buffer. Of one that can be trained (flat).
Parameters merge_adapter(Parameters parameters);

// Is this a directory of PEFT's? Where the weights beside it come from, as it says; "" = it does not. Error(kInput)
// names the file.
bool is_adapter(const std::string& directory);
std::string adapter_base_model(const std::string& directory);

// PEFT's directory. base_model is what adapter_config.json says of where the weights beside it come from.
void save_adapter(const std::string& directory, const Parameters& parameters, const std::string& base_model);
// Error(kInput) names the file and the key or tensor that does not fit this model, or that ponder does not compute.
std::shared_ptr<Adapter> load_adapter(const std::string& directory, const DecoderConfig& config);

}  // namespace ponder::model
