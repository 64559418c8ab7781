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

}  // namespace ponder::tensor
