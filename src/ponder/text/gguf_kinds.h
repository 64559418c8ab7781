// What llama.cpp's names and numbers of vocabularies stand for. For gguf_vocabulary and gguf_tokenizer_json.
#pragma once
#include <string>
#include <vector>

#include "ponder/text/gguf_vocabulary.h"

namespace ponder::text {

enum GgufTokenType : int32_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

// How a byte-level vocabulary cuts a text.
struct PreKind {
  std::vector<const char*> names;
  std::vector<const char*> patterns;
  bool ignore_merges = false, nfc = false, add_bos = false;
};
// By the name in tokenizer.ggml.pre, "" = "default"; Error(kInput) lists those that are known.
const PreKind& find_pre_kind(const std::string& pre, const std::string& where);

// A token as a SentencePiece vocabulary spells it, with marks for spaces: converters write the runs of spaces among the
// user-defined tokens as spaces.
std::string spelled_token(const GgufVocabulary& vocabulary, size_t id);

// "[PAD151675]": what converters call an id that the model has and its vocabulary has not. It stands for no text.
bool is_padding(const GgufVocabulary& vocabulary, size_t id);

}  // namespace ponder::text
