// Rendered chats as ids, without a way back through text: what the template wrote may be special tokens, what a user
// typed is only text. Used by prompts, training data and the command chat-template.
//
// All pieces are encoded as one text, because tokens may reach over the border of two pieces. Only where the tokenizer
// found a special token that input has a part in, the stretch between the template's own special tokens around it is
// encoded anew, as a whole and with special tokens off. A chat without such a token has the ids of its text.
// Added tokens that a tokenizer does not count as special (<think> of some models) are found in input as well.
#pragma once
#include <functional>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/core/token.h"
#include "ponder/text/jinja.h"

namespace ponder::text {

struct ChatIds {
  core::Tokens ids;
  std::vector<std::pair<size_t, size_t>> ranges;  // [begin, end) bytes of the rendered text, one an id
  std::vector<bool> is_generation;                // one an id: any of it lies inside {% generation %}
};

// What this needs of a tokenizer.
struct ChatEncoder {
  // Ids and their byte ranges; parse_special: special tokens in the text become those tokens. Nothing is added.
  std::function<ChatIds(std::string_view text, bool parse_special)> encode;
  std::function<bool(core::Token)> is_special;
};

ChatIds encode_chat(const std::vector<JinjaPiece>& pieces, const ChatEncoder& encoder);

// The encoder over a text::Tokenizer, or anything else with encode_with_ranges and is_special.
template <class Tokenizer>
ChatEncoder chat_encoder(const Tokenizer& tokenizer) {
  return {[&tokenizer](std::string_view text, bool parse_special) {
            auto encoding = tokenizer.encode_with_ranges(text, {/*add_special=*/false, parse_special});
            ChatIds out;
            out.ids = std::move(encoding.ids);
            for (const auto& range : encoding.ranges) out.ranges.emplace_back(range.begin, range.end);
            return out;
          },
          [&tokenizer](core::Token id) { return tokenizer.is_special(id); }};
}

}  // namespace ponder::text
