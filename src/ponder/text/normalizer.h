// The normalizers of tokenizer.json: what happens to a text before it is cut. Used by BpeTokenizer.
#pragma once
#include <memory>

#include "ponder/text/json_part.h"
#include "ponder/text/piece.h"

namespace ponder::text {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual Piece apply(const Piece& piece, PieceArena& arena) const = 0;
};

// Null for null. Error(kInput) names a kind that is not supported.
std::unique_ptr<Normalizer> read_normalizer(const JsonPart& part);

// For vocabularies without a tokenizer.json (GGUF).
std::unique_ptr<Normalizer> make_spaces_to_marks(bool mark_at_start);
std::unique_ptr<Normalizer> make_nfc();

}  // namespace ponder::text
