#include "ponder/store/quant.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ponder/base/error.h"

// Bodies are inlined into the two functions at the end, one for AVX2 and one for the compiler's default, so no vector
// ever crosses a call.
#pragma GCC diagnostic ignored "-Wpsabi"
#define PONDER_INLINE static inline __attribute__((always_inline))

namespace ponder::store {
namespace {

constexpr GgmlTypeInfo kTypes[] = {
    {GgmlType::kF32, "F32", 1, 4, true, true},        {GgmlType::kF16, "F16", 1, 2, true, true},
    {GgmlType::kQ4_0, "Q4_0", 32, 18, true, false},   {GgmlType::kQ4_1, "Q4_1", 32, 20, true, false},
    {GgmlType::kQ5_0, "Q5_0", 32, 22, true, false},   {GgmlType::kQ5_1, "Q5_1", 32, 24, true, false},
    {GgmlType::kQ8_0, "Q8_0", 32, 34, true, true},    {GgmlType{9}, "Q8_1", 32, 40, false, false},
    {GgmlType{10}, "Q2_K", 256, 84, false, false},    {GgmlType{11}, "Q3_K", 256, 110, false, false},
    {GgmlType::kQ4K, "Q4_K", 256, 144, true, false},  {GgmlType::kQ5K, "Q5_K", 256, 176, true, false},
    {GgmlType::kQ6K, "Q6_K", 256, 210, true, false},  {GgmlType{15}, "Q8_K", 256, 292, false, false},
    {GgmlType{16}, "IQ2_XXS", 256, 66, false, false}, {GgmlType{17}, "IQ2_XS", 256, 74, false, false},
    {GgmlType{18}, "IQ3_XXS", 256, 98, false, false}, {GgmlType{19}, "IQ1_S", 256, 50, false, false},
    {GgmlType{20}, "IQ4_NL", 32, 18, false, false},   {GgmlType{21}, "IQ3_S", 256, 110, false, false},
    {GgmlType{22}, "IQ2_S", 256, 82, false, false},   {GgmlType{23}, "IQ4_XS", 256, 136, false, false},
    {GgmlType{24}, "I8", 1, 1, false, false},         {GgmlType{25}, "I16", 1, 2, false, false},
    {GgmlType{26}, "I32", 1, 4, false, false},        {GgmlType{27}, "I64", 1, 8, false, false},
    {GgmlType{28}, "F64", 1, 8, false, false},        {GgmlType{29}, "IQ1_M", 256, 56, false, false},
    {GgmlType::kBf16, "BF16", 1, 2, true, true},      {GgmlType{34}, "TQ1_0", 256, 54, false, false},
    {GgmlType{35}, "TQ2_0", 256, 66, false, false},   {GgmlType{39}, "MXFP4", 32, 17, false, false},
    {GgmlType{40}, "NVFP4", 64, 36, false, false},    {GgmlType{41}, "Q1_0", 128, 18, false, false},
};

constexpr int kLanes = 8;
typedef float F __attribute__((vector_size(32), aligned(1), may_alias));
typedef int32_t I __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint32_t U __attribute__((vector_size(32), aligned(1), may_alias));
typedef uint8_t Bytes __attribute__((vector_size(8), aligned(1), may_alias));
typedef int8_t SignedBytes __attribute__((vector_size(8), aligned(1), may_alias));
typedef uint16_t Halves __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint16_t WideHalves __attribute__((vector_size(32), aligned(1), may_alias));

PONDER_INLINE I as_bits(F v) { return reinterpret_cast<const I&>(v); }
PONDER_INLINE F as_floats(I v) { return reinterpret_cast<const F&>(v); }
PONDER_INLINE F to_floats(I v) { return __builtin_convertvector(v, F); }
PONDER_INLINE I load_bytes(const uint8_t* p) { return __builtin_convertvector(*reinterpret_cast<const Bytes*>(p), I); }
PONDER_INLINE I load_signed_bytes(const uint8_t* p) {
  return __builtin_convertvector(*reinterpret_cast<const SignedBytes*>(p), I);
}
PONDER_INLINE I load_halves(const uint8_t* p) {
  return __builtin_convertvector(*reinterpret_cast<const Halves*>(p), I);
}
PONDER_INLINE F splat(float x) { return F{x, x, x, x, x, x, x, x}; }  // 0 + x would lose the sign of -0
PONDER_INLINE F load_floats(const float* p) { return *reinterpret_cast<const F*>(p); }
PONDER_INLINE void store_floats(float* p, F v) { *reinterpret_cast<F*>(p) = v; }
PONDER_INLINE void store_halves(uint8_t* p, I v) { *reinterpret_cast<Halves*>(p) = __builtin_convertvector(v, Halves); }

// IEEE half precision, by integers and exact sums alone: no f32 below the normal range is ever an operand.
PONDER_INLINE F widen_f16(I half) {
  const I shifted = (half & 0x7FFF) << 13, sign = (half & 0x8000) << 16;
  const I exponent = shifted & 0x0F800000;
  const I normal = shifted + (112 << 23);
  const I subnormal = as_bits(as_floats(shifted + (113 << 23)) - as_floats(I{} + (113 << 23)));
  const I special = shifted | 0x7F800000;  // infinities, and NaN with its payload
  const I magnitude = exponent == 0 ? subnormal : (exponent == 0x0F800000 ? special : normal);
  return as_floats(magnitude | sign);
}
PONDER_INLINE I narrow_f16(F value) {
  const I bits = as_bits(value), magnitude = bits & 0x7FFFFFFF, sign = (bits >> 16) & 0x8000;
  // Adding 1/2 leaves a subnormal half in the low bits, rounded by the addition itself.
  const I subnormal = as_bits(as_floats(magnitude) + 0.5f) - (126 << 23);
  const U positive = reinterpret_cast<const U&>(magnitude);  // NaN may wrap around
  const U shifted = (positive - (112u << 23) + 0xFFFu + ((positive >> 13) & 1u)) >> 13;
  const I normal = reinterpret_cast<const I&>(shifted);
  const I special = magnitude > 0x7F800000 ? (0x7E00 | ((magnitude >> 13) & 0x3FF)) : I{} + 0x7C00;
  const I half = magnitude < (113 << 23) ? subnormal : (magnitude >= (143 << 23) ? special : normal);
  return half | sign;
}
PONDER_INLINE F widen_bf16(I half) { return as_floats(half << 16); }
PONDER_INLINE I narrow_bf16(F value) {
  const I bits = as_bits(value);
  const U sum = reinterpret_cast<const U&>(bits) + 0x7FFF + ((reinterpret_cast<const U&>(bits) >> 16) & 1);
  const I rounded = reinterpret_cast<const I&>(sum) >> 16, nan = (bits >> 16) | 0x40;
  return ((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded) & 0xFFFF;
}

PONDER_INLINE float read_f16(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return f16_to_f32(bits);
}

// A block of each type to its 32 or 256 weights. Below 2^24 every product of a scale and a small integer is exact, so
// fused and separate multiplication and addition give the same bits.
PONDER_INLINE void read_q8_0(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  for (int i = 0; i < 32; i += kLanes) store_floats(out + i, to_floats(load_signed_bytes(block + 2 + i)) * d);
}
PONDER_INLINE void read_q4_0(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  for (int i = 0; i < 16; i += kLanes) {
    const I q = load_bytes(block + 2 + i);
    store_floats(out + i, to_floats((q & 15) - 8) * d);
    store_floats(out + 16 + i, to_floats((q >> 4) - 8) * d);
  }
}
PONDER_INLINE void read_q4_1(const uint8_t* block, float* out) {
  const float d = read_f16(block), m = read_f16(block + 2);
  for (int i = 0; i < 16; i += kLanes) {
    const I q = load_bytes(block + 4 + i);
    store_floats(out + i, to_floats(q & 15) * d + m);
    store_floats(out + 16 + i, to_floats(q >> 4) * d + m);
  }
}
// The fifth bits of 32 weights lie in one word; lane l at i takes bit i + l, as 16.
PONDER_INLINE I fifth_bits(const uint8_t* word, int i) {
  const I lanes = {0, 1, 2, 3, 4, 5, 6, 7};
  uint32_t bits;
  std::memcpy(&bits, word, sizeof bits);
  return (((I{} + static_cast<int32_t>(bits >> i)) >> lanes) & 1) << 4;
}
PONDER_INLINE void read_q5_0(const uint8_t* block, float* out) {
  const float d = read_f16(block);
  for (int i = 0; i < 16; i += kLanes) {
    const I q = load_bytes(block + 6 + i);
    store_floats(out + i, to_floats(((q & 15) | fifth_bits(block + 2, i)) - 16) * d);
    store_floats(out + 16 + i, to_floats(((q >> 4) | fifth_bits(block + 2, 16 + i)) - 16) * d);
  }
}
PONDER_INLINE void read_q5_1(const uint8_t* block, float* out) {
  const float d = read_f16(block), m = read_f16(block + 2);
  for (int i = 0; i < 16; i += kLanes) {
    const I q = load_bytes(block + 8 + i);
    store_floats(out + i, to_floats((q & 15) | fifth_bits(block + 4, i)) * d + m);
    store_floats(out + 16 + i, to_floats((q >> 4) | fifth_bits(block + 4, 16 + i)) * d + m);
  }
}

// Scale and minimum of the eight groups of 32 in a K block: 6 bits each in 12 bytes.
PONDER_INLINE void read_k_scales(const uint8_t* block, float* scales, float* minima) {
  const float d = read_f16(block), dmin = read_f16(block + 2);
  const uint8_t* s = block + 4;
  for (int j = 0; j < 4; ++j) {
    scales[j] = d * static_cast<float>(s[j] & 63);
    minima[j] = dmin * static_cast<float>(s[j + 4] & 63);
    scales[j + 4] = d * static_cast<float>((s[j + 8] & 15) | (s[j] >> 6 << 4));
    minima[j + 4] = dmin * static_cast<float>((s[j + 8] >> 4) | (s[j + 4] >> 6 << 4));
  }
}
PONDER_INLINE void read_q4_k(const uint8_t* block, float* out) {
  float scales[8], minima[8];
  read_k_scales(block, scales, minima);
  for (int j = 0; j < 4; ++j)
    for (int i = 0; i < 32; i += kLanes) {
      const I q = load_bytes(block + 16 + 32 * j + i);
      store_floats(out + 64 * j + i, to_floats(q & 15) * scales[2 * j] - minima[2 * j]);
      store_floats(out + 64 * j + 32 + i, to_floats(q >> 4) * scales[2 * j + 1] - minima[2 * j + 1]);
    }
}
PONDER_INLINE void read_q5_k(const uint8_t* block, float* out) {
  float scales[8], minima[8];
  read_k_scales(block, scales, minima);
  for (int j = 0; j < 4; ++j)
    for (int i = 0; i < 32; i += kLanes) {
      const I high = load_bytes(block + 16 + i) >> (2 * j), q = load_bytes(block + 48 + 32 * j + i);
      const I low_group = (q & 15) | ((high & 1) << 4), high_group = (q >> 4) | ((high & 2) << 3);
      store_floats(out + 64 * j + i, to_floats(low_group) * scales[2 * j] - minima[2 * j]);
      store_floats(out + 64 * j + 32 + i, to_floats(high_group) * scales[2 * j + 1] - minima[2 * j + 1]);
    }
}
PONDER_INLINE void read_q6_k(const uint8_t* block, float* out) {
  const float d = read_f16(block + 208);
  for (int half = 0; half < 2; ++half) {
    const uint8_t *low = block + 64 * half, *high = block + 128 + 32 * half, *scales = block + 192 + 8 * half;
    float* to = out + 128 * half;
    for (int i = 0; i < 32; i += kLanes) {
      const I a = load_bytes(low + i), b = load_bytes(low + 32 + i), h = load_bytes(high + i);
      const I quarters[4] = {(a & 15) | ((h & 3) << 4), (b & 15) | (((h >> 2) & 3) << 4),
                             (a >> 4) | (((h >> 4) & 3) << 4), (b >> 4) | ((h >> 6) << 4)};
      for (int k = 0; k < 4; ++k) {
        const float scale = d * static_cast<float>(static_cast<int8_t>(scales[2 * k + i / 16]));
        store_floats(to + 32 * k + i, to_floats(quarters[k] - 32) * scale);
      }
    }
  }
}

PONDER_INLINE F read_halves(const uint8_t* p) { return widen_f16(load_halves(p)); }
PONDER_INLINE F read_bf16s(const uint8_t* p) { return widen_bf16(load_halves(p)); }

// Eight 16-bit values at a time; what is left over goes through a padded copy.
template <F (*kRead)(const uint8_t*)>
PONDER_INLINE void read_by_eights(const uint8_t* from, float* to, int64_t n) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_floats(to + i, kRead(from + 2 * i));
  if (i == n) return;
  uint8_t in[2 * kLanes] = {};
  float out[kLanes];
  std::memcpy(in, from + 2 * i, static_cast<size_t>(n - i) * 2);
  store_floats(out, kRead(in));
  std::memcpy(to + i, out, static_cast<size_t>(n - i) * sizeof(float));
}
template <int kWeights, int kBytes, void (*kRead)(const uint8_t*, float*)>
PONDER_INLINE void read_blocks(const uint8_t* from, float* to, int64_t n) {
  for (int64_t i = 0; i < n / kWeights; ++i) kRead(from + i * kBytes, to + i * kWeights);
}

PONDER_INLINE void dequantize_body(GgmlType type, const uint8_t* from, float* to, int64_t n) {
  switch (type) {
    case GgmlType::kF32:
      if (n > 0) std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
      return;
    case GgmlType::kF16:
      return read_by_eights<read_halves>(from, to, n);
    case GgmlType::kBf16:
      return read_by_eights<read_bf16s>(from, to, n);
    case GgmlType::kQ8_0:
      return read_blocks<32, 34, read_q8_0>(from, to, n);
    case GgmlType::kQ4_0:
      return read_blocks<32, 18, read_q4_0>(from, to, n);
    case GgmlType::kQ4_1:
      return read_blocks<32, 20, read_q4_1>(from, to, n);
    case GgmlType::kQ5_0:
      return read_blocks<32, 22, read_q5_0>(from, to, n);
    case GgmlType::kQ5_1:
      return read_blocks<32, 24, read_q5_1>(from, to, n);
    case GgmlType::kQ4K:
      return read_blocks<256, 144, read_q4_k>(from, to, n);
    case GgmlType::kQ5K:
      return read_blocks<256, 176, read_q5_k>(from, to, n);
    case GgmlType::kQ6K:
      return read_blocks<256, 210, read_q6_k>(from, to, n);
  }
}

PONDER_INLINE I is_special(I bits) { return (bits & 0x7F800000) == 0x7F800000; }  // all ones for NaN and infinities
PONDER_INLINE bool any(I mask) {
  int32_t all = 0;
  for (int i = 0; i < kLanes; ++i) all |= mask[i];
  return all != 0;
}

PONDER_INLINE bool is_finite_body(const float* values, int64_t n) {
  I found = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) found |= is_special(as_bits(load_floats(values + i)));
  bool is_fine = !any(found);
  for (; i < n; ++i) is_fine = is_fine && std::isfinite(values[i]);
  return is_fine;
}

PONDER_INLINE bool copy_bf16_body(const uint8_t* from, uint8_t* to, int64_t n) {
  constexpr int kWide = 16;
  const WideHalves exponent = WideHalves{} + uint16_t{0x7F80};
  WideHalves found = {};
  int64_t i = 0;
  for (; i + kWide <= n; i += kWide) {
    const WideHalves halves = *reinterpret_cast<const WideHalves*>(from + 2 * i);
    *reinterpret_cast<WideHalves*>(to + 2 * i) = halves;
    const auto special = (halves & exponent) == exponent;
    found |= reinterpret_cast<const WideHalves&>(special);
  }
  uint64_t words[4];
  std::memcpy(words, &found, sizeof words);
  bool is_fine = (words[0] | words[1] | words[2] | words[3]) == 0;
  for (; i < n; ++i) {
    uint16_t bits;
    std::memcpy(&bits, from + 2 * i, sizeof bits);
    std::memcpy(to + 2 * i, &bits, sizeof bits);
    is_fine = is_fine && (bits & 0x7F80) != 0x7F80;
  }
  return is_fine;
}

// Rounds eight values to 16 bits; lanes of `lost` become all ones where a finite one became infinite.
PONDER_INLINE I narrow_halves(F value, I& lost) {
  const I half = narrow_f16(value);
  lost |= ((half & 0x7FFF) == 0x7C00) & ~is_special(as_bits(value));
  return half;
}
PONDER_INLINE I narrow_bf16s(F value, I& lost) {
  const I half = narrow_bf16(value);
  lost |= ((half & 0x7FFF) == 0x7F80) & ~is_special(as_bits(value));
  return half;
}
template <I (*kNarrow)(F, I&)>
PONDER_INLINE bool write_by_eights(const float* from, uint8_t* to, int64_t n) {
  I lost = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_halves(to + 2 * i, kNarrow(load_floats(from + i), lost));
  if (i < n) {
    float in[kLanes] = {};
    uint8_t out[2 * kLanes];
    std::memcpy(in, from + i, static_cast<size_t>(n - i) * sizeof(float));
    store_halves(out, kNarrow(load_floats(in), lost));
    std::memcpy(to + 2 * i, out, static_cast<size_t>(n - i) * 2);
  }
  return !any(lost);
}

// The reference's quantize_row_q8_0_ref: scale = max |w| / 127, weights times its inverse rounded to nearest, halves
// away from zero. Where the inverse is infinite the reference is undefined; the scale is 0 in 16 bits then, and so are
// the weights.
PONDER_INLINE bool write_q8_0(const float* from, uint8_t* block) {
  F largest = {};
  for (int i = 0; i < 32; i += kLanes) {
    const F magnitude = as_floats(as_bits(load_floats(from + i)) & 0x7FFFFFFF);
    largest = as_bits(magnitude) > as_bits(largest) ? magnitude : largest;  // as integers, so that NaN is largest
  }
  uint32_t max_bits = 0;
  for (int i = 0; i < kLanes; ++i) max_bits = std::max(max_bits, std::bit_cast<uint32_t>(float{largest[i]}));
  const float d = std::bit_cast<float>(max_bits) / 127;
  const uint16_t scale = f32_to_f16(d);
  float inverse = d != 0 ? 1.0f / d : 0.0f;
  const bool fits = (scale & 0x7C00) != 0x7C00;
  if (!fits || !std::isfinite(inverse)) inverse = 0;
  std::memcpy(block, &scale, sizeof scale);
  for (int i = 0; i < 32; i += kLanes) {
    const F x = load_floats(from + i) * inverse;
    const F magnitude = as_floats(as_bits(x) & 0x7FFFFFFF);
    const I whole = __builtin_convertvector(magnitude, I);
    const I above = magnitude - to_floats(whole) >= 0.5f;  // a true comparison is -1
    const U rounded = reinterpret_cast<const U&>(whole) - reinterpret_cast<const U&>(above), negative = U{} - rounded;
    const I q = as_bits(x) < 0 ? reinterpret_cast<const I&>(negative) : reinterpret_cast<const I&>(rounded);
    *reinterpret_cast<SignedBytes*>(block + 2 + i) = __builtin_convertvector(q, SignedBytes);
  }
  return fits;
}

PONDER_INLINE bool quantize_body(GgmlType type, const float* from, uint8_t* to, int64_t n) {
  switch (type) {
    case GgmlType::kF32:
      if (n > 0) std::memcpy(to, from, static_cast<size_t>(n) * sizeof(float));
      return true;
    case GgmlType::kF16:
      return write_by_eights<narrow_halves>(from, to, n);
    case GgmlType::kBf16:
      return write_by_eights<narrow_bf16s>(from, to, n);
    default:
      break;
  }
  bool fits = true;
  for (int64_t i = 0; i < n / 32; ++i) fits &= write_q8_0(from + 32 * i, to + 34 * i);
  return fits;
}

// x86-64 processors of the last ten years have AVX2; the rest get the compiler's default.
#if defined(__x86_64__)
#define PONDER_FOR_AVX2 __attribute__((target("avx2")))
bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2");
  return has;
}
#else
#define PONDER_FOR_AVX2
bool has_avx2() { return false; }
#endif

PONDER_FOR_AVX2 void dequantize_avx2(GgmlType type, const uint8_t* from, float* to, int64_t n) {
  dequantize_body(type, from, to, n);
}
PONDER_FOR_AVX2 bool quantize_avx2(GgmlType type, const float* from, uint8_t* to, int64_t n) {
  return quantize_body(type, from, to, n);
}
PONDER_FOR_AVX2 bool is_finite_avx2(const float* values, int64_t n) { return is_finite_body(values, n); }
PONDER_FOR_AVX2 bool copy_bf16_avx2(const uint8_t* from, uint8_t* to, int64_t n) { return copy_bf16_body(from, to, n); }

}  // namespace

const GgmlTypeInfo* find_ggml_type(uint32_t number) {
  for (const GgmlTypeInfo& type : kTypes)
    if (static_cast<uint32_t>(type.type) == number) return &type;
  return nullptr;
}

const GgmlTypeInfo* find_ggml_type(std::string_view name) {
  for (const GgmlTypeInfo& type : kTypes)
    if (type.name == name) return &type;
  return nullptr;
}

const GgmlTypeInfo& info_of(GgmlType type) {
  const GgmlTypeInfo* info = find_ggml_type(static_cast<uint32_t>(type));
  PONDER_CHECK(info, "no ggml type has the number ", static_cast<uint32_t>(type));
  return *info;
}

std::string readable_types() {
  std::string names;
  for (const GgmlTypeInfo& type : kTypes)
    if (type.can_read) names += base::cat(names.empty() ? "" : ", ", type.name);
  return names;
}

bool dequantize(GgmlType type, const void* blocks, float* weights, int64_t n) {
  constexpr int64_t kAtOnce = 1 << 13;  // whole blocks of every type
  const GgmlTypeInfo& info = info_of(type);
  PONDER_CHECK(info.can_read && n >= 0 && n % info.block_weights == 0, "cannot read ", n, " weights of ", info.name);
  const auto* from = static_cast<const uint8_t*>(blocks);
  bool is_fine = true;
  for (int64_t first = 0; first < n; first += kAtOnce) {
    const int64_t count = std::min(kAtOnce, n - first);
    const uint8_t* piece = from + first / info.block_weights * info.block_bytes;
    has_avx2() ? dequantize_avx2(type, piece, weights + first, count)
               : dequantize_body(type, piece, weights + first, count);
    is_fine &= is_finite(weights + first, count);
  }
  return is_fine;
}

bool quantize(GgmlType type, const float* weights, void* blocks, int64_t n) {
  const GgmlTypeInfo& info = info_of(type);
  PONDER_CHECK(info.can_write && n >= 0 && n % info.block_weights == 0, "cannot write ", n, " weights as ", info.name);
  auto* to = static_cast<uint8_t*>(blocks);
  return has_avx2() ? quantize_avx2(type, weights, to, n) : quantize_body(type, weights, to, n);
}

bool is_finite(const float* values, int64_t n) {
  return has_avx2() ? is_finite_avx2(values, n) : is_finite_body(values, n);
}

bool copy_bf16(const void* from, void* to, int64_t n) {
  const auto* bytes = static_cast<const uint8_t*>(from);
  auto* out = static_cast<uint8_t*>(to);
  return has_avx2() ? copy_bf16_avx2(bytes, out, n) : copy_bf16_body(bytes, out, n);
}

float f16_to_f32(uint16_t bits) {
  const uint32_t shifted = (bits & 0x7FFFu) << 13, sign = (bits & 0x8000u) << 16, exponent = shifted & 0x0F800000;
  uint32_t magnitude = shifted + (112u << 23);
  if (exponent == 0)
    magnitude =
        std::bit_cast<uint32_t>(std::bit_cast<float>(shifted + (113u << 23)) - std::bit_cast<float>(113u << 23));
  if (exponent == 0x0F800000) magnitude = shifted | 0x7F800000;
  return std::bit_cast<float>(magnitude | sign);
}

uint16_t f32_to_f16(float value) { return static_cast<uint16_t>(narrow_f16(splat(value))[0]); }

float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t f32_to_bf16(float value) { return static_cast<uint16_t>(narrow_bf16(splat(value))[0]); }

}  // namespace ponder::store
