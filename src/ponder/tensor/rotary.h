// Cosines and sines of rotary positions, made once a process for each head size and base; for ops.cc.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "ponder/tensor/fwd.h"

namespace ponder::tensor {

struct RotaryTable {
  double theta = 0;
  int64_t positions = 0;
  std::vector<float> cosines, sines;  // [positions, hd/2]
};

// A table that holds positions 0 … highest at least. Thread-safe; tables never change once given out.
std::shared_ptr<const RotaryTable> rotary_table(int64_t head_dim, double theta, int64_t highest);
int64_t highest_position(const at::Tensor& positions);

}  // namespace ponder::tensor
