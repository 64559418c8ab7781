#include "ponder/base/rng.h"

#include <cmath>
#include <numbers>

#include "ponder/base/error.h"

namespace ponder::base {
namespace {

// The finalizer of splitmix64 (Steele, Lea, Flood 2014): a bijection in which every input bit reaches every output bit.
uint64_t mix64(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

// The third counter word keeps the kinds of draw under one key apart.
enum Domain : uint32_t { kStream = 0, kPosition = 1 };

std::array<uint32_t, 4> block_at(RngKey key, uint64_t counter, Domain domain) {
  return philox4x32({static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), domain, 0},
                    {static_cast<uint32_t>(key.value), static_cast<uint32_t>(key.value >> 32)});
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
    k[0] += 0x9E3779B9u;
    k[1] += 0xBB67AE85u;
  }
  return c;
}

// For a fixed parent both are injective in the child, and a number never meets a name but by a 64-bit chance.
RngKey RngKey::child(uint64_t index) const { return RngKey(mix64(mix64(value) + mix64(index))); }
RngKey RngKey::child(std::string_view name) const { return RngKey(mix64(mix64(~value) + hash64(name))); }

float uniform_at(RngKey key, uint64_t position) {
  return static_cast<float>(block_at(key, position, kPosition)[0] >> 8) * 0x1p-24f;
}

uint32_t Rng::next() {
  if (left_ == 0) {
    block_ = block_at(key_, counter_++, kStream);
    left_ = 4;
  }
  return block_[4 - left_--];
}

double Rng::uniform() {
  const uint64_t high = next() >> 5, low = next() >> 6;  // 27 + 26 bits
  return static_cast<double>(high << 26 | low) * 0x1p-53;
}

int64_t Rng::below(int64_t n) {
  PONDER_CHECK(n >= 1, "below(n) needs n >= 1, got ", n);
  const auto range = static_cast<uint64_t>(n);
  if (range > UINT32_MAX) {
    const uint64_t refused = -range % range;  // 2^64 mod n: the values below it would make some results likelier
    for (;;) {
      const uint64_t high = next(), bits = high << 32 | next();
      if (bits >= refused) return static_cast<int64_t>(bits % range);
    }
  }
  // Lemire 2019, "Fast random integer generation in an interval".
  uint64_t product = uint64_t{next()} * range;
  if (static_cast<uint32_t>(product) < range) {
    const auto refused = static_cast<uint32_t>((uint64_t{1} << 32) % range);
    while (static_cast<uint32_t>(product) < refused) product = uint64_t{next()} * range;
  }
  return static_cast<int64_t>(product >> 32);
}

double Rng::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 − u is in (0, 1]: no log of zero
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

size_t Rng::weighted(const std::vector<double>& weights) {
  double sum = 0;
  for (double w : weights) {
    PONDER_CHECK(w >= 0 && std::isfinite(w), "a weight must be finite and not negative, got ", w);
    sum += w;
  }
  PONDER_CHECK(sum > 0 && std::isfinite(sum), "the weights must have a finite sum above 0");
  double left = uniform() * sum;
  size_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] == 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) return i;
  }
  return last;  // rounding may leave a crumb behind the last weight
}

uint64_t hash64(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325u;
  for (char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3u;
  return mix64(hash);  // FNV-1a alone hardly moves its high bits on short texts
}

std::string hex64(uint64_t value) {
  std::string text(16, '0');
  for (size_t i = 16; i-- > 0; value >>= 4) text[i] = "0123456789abcdef"[value & 15];
  return text;
}

}  // namespace ponder::base
