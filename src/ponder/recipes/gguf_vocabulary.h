// The vocabulary of a GGUF file as text reads it: neither text nor store knows the other. Used by open_tokenizer, start
// and the fuzz targets, so plain C++.
#pragma once
#include "ponder/store/gguf.h"
#include "ponder/text/gguf_vocabulary.h"

namespace ponder::recipes {

// The tokenizer.ggml keys of a GGUF file. Error(kInput) names the key that is missing or of another type.
text::GgufVocabulary gguf_vocabulary(const store::GgufMetadata& metadata);

}  // namespace ponder::recipes
