#include "ponder/tensor/gemm_int8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/tensor/gemm.h"
#include "ponder/tensor/half.h"
#include "ponder/tensor/simd.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {
namespace {

using Floats = std::vector<float>;

// A weight [n,k] in blocks, with the numbers that they stand for.
struct Weight {
  int64_t n, k;
  std::vector<uint32_t> words;
  Floats values;  // [n,k]

  // Every fifth block is small, and one in seven holds nothing but 0.
  Weight(int64_t n, int64_t k, uint64_t seed) : n(n), k(k), words(static_cast<size_t>(int8_words(k, n))) {
    base::Rng rng{base::RngKey(seed)};
    pack_int8(
        [&](int64_t, int8_t* out, uint16_t* scales) {
          for (int64_t b = 0; b < blocks_of(k); ++b) {
            const auto kind = rng.below(35);
            scales[b] = kind % 7 == 0 ? uint16_t{0} : float_to_half(kind % 5 == 0 ? 1e-6f : 0.01f);
            for (int64_t i = b * kBlockDepth; i < std::min(k, (b + 1) * kBlockDepth); ++i) {
              out[i] = static_cast<int8_t>(static_cast<int64_t>(rng.below(256)) - 128);
              values.push_back(static_cast<float>(out[i]) * half_to_float(scales[b]));
            }
          }
        },
        n, k, words.data());
  }
  Floats product(const Floats& x, int64_t first, int64_t rows, const float* residual = nullptr) const {
    Floats y(static_cast<size_t>(rows * n), std::nanf(""));
    gemm(x.data() + first * k, rows, {words.data(), k, n, Compute::kInt8}, residual, y.data());
    return y;
  }
};

Floats random(int64_t n, uint64_t seed) {
  base::Rng rng{base::RngKey(seed)};
  Floats values(static_cast<size_t>(n));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

class Levels : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { simd::limit_level(GetParam()); }
  void TearDown() override { simd::limit_level(9); }
};

// The header's bound, for whole and broken blocks and panels.
TEST_P(Levels, Int8ProductsErrByNoMoreThanTheInputsRounding) {
  constexpr int64_t kRows = 7;
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{48, 64}, {5, 32}, {33, 80}, {16, 640}}) {
    const Weight w(n, k, 4);
    Floats x = random(kRows * k, 5);
    std::fill_n(x.begin(), k, 0.0f);  // a row of 0 has blocks without a scale
    const Floats y = w.product(x, 0, kRows);
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t c = 0; c < n; ++c) {
        double wanted = 0, bound = 0, size = 0;
        for (int64_t b = 0; b < k; b += kBlockDepth) {
          double largest = 0, weights = 0;
          for (int64_t i = b; i < std::min(k, b + kBlockDepth); ++i) {
            const double xi = x[static_cast<size_t>(r * k + i)], wi = w.values[static_cast<size_t>(c * k + i)];
            wanted += xi * wi, size += std::abs(xi * wi);
            largest = std::max(largest, std::abs(xi)), weights += std::abs(wi);
          }
          bound += largest / 254 * weights;
        }
        EXPECT_NEAR(y[static_cast<size_t>(r * n + c)], wanted, bound + 1e-5 * size) << n << "x" << k;
      }
  }
}

TEST_P(Levels, ARowsBitsDoNotDependOnOtherRows) {
  constexpr int64_t kRows = 11, n = 40, k = 96;
  const Weight w(n, k, 6);
  const Floats x = random(kRows * k, 7), residual = random(kRows * n, 8);
  const Floats all = w.product(x, 0, kRows, residual.data());
  for (int64_t r = 0; r < kRows; ++r) {
    const Floats alone = w.product(x, r, 1, residual.data() + r * n);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + r * n)) << r;
  }
}

TEST_P(Levels, ATeamChangesNoBit) {
  constexpr int64_t kRows = 7, n = 700, k = 320;
  const Weight w(n, k, 12);
  const Floats x = random(kRows * k, 13), residual = random(kRows * n, 14);
  const Floats alone = w.product(x, 0, kRows, residual.data());
  Team team(3);
  const TeamScope scope(&team);
  EXPECT_EQ(alone, w.product(x, 0, kRows, residual.data()));
}

INSTANTIATE_TEST_SUITE_P(GemmInt8, Levels, testing::Values(1, 9));

// Sums of integers are exact; only the sum over the blocks may round otherwise.
TEST(GemmInt8, EveryProcessorSumsTheSame) {
  const Weight w(48, 640, 9);
  const Floats x = random(3 * 640, 10), fast = w.product(x, 0, 3);
  simd::limit_level(1);
  const Floats plain = w.product(x, 0, 3);
  simd::limit_level(9);
  for (size_t i = 0; i < plain.size(); ++i) EXPECT_NEAR(fast[i], plain[i], 2e-5) << i;
}

// Numbers out of Q8_0 blocks, of which the largest is 127 times the scale, give these blocks.
TEST(GemmInt8, BlocksAreFoundAgain) {
  base::Rng rng{base::RngKey(11)};
  for (int i = 0; i < 2000; ++i) {
    int8_t values[kBlockDepth], again[kBlockDepth];
    float x[kBlockDepth];
    const auto scale = static_cast<uint16_t>(0x0400 + rng.below(0x6C00));  // a normal number
    for (int8_t& v : values) v = static_cast<int8_t>(static_cast<int64_t>(rng.below(255)) - 127);
    values[rng.below(kBlockDepth)] = 127;
    for (int64_t j = 0; j < kBlockDepth; ++j) x[j] = static_cast<float>(values[j]) * half_to_float(scale);
    uint16_t found = 0;
    to_int8(x, kBlockDepth, again, &found);
    ASSERT_EQ(found, scale);
    ASSERT_TRUE(std::equal(values, values + kBlockDepth, again));
  }
}

TEST(GemmInt8, HalvesThereAndBack) {
  for (uint32_t h = 0; h < 0x10000; ++h) {
    if ((h & 0x7FFF) > 0x7C00) continue;
    ASSERT_EQ(float_to_half(half_to_float(static_cast<uint16_t>(h))), h);
  }
  EXPECT_EQ(float_to_half(1 + 0x1p-11f), 0x3C00);  // ties go to the even one
  EXPECT_EQ(float_to_half(1 + 3 * 0x1p-11f), 0x3C02);
  EXPECT_EQ(float_to_half(65520), 0x7C00);
  EXPECT_EQ(float_to_half(0x1p-25f), 0);
}

}  // namespace
}  // namespace ponder::tensor
