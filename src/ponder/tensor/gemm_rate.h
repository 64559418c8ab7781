// How fast this machine multiplies, for estimates of a run's time.
#pragma once
#include <cstdint>

#include "ponder/tensor/device.h"
#include "ponder/tensor/gemm.h"

namespace ponder::tensor {

// Floating-point operations a second of x [1024, in] · wᵀ, w [out, in], one operator thread, measured for about
// `seconds`. On a CPU the calling thread's own time counts: what other programs take from it meanwhile is not the
// machine's speed.
double measure_gemm_rate(const c10::Device& device, int64_t in, int64_t out, double seconds,
                         Compute compute = Compute::kF32);

}  // namespace ponder::tensor
