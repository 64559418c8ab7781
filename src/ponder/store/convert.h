// Weights in another number format, file to file of one kind; the ways between the kinds are in gguf_export.h. Behind
// the command convert.
#pragma once
#include <string>

#include "ponder/store/gguf.h"

namespace ponder::store {

// A GGUF model again as one file, matrices as `type` (F32, F16, BF16 or Q8_0; rows that are no whole blocks of Q8_0 as
// F16), vectors as F32. The metadata is taken over but for what the change makes untrue.
void convert_gguf(const GgufFile& from, const std::string& path, GgmlType type);

// The weights of a Hugging Face directory as one model.safetensors in `to`, which exists; dtype is "F32", "F16" or
// "BF16". Its small files (config.json, which says the dtype, tokenizer, chat template, …) are taken over.
void convert_directory(const std::string& from, const std::string& to, const std::string& dtype);

// Whether the types alone make sure that no weight is rounded on the way. A GGUF file keeps vectors as F32.
bool keeps_weights(const GgufFile& from, const GgmlTypeInfo& to, bool as_gguf);
bool keeps_weights(const std::string& from, const GgmlTypeInfo& to, bool as_gguf);

// "F32", "F16", "BF16", "Q8_0": the format that most weights have; F32, which holds them all, where that is one that
// cannot be written.
std::string main_type(const GgufFile& file);
std::string main_type(const std::string& directory);

}  // namespace ponder::store
