// A safetensors file of any bytes is an Error or a table that covers its data; an index of any bytes is an Error or
// names that stay in their directory.
#include <cstdint>
#include <string_view>

#include "ponder/base/error.h"
#include "ponder/store/safetensors.h"
#include "ponder/store/shards.h"

using namespace ponder::store;

namespace {

template <class Body>
void expect_input_errors(Body body) {
  try {
    body();
  } catch (const ponder::Error& e) {
    if (e.code() != ponder::ErrorCode::kInput) __builtin_trap();
  }
}

void read_file(std::string_view bytes) {
  const SafetensorsLayout layout = read_safetensors_layout(bytes, "input");
  int64_t end = 0;
  for (const TensorEntry& entry : layout.entries) {
    if (entry.offset != end || entry.bytes < 0) __builtin_trap();
    end += entry.bytes;
  }
  if (end != static_cast<int64_t>(layout.data.size())) __builtin_trap();
}

void read_index(std::string_view bytes) {
  for (const auto& [tensor, file] : read_weight_map(bytes, "input"))
    if (file.find('/') != std::string::npos || file[0] == '.') __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  if (!bytes.empty() && bytes[0] == '{')  // an index; a safetensors file with this first byte would be cut off
    expect_input_errors([&] { read_index(bytes); });
  else
    expect_input_errors([&] { read_file(bytes); });
  return 0;
}
