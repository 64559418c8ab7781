// Texts that end a completion, wherever the borders of tokens lie. Used by generate and by the codecs of problems.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "ponder/core/ports.h"
#include "ponder/text/tokenizer.h"

namespace ponder::text {

// A text is looked for in the bytes that a completion's tokens add to its prompt, in two readings: as people are shown
// it, without special tokens, and with their spelling, so that "<|im_end|>" ends it too. What one token costs is
// bounded by the longest text. Thread-safe.
class StopTexts : public core::Endings {
 public:
  static constexpr size_t kMaxBytes = 1000;  // of one text

  // Borrows the tokenizer. Error(kUsage) for a text that is empty, too long or no UTF-8.
  StopTexts(const Tokenizer& tokenizer, std::vector<std::string> texts);
  bool empty() const { return texts_.empty(); }

  bool ended(core::TokenSpan completion) const override;
  // Tokenizer::decode_text without special tokens, up to where the first of the texts begins.
  std::string text_before(core::TokenSpan completion) const;

 private:
  struct Place {
    size_t token = 0, byte = 0;  // within the bytes of that token
    auto operator<=>(const Place&) const = default;
  };
  bool is_read(core::Token id, bool with_special) const { return with_special || !tokenizer_->is_special(id); }
  bool completes(core::TokenSpan completion, bool with_special) const;
  Place first_match(core::TokenSpan completion, bool with_special) const;

  const Tokenizer* tokenizer_;
  std::vector<std::string> texts_;
  size_t longest_ = 0;
};

}  // namespace ponder::text
