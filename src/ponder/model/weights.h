// The weights of a decoder: one flat f32 buffer, a table of the Hugging Face names in it, and views of it. q, k and v
// rows (and gate and up rows) lie one behind the other, so the fused products read views and the Hugging Face tensors
// are slices of rows: nothing is ever copied between the file, the sampler and the trainer. A model that is only read
// has no flat buffer: its matrices are packed straight from the file, in the file's own type, and nothing else is kept.
#pragma once
#include <c10/core/Device.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/model/config.h"
#include "ponder/tensor/low_rank.h"
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

struct LayerWeights {
  at::Tensor attn_norm;         // [D]
  tensor::Matrix qkv;           // [(H+2·KV)·hd, D]
  at::Tensor qkv_bias;          // [(H+2·KV)·hd]; this and what follows is undefined where the family has none
  at::Tensor q_norm, k_norm;    // [hd]
  tensor::Matrix out;           // [D, H·hd]
  at::Tensor attn_output_norm;  // [D]
  at::Tensor ffn_norm;          // [D]
  tensor::Matrix gate_up;       // [2F, D]
  tensor::Matrix down;          // [D, F]
  at::Tensor ffn_output_norm;   // [D]
  // What an adapter (adapter.h) adds to the products of the four matrices; mostly nothing.
  std::vector<tensor::LowRank> qkv_adapters, out_adapters, gate_up_adapters, down_adapters;
};

// Writes row `id` of an embedding that stays in its file: D floats.
using EmbeddingRow = std::function<void(int64_t id, float* out)>;

struct DecoderWeights {
  at::Tensor embedding;        // [V,D]; undefined in a model that is only read, which has embedding_row
  EmbeddingRow embedding_row;  // thread-safe
  std::vector<LayerWeights> layers;
  at::Tensor final_norm;                          // [D]
  tensor::Matrix head;                            // [V,D]; of the same tensor as embedding when tied
  at::Tensor value_weight;                        // [1,D], undefined without a value head
  at::Tensor value_bias;                          // [1]
  at::Tensor embed(const at::Tensor& ids) const;  // i64 [T] → [T,D]
  c10::Device device() const { return final_norm.device(); }
};

// Puts a decoder together piece by piece, in the order of the buffer: what take() and take_matrix() give for a name and
// a shape. The names of embedding and head:
inline constexpr const char *kEmbeddingPiece = "embedding", *kHeadPiece = "head";
using TakeTensor = std::function<at::Tensor(const std::string& name, const std::vector<int64_t>& shape)>;
using TakeMatrix = std::function<tensor::Matrix(const std::string& name, const std::vector<int64_t>& shape)>;
DecoderWeights take_weights(const DecoderConfig& config, const TakeTensor& take, const TakeMatrix& take_matrix);

struct Adapter;  // adapter.h

// Copies share the buffers; clone() does not share those that are trained.
struct Parameters {
  DecoderConfig config;
  at::Tensor flat;                                       // f32 [N]; undefined in a model that is only read
  std::shared_ptr<const DecoderWeights> read_only = {};  // the weights of such a model, on the CPU; or packed()
  std::shared_ptr<Adapter> adapter = {};                 // null: none; else it alone is trained
  bool exists() const { return flat.defined() || read_only; }
  // As the decoder reads them: weight_views() of flat, or the read-only ones, and the adapter beside them.
  DecoderWeights weights() const;
  // The same buffer, its matrices packed once for all engines that are made of it: until the buffer changes.
  Parameters packed() const;
  Parameters clone() const;
  // The same weights there, in the same memory where they are there already. Only the CPU computes in bf16: elsewhere
  // the configuration says f32, so that sampler and trainer agree. A model that is only read stays on the CPU.
  Parameters on(const c10::Device& device) const;
};

// Memory that the weights take: of flat, or of what a model that is only read is packed into.
int64_t held_bytes(const Parameters& parameters);

// The sum of all bit patterns, modulo 2⁶⁴: of flat, or of what a model that is only read is packed into.
uint64_t bit_sum(const Parameters& parameters);

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

// Views of flat, without gradients. The matrices' packed copies are the only thing that is copied: whoever keeps the
// views calls repack() when flat has changed. Without them (kOnTheSpot) each product packs its matrix for itself: of a
// large model that costs a product of many rows little, and spares the memory of the weights once or twice.
enum class Packs { kKept, kOnTheSpot };
DecoderWeights weight_views(const DecoderConfig& config, const at::Tensor& flat, Packs packs = Packs::kKept);

// Views that are autograd leaves, each with its .grad aliased into grad_flat: backward() adds straight into grad_flat.
// Several workers can each have one, over the same flat and a grad_flat of their own, and run backward at the same
// time. grad_flat must have flat's shape and is not cleared here. Workers share the packed copies of the first one's
// matrices; a head of a large vocabulary is packed on the spot in any case (tensor/head_logp.h).
DecoderWeights leaf_views(const DecoderConfig& config, const at::Tensor& flat, const at::Tensor& grad_flat,
                          DecoderWeights* packed = nullptr, Packs packs = Packs::kKept);

// What training changes, and views of it: the adapter's weights where there is one, all others where there is none.
struct Trained {
  at::Tensor flat;                   // f32 [N]
  std::vector<ParameterInfo> table;  // its tensors
  std::vector<MatrixInfo> matrices;  // those that a matrix optimizer works on
};
Trained trained_weights(const Parameters& parameters);
DecoderWeights trained_views(const Parameters& parameters, const at::Tensor& grad_flat,
                             DecoderWeights* packed = nullptr, Packs packs = Packs::kKept);
// The views of such parameters for reading alone.
DecoderWeights read_views(const Parameters& parameters, Packs packs);

// Packs again what is packed from weights that training changes, for these views and all that share their packed
// copies.
void repack(DecoderWeights& weights);

}  // namespace ponder::model
