#include "ponder/tensor/rotary.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/max.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>

#include "ponder/base/error.h"

namespace ponder::tensor {
namespace {

// Angles are rounded to f32 on the way, as in the code that trained the published models.
std::shared_ptr<const RotaryTable> make_table(int64_t head_dim, double theta, int64_t positions) {
  const int64_t half = head_dim / 2;
  auto table = std::make_shared<RotaryTable>();
  table->theta = theta;
  table->positions = positions;
  table->cosines.resize(static_cast<size_t>(positions * half));
  table->sines.resize(static_cast<size_t>(positions * half));
  for (int64_t i = 0; i < half; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    const float frequency = 1.0f / std::pow(static_cast<float>(theta), exponent);
    for (int64_t p = 0; p < positions; ++p) {
      const double angle = static_cast<float>(p) * frequency;
      table->cosines[static_cast<size_t>(p * half + i)] = static_cast<float>(std::cos(angle));
      table->sines[static_cast<size_t>(p * half + i)] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

}  // namespace

std::shared_ptr<const RotaryTable> rotary_table(int64_t head_dim, double theta, int64_t highest) {
  static std::mutex mutex;
  static std::map<std::pair<int64_t, double>, std::shared_ptr<const RotaryTable>> tables;
  const std::lock_guard lock(mutex);
  auto& table = tables[{head_dim, theta}];
  if (!table || table->positions <= highest)
    table = make_table(head_dim, theta, std::max<int64_t>(512, 2 * (highest + 1)));
  return table;
}

int64_t highest_position(const at::Tensor& positions) {
  if (positions.numel() == 0) return 0;
  if (!positions.is_cpu()) return positions.max().item<int64_t>();
  PONDER_CHECK(positions.is_contiguous() && positions.scalar_type() == at::kLong, "positions must be contiguous i64");
  const int64_t* p = positions.const_data_ptr<int64_t>();
  const auto [lowest, highest] = std::minmax_element(p, p + positions.numel());
  PONDER_CHECK(*lowest >= 0, "positions must not be negative");
  return *highest;
}

}  // namespace ponder::tensor
