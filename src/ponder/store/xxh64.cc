#include "ponder/store/xxh64.h"

#include <bit>
#include <cstring>

#include "ponder/base/file.h"
#include "ponder/base/rng.h"

namespace ponder::store {
namespace {

static_assert(std::endian::native == std::endian::little, "the specification reads little-endian words");

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87, kPrime2 = 0xC2B2AE3D27D4EB4F, kPrime3 = 0x165667B19E3779F9,
                   kPrime4 = 0x85EBCA77C2B2AE63, kPrime5 = 0x27D4EB2F165667C5;

template <class Word>
uint64_t take(const char*& at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  at += sizeof word;
  return word;
}

uint64_t round(uint64_t lane, uint64_t input) { return std::rotl(lane + input * kPrime2, 31) * kPrime1; }

}  // namespace

uint64_t xxh64(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  uint64_t hash = kPrime5;
  if (bytes.size() >= 32) {
    uint64_t lanes[4] = {kPrime1 + kPrime2, kPrime2, 0, -kPrime1};
    while (end - at >= 32)
      for (uint64_t& lane : lanes) lane = round(lane, take<uint64_t>(at));
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
    for (uint64_t lane : lanes) hash = (hash ^ round(0, lane)) * kPrime1 + kPrime4;
  }
  hash += bytes.size();
  while (end - at >= 8) hash = std::rotl(hash ^ round(0, take<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  if (end - at >= 4) hash = std::rotl(hash ^ take<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
  while (at < end) hash = std::rotl(hash ^ take<uint8_t>(at) * kPrime5, 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

std::string file_hash(const std::string& path) { return base::hex64(xxh64(base::MappedFile(path).bytes())); }

}  // namespace ponder::store
