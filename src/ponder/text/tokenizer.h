// What every tokenizer can do: text to ids, ids to bytes. Used by prompts, chat templates and commands; open_tokenizer
// (text/open_tokenizer.h) makes one from a model's files.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/core/token.h"

namespace ponder::text {

struct EncodeOptions {
  bool add_special = true;  // what the model wants around a text: <s> before it, …
  // "<|im_end|>" within the text becomes that token; false: it is text like any other. Added tokens that their file
  // does not call special (Gemma's "\n\n", Qwen's "<think>") are found either way, as in the reference.
  bool parse_special = false;
};

// Bytes [begin, end) of the text that was encoded.
struct ByteRange {
  size_t begin = 0, end = 0;
  bool operator==(const ByteRange&) const = default;
};

struct Encoding {
  core::Tokens ids;
  std::vector<ByteRange> ranges;  // one an id; empty ranges for tokens that were added
};

// Ids with a role; −1: the tokenizer has none.
struct SpecialIds {
  core::Token bos = -1, eos = -1, pad = -1, unk = -1;
};

// Thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Text that is not valid UTF-8 is read as if U+FFFD stood for each maximal invalid part.
  virtual core::Tokens encode(std::string_view text, const EncodeOptions& options = {}) const = 0;
  // With the bytes of `text` that each id stands for. Where normalisation joined or moved characters, the range covers
  // all that the id came from; ids that share a character share its bytes.
  virtual Encoding encode_with_ranges(std::string_view text, const EncodeOptions& options = {}) const = 0;

  // The bytes that the tokens stand for, which need not be whole UTF-8 sequences. An id that the vocabulary does not
  // have (models are often wider than their tokenizer) stands for nothing.
  virtual std::string decode(core::TokenSpan ids, bool skip_special = false) const = 0;
  // Valid UTF-8 for people, with U+FFFD where the reference writes it.
  virtual std::string decode_text(core::TokenSpan ids, bool skip_special = false) const = 0;
  // What one token adds to a text, as its first or a later token.
  virtual std::string token_bytes(core::Token id, bool is_first = false) const = 0;
  // How many spaces decode() takes from the start of a text: SentencePiece's models put one there.
  virtual size_t leading_spaces_dropped() const { return 0; }

  // The id of an added token or of a token as the vocabulary spells it ("<|im_end|>", "Ġthe").
  virtual std::optional<core::Token> find(std::string_view token) const = 0;
  virtual size_t size() const = 0;             // the largest id + 1
  virtual bool has(core::Token id) const = 0;  // ids may have gaps
  virtual bool is_special(core::Token id) const = 0;
  const SpecialIds& special_ids() const { return special_ids_; }

 protected:
  Tokenizer() = default;
  Tokenizer(const Tokenizer&) = default;
  Tokenizer(Tokenizer&&) = default;
  Tokenizer& operator=(const Tokenizer&) = default;
  Tokenizer& operator=(Tokenizer&&) = default;
  SpecialIds special_ids_;
};

// Decodes tokens one by one and gives out whole UTF-8 sequences only, so that every piece can be shown at once. All
// pieces and finish() together are replace_invalid_utf8(decode(ids)).
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = false)
      : tokenizer_(tokenizer), skip_special_(skip_special), spaces_to_drop_(tokenizer.leading_spaces_dropped()) {}
  std::string push(core::Token id);
  std::string finish();  // what is left, with U+FFFD for a sequence that was not completed

 private:
  std::string take(bool at_end);

  const Tokenizer& tokenizer_;
  bool skip_special_;
  size_t spaces_to_drop_;
  bool is_first_ = true;
  std::string pending_;
};

}  // namespace ponder::text
