// A Hugging Face tokenizer as GGUF's metadata, by llama.cpp's conventions. For gguf_export.
#pragma once
#include <cstdint>
#include <string>

#include "ponder/base/json.h"
#include "ponder/store/gguf_write.h"

namespace ponder::store {

// The files of a Hugging Face directory that say how text becomes tokens; null where there is none.
struct TokenizerFiles {
  std::string directory;         // for messages
  base::Json tokenizer;          // tokenizer.json
  base::Json config;             // tokenizer_config.json
  base::Json model_config;       // config.json
  base::Json generation_config;  // generation_config.json
  std::string chat_template;     // chat_template.jinja, "" = none
};

// Adds the tokenizer.* keys: byte-pair vocabularies over bytes ("gpt2", with the name of their pre-tokenizer) or over
// characters with byte fallback ("llama", with scores in the order of the merges), special ids, the chat template.
// Without a tokenizer.json, or with one of whole words, the model is "none" and takes token ids alone. Error(kInput)
// for a pre-tokenizer or a model that GGUF has no name for.
void add_tokenizer(const TokenizerFiles& files, int64_t vocab, GgufPairs& pairs);

}  // namespace ponder::store
