// A model from a Hugging Face directory to one GGUF file and back, at the level of names and bytes: tensor by tensor,
// without a decoder. Behind the command convert.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ponder/store/gguf.h"
#include "ponder/store/gguf_tokenizer.h"
#include "ponder/store/gguf_write.h"

namespace ponder::store {

// What a file says of the decoder. Whoever knows what config.json means (model/gguf_config.h) fills it in.
struct GgufModel {
  std::string architecture = {};          // general.architecture; gguf_names.h knows its tensors
  GgufPairs pairs = {};                   // the keys that begin with "<architecture>."
  int64_t vocab = 0, head_dim = 0;        // rows of the embedding; columns of a query or key head
  bool tied = false;                      // lm_head.weight is left out
  std::vector<float> rope_divisors = {};  // [head_dim / 2] rope_freqs.weight, or empty
  ModelTokens tokens = {};
};

// Writes a file that llama.cpp loads: `model`, the vocabulary of tokenizer.json and tokenizer_config.json, the chat
// templates, and the directory's weights; matrices as `type` (F32, F16, BF16 or Q8_0; rows that are no whole
// blocks of Q8_0 as F16), all else as F32. Error(kInput) for a tensor or a tokenizer that has no place there.
// check, where there is one, sees the metadata as a reader will, before the file is begun; what it throws ends that.
using GgufCheck = std::function<void(const GgufMetadata&)>;
void export_gguf(const std::string& directory, const std::string& path, GgmlType type, const GgufModel& model,
                 const GgufCheck& check = nullptr);

// The tensors of a GGUF model under their Hugging Face names as one safetensors file; dtype is "F32", "F16" or "BF16".
void export_safetensors(const GgufFile& file, const std::string& path, const std::string& dtype);

}  // namespace ponder::store
