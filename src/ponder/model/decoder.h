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

// ids, positions i64 [T] → hidden states behind the final norm [T,D]. With autograd when weights are leaves.
at::Tensor decoder_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                          const at::Tensor& positions, const Attend& attend);

// Packed sequences (tensor/ops.h): positions count from 0 in each, or go on behind the prompt that it continues.
at::Tensor packed_hidden(const DecoderConfig& config, const DecoderWeights& weights, const at::Tensor& ids,
                         const tensor::Packing& packing);

// Next-token logits are tensor::linear(hidden, weights.head) [T,V]; the value head's logit, before the sigmoid: [T].
at::Tensor value_logits(const DecoderWeights& weights, const at::Tensor& hidden);

}  // namespace ponder::model
