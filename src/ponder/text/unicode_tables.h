// The tables behind text/unicode.h and text/normalization.h; unicode_tables.cc is made by
// scripts/make_unicode_tables.py.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ponder::text {

struct Decomposition {
  char32_t from;
  uint16_t begin, length;  // in kDecomposed
};
struct Composition {
  char32_t first, second, to;
};

extern const uint32_t kCategoryRuns[], kCombiningRuns[];
extern const char32_t kDecomposed[];
extern const Decomposition kCanonical[];   // NFD; sorted by code point, without Hangul
extern const Decomposition kCompatible[];  // NFKD where it is not the same as NFD
extern const Composition kCompositions[];  // without Hangul
extern const size_t kCategoryRunsSize, kCombiningRunsSize, kDecomposedSize, kCanonicalSize, kCompatibleSize,
    kCompositionsSize;

}  // namespace ponder::text
