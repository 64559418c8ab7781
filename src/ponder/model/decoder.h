// The one forward pass, for sampling and for training: they differ only in how attention finds its keys.
#pragma once
#include <functional>
#include <vector>

#include "ponder/model/config.h"
#include "ponder/model/weights.h"

namespace ponder::model {

// Attention of one layer: rotated qkv [T,(H+2·KV)·hd] → [T,H·hd]. The trainer passes causal_attention over packed
// sequences, the engine one that reads and writes its cache.
using Attend = std::function<at::Tensor(int64_t layer, const at::Tensor& qkv)>;

// What a backward pass keeps of each layer: what it needs, or the layer's input alone, from which the layer is computed
// once more in the same bits (Chen et al. 2016).
enum class Keep { kActivations, kInputs };

// ids, positions i64 [T] → hidden states behind the final norm [T,D]. With autograd when weights are leaves; config and
// weights must outlive its backward pass where inputs alone are kept.
at::Tensor decoder_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                          const at::Tensor& positions, const Attend& attend, Keep keep = Keep::kActivations);

// Packed sequences (tensor/ops.h): positions count from 0 in each, or go on behind the prompt that it continues.
at::Tensor packed_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                         const tensor::Packing& packing, Keep keep = Keep::kActivations);

// Next-token logits are tensor::linear(hidden, weights.head) [T,V]; the value head's logit, before the sigmoid: [T].
at::Tensor value_logits(const DecoderWeights& weights, const at::Tensor& hidden);

}  // namespace ponder::model
