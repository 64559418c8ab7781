// IEEE half precision one number at a time, for scales of blocks.
#pragma once
#include <cstdint>
#include <cstring>

namespace ponder::tensor {

inline float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16, magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00) {  // infinite, NaN
    const uint32_t bits = sign | 0x7F800000 | (magnitude & 0x3FF) << 13;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
  }
  if (magnitude < 0x0400) {  // below the normal range: a multiple of 2⁻²⁴
    const float x = static_cast<float>(magnitude) * 0x1p-24f;
    return sign ? -x : x;
  }
  const uint32_t bits = sign | ((magnitude << 13) + (112u << 23));
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// To nearest, ties to even; too large ones become infinite. x is no NaN.
inline uint16_t float_to_half(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude >= 0x477FF000) return static_cast<uint16_t>(sign | 0x7C00);
  if (magnitude < 0x38800000) {  // adding 1/2 rounds to a multiple of 2⁻²⁴
    float tiny;
    std::memcpy(&tiny, &magnitude, sizeof tiny);
    tiny += 0.5f;
    std::memcpy(&bits, &tiny, sizeof bits);
    return static_cast<uint16_t>(sign | (bits - 0x3F000000));
  }
  return static_cast<uint16_t>(sign | ((magnitude - (112u << 23) + 0xFFF + (magnitude >> 13 & 1)) >> 13));
}

}  // namespace ponder::tensor
