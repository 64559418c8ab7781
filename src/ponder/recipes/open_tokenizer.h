// The tokenizer of a MODEL, without its weights: of a directory with a tokenizer.json, of a run's newest policy, of a
// GGUF file. Used by commands and open_model.
#pragma once
#include <memory>
#include <string>

#include "ponder/store/gguf.h"
#include "ponder/text/gguf_vocabulary.h"

namespace ponder::recipes {

// Error(kInput) says what is missing or wrong, and in which file.
std::shared_ptr<const text::Tokenizer> open_tokenizer(const std::string& model);

// The tokenizer.ggml keys of a GGUF file.
text::GgufVocabulary gguf_vocabulary(const store::GgufMetadata& metadata);

}  // namespace ponder::recipes
