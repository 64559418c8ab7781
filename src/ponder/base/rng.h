// Randomness keyed by position, never by order: the same key gives the same numbers whatever else was drawn before,
// so a sample does not depend on batch, neighbours or threads, and a run resumes in the same bits.
// Philox4x32-10, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ponder::base {

// A name in the tree of randomness: RngKey(seed).child("rl").child(step).child(problem).
struct RngKey {
  uint64_t value = 0;
  RngKey() = default;
  explicit RngKey(uint64_t seed) : value(seed) {}
  RngKey child(uint64_t index) const;
  RngKey child(std::string_view name) const;
  bool operator==(const RngKey&) const = default;
};

// One Philox4x32-10 block: 128 random bits for a 128-bit counter under a 64-bit key.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Uniform in [0, 1) with 24 bits (float) for one (key, position): what a sampler draws for one token.
float uniform_at(RngKey key, uint64_t position);

// A stream of numbers from a key.
class Rng {
 public:
  explicit Rng(RngKey key) : key_(key) {}
  uint32_t next();                         // 32 random bits
  double uniform();                        // [0, 1), 53 bits
  int64_t below(int64_t n);                // 0 … n−1 without bias; n ≥ 1
  int64_t between(int64_t lo, int64_t hi)  // lo … hi, both included
  {
    return lo + below(hi - lo + 1);
  }
  bool chance(double p) { return uniform() < p; }
  double normal();                                      // N(0, 1), Box–Muller
  size_t weighted(const std::vector<double>& weights);  // index with probability ∝ weight; weights ≥ 0, sum > 0
  template <class T>
  void shuffle(std::vector<T>& v) {
    for (size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[below(static_cast<int64_t>(i))]);
  }
  template <class T>
  const T& pick(const std::vector<T>& v) {
    return v[below(static_cast<int64_t>(v.size()))];
  }

 private:
  RngKey key_;
  uint64_t counter_ = 0;
  std::array<uint32_t, 4> block_ = {};
  int left_ = 0;
};

// Stable 64-bit hash (FNV-1a then a mixer) for canonical hashes of problems, splits and configurations.
uint64_t hash64(std::string_view bytes);
std::string hex64(uint64_t value);  // 16 lower-case digits

}  // namespace ponder::base
