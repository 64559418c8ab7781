// The operations that a decoder is made of, with and without autograd; the only ones that model, engine and learn use
// on activations. f32 on the CPU runs ponder's own kernels (kernels.h, gemm.h), every other device plain ATen. Each
// row's result is the same to the bit whatever other rows stand beside it: that is why the sampler's and the trainer's
// log-probs agree exactly. T = tokens of all packed sequences together.
#pragma once
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ponder/tensor/fwd.h"
#include "ponder/tensor/gemm.h"

namespace ponder::tensor {

struct Matrix;  // matrix.h

// x [T,K] · wᵀ, w [N,K] → [T,N].
at::Tensor linear(const at::Tensor& x, const Matrix& w);
// The same without a gradient, in a buffer that grows and is kept: the system would have to clear as many pages each
// time as a large vocabulary's logits take.
at::Tensor linear_into(at::Tensor& buffer, const at::Tensor& x, const Matrix& w);
// residual [T,N] + x · wᵀ.
at::Tensor linear_add(const at::Tensor& residual, const at::Tensor& x, const Matrix& w);
// Their gradients, for backward passes that are written by hand: grad [T,N] · w → [T,K], and grad_w [N,K] += gradᵀ · x.
at::Tensor linear_grad_x(const at::Tensor& grad, const Matrix& w);
void add_linear_grad_w(at::Tensor& grad_w, const at::Tensor& grad, const at::Tensor& x, Compute compute);

// Rows of table [V,D] → [T,D]; ids i64 [T].
at::Tensor embed(const at::Tensor& table, const at::Tensor& ids);

// x / sqrt(mean(x²) + eps) · (offset + w), over the last dimension. Zhang & Sennrich 2019, eq. 4; the offset is
// Gemma's, whose weights are kept as differences from 1.
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& w, double eps, double offset = 0);

// What multiplies the upper half of a gated layer: silu(gate) (Shazeer 2020, eq. 6), or gelu(gate) in its tanh form
// (Hendrycks & Gimpel 2016, §2).
enum class Gate : uint8_t { kSilu, kGelu };

// residual [T,D] + (act(gate) · up) · downᵀ with gate and up the halves of x [T,D] · gate_upᵀ, gate_up [2F,D] and down
// [D,F]. Block by block of rows, so that what is between the products stays in the cache.
at::Tensor gated_ffn(const std::optional<at::Tensor>& residual, const at::Tensor& x, const Matrix& gate_up,
                     const Matrix& down, Gate gate);
// Its activation alone, act(gate) · up of [T,2F] → [T,F], for layers that have more between the products.
at::Tensor gated(const at::Tensor& halves, Gate gate);

// How keys and values are kept for attention: as they are, or rounded to bf16 (to nearest, ties to even), which halves
// what a cache holds and streams. CPU only; gradients pass the rounding straight through. In pages also as int8 with a
// scale for each head's key and value of a position: a quarter of f32, and no longer what the trainer computes.
enum class KvType : uint8_t { kF32, kBf16, kInt8 };

// Heads side by side in one row: query heads, then key heads, then value heads.
struct HeadShape {
  int64_t heads = 0, kv_heads = 0, head_dim = 0;  // head_dim is a multiple of 16
  KvType kv = KvType::kF32;
  int64_t window = 0;  // positions that a row sees, itself included; 0 = all before it
  double scale = 0;    // of the scores; 0 = 1/√hd
  int64_t rotated() const { return heads + kv_heads; }
  int64_t columns() const { return (heads + 2 * kv_heads) * head_dim; }
  float score_scale() const;
  // The first of the positions 0 … length−1 that the last of them sees.
  int64_t first_visible(int64_t length) const { return window > 0 && length > window ? length - window : 0; }
};

// rms_norm of each query head with q_weight [hd] and of each key head with k_weight [hd]; values pass through.
at::Tensor head_norm(const at::Tensor& qkv, const at::Tensor& q_weight, const at::Tensor& k_weight,
                     const HeadShape& shape, double eps, double offset);

// Pair i of a head turns by theta^(−2i/hd) a position (Su et al. 2021), unless a model that was made for a shorter
// context stretches it.
enum class RotaryScaling : uint8_t {
  kNone,
  kLinear,    // every pair turns slower by factor
  kLlama3,    // slow pairs do, fast ones do not, those between partly (Llama 3.1)
  kYarn,      // the same with other bounds, and longer queries and keys (Peng et al. 2023)
  kDivisors,  // every pair by a number of its own
};

struct Rotary {
  double theta = 10000;
  RotaryScaling scaling = RotaryScaling::kNone;
  double factor = 1;
  // Turns within original_context below which a pair is slow, and above which it is fast.
  double slow = 1, fast = 4;
  int64_t original_context = 0;      // tokens
  double length = 1;                 // what cosines and sines are multiplied with; YaRN's attention factor
  bool whole_bounds = true;          // YaRN: bounds between pairs are rounded outwards to whole pairs
  std::vector<float> divisors = {};  // kDivisors: [hd/2]
  auto operator<=>(const Rotary&) const = default;
};

// Rotary positions on the query and key heads of qkv [T,(H+2·KV)·hd], halves of a head rotated against each other as in
// Hugging Face's Llama; positions i64 [T]. Su et al. 2021, eq. 34. Values pass through.
at::Tensor rope(const at::Tensor& qkv, const at::Tensor& positions, const HeadShape& shape, const Rotary& rotary);

// Sequences packed one behind the other: sequence s is rows starts[s] … starts[s+1]−1. Where continues[s], its
// positions go on behind those of the last sequence before it that does not continue one: a prompt that several
// completions share is read once. Elsewhere they begin at 0. No `continues` at all: nothing is shared.
struct Packing {
  std::vector<int64_t> starts = {0};    // [S+1], from 0 to T
  std::vector<int64_t> continues = {};  // [S] 0 or 1, or empty
  size_t count() const { return starts.size() - 1; }
  bool goes_on(size_t s) const { return !continues.empty() && continues[s] != 0; }
  int64_t rows(size_t s) const { return starts[s + 1] - starts[s]; }
};

// Causal attention within packed sequences: each row sees itself and the positions before it in its own sequence and in
// the one that this continues, as far as the shape's window reaches. qkv rotated, [T,(H+2·KV)·hd] → [T,H·hd]. Query
// head h reads key/value head h / (H / KV).
at::Tensor causal_attention(const at::Tensor& qkv, const Packing& packing, const HeadShape& shape);

}  // namespace ponder::tensor
