#include "ponder/text/same_ids.h"

#include <algorithm>

#include "ponder/base/cat.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

constexpr std::string_view kTexts[] = {
    "", " ", "  ", "\n", " \n \n\n", "\t\t x", "Hello World", " Hello  WORLD   again    ", "it's IT'S we'LL I'm",
    // e with an accent of its own and in one character; a ligature; a letter of another width; a sign of three accents
    "e\xCC\x81 \xC3\xA9 \xEF\xAC\x81 \xEF\xBC\xA1 \xE1\xBA\xA5n \xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB",
    "1 12 123 1234 12345 3.14159 1,000,000 2024-01-31", "a\r\nb\rc\n\n\nd", "foo(bar)[0]->baz != {x: \"y\"}; // done",
    "\xE4\xBD\xA0\xE5\xA5\xBD \xD0\x9F\xD1\x80\xD0\xB8\xD0\xB2\xD0\xB5\xD1\x82 "
    "\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7",
    "\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9 \xF0\x9F\x87\xA9\xF0\x9F\x87\xAA\xEF\xB8\x8F "
    "\xE2\x80\x8B\xC2\xA0\xE3\x80\x80.",
    "\xE2\x96\x81 \xE2\x96\x81x", "bad \xFF\xC3 end", "<s></s><unk><0x41> [INST] ### ...!!!???", "the the the"};

}  // namespace

std::optional<TokenDifference> find_difference(const Tokenizer& tokenizer, const Tokenizer& other) {
  const auto differ = [&](std::string text, const EncodeOptions& options) -> std::optional<TokenDifference> {
    core::Tokens ids = tokenizer.encode(text, options), others = other.encode(text, options);
    if (ids == others) return std::nullopt;
    return TokenDifference{std::move(text), std::move(ids), std::move(others)};
  };
  for (const std::string_view text : kTexts) {
    for (const bool add_special : {false, true})
      if (auto found = differ(std::string(text), {.add_special = add_special, .parse_special = true})) return found;
    const core::Tokens ids = tokenizer.encode(text);
    if (tokenizer.decode(ids) != other.decode(ids)) return TokenDifference{std::string(text), ids, ids};
  }
  const EncodeOptions bare{.add_special = false, .parse_special = true};
  const size_t size = std::min(tokenizer.size(), other.size());
  for (size_t i = 0; i < size; ++i) {
    const auto id = static_cast<core::Token>(i);
    if (!tokenizer.has(id)) continue;
    const std::string text = tokenizer.token_bytes(id);
    if (!other.has(id) || other.token_bytes(id) != text) return TokenDifference{text, {id}, {}};
    if (valid_utf8_prefix(text) != text.size()) continue;  // part of a character; no text has it
    if (auto found = differ(text, bare)) return found;
    if (auto found = differ(base::cat("a  ", text, "  b"), bare)) return found;
  }
  return std::nullopt;
}

}  // namespace ponder::text
