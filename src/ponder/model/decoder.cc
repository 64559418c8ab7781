#include "ponder/model/decoder.h"

#include <ATen/ops/empty.h>

#include "ponder/base/error.h"
#include "ponder/tensor/ops.h"

namespace ponder::model {

at::Tensor decoder_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                          const at::Tensor& positions, const Attend& attend) {
  using namespace tensor;
  at::Tensor x = embed(weights.embedding, ids);  // [T,D]
  for (int64_t l = 0; l < config.layers; ++l) {
    const LayerWeights& w = weights.layers[static_cast<size_t>(l)];
    const at::Tensor qkv = linear(rms_norm(x, w.attn_norm, config.norm_eps), w.qkv);
    const at::Tensor attended = attend(l, rope(qkv, positions, config.head_shape(), config.rope_theta));
    x = linear_add(x, attended, w.out);
    const at::Tensor gate_up = linear(rms_norm(x, w.ffn_norm, config.norm_eps), w.gate_up);
    x = linear_add(x, swiglu(gate_up), w.down);
  }
  return rms_norm(x, weights.final_norm, config.norm_eps);
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
  const tensor::HeadShape shape = config.head_shape();
  return decoder_hidden(config, weights, ids, positions.to(ids.device()),
                        [&](int64_t, const at::Tensor& qkv) { return tensor::causal_attention(qkv, packing, shape); });
}

at::Tensor value_logits(const DecoderWeights& weights, const at::Tensor& hidden) {
  PONDER_CHECK(weights.value_weight.defined(), "this model has no value head");
  return hidden.mul(weights.value_weight).sum(1).add(weights.value_bias);
}

}  // namespace ponder::model
