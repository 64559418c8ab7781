// What a GGUF file's metadata says of the decoder: read as the config.json that it stands for, and written. Both ways
// stand side by side, so that nothing is written which is not read back. Plain C++, for gguf.cc and the fuzz targets.
//
// The meaning is llama.cpp's: what stands there for a family is llama.cpp's code (its load_hparams and build_graph).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/model/config.h"
#include "ponder/store/gguf_export.h"

namespace ponder::model {

// What of a file bears on its configuration.
struct GgufHeader {
  const store::GgufMetadata& metadata;
  int64_t vocab = 0;                 // rows of token_embd.weight
  bool tied = false;                 // there is no output.weight
  std::vector<float> rope_divisors;  // rope_freqs.weight; empty = none
};

// config.json. Error(kInput) names the key or tensor that the decoder does not compute.
base::Json gguf_config_json(const GgufHeader& header);

// The file's keys for this decoder. Error(kInput, …, where) names the key of config.json that such a file cannot say,
// because llama.cpp has no word for it in the architecture.
store::GgufModel gguf_model(const DecoderConfig& config, const std::string& where);

}  // namespace ponder::model
