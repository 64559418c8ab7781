// A Hugging Face tokenizer as GGUF's metadata, by llama.cpp's conventions. For gguf_export.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/store/gguf_write.h"

namespace ponder::store {

// The special tokens that the model's configuration names; −1 = none.
struct ModelTokens {
  int64_t bos = -1, pad = -1;
  std::vector<int64_t> ends = {};  // each ends a completion
};

// The files of a Hugging Face directory that say how text becomes tokens; null where there is none.
struct TokenizerFiles {
  std::string directory;                                            // for messages
  base::Json tokenizer;                                             // tokenizer.json
  base::Json config;                                                // tokenizer_config.json
  ModelTokens model;                                                // for what the two do not say
  std::vector<std::pair<std::string, std::string>> chat_templates;  // name and text of those in files of their own
};

// Adds the tokenizer.* keys: byte-pair vocabularies over bytes ("gpt2", with the name of their pre-tokenizer) or over
// characters with byte fallback ("llama", with scores in the order of the merges), special ids, the chat template.
// Without a tokenizer.json, or with one of whole words, the model is "none" and takes token ids alone. End tokens that
// have neither a name that is known (gguf_end_tokens.h) nor one of the three keys are left out with a warning.
// Error(kInput) for what GGUF has no word for: another pre-tokenizer, normalizer or model, more than one token around a
// text, added tokens that take the spaces beside them.
void add_tokenizer(const TokenizerFiles& files, int64_t vocab, GgufPairs& pairs);

}  // namespace ponder::store
