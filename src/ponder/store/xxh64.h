// XXH64 (Yann Collet's xxHash specification 0.1.1, seed 0): the checksum of checkpoint files. It guards against decay
// and cut files, not against forgers; it runs near memory speed, needs no library, and `xxh64sum` gives the same
// digits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ponder::store {

uint64_t xxh64(std::string_view bytes);

}  // namespace ponder::store
