#include "ponder/text/tokenizer.h"

#include "ponder/text/unicode.h"

namespace ponder::text {

std::string StreamDecoder::push(core::Token id) {
  if (skip_special_ && tokenizer_.is_special(id)) return "";
  const std::string bytes = tokenizer_.token_bytes(id, is_first_);
  is_first_ = is_first_ && !tokenizer_.has(id);
  size_t dropped = 0;
  while (spaces_to_drop_ > 0 && dropped < bytes.size()) {
    if (bytes[dropped] != ' ')
      spaces_to_drop_ = 0;
    else
      ++dropped, --spaces_to_drop_;
  }
  pending_.append(bytes, dropped);
  return take(false);
}

std::string StreamDecoder::finish() { return take(true); }

std::string StreamDecoder::take(bool at_end) {
  std::string out;
  std::string_view left = pending_;
  while (!left.empty()) {
    const size_t n = valid_utf8_prefix(left);
    out += left.substr(0, n);
    left.remove_prefix(n);
    if (left.empty() || (!at_end && is_partial_utf8(left))) break;
    out += kReplacement;
    left.remove_prefix(invalid_utf8_length(left));
  }
  pending_ = left;
  return out;
}

}  // namespace ponder::text
