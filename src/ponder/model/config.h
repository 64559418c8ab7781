// The shape of a decoder: what a recipe's `model:` section sets and a Hugging Face config.json says.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {

struct DecoderConfig {
  std::string family = "llama";  // RMSNorm, rotary positions, SwiGLU, no biases
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

  void fields(base::Fields& f);
  // Fills in what 0 stands for and checks the rest; Error(kUsage) says which number is wrong and what would be right.
  void resolve();
  tensor::Compute product_type() const;
  tensor::HeadShape head_shape() const;
  int64_t parameter_count() const;
  bool operator==(const DecoderConfig&) const = default;
};

// Floating-point operations of one token's forward pass that sees `context` tokens (itself included): 2 a weight of
// each matrix product, and 4·H·hd a layer and visible token for attention. Training costs 3 times that.
double forward_flops(const DecoderConfig& config, double context);

base::Json to_hf_json(const DecoderConfig& config);  // config.json
// Error(kInput, …, where) names the key of a model that this decoder does not compute, and what it does compute.
DecoderConfig from_hf_json(const base::Json& json, const std::string& where);

}  // namespace ponder::model
