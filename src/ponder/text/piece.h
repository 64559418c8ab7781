// A text on its way to tokens: a list of pieces that normalizers rewrite and pre-tokenizers cut. Used by the parts of
// BpeTokenizer.
#pragma once
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/text/tokenizer.h"

namespace ponder::text {

struct Piece {
  std::string_view text;               // valid UTF-8
  const ByteRange* origins = nullptr;  // of each byte of text; null: byte i is byte offset + i of the original
  size_t offset = 0;                   // in the original, of the first byte
  core::Token token = -1;              // ≥ 0: this piece is that token already

  Piece cut(size_t begin, size_t end) const {
    Piece part = *this;
    part.text = text.substr(begin, end - begin);
    if (origins) part.origins += begin;
    if (begin > 0)
      part.offset = !origins ? offset + begin : begin < text.size() ? origins[begin].begin : origins[begin - 1].end;
    return part;
  }
  ByteRange origin(size_t begin, size_t end) const {  // of the bytes [begin, end) of text, begin < end
    return origins ? ByteRange{origins[begin].begin, origins[end - 1].end} : ByteRange{offset + begin, offset + end};
  }
};

// Owns what normalizers wrote, for as long as the pieces are used.
struct PieceArena {
  bool track_origins = false;
  std::deque<std::string> texts;
  std::deque<std::vector<ByteRange>> origins;
};

// Writes a piece anew, keeping track of where each byte came from if the arena wants it.
class PieceWriter {
 public:
  PieceWriter(const Piece& from, PieceArena& arena) : from_(from), arena_(arena) {
    text_.reserve(from.text.size() + 16);
  }
  void keep(size_t begin, size_t end);                         // bytes of the old text as they are
  void put(std::string_view bytes, size_t begin, size_t end);  // bytes that stand for [begin, end) of the old text
  bool changed() const { return changed_; }
  Piece finish();

 private:
  const Piece& from_;
  PieceArena& arena_;
  std::string text_;
  std::vector<ByteRange> origins_;
  bool changed_ = false;
};

}  // namespace ponder::text
