// The vocabulary inside a GGUF file to a tokenizer. Who reads the file fills GgufVocabulary from its tokenizer.ggml.*
// keys.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ponder/text/tokenizer.h"

namespace ponder::text {

struct GgufVocabulary {
  std::string model;                // "llama" (SentencePiece BPE) or "gpt2" (byte-level BPE)
  std::string pre;                  // gpt2: how a text is cut into words; "" = "default"
  std::vector<std::string> tokens;  // by id
  std::vector<float> scores;        // llama: the best of all pairs is merged first
  std::vector<int32_t> types;       // 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte; [] = all 1
  std::vector<std::string> merges;  // gpt2: "left right", in the order of ranks
  int64_t bos = -1, eos = -1, unk = -1, pad = -1;
  std::optional<bool> add_bos, add_eos;  // default: llama and llama-bpe begin with bos, nothing ends with eos
  std::optional<bool> add_space_prefix;  // llama: default true
  int32_t type(size_t id) const { return types.empty() ? 1 : types[id]; }
};

// Error(kInput) names the key, and a `pre` that is not known: a wrong one would give wrong ids in silence.
//
// Control tokens are the special ones (Gemma's <unusedN> too, which its tokenizer.json does not call special).
// User-defined tokens are found in every text, as it is. Ids are those of the
// tokenizer.json that the model was published with, so qwen2 composes characters (NFC) though llama.cpp does not. Of
// several pairs with the same score the leftmost is merged, as SentencePiece does.
std::unique_ptr<Tokenizer> make_gguf_tokenizer(const GgufVocabulary& vocabulary, const std::string& where);

}  // namespace ponder::text
