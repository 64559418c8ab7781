// The tokens of a vocabulary as byte strings: id to bytes and back. Used by the models (text/bpe.h) and by decoding.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ponder/core/token.h"

namespace ponder::text {

class Vocabulary {
 public:
  static constexpr core::Token kNone = -1;

  void reserve(size_t tokens);
  // false: the bytes or the id are there already. Ids must be ≥ 0; the caller bounds them (see max_id_of).
  bool add(std::string_view bytes, core::Token id);
  core::Token find(std::string_view bytes) const;  // kNone
  bool has(core::Token id) const { return id >= 0 && static_cast<size_t>(id) < spans_.size() && spans_[id].present; }
  std::string_view bytes(core::Token id) const;  // "" when there is no such token
  size_t count() const { return count_; }
  size_t size() const { return spans_.size(); }  // the largest id + 1

  // The largest id that a vocabulary of so many tokens may hold: ids may have gaps, but a table is made by them.
  static int64_t max_id_of(size_t tokens) { return 4 * static_cast<int64_t>(tokens) + 65536; }

 private:
  struct Span {
    uint32_t begin = 0, length = 0;
    bool present = false;
  };
  void grow(size_t slots);

  std::string arena_;
  std::vector<Span> spans_;
  std::vector<core::Token> slots_;  // open addressing; kNone is free
  size_t count_ = 0;
};

}  // namespace ponder::text
