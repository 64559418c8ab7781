// XXH64 (Yann Collet's xxHash specification 0.1.1, seed 0): the checksum of checkpoint files. It guards against decay
// and cut files, not against forgers; it runs near memory speed, needs no library, and `xxh64sum` gives the same
// digits.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ponder::store {

uint64_t xxh64(std::string_view bytes);
std::string file_hash(const std::string& path);  // of a whole file, as 16 hex digits

}  // namespace ponder::store
