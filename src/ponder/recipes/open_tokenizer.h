// The tokenizer and the chat templates of a MODEL, without its weights: of a directory, of a run's newest policy, of a
// GGUF file. Used by commands, open_model and start.
#pragma once
#include <memory>
#include <string>

#include "ponder/recipes/gguf_vocabulary.h"
#include "ponder/text/chat_template.h"

namespace ponder::recipes {

// Error(kInput) says what is missing or wrong, and in which file.
std::shared_ptr<const text::Tokenizer> open_tokenizer(const std::string& model);

// Its chat templates, of which there may be none, and the special tokens that they name. The same errors.
text::ChatTemplateSource open_chat_source(const std::string& model);

// Those of the GGUF file `where` with this vocabulary: tokenizer.chat_template and the named ones.
text::ChatTemplateSource gguf_chat_source(const store::GgufMetadata& metadata, const text::GgufVocabulary& vocabulary,
                                          const std::string& where);

}  // namespace ponder::recipes
