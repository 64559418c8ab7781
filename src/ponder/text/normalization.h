// Unicode normalisation as the reference tokenizers do it: with the data of Unicode 9.0, so that newer characters stay
// as they are. Used by the normalizers of a tokenizer.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace ponder::text {

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };

// Whether normalize() would give the text back; quick, and may be wrong only by saying no. Valid UTF-8.
bool is_surely_normal(std::string_view text, NormalForm form);

// A code point of the result and the bytes [begin, end) of the text that it stands for.
struct NormalizedPoint {
  char32_t value;
  uint32_t begin, end;
};
std::vector<NormalizedPoint> normalize(std::string_view text, NormalForm form);

}  // namespace ponder::text
