#include "ponder/model/weights.h"

#include <ATen/ops/empty.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "ponder/base/error.h"
#include "ponder/model/adapter.h"
#include "ponder/model/families.h"
#include "ponder/tensor/head_logp.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {
namespace {

int64_t product(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

constexpr int64_t kNumbers = 100;  // ids 0 … 99 are numbers
constexpr double kPeriods[] = {2, 5, 10, 20, 25, 50, 100, 200, 400};
constexpr double kFeatureSize = 0.1;

// The order of the buffer stands here by Hugging Face name, and in take_weights() fused as the decoder multiplies.
template <class Visit>  // visit(name, shape)
void visit_parameters(const DecoderConfig& c, Visit&& visit) {
  const NormNames& norms = *find_family(c.family).norms;
  visit("model.embed_tokens.weight", {c.vocab, c.width});
  for (int64_t l = 0; l < c.layers; ++l) {
    const std::string layer = base::cat("model.layers.", l, "."), attention = layer + "self_attn.";
    const auto norm = [&](const char* name) { visit(base::cat(layer, name, ".weight"), {c.width}); };
    norm(norms.attention);
    visit(attention + "q_proj.weight", {c.heads * c.head_dim, c.width});
    visit(attention + "k_proj.weight", {c.kv_heads * c.head_dim, c.width});
    visit(attention + "v_proj.weight", {c.kv_heads * c.head_dim, c.width});
    if (c.qkv_bias) {
      visit(attention + "q_proj.bias", {c.heads * c.head_dim});
      visit(attention + "k_proj.bias", {c.kv_heads * c.head_dim});
      visit(attention + "v_proj.bias", {c.kv_heads * c.head_dim});
    }
    if (c.head_norms) {
      visit(attention + "q_norm.weight", {c.head_dim});
      visit(attention + "k_norm.weight", {c.head_dim});
    }
    visit(attention + "o_proj.weight", {c.width, c.heads * c.head_dim});
    if (c.output_norms) norm(norms.attention_output);
    norm(norms.ffn);
    visit(layer + "mlp.gate_proj.weight", {c.ffn, c.width});
    visit(layer + "mlp.up_proj.weight", {c.ffn, c.width});
    visit(layer + "mlp.down_proj.weight", {c.width, c.ffn});
    if (c.output_norms) norm(norms.ffn_output);
  }
  visit("model.norm.weight", {c.width});
  if (!c.tied) visit("lm_head.weight", {c.vocab, c.width});
  if (c.value_head) {
    visit("value_head.weight", {1, c.width});
    visit("value_head.bias", {1});
  }
}

double init_std(const ParameterInfo& p, const DecoderConfig& config, const InitOptions& options) {
  if (p.name == "model.embed_tokens.weight") return options.embedding_std;
  if (p.name.starts_with("value_head.") || p.name.ends_with("_proj.bias")) return 0;
  const double inputs = static_cast<double>(p.shape.back());
  const bool to_residual = p.name.ends_with("o_proj.weight") || p.name.ends_with("down_proj.weight");
  return 1 / std::sqrt(to_residual ? inputs * 2 * static_cast<double>(config.layers) : inputs);
}

void set_number_features(float* embedding, const DecoderConfig& config) {
  PONDER_CHECK(config.vocab >= kNumbers && config.width >= static_cast<int64_t>(2 * std::size(kPeriods)),
               "number features need a vocabulary that starts with the numbers 0 … 99 and a width of 18 or more");
  for (int64_t n = 0; n < kNumbers; ++n)
    for (size_t i = 0; i < std::size(kPeriods); ++i) {
      const double angle = 2 * M_PI * static_cast<double>(n) / kPeriods[i];
      embedding[n * config.width + static_cast<int64_t>(2 * i)] = static_cast<float>(kFeatureSize * std::cos(angle));
      embedding[n * config.width + static_cast<int64_t>(2 * i + 1)] =
          static_cast<float>(kFeatureSize * std::sin(angle));
    }
}

std::vector<tensor::Matrix*> adapter_matrices_of(DecoderWeights& weights) {
  std::vector<tensor::Matrix*> matrices;
  for (LayerWeights& layer : weights.layers)
    for (auto* parts : {&layer.qkv_adapters, &layer.out_adapters, &layer.gate_up_adapters, &layer.down_adapters})
      for (tensor::LowRank& part : *parts) matrices.insert(matrices.end(), {&part.a, &part.b});
  return matrices;
}

std::vector<tensor::Matrix*> matrices_of(DecoderWeights& weights) {
  std::vector<tensor::Matrix*> matrices;
  for (LayerWeights& layer : weights.layers)
    matrices.insert(matrices.end(), {&layer.qkv, &layer.out, &layer.gate_up, &layer.down});
  matrices.push_back(&weights.head);
  return matrices;
}

void pack_matrices(DecoderWeights& weights, tensor::Compute compute, tensor::Uses uses, Packs packs) {
  const bool trains = uses == tensor::Uses::kForwardAndBackward;
  for (tensor::Matrix* matrix : matrices_of(weights)) {
    matrix->compute = compute;
    const bool on_the_spot =
        packs == Packs::kOnTheSpot || (trains && matrix == &weights.head && tensor::packs_by_block(*matrix));
    if (!on_the_spot) tensor::pack(*matrix, uses);
  }
}

// A view that autograd follows, with its gradient in grad_flat.
at::Tensor make_leaf(const at::Tensor& flat, const at::Tensor& grad_flat, int64_t offset,
                     const std::vector<int64_t>& shape) {
  const int64_t n = product(shape);
  at::Tensor leaf = flat.detach().narrow(0, offset, n).view(shape).detach();
  leaf.requires_grad_(true);
  leaf.mutable_grad() = grad_flat.narrow(0, offset, n).view(shape);
  return leaf;
}

void share_packed(DecoderWeights& from, DecoderWeights& to) {
  const auto packed = matrices_of(from), bare = matrices_of(to);
  for (size_t i = 0; i < bare.size(); ++i) {
    bare[i]->compute = packed[i]->compute;
    bare[i]->transposed = packed[i]->transposed;
    bare[i]->straight = packed[i]->straight;
  }
}

}  // namespace

int64_t ParameterInfo::numel() const { return product(shape); }

DecoderWeights take_weights(const DecoderConfig& c, const TakeTensor& take, const TakeMatrix& take_matrix) {
  DecoderWeights w;
  w.embedding = take(kEmbeddingPiece, {c.vocab, c.width});
  for (int64_t l = 0; l < c.layers; ++l) {
    const std::string name = base::cat("layers.", l, ".");
    LayerWeights layer;
    layer.attn_norm = take(name + "attn_norm", {c.width});
    layer.qkv = take_matrix(name + "qkv", {(c.heads + 2 * c.kv_heads) * c.head_dim, c.width});
    if (c.qkv_bias) layer.qkv_bias = take(name + "qkv_bias", {(c.heads + 2 * c.kv_heads) * c.head_dim});
    if (c.head_norms) {
      layer.q_norm = take(name + "q_norm", {c.head_dim});
      layer.k_norm = take(name + "k_norm", {c.head_dim});
    }
    layer.out = take_matrix(name + "out", {c.width, c.heads * c.head_dim});
    if (c.output_norms) layer.attn_output_norm = take(name + "attn_output_norm", {c.width});
    layer.ffn_norm = take(name + "ffn_norm", {c.width});
    layer.gate_up = take_matrix(name + "gate_up", {2 * c.ffn, c.width});
    layer.down = take_matrix(name + "down", {c.width, c.ffn});
    if (c.output_norms) layer.ffn_output_norm = take(name + "ffn_output_norm", {c.width});
    w.layers.push_back(std::move(layer));
  }
  w.final_norm = take("final_norm", {c.width});
  w.head = c.tied ? tensor::Matrix(w.embedding) : take_matrix(kHeadPiece, {c.vocab, c.width});
  if (c.value_head) {
    w.value_weight = take("value_weight", {1, c.width});
    w.value_bias = take("value_bias", {1});
  }
  return w;
}

std::vector<ParameterInfo> parameter_table(const DecoderConfig& config) {
  std::vector<ParameterInfo> table;
  int64_t offset = 0;
  visit_parameters(config, [&](std::string name, std::vector<int64_t> shape) {
    table.push_back({std::move(name), offset, std::move(shape)});
    offset += table.back().numel();
  });
  PONDER_CHECK(offset == config.parameter_count(), "the parameter table and parameter_count() disagree");
  return table;
}

std::vector<MatrixInfo> layer_matrices(const DecoderConfig& config) {
  std::vector<MatrixInfo> matrices;
  int64_t offset = 0;
  const auto pass = [&](const std::string&, const std::vector<int64_t>& shape) {
    offset += product(shape);
    return at::Tensor();
  };
  take_weights(config, pass, [&](const std::string& name, const std::vector<int64_t>& shape) {
    if (name.starts_with("layers.")) matrices.push_back({name, offset, shape[0], shape[1]});
    return tensor::Matrix(pass(name, shape));
  });
  return matrices;
}

at::Tensor DecoderWeights::embed(const at::Tensor& ids) const {
  if (embedding.defined()) return tensor::embed(embedding, ids);
  PONDER_CHECK(ids.is_cpu() && ids.is_contiguous(), "ids must be contiguous, on the CPU");
  const int64_t rows = ids.size(0), width = final_norm.size(0), *id = ids.const_data_ptr<int64_t>();
  at::Tensor x = at::empty({rows, width}, at::kFloat);
  for (int64_t t = 0; t < rows; ++t) {
    PONDER_CHECK(id[t] >= 0 && id[t] < head.size(0), "id ", id[t], " is not in 0 … ", head.size(0) - 1);
    embedding_row(id[t], x.mutable_data_ptr<float>() + t * width);
  }
  return x;
}

DecoderWeights Parameters::weights() const { return read_views(*this, Packs::kKept); }

Parameters Parameters::packed() const {
  if (read_only) return *this;
  Parameters copy = *this;
  copy.read_only = std::make_shared<const DecoderWeights>(weight_views(config, flat));
  return copy;
}

Parameters Parameters::clone() const {
  PONDER_CHECK(flat.defined() || adapter, "a model that is only read has no buffer to copy");
  if (!adapter) return {config, flat.clone()};
  Parameters copy = *this;
  copy.adapter = std::make_shared<Adapter>(Adapter{adapter->config, adapter->flat.clone()});
  return copy;
}

Parameters Parameters::on(const c10::Device& device) const {
  if (!flat.defined()) {
    PONDER_CHECK(device.is_cpu(), "a model that is only read stays on the CPU; load it as one that can be trained");
    return *this;
  }
  Parameters there{config, flat.to(device)};
  if (adapter) {
    there.adapter = adapter;
    if (adapter->flat.device() != device)
      there.adapter = std::make_shared<Adapter>(Adapter{adapter->config, adapter->flat.to(device)});
  }
  if (!device.is_cpu()) there.config.compute = "f32";
  return there;
}

namespace {

// Of a model that is only read: all that is kept of it.
std::vector<at::Tensor> held_tensors(const DecoderWeights& weights) {
  DecoderWeights w = weights;
  std::vector<at::Tensor> held = {w.final_norm, w.value_weight, w.value_bias};
  for (const tensor::Matrix* matrix : matrices_of(w)) held.push_back(matrix->transposed);
  for (const LayerWeights& l : w.layers)
    held.insert(held.end(),
                {l.attn_norm, l.qkv_bias, l.q_norm, l.k_norm, l.attn_output_norm, l.ffn_norm, l.ffn_output_norm});
  std::erase_if(held, [](const at::Tensor& t) { return !t.defined(); });
  return held;
}

}  // namespace

int64_t held_bytes(const Parameters& parameters) {
  if (parameters.flat.defined()) return static_cast<int64_t>(parameters.flat.nbytes());
  int64_t bytes = 0;
  for (const at::Tensor& t : held_tensors(*parameters.read_only)) bytes += static_cast<int64_t>(t.nbytes());
  return bytes;
}

uint64_t bit_sum(const Parameters& parameters) {
  const auto sum = [](const at::Tensor& t) {
    if (!t.is_cpu() || !t.is_contiguous())
      return static_cast<uint64_t>(t.view(at::kInt).sum(at::kLong).item<int64_t>());
    const auto* words = static_cast<const int32_t*>(t.const_data_ptr());  // at::sum would copy them all as i64 first
    int64_t total = 0;
    for (int64_t i = 0; i < t.numel(); ++i) total += words[i];
    return static_cast<uint64_t>(total);
  };
  uint64_t total = parameters.adapter ? sum(parameters.adapter->flat) : 0;
  if (parameters.flat.defined()) return total + sum(parameters.flat);
  for (const at::Tensor& t : held_tensors(*parameters.read_only)) total += sum(t);
  return total;
}

void InitOptions::fields(base::Fields& f) {
  f.field("number_features", number_features,
          {.help = "start the embeddings of ids 0 … 99 with cosines and sines of the number"});
  f.field("embedding_std", embedding_std, {.min = 0, .max = 1, .help = "standard deviation of the other embeddings"});
}

Parameters make_parameters(const DecoderConfig& config, const InitOptions& options, base::RngKey key) {
  Parameters parameters{config, at::empty({config.parameter_count()}, at::kFloat)};
  float* flat = parameters.flat.mutable_data_ptr<float>();
  for (const auto& p : parameter_table(config)) {
    float* values = flat + p.offset;
    const bool norm = p.name.ends_with("norm.weight");
    const float one = static_cast<float>(1 - config.norm_offset);
    const double std = norm ? 0 : init_std(p, config, options);
    base::Rng rng(key.child(p.name));
    for (int64_t i = 0; i < p.numel(); ++i)
      values[i] = norm ? one : std == 0 ? 0.0f : static_cast<float>(std * rng.normal());
  }
  if (options.number_features) set_number_features(flat, config);
  return parameters;
}

DecoderWeights weight_views(const DecoderConfig& config, const at::Tensor& flat, Packs packs) {
  PONDER_CHECK(flat.dim() == 1 && flat.size(0) == config.parameter_count(), "flat must hold ", config.parameter_count(),
               " weights");
  int64_t offset = 0;
  const auto take = [&](const std::string&, const std::vector<int64_t>& shape) {
    const int64_t n = product(shape);
    at::Tensor view = flat.narrow(0, offset, n).view(shape);
    offset += n;
    return view;
  };
  DecoderWeights weights = take_weights(config, take, take);
  pack_matrices(weights, config.product_type(), tensor::Uses::kForward, packs);
  return weights;
}

DecoderWeights leaf_views(const DecoderConfig& config, const at::Tensor& flat, const at::Tensor& grad_flat,
                          DecoderWeights* packed, Packs packs) {
  PONDER_CHECK(flat.dim() == 1 && flat.size(0) == config.parameter_count() && grad_flat.sizes() == flat.sizes(),
               "flat and grad_flat must hold ", config.parameter_count(), " weights");
  int64_t offset = 0;
  const auto take = [&](const std::string&, const std::vector<int64_t>& shape) {
    at::Tensor leaf = make_leaf(flat, grad_flat, offset, shape);
    offset += leaf.numel();
    return leaf;
  };
  DecoderWeights weights = take_weights(config, take, take);
  if (packed)
    share_packed(*packed, weights);
  else
    pack_matrices(weights, config.product_type(), tensor::Uses::kForwardAndBackward, packs);
  return weights;
}

DecoderWeights read_views(const Parameters& parameters, Packs packs) {
  const DecoderConfig& config = parameters.config;
  DecoderWeights weights = parameters.read_only ? *parameters.read_only : weight_views(config, parameters.flat, packs);
  if (!parameters.adapter) return weights;
  const Adapter& adapter = *parameters.adapter;
  attach_adapter(
      config, adapter.config,
      [&](int64_t offset, int64_t rows, int64_t columns) {
        tensor::Matrix matrix(adapter.flat.narrow(0, offset, rows * columns).view({rows, columns}),
                              config.product_type());
        tensor::pack(matrix, tensor::Uses::kForward);
        return matrix;
      },
      weights);
  return weights;
}

Trained trained_weights(const Parameters& parameters) {
  const DecoderConfig& config = parameters.config;
  if (!parameters.adapter) return {parameters.flat, parameter_table(config), layer_matrices(config)};
  Trained trained{parameters.adapter->flat, adapter_table(config, parameters.adapter->config), {}};
  for (const ParameterInfo& p : trained.table) trained.matrices.push_back({p.name, p.offset, p.shape[0], p.shape[1]});
  return trained;
}

DecoderWeights trained_views(const Parameters& parameters, const at::Tensor& grad_flat, DecoderWeights* packed,
                             Packs packs) {
  const DecoderConfig& config = parameters.config;
  if (!parameters.adapter) return leaf_views(config, parameters.flat, grad_flat, packed, packs);
  const Adapter& adapter = *parameters.adapter;
  DecoderWeights weights = packed                 ? *packed
                           : parameters.read_only ? *parameters.read_only
                                                  : weight_views(config, parameters.flat, packs);
  const std::vector<tensor::Matrix*> shared = packed ? adapter_matrices_of(*packed) : std::vector<tensor::Matrix*>{};
  for (LayerWeights& l : weights.layers) l.qkv_adapters = l.out_adapters = l.gate_up_adapters = l.down_adapters = {};
  size_t next = 0;
  attach_adapter(
      config, adapter.config,
      [&](int64_t offset, int64_t rows, int64_t columns) {
        tensor::Matrix matrix(make_leaf(adapter.flat, grad_flat, offset, {rows, columns}), config.product_type());
        if (packed) {
          matrix.transposed = shared[next]->transposed, matrix.straight = shared[next]->straight;
          ++next;
        } else {
          tensor::pack(matrix, tensor::Uses::kForwardAndBackward);
        }
        return matrix;
      },
      weights);
  return weights;
}

void repack(DecoderWeights& weights) {
  const std::vector<tensor::Matrix*> of_adapter = adapter_matrices_of(weights);
  for (tensor::Matrix* matrix : of_adapter.empty() ? matrices_of(weights) : of_adapter)
    if (matrix->transposed.defined())
      tensor::pack(*matrix, matrix->straight.defined() ? tensor::Uses::kForwardAndBackward : tensor::Uses::kForward);
}

}  // namespace ponder::model
