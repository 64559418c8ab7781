#include "ponder/tensor/gemm_int8.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>
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
  Compute compute;
  std::vector<uint32_t> words;
  Floats values;  // [n,k]

  Weight(int64_t n, int64_t k, Compute compute, const ReadBlocks& read)
      : n(n), k(k), compute(compute), words(static_cast<size_t>(block_words(k, n, compute))) {
    const auto keep = [&](int64_t row, int8_t* out, uint16_t* scales) {
      read(row, out, scales);
      for (int64_t i = 0; i < k; ++i)
        values.push_back(static_cast<float>(out[i]) * half_to_float(scales[i / kBlockDepth]));
    };
    pack_blocks(keep, n, k, compute, words.data());
  }
  // Every fifth block is small, and one in seven holds nothing but 0.
  Weight(int64_t n, int64_t k, Compute compute, uint64_t seed)
      : Weight(n, k, compute,
               [k, compute, rng = base::Rng{base::RngKey(seed)}](int64_t, int8_t* out, uint16_t* scales) mutable {
                 const int64_t half = compute == Compute::kInt4 ? 8 : 128;
                 for (int64_t b = 0; b < blocks_of(k); ++b) {
                   const auto kind = rng.below(35);
                   scales[b] = kind % 7 == 0 ? uint16_t{0}
                                             : float_to_half(kind % 5 == 0 ? 1e-6f : 1.28f / static_cast<float>(half));
                   for (int64_t i = b * kBlockDepth; i < std::min(k, (b + 1) * kBlockDepth); ++i)
                     out[i] =
                         static_cast<int8_t>(static_cast<int64_t>(rng.below(static_cast<uint64_t>(2 * half))) - half);
                 }
               }) {}
  Floats product(const Floats& x, int64_t first, int64_t rows, const float* residual = nullptr) const {
    Floats y(static_cast<size_t>(rows * n), std::nanf(""));
    gemm(x.data() + first * k, rows, {words.data(), k, n, compute}, residual, y.data());
    return y;
  }
};

Floats random(int64_t n, uint64_t seed) {
  base::Rng rng{base::RngKey(seed)};
  Floats values(static_cast<size_t>(n));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

// With each instruction set, weights of 8 and of 4 bits.
class Levels : public testing::TestWithParam<std::tuple<int, Compute>> {
 protected:
  void SetUp() override { simd::limit_level(std::get<0>(GetParam())); }
  void TearDown() override { simd::limit_level(9); }
  static Compute compute() { return std::get<1>(GetParam()); }
};

// The header's bound, for whole and broken blocks and panels.
TEST_P(Levels, ProductsErrByNoMoreThanTheInputsRounding) {
  constexpr int64_t kRows = 7;
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{48, 64}, {5, 32}, {33, 80}, {16, 640}}) {
    const Weight w(n, k, compute(), 4);
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
  const Weight w(n, k, compute(), 6);
  const Floats x = random(kRows * k, 7), residual = random(kRows * n, 8);
  const Floats all = w.product(x, 0, kRows, residual.data());
  for (int64_t r = 0; r < kRows; ++r) {
    const Floats alone = w.product(x, r, 1, residual.data() + r * n);
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), all.begin() + r * n)) << r;
  }
}

TEST_P(Levels, ATeamChangesNoBit) {
  constexpr int64_t kRows = 7, n = 700, k = 320;
  const Weight w(n, k, compute(), 12);
  const Floats x = random(kRows * k, 13), residual = random(kRows * n, 14);
  const Floats alone = w.product(x, 0, kRows, residual.data());
  Team team(3);
  const TeamScope scope(&team);
  EXPECT_EQ(alone, w.product(x, 0, kRows, residual.data()));
}

// Inputs that are their own blocks, of scale 1, and scales of powers of 2: every sum is exact. With the largest numbers
// that there are, of either sign, nothing may overflow on the way.
TEST_P(Levels, ProductsOfIntegersAreExact) {
  constexpr int64_t kRows = 7, n = 19;
  const int half = compute() == Compute::kInt4 ? 8 : 128;
  for (const int64_t k : {int64_t{64}, int64_t{80}}) {
    base::Rng rng{base::RngKey(15)};
    const Weight w(n, k, compute(), [&](int64_t row, int8_t* out, uint16_t* scales) {
      for (int64_t b = 0; b < blocks_of(k); ++b) scales[b] = float_to_half(std::ldexp(1.0f, static_cast<int>(b) - 2));
      for (int64_t i = 0; i < k; ++i)
        out[i] = static_cast<int8_t>(row == 0   ? -half
                                     : row == 1 ? half - 1
                                                : static_cast<int>(rng.below(static_cast<uint64_t>(2 * half))) - half);
    });
    Floats x;
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t i = 0; i < k; ++i) {
        const bool largest = r < 2 || i % kBlockDepth == 0;
        x.push_back(largest ? (r % 2 == 0 ? 127.0f : -127.0f) : static_cast<float>(rng.below(255)) - 127);
      }
    const Floats y = w.product(x, 0, kRows);
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t c = 0; c < n; ++c) {
        double wanted = 0;
        for (int64_t i = 0; i < k; ++i)
          wanted += double{x[static_cast<size_t>(r * k + i)]} * double{w.values[static_cast<size_t>(c * k + i)]};
        ASSERT_EQ(y[static_cast<size_t>(r * n + c)], wanted) << r << " " << c << " of " << k;
      }
  }
}

TEST_P(Levels, EveryProcessorGivesTheSameBits) {
  constexpr int64_t kRows = 7;
  for (const auto& [n, k] : {std::pair<int64_t, int64_t>{48, 640}, {21, 80}}) {
    const Weight w(n, k, compute(), 9);
    Floats x = random(kRows * k, 10);
    for (size_t i = 0; i < static_cast<size_t>(k); ++i) x[i] = std::ldexp(x[i], -static_cast<int>(i / 2));  // tiny ones
    const Floats here = w.product(x, 0, kRows);
    simd::limit_level(1);
    EXPECT_EQ(here, w.product(x, 0, kRows)) << n << "x" << k;
    simd::limit_level(std::get<0>(GetParam()));
  }
}

INSTANTIATE_TEST_SUITE_P(GemmInt8, Levels,
                         testing::Combine(testing::Values(1, 3, 9), testing::Values(Compute::kInt8, Compute::kInt4)));

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

// What GGUF's reference gives (gguf.quants.quantize): the bits of the scale, then the numbers.
TEST(GemmInt8, FourBitsAreRoundedAsTheReferenceDoes) {
  const auto rounded = [](const Floats& x) {
    int8_t values[kBlockDepth];
    uint16_t scale = 1;
    std::fill_n(values, kBlockDepth, int8_t{99});
    to_int4(x.data(), static_cast<int64_t>(x.size()), values, &scale);
    std::vector<int> all{scale};
    all.insert(all.end(), values, values + kBlockDepth);
    return all;
  };
  const auto with_scale = [](int scale, std::vector<int> values) {
    values.resize(kBlockDepth);
    values.insert(values.begin(), scale);
    return values;
  };
  const auto ramp = [](float step) {
    Floats x;
    for (int i = 0; i < 32; ++i) x.push_back((static_cast<float>(i) - 15.5f) * step);
    return x;
  };
  const std::vector<int> steps = {-8, -7, -7, -6, -6, -5, -5, -4, -4, -3, -3, -2, -2, -1, -1, 0,
                                  0,  1,  1,  2,  2,  3,  3,  4,  4,  5,  5,  6,  6,  7,  7,  7};
  EXPECT_EQ(rounded(Floats(32)), with_scale(0x8000, {}));
  EXPECT_EQ(rounded(ramp(1)), with_scale(0x3FC0, steps));
  EXPECT_EQ(rounded(ramp(-1)), with_scale(0xBFC0, steps));
  EXPECT_EQ(rounded(ramp(1e-7f)), with_scale(0x0003, steps)) << "a scale below the normal range";
  EXPECT_EQ(rounded(ramp(1e-38f)), with_scale(0x0000, steps)) << "a scale that is 0 in 16 bits";
  EXPECT_EQ(rounded(Floats(32, 1e-44f)), with_scale(0x8000, {})) << "whose inverse is infinite";
  // The first of two that are equally large counts; halves go up, whatever the sign of the scale.
  EXPECT_EQ(rounded({0, 0, 0, 2, 0, 0, 0, -2, 0, 0.125f, -0.125f, 0.375f, 1.9f, 1.874f}),
            with_scale(0xB400, {0, 0, 0, -8, 0, 0, 0, 7, 0, 0, 1, -1, -8, -7}));
  EXPECT_EQ(rounded({-0.5f, 0.25f, 0.5f}), with_scale(0x2C00, {-8, 4, 7})) << "a broken block";
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
