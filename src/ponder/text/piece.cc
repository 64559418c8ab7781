#include "ponder/text/piece.h"

namespace ponder::text {

void PieceWriter::keep(size_t begin, size_t end) {
  text_ += from_.text.substr(begin, end - begin);
  if (arena_.track_origins)
    for (size_t i = begin; i < end; ++i) origins_.push_back(from_.origin(i, i + 1));
}

void PieceWriter::put(std::string_view bytes, size_t begin, size_t end) {
  changed_ = true;
  text_ += bytes;
  if (!arena_.track_origins) return;
  ByteRange origin;
  if (begin < end) {
    origin = from_.origin(begin, end);
  } else {  // added: stands at the place of what follows, or behind the end
    const size_t at = begin < from_.text.size() ? from_.origin(begin, begin + 1).begin
                      : begin > 0               ? from_.origin(begin - 1, begin).end
                                                : from_.offset;
    origin = {at, at};
  }
  origins_.insert(origins_.end(), bytes.size(), origin);
}

Piece PieceWriter::finish() {
  Piece piece = from_;
  arena_.texts.push_back(std::move(text_));
  piece.text = arena_.texts.back();
  if (arena_.track_origins) {
    arena_.origins.push_back(std::move(origins_));
    piece.origins = arena_.origins.back().data();
  }
  return piece;
}

}  // namespace ponder::text
