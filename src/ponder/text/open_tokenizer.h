// The tokenizer of a Hugging Face directory, with or without weights beside it. Used by commands.
#pragma once
#include <memory>
#include <string>

#include "ponder/text/tokenizer.h"

namespace ponder::text {

// Reads tokenizer.json, and tokenizer_config.json when there is one. Error(kInput) names the file that is missing or
// what is wrong in it.
std::unique_ptr<Tokenizer> open_tokenizer(const std::string& directory);

}  // namespace ponder::text
