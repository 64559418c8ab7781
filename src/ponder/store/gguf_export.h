// A model from a Hugging Face directory to one GGUF file and back, at the level of names and bytes: tensor by tensor,
// without a decoder. Behind the command convert.
#pragma once
#include <cstdint>
#include <string>

#include "ponder/store/gguf.h"

namespace ponder::store {

// Writes a file that llama.cpp loads: metadata from config.json, tokenizer.json, tokenizer_config.json,
// generation_config.json and chat_template.jinja; matrices as `type` (F32, F16, BF16 or Q8_0; rows that are no whole
// blocks of Q8_0 as F16), all else as F32. Error(kInput) for a family, a tensor or a setting that has no place there.
void export_gguf(const std::string& directory, const std::string& path, GgmlType type);

// The tensors of a GGUF model under their Hugging Face names as one safetensors file; dtype is "F32", "F16" or "BF16".
void export_safetensors(const GgufFile& file, const std::string& path, const std::string& dtype);

}  // namespace ponder::store
