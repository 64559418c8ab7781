// A GGUF file of any bytes is an Error or a table whose every value and tensor can be read.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/store/gguf.h"

using namespace ponder::store;

namespace {

void read_value(const GgufMetadata& metadata, std::string_view key, const GgufValue& value) {
  switch (value.is_list() ? value.item : value.type) {
    case GgufType::kString:
      value.is_list() ? (void)metadata.strings_at(key) : (void)metadata.string_at(key);
      break;
    case GgufType::kBool:
      value.is_list() ? (void)metadata.bools_at(key) : (void)metadata.bool_at(key);
      break;
    case GgufType::kF32:
      value.is_list() ? (void)metadata.floats_at(key) : (void)metadata.double_at(key);
      break;
    case GgufType::kF64:
    case GgufType::kList:
      break;
    default:
      value.is_list() ? (void)metadata.ints_at(key) : (void)metadata.int_at(key);
  }
}

void read_tensor(const GgufLayout& layout, const GgufTensor& tensor) {
  const std::string_view bytes = layout.data.substr(tensor.offset, tensor.bytes);
  if (static_cast<int64_t>(bytes.size()) != tensor.bytes) __builtin_trap();
  if (!tensor.type->can_read) return;
  constexpr int64_t kMost = 4096;  // the rest is more of the same
  std::vector<float> weights(std::min(tensor.weights, kMost));
  dequantize(tensor.type->type, bytes.data(), weights.data(), static_cast<int64_t>(weights.size()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const GgufLayout layout = read_gguf_layout({reinterpret_cast<const char*>(data), size}, "input");
    for (const auto& [key, value] : layout.metadata.entries()) {
      try {
        read_value(layout.metadata, key, value);
      } catch (const ponder::Error& e) {
        if (e.code() != ponder::ErrorCode::kInput) __builtin_trap();
      }
    }
    for (const GgufTensor& tensor : layout.tensors) read_tensor(layout, tensor);
  } catch (const ponder::Error& e) {
    if (e.code() != ponder::ErrorCode::kInput) __builtin_trap();
  }
  return 0;
}
