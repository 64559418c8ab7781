#include "ponder/tensor/gemm_rate.h"

#include <ATen/ops/ones.h>

#include <ctime>

#include "ponder/base/clock.h"
#include "ponder/tensor/guard.h"
#include "ponder/tensor/matrix.h"
#include "ponder/tensor/ops.h"

namespace ponder::tensor {
namespace {

double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

double measure_gemm_rate(const c10::Device& device, int64_t in, int64_t out, double seconds, Compute compute) {
  return guarded("tensor/gemm_rate", [&] {
    constexpr int64_t kRows = 1024;
    set_operator_threads(1);
    const at::TensorOptions f32 = at::TensorOptions(at::kFloat).device(device);
    const at::Tensor x = at::ones({kRows, in}, f32);
    Matrix w(at::ones({out, in}, f32), compute);
    pack(w, Uses::kForward);
    at::Tensor y = linear(x, w);  // the first one sets things up
    int64_t products = 0;
    const base::Stopwatch watch;
    const double begin = thread_seconds();
    for (; watch.seconds() < seconds; ++products) y = linear(x, w);
    y.select(0, 0).select(0, 0).item<float>();  // waits for a GPU
    const double taken = device.is_cpu() ? thread_seconds() - begin : watch.seconds();
    return 2.0 * static_cast<double>(products * kRows) * static_cast<double>(in) * static_cast<double>(out) / taken;
  });
}

}  // namespace ponder::tensor
