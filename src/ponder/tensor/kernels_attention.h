// What the two backward passes of attention share: kernels_attention.cc in vectors of f32, kernels_attention_amx.cc in
// matrix tiles of bf16.
#pragma once
#include <cstdint>
#include <vector>

#include "ponder/tensor/kernels.h"

namespace ponder::tensor {

// The arguments of attend_group_backward().
struct GroupGradient {
  const float *grad_out, *out, *lse, *qkv;
  const HeadShape* shape;
  float* grad_qkv;
};

// Positions first … end−1 and the rows where they stand: position i is row i + shift of the group.
struct Stretch {
  int64_t first, end, shift;
};

// attend_group_backward() with its products in matrix tiles, P and the scores' gradients rounded to bf16 as the other
// inputs are: for KvType::kBf16 at simd::level() 6. Stretch 0 is the prompt.
void group_backward_in_tiles(const GroupGradient& gradient, const std::vector<Stretch>& stretches);

}  // namespace ponder::tensor
