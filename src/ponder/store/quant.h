// The number formats of ggml's tensors, as bytes: what a row of weights takes, blocks to f32 and f32 to blocks. Bit for
// bit what the reference computes (ggml-quants.c, and gguf-py's quants). Used by the reader and writer of GGUF files
// and by whoever takes weights from safetensors.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ponder::store {

enum class GgmlType : uint32_t {  // the numbers that stand in files
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ4K = 12,
  kQ5K = 13,
  kQ6K = 14,
  kBf16 = 30,
};

struct GgmlTypeInfo {
  GgmlType type;
  const char* name;       // "F32", "Q4_K", …
  int64_t block_weights;  // a row is whole blocks of so many weights,
  int64_t block_bytes;    // each of so many bytes
  bool can_read;          // dequantize() knows it; other types of ggml are known by name and size alone
  bool can_write;         // quantize() knows it
};
// Null for a number that ggml does not use (any more).
const GgmlTypeInfo* find_ggml_type(uint32_t number);
const GgmlTypeInfo* find_ggml_type(std::string_view name);
const GgmlTypeInfo& info_of(GgmlType type);
std::string readable_types();                    // "F32, F16, …", for messages
bool is_finite(const float* values, int64_t n);  // no NaN, no infinity
// Copies BF16's bits, which need no alignment; false when a NaN or an infinity was among them.
bool copy_bf16(const void* from, void* to, int64_t n);

// n weights, whole blocks, of a type with can_read. Blocks need no alignment. A scale that is NaN or infinite gives
// NaN or infinite weights: then, and for such weights in the file, false. Piece by piece, so that both passes find the
// weights in the cache.
bool dequantize(GgmlType type, const void* blocks, float* weights, int64_t n);

// The other way, of a type with can_write: to nearest and ties to even for F16 and BF16, ggml's rounding for Q8_0.
// False when a weight does not fit: NaN or infinite (Q8_0), or finite and beyond the type's largest (F16, Q8_0).
bool quantize(GgmlType type, const float* weights, void* blocks, int64_t n);

// Single values; conversions to 16 bits round to nearest, ties to even, NaN stays NaN.
float f16_to_f32(uint16_t bits);
uint16_t f32_to_f16(float value);
float bf16_to_f32(uint16_t bits);
uint16_t f32_to_bf16(float value);

}  // namespace ponder::store
