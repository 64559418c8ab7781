#include "ponder/tensor/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <optional>

#include "ponder/base/error.h"

namespace ponder::tensor {
namespace {

std::optional<int> gpu_index(const std::string& name) {
  if (name == "cuda") return 0;
  if (name.size() == 6 && name.starts_with("cuda:") && name[5] >= '0' && name[5] <= '9') return name[5] - '0';
  return std::nullopt;
}

}  // namespace

c10::Device resolve_device(const std::string& name) {
  const int gpus = static_cast<int>(at::getNumGPUs());
  if (name == "cpu" || (name == "auto" && gpus == 0)) return c10::Device(c10::kCPU);
  if (name == "auto") return c10::Device(c10::kCUDA, 0);
  const auto index = gpu_index(name);
  if (!index)
    throw Error(ErrorCode::kUsage, base::cat("unknown device \"", name, "\"; valid: auto, cpu, cuda, cuda:0 … cuda:9"));
  if (*index >= gpus)
    throw Error(ErrorCode::kUsage,
                base::cat("device \"", name, "\" is not there: LibTorch sees ", gpus, " GPUs; use device=cpu"));
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(*index));
}

void set_operator_threads(int n) { at::set_num_threads(n); }

}  // namespace ponder::tensor
