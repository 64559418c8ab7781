// The weights of a decoder: one flat f32 buffer, a table of the Hugging Face names in it, and views of it. q, k and v
// rows (and gate and up rows) lie one behind the other, so the fused products read views and the Hugging Face tensors
// are slices of rows: nothing is ever copied between the file, the sampler and the trainer.
#pragma once
#include <c10/core/Device.h>

#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/model/config.h"
#include "ponder/tensor/matrix.h"
#include "ponder/tensor/tensor.h"

namespace ponder::model {

// One tensor by its Hugging Face name: flat[offset … offset + numel).
struct ParameterInfo {
  std::string name;
  int64_t offset = 0;
  std::vector<int64_t> shape;
  int64_t numel() const;
};

// All tensors in the order in which they lie in the buffer, without gaps.
std::vector<ParameterInfo> parameter_table(const DecoderConfig& config);

// The matrices inside the layers as they are multiplied (q/k/v fused, gate/up fused): what a matrix optimizer works on.
struct MatrixInfo {
  std::string name;  // "layers.0.qkv", ".out", ".gate_up", ".down"
  int64_t offset = 0, rows = 0, columns = 0;
};
std::vector<MatrixInfo> layer_matrices(const DecoderConfig& config);

// Copies share the buffer; clone() does not.
struct Parameters {
  DecoderConfig config;
  at::Tensor flat;  // f32 [N]
  Parameters clone() const;
  // The same weights there, in the same memory where they are there already. Only the CPU computes in bf16: elsewhere
  // the configuration says f32, so that sampler and trainer agree.
  Parameters on(const c10::Device& device) const;
};

struct InitOptions {
  // Ids 0 … 99 are numbers (text/format.h): their embeddings start with cosines and sines of the number at periods 2 …
  // 400, so that arithmetic does not have to discover their order first.
  bool number_features = false;
  double embedding_std = 0.02;
  void fields(base::Fields& f);
};

// Normal weights with std 1/√(inputs), divided by √(2·layers) where a block adds to the residual stream; norms 1; value
// head 0. The same key gives the same bits.
Parameters make_parameters(const DecoderConfig& config, const InitOptions& options, base::RngKey key);

struct LayerWeights {
  at::Tensor attn_norm;    // [D]
  tensor::Matrix qkv;      // [(H+2·KV)·hd, D]
  tensor::Matrix out;      // [D, H·hd]
  at::Tensor ffn_norm;     // [D]
  tensor::Matrix gate_up;  // [2F, D]
  tensor::Matrix down;     // [D, F]
};

struct DecoderWeights {
  at::Tensor embedding;  // [V,D]
  std::vector<LayerWeights> layers;
  at::Tensor final_norm;    // [D]
  tensor::Matrix head;      // [V,D]; of the same tensor as embedding when tied
  at::Tensor value_weight;  // [1,D], undefined without a value head
  at::Tensor value_bias;    // [1]
};

// Views of flat, without gradients. The matrices' packed copies are the only thing that is copied: whoever keeps the
// views calls repack() when flat has changed.
DecoderWeights weight_views(const DecoderConfig& config, const at::Tensor& flat);

// Views that are autograd leaves, each with its .grad aliased into grad_flat: backward() adds straight into grad_flat.
// Several workers can each have one, over the same flat and a grad_flat of their own, and run backward at the same
// time. grad_flat must have flat's shape and is not cleared here. Workers share the packed copies of the first one's
// matrices.
DecoderWeights leaf_views(const DecoderConfig& config, const at::Tensor& flat, const at::Tensor& grad_flat,
                          DecoderWeights* packed = nullptr);

// Packs the matrices again from changed weights, for these views and all that share their packed copies.
void repack(DecoderWeights& weights);

}  // namespace ponder::model
