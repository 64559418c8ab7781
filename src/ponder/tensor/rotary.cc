#include "ponder/tensor/rotary.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/max.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "ponder/base/error.h"

namespace ponder::tensor {
namespace {

// In f32 step by step, as in the code that trained the published models: a pair that turned with one more digit would
// be elsewhere at a far position.
std::vector<float> base_frequencies(int64_t head_dim, double theta) {
  std::vector<float> frequency(static_cast<size_t>(head_dim / 2));
  for (size_t i = 0; i < frequency.size(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequency[i] = 1.0f / std::pow(static_cast<float>(theta), exponent);
  }
  return frequency;
}

void scale_like_llama3(std::vector<float>& frequency, const Rotary& r) {
  const auto context = static_cast<float>(r.original_context);
  const auto slow = static_cast<float>(r.slow), fast = static_cast<float>(r.fast);
  const auto factor = static_cast<float>(r.factor);
  for (float& f : frequency) {
    const float wave = static_cast<float>(2 * M_PI) / f;
    if (wave < context / fast) continue;
    if (wave > context / slow) {
      f /= factor;
      continue;
    }
    const float smooth = (context / wave - slow) / (fast - slow);
    f = (1 - smooth) * f / factor + smooth * f;
  }
}

void scale_like_yarn(std::vector<float>& frequency, int64_t head_dim, const Rotary& r) {
  const auto pair_of = [&](double turns) {
    return static_cast<double>(head_dim) * std::log(static_cast<double>(r.original_context) / (turns * 2 * M_PI)) /
           (2 * std::log(r.theta));
  };
  double low = pair_of(r.fast), high = pair_of(r.slow);
  if (r.whole_bounds) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, static_cast<double>(head_dim - 1));
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequency.size(); ++i) {
    const float ramp = (static_cast<float>(i) - static_cast<float>(low)) / static_cast<float>(high - low);
    const float keep = 1 - std::clamp(ramp, 0.0f, 1.0f), f = frequency[i];
    frequency[i] = 1.0f / (static_cast<float>(r.factor) / f) * (1 - keep) + f * keep;
  }
}

std::vector<float> frequencies(int64_t head_dim, const Rotary& r) {
  std::vector<float> frequency = base_frequencies(head_dim, r.theta);
  switch (r.scaling) {
    case RotaryScaling::kNone:
      break;
    case RotaryScaling::kLinear:
      for (float& f : frequency) f /= static_cast<float>(r.factor);
      break;
    case RotaryScaling::kLlama3:
      scale_like_llama3(frequency, r);
      break;
    case RotaryScaling::kYarn:
      scale_like_yarn(frequency, head_dim, r);
      break;
    case RotaryScaling::kDivisors:
      PONDER_CHECK(r.divisors.size() == frequency.size(), "a divisor for each of ", frequency.size(), " pairs");
      for (size_t i = 0; i < frequency.size(); ++i) frequency[i] /= r.divisors[i];
      break;
  }
  return frequency;
}

std::shared_ptr<const RotaryTable> make_table(int64_t head_dim, const Rotary& rotary, int64_t positions) {
  const int64_t half = head_dim / 2;
  // Whoever comes first may be sampling; training must be able to keep the same table for its backward pass.
  const c10::InferenceMode no_inference(false);
  auto table = std::make_shared<RotaryTable>();
  table->positions = positions;
  table->cosines = at::empty({positions, half}, at::kFloat);
  table->sines = at::empty({positions, half}, at::kFloat);
  float* cosine = table->cosines.mutable_data_ptr<float>();
  float* sine = table->sines.mutable_data_ptr<float>();
  const std::vector<float> frequency = frequencies(head_dim, rotary);
  const auto length = static_cast<float>(rotary.length);
  for (int64_t i = 0; i < half; ++i)
    for (int64_t p = 0; p < positions; ++p) {
      const double angle = static_cast<float>(p) * frequency[static_cast<size_t>(i)];
      cosine[p * half + i] = static_cast<float>(std::cos(angle)) * length;
      sine[p * half + i] = static_cast<float>(std::sin(angle)) * length;
    }
  return table;
}

}  // namespace

std::shared_ptr<const RotaryTable> rotary_table(int64_t head_dim, const Rotary& rotary, int64_t highest) {
  static std::mutex mutex;
  static std::map<std::pair<int64_t, Rotary>, std::shared_ptr<const RotaryTable>> tables;
  const std::lock_guard lock(mutex);
  auto& table = tables[{head_dim, rotary}];
  if (!table || table->positions <= highest)
    table = make_table(head_dim, rotary, std::max<int64_t>(512, 2 * (highest + 1)));
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
