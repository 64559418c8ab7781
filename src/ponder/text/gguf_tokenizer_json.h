// The vocabulary inside a GGUF file as Hugging Face's files, for checkpoints and conversions that begin with one:
// transformers and read_tokenizer_json() give the ids of make_gguf_tokenizer().
#pragma once
#include <string>

#include "ponder/text/gguf_vocabulary.h"

namespace ponder::text {

// tokenizer.json. A SentencePiece vocabulary has no list of merges: it is made of all pairs of tokens that are a token
// together, in the order of its scores. Error(kInput) as make_gguf_tokenizer().
std::string gguf_tokenizer_json(const GgufVocabulary& vocabulary, const std::string& where);
// tokenizer_config.json; chat_template: "" = none.
std::string gguf_tokenizer_config(const GgufVocabulary& vocabulary, const std::string& chat_template);

}  // namespace ponder::text
