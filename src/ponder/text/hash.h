// The hash of short byte strings behind the tables of a tokenizer: tokens, words.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ponder::text {

inline uint64_t hash_mix(uint64_t a, uint64_t b) {
  const __uint128_t product = static_cast<__uint128_t>(a ^ 0x9E3779B97F4A7C15u) * (b ^ 0xC2B2AE3D27D4EB4Fu);
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline uint64_t hash_bytes(std::string_view bytes) {
  const char* s = bytes.data();
  size_t n = bytes.size();
  uint64_t hash = n, word;
  for (; n >= 8; s += 8, n -= 8) {
    std::memcpy(&word, s, 8);
    hash = hash_mix(hash, word);
  }
  word = 0;
  std::memcpy(&word, s, n);
  return hash_mix(hash, word);
}

}  // namespace ponder::text
