#include "ponder/model/decoder.h"

#include <ATen/ops/empty.h>

#include <optional>

#include "ponder/base/error.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {

namespace {

at::Tensor norm(const DecoderConfig& config, const at::Tensor& x, const at::Tensor& weight) {
  return tensor::rms_norm(x, weight, config.norm_eps, config.norm_offset);
}

// Queries, keys and values of one layer, before they turn.
at::Tensor qkv_of(const DecoderConfig& config, const LayerWeights& w, const at::Tensor& x) {
  at::Tensor qkv = tensor::linear(norm(config, x, w.attn_norm), w.qkv);
  if (config.qkv_bias) qkv = qkv.add(w.qkv_bias);
  if (!config.head_norms) return qkv;
  return tensor::head_norm(qkv, w.q_norm, w.k_norm, config.head_shape(), config.norm_eps, config.norm_offset);
}

// residual + inner · wᵀ, with a norm around the product where the family has one.
at::Tensor add_block(const DecoderConfig& config, const at::Tensor& residual, const at::Tensor& inner,
                     const tensor::Matrix& w, const at::Tensor& output_norm) {
  if (!config.output_norms) return tensor::linear_add(residual, inner, w);
  return residual.add(norm(config, tensor::linear(inner, w), output_norm));
}

// residual + the feed-forward layer.
at::Tensor add_ffn(const DecoderConfig& config, const at::Tensor& residual, const LayerWeights& w) {
  const auto gate = config.activation == Activation::kGeluTanh ? tensor::Gate::kGelu : tensor::Gate::kSilu;
  const at::Tensor x = norm(config, residual, w.ffn_norm);
  if (!config.output_norms) return tensor::gated_ffn(residual, x, w.gate_up, w.down, gate);
  return residual.add(norm(config, tensor::gated_ffn(std::nullopt, x, w.gate_up, w.down, gate), w.ffn_output_norm));
}

}  // namespace

at::Tensor decoder_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                          const at::Tensor& positions, const Attend& attend) {
  at::Tensor x = weights.embed(ids);  // [T,D]
  if (config.embedding_scale != 1) x = x.mul(config.embedding_scale);
  for (int64_t l = 0; l < config.layers; ++l) {
    const LayerWeights& w = weights.layers[static_cast<size_t>(l)];
    const at::Tensor qkv = qkv_of(config, w, x);
    const at::Tensor attended = attend(l, tensor::rope(qkv, positions, config.head_shape(), config.layer_rotary(l)));
    x = add_block(config, x, attended, w.out, w.attn_output_norm);
    x = add_ffn(config, x, w);
  }
  return norm(config, x, weights.final_norm);
}

at::Tensor packed_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                         const tensor::Packing& packing) {
  PONDER_CHECK(packing.count() >= 1 && packing.starts.front() == 0 && packing.starts.back() == ids.size(0),
               "starts must run from 0 to the number of ids");
  at::Tensor positions = at::empty({ids.size(0)}, at::kLong);
  int64_t* p = positions.mutable_data_ptr<int64_t>();
  int64_t prompt = 0;  // tokens of the last sequence that continued none
  for (size_t s = 0; s < packing.count(); ++s) {
    const int64_t n = packing.rows(s), first = packing.goes_on(s) ? prompt : 0;
    PONDER_CHECK(n >= 0 && first + n <= config.context, "a packed sequence has ", first + n,
                 " tokens; the model's context is ", config.context);
    for (int64_t i = 0; i < n; ++i) *p++ = first + i;
    if (!packing.goes_on(s)) prompt = n;
  }
  return decoder_hidden(config, weights, ids, positions.to(ids.device()), [&](int64_t l, const at::Tensor& qkv) {
    return tensor::causal_attention(qkv, packing, config.head_shape(l));
  });
}

at::Tensor value_logits(const DecoderWeights& weights, const at::Tensor& hidden) {
  PONDER_CHECK(weights.value_weight.defined(), "this model has no value head");
  return hidden.mul(weights.value_weight).sum(1).add(weights.value_bias);
}

}  // namespace ponder::model
