// A byte-pair tokenizer put together from its parts: what tokenizer.json and GGUF vocabularies of Llama, Mistral, Qwen,
// Gemma, GPT-2 and others describe. Made by read_tokenizer_json and make_gguf_tokenizer.
#pragma once
#include <memory>
#include <mutex>
#include <unordered_map>

#include "ponder/text/added_tokens.h"
#include "ponder/text/bpe.h"
#include "ponder/text/decoder.h"
#include "ponder/text/normalizer.h"
#include "ponder/text/pre_tokenizer.h"
#include "ponder/text/tokenizer.h"

namespace ponder::text {

struct BpeTokenizerParts {
  Bpe model;
  // Byte-level vocabularies: tokens with characters outside of the byte alphabet, which no text can reach.
  Vocabulary unreachable;
  std::vector<AddedToken> added;
  std::unique_ptr<Normalizer> normalizer;  // null: none
  PreTokenizers pre_tokenizers;
  DecodePlan decoder;
  core::Tokens before, after;  // with add_special
  SpecialIds special_ids;
};

class BpeTokenizer : public Tokenizer {
 public:
  explicit BpeTokenizer(BpeTokenizerParts parts);

  core::Tokens encode(std::string_view text, const EncodeOptions& options = {}) const override;
  Encoding encode_with_ranges(std::string_view text, const EncodeOptions& options = {}) const override;
  std::string decode(core::TokenSpan ids, bool skip_special = false) const override;
  std::string decode_text(core::TokenSpan ids, bool skip_special = false) const override;
  std::string token_bytes(core::Token id, bool is_first = false) const override;
  size_t leading_spaces_dropped() const override { return parts_.decoder.spaces_dropped; }
  std::optional<core::Token> find(std::string_view token) const override;
  size_t size() const override { return decoded_.size(); }
  bool has(core::Token id) const override { return entry_of(id) != nullptr; }
  bool is_special(core::Token id) const override;

 private:
  struct Scratch {
    BpeScratch bpe;
    std::vector<BpeScratch::Symbol> symbols;
    std::vector<Piece> raw, pieces, spare;
  };
  // What an id decodes to.
  struct Decoded {
    uint32_t begin = 0, length = 0;  // in decoded_bytes_
    bool present = false, special = false, is_byte = false;
  };
  std::string_view spelling(core::Token id) const;
  void add_decoded();
  const Decoded* entry_of(core::Token id) const;
  std::string_view bytes_of(const Decoded& entry) const {
    return std::string_view(decoded_bytes_).substr(entry.begin, entry.length);
  }
  void encode_into(std::string_view text, const EncodeOptions& options, core::Tokens& ids,
                   std::vector<ByteRange>* ranges) const;
  void encode_piece(const Piece& piece, bool parse_special, PieceArena& arena, Scratch& scratch, core::Tokens& ids,
                    std::vector<ByteRange>* ranges) const;
  std::string joined(core::TokenSpan ids, bool skip_special, bool replace_broken_bytes) const;
  std::unique_ptr<Scratch> take_scratch() const;
  void give_back(std::unique_ptr<Scratch> scratch) const;

  BpeTokenizerParts parts_;
  AddedTokenFinder raw_finder_, normalized_finder_;  // in the text as it is; in the normalized text
  std::unordered_map<std::string, core::Token> added_ids_;
  std::string decoded_bytes_;
  std::vector<Decoded> decoded_;
  mutable std::mutex mutex_;  // guards idle_
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace ponder::text
