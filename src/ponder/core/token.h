// Tokens are plain ids until the first training tensor is made.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace ponder::core {

using Token = int32_t;
using Tokens = std::vector<Token>;
using TokenSpan = std::span<const Token>;

}  // namespace ponder::core
