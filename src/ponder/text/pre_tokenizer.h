// The pre-tokenizers of tokenizer.json: where a text is cut before the model sees it. Used by BpeTokenizer.
#pragma once
#include <memory>
#include <vector>

#include "ponder/text/json_part.h"
#include "ponder/text/piece.h"

namespace ponder::text {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  // Appends the parts of a piece; empty ones are left out.
  virtual void cut(const Piece& piece, PieceArena& arena, std::vector<Piece>& out) const = 0;
};

struct PreTokenizers {
  std::vector<std::unique_ptr<PreTokenizer>> steps;  // one after the other
  bool byte_level = false;                           // the model works on bytes
};

// Error(kInput) names a kind that is not supported.
PreTokenizers read_pre_tokenizer(const JsonPart& part);

// Cuts out each match of a pattern as a piece of its own, as Split does with "Isolated".
std::unique_ptr<PreTokenizer> make_split(std::string_view pattern);
extern const char* const kGpt2Pattern;

}  // namespace ponder::text
