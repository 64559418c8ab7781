// Products with low-rank matrices beside a weight (LoRA). Called by model's decoder.
#pragma once
#include <vector>

#include "ponder/tensor/matrix.h"

namespace ponder::tensor {

// scale · B · A, A [r,K], B [n,r], beside rows first … first + n of a weight [N,K].
struct LowRank {
  Matrix a, b;
  int64_t first = 0;
  double scale = 1;
};

// y [T,N] + Σ scale · (x · Aᵀ) · Bᵀ, each part in its columns; x [T,K]. Parts lie in ascending order and do not
// overlap.
at::Tensor add_low_rank(const at::Tensor& y, const at::Tensor& x, const std::vector<LowRank>& parts);

}  // namespace ponder::tensor
