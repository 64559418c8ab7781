// Cosines and sines of rotary positions, made once a process for each head size and kind; for ops.cc.
#pragma once
#include <cstdint>
#include <memory>

#include "ponder/tensor/ops.h"
#include "ponder/tensor/tensor.h"

namespace ponder::tensor {

struct RotaryTable {
  int64_t positions = 0;
  at::Tensor cosines, sines;  // f32 [positions, hd/2], on the CPU
};

// A table that holds positions 0 … highest at least. Thread-safe; tables never change once given out.
std::shared_ptr<const RotaryTable> rotary_table(int64_t head_dim, const Rotary& rotary, int64_t highest);
int64_t highest_position(const at::Tensor& positions);

}  // namespace ponder::tensor
