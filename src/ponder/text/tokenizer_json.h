// Hugging Face's tokenizer.json to a tokenizer. Used by open_tokenizer; the ids are those of the reference (the
// tokenizers library), both ways.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "ponder/text/tokenizer.h"

namespace ponder::text {

// `config_json` is tokenizer_config.json, which names the begin, end, padding and unknown token; "" = there is none.
// Error(kInput) names the key that is wrong or not supported. Each id comes from the file; truncation and padding are
// not applied.
std::unique_ptr<Tokenizer> read_tokenizer_json(std::string_view tokenizer_json, const std::string& where,
                                               std::string_view config_json = "", const std::string& config_where = "");

}  // namespace ponder::text
