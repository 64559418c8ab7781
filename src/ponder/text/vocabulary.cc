#include "ponder/text/vocabulary.h"

#include <bit>

#include "ponder/base/error.h"
#include "ponder/text/hash.h"

namespace ponder::text {

void Vocabulary::reserve(size_t tokens) {
  spans_.reserve(tokens);
  grow(std::bit_ceil(2 * tokens + 16));
}

void Vocabulary::grow(size_t slots) {
  slots_.assign(slots, kNone);
  for (size_t id = 0; id < spans_.size(); ++id) {
    if (!spans_[id].present) continue;
    size_t at = hash_bytes(bytes(static_cast<core::Token>(id))) & (slots - 1);
    while (slots_[at] != kNone) at = (at + 1) & (slots - 1);
    slots_[at] = static_cast<core::Token>(id);
  }
}

bool Vocabulary::add(std::string_view bytes, core::Token id) {
  PONDER_CHECK(id >= 0, "a token's id must not be negative");
  if (has(id) || find(bytes) != kNone) return false;
  if (arena_.size() + bytes.size() > UINT32_MAX) throw Error(ErrorCode::kInput, "the tokens take more than 4 GiB");
  if (2 * (count_ + 1) > slots_.size()) grow(std::max<size_t>(16, 2 * slots_.size()));
  if (static_cast<size_t>(id) >= spans_.size()) spans_.resize(static_cast<size_t>(id) + 1);
  spans_[id] = {static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(bytes.size()), true};
  arena_ += bytes;
  ++count_;
  size_t at = hash_bytes(bytes) & (slots_.size() - 1);
  while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = id;
  return true;
}

core::Token Vocabulary::find(std::string_view wanted) const {
  if (slots_.empty()) return kNone;
  for (size_t at = hash_bytes(wanted) & (slots_.size() - 1); slots_[at] != kNone; at = (at + 1) & (slots_.size() - 1))
    if (bytes(slots_[at]) == wanted) return slots_[at];
  return kNone;
}

std::string_view Vocabulary::bytes(core::Token id) const {
  if (!has(id)) return {};
  return std::string_view(arena_).substr(spans_[id].begin, spans_[id].length);
}

}  // namespace ponder::text
