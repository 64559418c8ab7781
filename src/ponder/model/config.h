// The shape of a decoder: what a recipe's `model:` section sets and a Hugging Face config.json says.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {

enum class Activation : uint8_t { kSilu, kGeluTanh };

struct DecoderConfig {
  std::string family = "llama";  // a row of families.h's table: names of weights, wording of config.json
  int64_t width = 128;           // D
  int64_t layers = 4;
  int64_t heads = 4;      // H
  int64_t kv_heads = 0;   // KV; 0 = heads
  int64_t head_dim = 0;   // 0 = width / heads
  int64_t ffn = 352;      // F
  int64_t context = 320;  // tokens, prompt and completion together
  double rope_theta = 10000;
  double norm_eps = 1e-5;
  bool tied = true;  // the head is the embedding
  // What matrix products round their inputs to, and keys and values, on the CPU; weights, sums and all else stay f32.
  std::string compute = "f32";
  // Not knobs: known from the tokenizer and the use that the model is put to.
  int64_t vocab = 0;                 // V
  int64_t bos_id = -1, pad_id = -1;  // −1 = none
  std::vector<int64_t> eos_ids;      // each ends a completion
  bool value_head = false;           // a critic: hidden state → one logit
  // What published decoders do beyond that, each by itself. Not knobs: a family's config.json says them.
  bool qkv_bias = false;
  bool head_norms = false;     // RMSNorm of each query and key head, before they turn
  bool output_norms = false;   // RMSNorm of what attention and feed-forward add to the residual stream
  double norm_offset = 0;      // norms multiply with norm_offset + weight
  double embedding_scale = 1;  // of the embedding where it enters the first layer
  double attention_scale = 0;  // of the scores; 0 = 1/√head_dim
  Activation activation = Activation::kSilu;
  tensor::Rotary rotary;       // but for its theta, which is rope_theta
  int64_t window = 0;          // tokens that windowed layers see, the last one included
  std::vector<bool> windowed;  // [layers], or empty: none is
  double window_theta = 0;     // base of the windowed layers, which are not stretched then; 0 = as the other layers

  void fields(base::Fields& f);
  // Fills in what 0 stands for and checks the rest; Error(kUsage) says which number is wrong and what would be right.
  void resolve();
  tensor::Compute product_type() const;
  bool is_windowed(int64_t layer) const { return !windowed.empty() && windowed[static_cast<size_t>(layer)]; }
  tensor::HeadShape head_shape() const;  // of a layer that sees everything
  tensor::HeadShape head_shape(int64_t layer) const;
  tensor::Rotary full_rotary() const;  // of layers that see everything
  tensor::Rotary layer_rotary(int64_t layer) const;
  int64_t parameter_count() const;
  bool operator==(const DecoderConfig&) const = default;
};

// Floating-point operations of one token's forward pass that sees `context` tokens (itself included): 2 a weight of
// each matrix product, and 4·H·hd a layer and visible token for attention. Training costs 3 times that.
double forward_flops(const DecoderConfig& config, double context);

base::Json to_hf_json(const DecoderConfig& config);  // config.json
// Error(kInput, …, where) names the key of a model that this decoder does not compute, and what it does compute.
DecoderConfig from_hf_json(const base::Json& json, const std::string& where);
// generation_config.json: its end tokens are what ends a completion, its other tokens fill in what config.json leaves
// out.
void read_generation_json(const base::Json& json, const std::string& where, DecoderConfig& config);

}  // namespace ponder::model
