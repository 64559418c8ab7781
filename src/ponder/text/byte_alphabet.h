// The printable characters that byte-level vocabularies spell bytes with (GPT-2's bytes_to_unicode): "Ġ" is a space.
#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace ponder::text {

// The bytes that a token of a byte-level vocabulary spells; nothing when a character is none of the alphabet.
std::optional<std::string> spelled_bytes(std::string_view token);
std::string spell_bytes(std::string_view bytes);

}  // namespace ponder::text
