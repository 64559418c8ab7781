// Whether two tokenizers are the same to whoever uses them. For conversions: the tokenizer that is written is held
// against the one that it was made from.
#pragma once
#include <optional>
#include <string>

#include "ponder/text/tokenizer.h"

namespace ponder::text {

struct TokenDifference {
  std::string text;
  core::Tokens ids, other;  // of the text, by the one tokenizer and by the other
};

// Encodes the text of every token that both have, alone and within a line, and texts in which tokenizers are known to
// differ (accents, case, runs of spaces, digits, line ends, invalid UTF-8), with and without what is put around a text.
// The first that the two cut differently, or whose ids stand for other bytes; nothing is a proof only as far as these
// texts go. Takes some seconds for 250,000 tokens.
std::optional<TokenDifference> find_difference(const Tokenizer& tokenizer, const Tokenizer& other);

}  // namespace ponder::text
