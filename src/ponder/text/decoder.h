// The decoders of tokenizer.json: ids back to text. Used by BpeTokenizer.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/text/json_part.h"

namespace ponder::text {

// What the chain of decoders of a file comes down to.
struct DecodePlan {
  bool byte_level = false;                                    // tokens spell bytes
  bool join_spaces = false;                                   // no decoder: tokens with spaces between them
  bool byte_fallback = false;                                 // "<0xE2>" is a byte
  std::vector<std::pair<std::string, std::string>> replaced;  // in every token, in this order
  std::string mark_dropped;   // from the first token: Metaspace's "▁" at the start of a text stands for nothing
  size_t spaces_dropped = 0;  // from the start of the text

  // The bytes that a token of the vocabulary stands for behind others; `is_byte`: it is one byte of a fallback.
  std::string bytes_of(std::string_view token, bool& is_byte) const;
};

// Error(kInput) names a decoder, or an order of decoders, that is not supported.
DecodePlan read_decoder(const JsonPart& part);

}  // namespace ponder::text
