#include "ponder/tensor/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "ponder/base/rng.h"
#include "ponder/tensor/simd.h"
#include "ponder/tensor/team.h"

namespace ponder::tensor {
namespace {

using Floats = std::vector<float>;

Floats random(int64_t n, uint64_t seed) {
  base::Rng rng{base::RngKey(seed)};
  Floats values(static_cast<size_t>(n));
  for (float& v : values) v = static_cast<float>(rng.normal());
  return values;
}

// To nearest, ties to even, for numbers in the normal range: half of the last kept place added, and a tie taken back.
float rounded(float x, Compute compute) {
  if (compute == Compute::kF32) return x;
  const double place = std::ldexp(1.0, std::ilogb(x) - 7);
  return static_cast<float>(std::nearbyint(x / place) * place);
}

struct Shape {
  int64_t rows, n, k;
};

// One matrix w [n,k] with both packings, and x [rows,k].
struct Case {
  Shape shape;
  Compute compute;
  Floats x, w, residual;
  std::vector<uint32_t> transposed, straight;

  Case(Shape s, Compute c)
      : shape(s),
        compute(c),
        x(random(s.rows * s.k, 1)),
        w(random(s.n * s.k, 2)),
        residual(random(s.rows * s.n, 3)),
        transposed(static_cast<size_t>(packed_words(s.k, s.n, c))),
        straight(static_cast<size_t>(packed_words(s.n, s.k, c))) {
    pack_transposed(w.data(), s.n, s.k, c, transposed.data());
    pack_straight(w.data(), s.n, s.k, c, straight.data());
  }
  Floats product(int64_t first, int64_t rows, bool with_residual) const {
    Floats y(static_cast<size_t>(rows * shape.n), std::nanf(""));
    gemm(x.data() + first * shape.k, rows, {transposed.data(), shape.k, shape.n, compute},
         with_residual ? residual.data() + first * shape.n : nullptr, y.data());
    return y;
  }
  Floats grad_x(const Floats& g) const {
    Floats y(static_cast<size_t>(shape.rows * shape.k), std::nanf(""));
    gemm(g.data(), shape.rows, {straight.data(), shape.n, shape.k, compute}, nullptr, y.data());
    return y;
  }
  Floats grad_w(const Floats& g) const {
    Floats y(w.size(), 0.5f);
    gemm_transposed_add(g.data(), x.data(), shape.rows, shape.n, shape.k, compute, y.data());
    return y;
  }
};

// y[r][c] = start + Σ_d left(r,d)·right(d,c) within what summing in f32 explains: each of the depth+1 additions errs by
// at most 2^−24 of the sum of the magnitudes.
template <class Left, class Right, class Start>
void expect_sums(const Floats& y, int64_t rows, int64_t columns, int64_t depth, Compute compute, Left&& left,
                 Right&& right, Start&& start) {
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      double sum = start(r, c), magnitude = std::abs(sum);
      for (int64_t d = 0; d < depth; ++d) {
        const double term = double(rounded(left(r, d), compute)) * double(rounded(right(d, c), compute));
        sum += term, magnitude += std::abs(term);
      }
      ASSERT_NEAR(y[size_t(r * columns + c)], sum, double(depth + 1) * magnitude * 0x1p-24)
          << rows << "x" << columns << "x" << depth << " at " << r << ", " << c;
    }
}

const std::vector<Shape> kShapes = {{1, 1, 1},    {7, 5, 3},    {33, 50, 37}, {65, 144, 64},
                                    {9, 17, 640}, {3, 640, 17}, {70, 48, 16}, {1030, 47, 33}};

class Gemm : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    simd::limit_level(GetParam());
    if (simd::level() != GetParam()) GTEST_SKIP() << "this machine lacks the instruction set";
  }
  void TearDown() override { simd::limit_level(100); }
};
INSTANTIATE_TEST_SUITE_P(Level, Gemm, testing::Values(1, 3, 4, 5, 6));

TEST_P(Gemm, ProductsAndGradientsAreTheSumsOfTheRoundedInputs) {
  for (const Compute compute : {Compute::kF32, Compute::kBf16})
    for (const Shape& s : kShapes) {
      const Case c(s, compute);
      const Floats g = random(s.rows * s.n, 4);
      const auto x = [&](int64_t r, int64_t d) { return c.x[size_t(r * s.k + d)]; };
      const auto w = [&](int64_t n, int64_t k) { return c.w[size_t(n * s.k + k)]; };
      const auto zero = [](int64_t, int64_t) { return 0.0; };
      expect_sums(
          c.product(0, s.rows, false), s.rows, s.n, s.k, compute, x, [&](int64_t d, int64_t n) { return w(n, d); },
          zero);
      expect_sums(
          c.product(0, s.rows, true), s.rows, s.n, s.k, compute, x, [&](int64_t d, int64_t n) { return w(n, d); },
          [&](int64_t r, int64_t n) { return c.residual[size_t(r * s.n + n)]; });
      expect_sums(
          c.grad_x(g), s.rows, s.k, s.n, compute, [&](int64_t r, int64_t d) { return g[size_t(r * s.n + d)]; }, w,
          zero);
      expect_sums(
          c.grad_w(g), s.n, s.k, s.rows, compute, [&](int64_t n, int64_t t) { return g[size_t(t * s.n + n)]; }, x,
          [](int64_t, int64_t) { return 0.5; });
    }
}

TEST_P(Gemm, ARowsBitsDoNotDependOnTheOtherRows) {
  for (const Compute compute : {Compute::kF32, Compute::kBf16})
    for (const Shape& s : {Shape{300, 50, 36}, Shape{300, 160, 640}}) {
      const Case c(s, compute);
      const Floats whole = c.product(0, s.rows, true);
      for (int64_t rows = 1; rows <= 70; ++rows) {
        const int64_t first = s.rows - rows;
        const Floats part = c.product(first, rows, true);
        ASSERT_EQ(std::memcmp(part.data(), whole.data() + first * s.n, part.size() * sizeof(float)), 0)
            << rows << " rows of " << s.n << "x" << s.k;
      }
    }
}

TEST_P(Gemm, Bf16HasTheSameBitsOnEveryProcessorWithoutTiles) {
  if (GetParam() == 6) GTEST_SKIP() << "matrix tiles sum in an order of their own";
  for (const Shape& s : kShapes) {
    const Case here(s, Compute::kBf16);
    const Floats g = random(s.rows * s.n, 4);
    const Floats y = here.product(0, s.rows, true), grad_x = here.grad_x(g), grad_w = here.grad_w(g);
    simd::limit_level(1);
    const Case plain(s, Compute::kBf16);
    EXPECT_EQ(plain.transposed, here.transposed);
    EXPECT_EQ(plain.straight, here.straight);
    EXPECT_EQ(plain.product(0, s.rows, true), y);
    EXPECT_EQ(plain.grad_x(g), grad_x);
    EXPECT_EQ(plain.grad_w(g), grad_w);
    simd::limit_level(GetParam());
  }
}

// c + Σ left·right in the order of gemm_amx.h.
template <class Left, class Right>
float tile_sum(float c, int64_t depth, Left&& left, Right&& right) {
  for (int64_t from = 0; from < depth; from += 32) {
    float even = 0, odd = 0;
    for (int64_t d = from; d < std::min(depth, from + 32); ++d) {
      float& sum = (d - from) % 2 ? odd : even;
      sum = std::fma(rounded(left(d), Compute::kBf16), rounded(right(d), Compute::kBf16), sum);
    }
    c += even + odd;
  }
  return c;
}

TEST_P(Gemm, TilesSumEvenAndOddProductsOf32DepthsApart) {
  if (GetParam() != 6) GTEST_SKIP() << "this instruction set has no matrix tiles";
  for (const Shape& s : kShapes) {
    const Case c(s, Compute::kBf16);
    const Floats g = random(s.rows * s.n, 4), y = c.product(0, s.rows, true), grad_w = c.grad_w(g);
    for (int64_t r = 0; r < s.rows; ++r)
      for (int64_t n = 0; n < s.n; ++n)
        ASSERT_EQ(y[size_t(r * s.n + n)],
                  tile_sum(
                      c.residual[size_t(r * s.n + n)], s.k, [&](int64_t d) { return c.x[size_t(r * s.k + d)]; },
                      [&](int64_t d) { return c.w[size_t(n * s.k + d)]; }))
            << r << " " << n;
    for (int64_t n = 0; n < s.n; ++n)
      for (int64_t k = 0; k < s.k; ++k) {
        float sum = 0.5f;
        for (int64_t from = 0; from < s.rows; from += transposed_rows(Compute::kBf16))
          sum = tile_sum(
              sum, std::min(transposed_rows(Compute::kBf16), s.rows - from),
              [&](int64_t d) { return g[size_t((from + d) * s.n + n)]; },
              [&](int64_t d) { return c.x[size_t((from + d) * s.k + k)]; });
        ASSERT_EQ(grad_w[size_t(n * s.k + k)], sum) << n << " " << k;
      }
  }
}

// Times 1, an input comes out as it was rounded; on either side of the product.
TEST_P(Gemm, RoundsToNearestEven) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<std::pair<float, float>> cases = {
      {1.0f, 1.0f},
      {1.0f + 0x1p-8f, 1.0f},                       // a tie goes to the even neighbour below
      {1.0f + 0x1.8p-7f, 1.0f + 0x1p-6f},           // and above
      {1.0f + 0x1p-8f + 0x1p-23f, 1.0f + 0x1p-7f},  // just more than a tie
      {-3.14159274f, -3.140625f},
      {0x1.fffffep127f, kInfinity},  // beyond the largest bf16
      {kInfinity, kInfinity},
      {0x1p-126f, 0x1p-126f},
      {0x1p-130f, 0.0f},  // below the normal range
  };
  const float one = 1.0f;
  for (const auto& [value, expected] : cases) {
    float y = 0;
    std::vector<uint32_t> words(16);
    pack_transposed(&one, 1, 1, Compute::kBf16, words.data());
    gemm(&value, 1, {words.data(), 1, 1, Compute::kBf16}, nullptr, &y);
    EXPECT_EQ(y, expected) << value;
    pack_straight(&value, 1, 1, Compute::kBf16, words.data());
    gemm(&one, 1, {words.data(), 1, 1, Compute::kBf16}, nullptr, &y);
    EXPECT_EQ(y, expected) << value;
  }
  const uint32_t signaling = 0x7F800001;
  float nan = 0, y = 0;
  std::memcpy(&nan, &signaling, sizeof nan);
  std::vector<uint32_t> words(16);
  pack_transposed(&one, 1, 1, Compute::kBf16, words.data());
  gemm(&nan, 1, {words.data(), 1, 1, Compute::kBf16}, nullptr, &y);
  EXPECT_TRUE(std::isnan(y));
}

// Pieces are whole outputs; the shapes cut them within panels, groups and blocks.
TEST(Gemm, ATeamChangesNoBit) {
  for (const Shape shape : {Shape{70, 1000, 130}, {3, 700, 500}, {600, 640, 301}}) {
    for (const Compute compute : {Compute::kF32, Compute::kBf16}) {
      const Case alone(shape, compute);
      const Floats g = random(shape.rows * shape.n, 4);
      const Floats y = alone.product(0, shape.rows, true), grad_x = alone.grad_x(g), grad_w = alone.grad_w(g);
      for (int threads : {2, 3}) {
        Team team(threads);
        const TeamScope scope(&team);
        const Case shared(shape, compute);
        EXPECT_EQ(alone.transposed, shared.transposed);
        EXPECT_EQ(alone.straight, shared.straight);
        EXPECT_EQ(y, shared.product(0, shape.rows, true));
        EXPECT_EQ(grad_x, shared.grad_x(g));
        EXPECT_EQ(grad_w, shared.grad_w(g));
      }
    }
  }
}

}  // namespace
}  // namespace ponder::tensor
