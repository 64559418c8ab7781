#include "ponder/model/decoder.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <optional>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {

namespace {

at::Tensor norm(const DecoderConfig& config, const at::Tensor& x, const at::Tensor& weight) {
  return tensor::rms_norm(x, weight, config.norm_eps, config.norm_offset);
}

// Queries, keys and values of one layer, before they turn.
at::Tensor qkv_of(const DecoderConfig& config, const LayerWeights& w, const at::Tensor& x) {
  const at::Tensor normed = norm(config, x, w.attn_norm);
  at::Tensor qkv = tensor::add_low_rank(tensor::linear(normed, w.qkv), normed, w.qkv_adapters);
  if (config.qkv_bias) qkv = qkv.add(w.qkv_bias);
  if (!config.head_norms) return qkv;
  return tensor::head_norm(qkv, w.q_norm, w.k_norm, config.head_shape(), config.norm_eps, config.norm_offset);
}

// residual + inner · wᵀ, with a norm around the product where the family has one.
at::Tensor add_block(const DecoderConfig& config, const at::Tensor& residual, const at::Tensor& inner,
                     const LayerWeights& w) {
  if (!config.output_norms)
    return tensor::add_low_rank(tensor::linear_add(residual, inner, w.out), inner, w.out_adapters);
  const at::Tensor y = tensor::add_low_rank(tensor::linear(inner, w.out), inner, w.out_adapters);
  return residual.add(norm(config, y, w.attn_output_norm));
}

// The feed-forward layer of normed x; with an adapter its products stand apart.
at::Tensor ffn_of(const std::optional<at::Tensor>& residual, const at::Tensor& x, const LayerWeights& w,
                  tensor::Gate gate) {
  if (w.gate_up_adapters.empty() && w.down_adapters.empty())
    return tensor::gated_ffn(residual, x, w.gate_up, w.down, gate);
  const at::Tensor halves = tensor::add_low_rank(tensor::linear(x, w.gate_up), x, w.gate_up_adapters);
  const at::Tensor inner = tensor::gated(halves, gate);
  const at::Tensor y = residual ? tensor::linear_add(*residual, inner, w.down) : tensor::linear(inner, w.down);
  return tensor::add_low_rank(y, inner, w.down_adapters);
}

// residual + the feed-forward layer.
at::Tensor add_ffn(const DecoderConfig& config, const at::Tensor& residual, const LayerWeights& w) {
  const auto gate = config.activation == Activation::kGeluTanh ? tensor::Gate::kGelu : tensor::Gate::kSilu;
  const at::Tensor x = norm(config, residual, w.ffn_norm);
  if (!config.output_norms) return ffn_of(residual, x, w, gate);
  return residual.add(norm(config, ffn_of(std::nullopt, x, w, gate), w.ffn_output_norm));
}

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

struct Layer : torch::CustomClassHolder {
  explicit Layer(std::function<at::Tensor(const at::Tensor&)> f) : compute(std::move(f)) {}
  std::function<at::Tensor(const at::Tensor&)> compute;
};

// Keeps a layer's input; the gradients of the weights reach their leaves in the inner backward pass.
struct ComputedAgain : Function<ComputedAgain> {
  static Variable forward(AutogradContext* ctx, const Variable& x, const c10::intrusive_ptr<Layer>& layer) {
    ctx->save_for_backward({x});
    ctx->saved_data["layer"] = c10::IValue::make_capsule(layer);
    return layer->compute(x);  // without a graph: a Function's forward has none
  }
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    const auto layer = ctx->saved_data["layer"].toCapsule();
    const at::AutoGradMode with_graph(true);
    const at::Tensor x = ctx->get_saved_variables()[0].detach().requires_grad_(true);
    static_cast<Layer&>(*layer).compute(x).backward(grads[0]);
    return {x.grad(), Variable()};
  }
};

// The input of the first layer needs a gradient even where the embedding has none: without it nothing would flow back.
at::Tensor computed_again(at::Tensor x, std::function<at::Tensor(const at::Tensor&)> compute) {
  if (!x.requires_grad()) x = x.detach().requires_grad_(true);
  return ComputedAgain::apply(x, c10::make_intrusive<Layer>(std::move(compute)));
}

}  // namespace

at::Tensor decoder_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                          const at::Tensor& positions, const Attend& attend, Keep keep) {
  at::Tensor x = weights.embed(ids);  // [T,D]
  if (config.embedding_scale != 1) x = x.mul(config.embedding_scale);
  for (int64_t l = 0; l < config.layers; ++l) {
    const auto layer = [&config, &w = weights.layers[static_cast<size_t>(l)], positions, attend,
                        l](const at::Tensor& x) {
      const at::Tensor qkv = qkv_of(config, w, x);
      const at::Tensor attended = attend(l, tensor::rope(qkv, positions, config.head_shape(), config.layer_rotary(l)));
      return add_ffn(config, add_block(config, x, attended, w), w);
    };
    x = keep == Keep::kInputs && at::GradMode::is_enabled() ? computed_again(x, layer) : layer(x);
  }
  return norm(config, x, weights.final_norm);
}

at::Tensor packed_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                         const tensor::Packing& packing, Keep keep) {
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
  const Attend attend = [&config, packing](int64_t l, const at::Tensor& qkv) {
    return tensor::causal_attention(qkv, packing, config.head_shape(l));
  };
  return decoder_hidden(config, weights, ids, positions.to(ids.device()), attend, keep);
}

at::Tensor value_logits(const DecoderWeights& weights, const at::Tensor& hidden) {
  PONDER_CHECK(weights.value_weight.defined(), "this model has no value head");
  return hidden.mul(weights.value_weight).sum(1).add(weights.value_bias);
}

}  // namespace ponder::model
