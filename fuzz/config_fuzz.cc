// A config.json of any bytes, with a generation_config.json behind a NUL where there is one, is an Error or the shape
// of a decoder that can be counted, and that is the same when it has been written and read again.
#include <cmath>
#include <cstdint>
#include <string>

#include "ponder/base/error.h"
#include "ponder/model/config.h"
#include "ponder/tensor/gemm.h"

using namespace ponder::model;

// All that a configuration asks of the room tensor, which is not built here: "auto" computes in f32.
bool ponder::tensor::has_fast_bf16() { return false; }

namespace {

void want(bool holds) {
  if (!holds) __builtin_trap();
}

ponder::base::Json parse(const std::string& text, const char* where) { return ponder::base::Json::parse(text, where); }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\0');
  DecoderConfig config;
  try {
    config = from_hf_json(parse(text.substr(0, end), "config.json"), "config.json");
    if (end != std::string::npos)
      read_generation_json(parse(text.substr(end + 1), "generation_config.json"), "generation_config.json", config);
  } catch (const ponder::Error& e) {
    want(e.code() == ponder::ErrorCode::kInput);
    return 0;
  }
  want(config.parameter_count() > 0);
  want(std::isfinite(forward_flops(config, static_cast<double>(config.context))));
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    want(config.head_shape(layer).head_dim == config.head_dim);
    want(config.layer_rotary(layer).theta > 0);
  }
  for (const int64_t id : config.eos_ids) want(id >= 0 && id < config.vocab);
  want(from_hf_json(parse(to_hf_json(config).dump(), "again"), "again") == config);  // an Error ends the program, too
  return 0;
}
