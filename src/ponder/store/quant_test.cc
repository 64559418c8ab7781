#include "ponder/store/quant.h"

#include <gtest/gtest.h>

#include <time.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/store/gguf.h"
#include "ponder/store/safetensors.h"

namespace ponder::store {
namespace {

// What the gguf package makes of the same bytes; tests/reference/export_quants.py wrote it.
const SafetensorsFile& reference() {
  static const SafetensorsFile file("tests/data/ggml_quants.st");
  return file;
}
std::string bytes_of(const std::string& name) { return std::string(reference().bytes(reference().at(name))); }
std::vector<float> floats_of(const std::string& name) {
  const std::string bytes = bytes_of(name);
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}
uint32_t bits_of(float x) { return std::bit_cast<uint32_t>(x); }

TEST(Quant, ReadsEveryTypeAsTheReference) {
  for (const char* name : {"Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"}) {
    const GgmlTypeInfo& type = *find_ggml_type(name);
    const std::string blocks = bytes_of(base::cat(name, ".blocks"));
    const std::vector<float> expected = floats_of(base::cat(name, ".weights"));
    ASSERT_EQ(expected.size() / type.block_weights, blocks.size() / type.block_bytes) << name;
    ASSERT_GT(expected.size(), 1000u);
    for (size_t shift : {0, 1}) {  // blocks and weights may lie anywhere
      const std::string moved = std::string(shift, 'x') + blocks;
      std::vector<float> weights(expected.size());
      EXPECT_TRUE(dequantize(type.type, moved.data() + shift, weights.data(), static_cast<int64_t>(weights.size())));
      for (size_t i = 0; i < expected.size(); ++i)
        ASSERT_EQ(bits_of(weights[i]), bits_of(expected[i])) << name << " weight " << i << ": " << expected[i];
    }
  }
}

TEST(Quant, WritesQ8AsTheReference) {
  const std::vector<float> weights = floats_of("to_Q8_0.weights");
  const std::string expected = bytes_of("to_Q8_0.blocks");
  std::string blocks(expected.size(), '\0');
  EXPECT_TRUE(quantize(GgmlType::kQ8_0, weights.data(), blocks.data(), static_cast<int64_t>(weights.size())));
  for (size_t i = 0; i < expected.size(); ++i)
    ASSERT_EQ(blocks[i], expected[i]) << "block " << i / 34 << " at " << i % 34;
}

TEST(Quant, RoundsHalvesAsTheReference) {
  const std::vector<float> weights = floats_of("to_halves.weights");
  const std::string f16 = bytes_of("to_F16.blocks"), bf16 = bytes_of("to_BF16.blocks");
  for (size_t i = 0; i < weights.size(); ++i) {
    uint16_t wanted_f16, wanted_bf16;
    std::memcpy(&wanted_f16, f16.data() + 2 * i, 2);
    std::memcpy(&wanted_bf16, bf16.data() + 2 * i, 2);
    ASSERT_EQ(f32_to_bf16(weights[i]), wanted_bf16) << weights[i];
    const uint16_t half = f32_to_f16(weights[i]);
    if (std::isnan(weights[i]))
      ASSERT_TRUE((half & 0x7FFF) > 0x7C00);  // payloads of NaN differ from machine to machine
    else
      ASSERT_EQ(half, wanted_f16) << weights[i] << " " << std::hex << bits_of(weights[i]);
  }
  for (const GgmlType type : {GgmlType::kF16, GgmlType::kBf16}) {  // rows as single values, odd lengths too
    for (size_t n : {size_t{0}, size_t{1}, size_t{7}, size_t{9}, weights.size()}) {
      std::vector<uint16_t> row(n + 1, 0xABCD);
      const bool fits = quantize(type, weights.data(), row.data(), static_cast<int64_t>(n));
      bool all_fit = true;
      for (size_t i = 0; i < n; ++i) {
        ASSERT_EQ(row[i], type == GgmlType::kF16 ? f32_to_f16(weights[i]) : f32_to_bf16(weights[i]));
        const float back = type == GgmlType::kF16 ? f16_to_f32(row[i]) : bf16_to_f32(row[i]);
        all_fit &= std::isfinite(back) || !std::isfinite(weights[i]);
      }
      EXPECT_EQ(fits, all_fit) << n;
      EXPECT_EQ(row[n], 0xABCD);
    }
  }
}

TEST(Quant, EveryHalfSurvivesTheWayToF32AndBack) {
  std::vector<uint16_t> all(65536), back(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  std::vector<float> wide(all.size());
  EXPECT_FALSE(dequantize(GgmlType::kF16, all.data(), wide.data(), 65536));  // infinities and NaN are among them
  EXPECT_TRUE(quantize(GgmlType::kF16, wide.data(), back.data(), 65536));
  for (size_t i = 0; i < all.size(); ++i) {
    const auto bits = static_cast<uint16_t>(i);
    ASSERT_EQ(bits_of(f16_to_f32(bits)), bits_of(wide[i])) << i;
    if (std::isnan(wide[i])) {
      ASSERT_EQ(back[i], bits | 0x200) << i;  // a signalling NaN is made quiet
    } else {
      ASSERT_EQ(back[i], bits) << i;
      const double sign = bits >> 15 ? -1 : 1, mantissa = bits & 0x3FF;
      const int exponent = bits >> 10 & 31;
      if (exponent < 31)
        ASSERT_EQ(wide[i], sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24)));
      else
        ASSERT_EQ(wide[i], sign * std::numeric_limits<double>::infinity());
    }
    ASSERT_EQ(bits_of(bf16_to_f32(bits)), static_cast<uint32_t>(bits) << 16);
  }
}

TEST(Quant, RoundingIsToTheNearestHalf) {
  base::Rng rng(base::RngKey(3).child("halves"));
  for (int i = 0; i < 200'000; ++i) {
    const float x = std::bit_cast<float>(static_cast<uint32_t>(rng.below(int64_t{1} << 32)));
    if (!std::isfinite(x) || std::fabs(x) > 65504) continue;
    const uint16_t half = f32_to_f16(x);
    const double found = f16_to_f32(half);
    ASSERT_EQ(std::signbit(found), std::signbit(x));
    for (int step : {-1, 1}) {
      const uint16_t other = static_cast<uint16_t>(half + step);
      if ((half & 0x7FFF) == 0 && step < 0) continue;
      const double away = f16_to_f32(other);
      if (!std::isfinite(away)) continue;
      ASSERT_LE(std::fabs(found - x), std::fabs(away - x)) << x;
      const bool is_tie = std::fabs(found - x) == std::fabs(away - x);
      ASSERT_TRUE(!is_tie || (half & 1) == 0) << x;
    }
  }
}

TEST(Quant, WeightsThatDoNotFitAreReported) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  for (size_t at : {0, 5, 31}) {
    std::vector<float> weights(32, 1.0f);
    uint8_t blocks[128];
    const auto fits = [&](GgmlType type, float x) {
      weights[at] = x;
      return quantize(type, weights.data(), blocks, 32);
    };
    for (float bad : {inf, -inf, nan, -nan, 1e7f, -1e7f}) EXPECT_FALSE(fits(GgmlType::kQ8_0, bad)) << bad;
    EXPECT_TRUE(fits(GgmlType::kQ8_0, 8e6f));
    EXPECT_FALSE(fits(GgmlType::kF16, 65520.0f));
    EXPECT_TRUE(fits(GgmlType::kF16, 65519.0f));
    EXPECT_TRUE(fits(GgmlType::kF16, inf));
    EXPECT_FALSE(fits(GgmlType::kBf16, std::numeric_limits<float>::max()));
    EXPECT_TRUE(fits(GgmlType::kBf16, nan));
    weights[at] = nan;
    EXPECT_FALSE(is_finite(weights.data(), 32));
    weights[at] = -inf;
    EXPECT_FALSE(is_finite(weights.data(), static_cast<int64_t>(at) + 1));
    EXPECT_TRUE(is_finite(weights.data(), static_cast<int64_t>(at)));
  }
}

// Wherever it stands, in whatever is left over by vectors, and also at an odd address.
TEST(Quant, Bf16BitsThatAreNoNumberAreFound) {
  for (const size_t odd : {0, 1})
    for (const int64_t n : {1, 7, 16, 17, 40}) {
      std::vector<char> bytes(2 * static_cast<size_t>(n) + 1);
      const auto put = [&](int64_t i, uint16_t bits) { std::memcpy(bytes.data() + odd + 2 * i, &bits, 2); };
      // The largest numbers, the smallest and both zeros.
      const uint16_t fine[] = {0x7F7F, 0xFF7F, 0x0001, 0x8000, 0x0000, 0x3F80};
      for (int64_t i = 0; i < n; ++i) put(i, fine[static_cast<size_t>(i) % std::size(fine)]);
      std::vector<char> copy(bytes.size(), 'x');
      const auto copies = [&](int64_t count) { return copy_bf16(bytes.data() + odd, copy.data() + odd, count); };
      EXPECT_TRUE(copies(n));
      EXPECT_EQ(std::string_view(copy.data() + odd, 2 * static_cast<size_t>(n)),
                std::string_view(bytes.data() + odd, 2 * static_cast<size_t>(n)));
      for (int64_t i = 0; i < n; ++i)
        for (const uint16_t bad : {0x7F80, 0xFF80, 0x7F81, 0xFFC0}) {
          put(i, bad);
          EXPECT_FALSE(copies(n)) << i << " of " << n << ": " << bad;
          EXPECT_TRUE(copies(i));
          put(i, 0x3F80);
        }
    }
  EXPECT_TRUE(copy_bf16(nullptr, nullptr, 0));
}

TEST(Quant, CallersAreHeldToBlocksAndTypes) {
  float weights[32] = {};
  uint8_t blocks[256] = {};
  EXPECT_THROW(dequantize(GgmlType::kQ8_0, blocks, weights, 31), Error);
  EXPECT_THROW(dequantize(GgmlType{10}, blocks, weights, 0), Error);
  EXPECT_THROW(dequantize(GgmlType{77}, blocks, weights, 0), Error);
  EXPECT_THROW(quantize(GgmlType::kQ4K, weights, blocks, 0), Error);
  EXPECT_EQ(find_ggml_type(4), nullptr);
  EXPECT_EQ(find_ggml_type("Q9"), nullptr);
  EXPECT_EQ(find_ggml_type("Q6_K")->type, GgmlType::kQ6K);
}

double thread_seconds() {  // of work, however busy the machine is
  timespec now;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// A whole model against the checksum that tests/reference/export_quants.py --whole prints for the same file.
TEST(Quant, ReadsAWholeModelAsTheReference) {
  const char* path = std::getenv("PONDER_TEST_GEMMA");
  const char* expected = std::getenv("PONDER_TEST_GEMMA_CHECKSUM");
  if (!path || !expected) GTEST_SKIP() << "PONDER_TEST_GEMMA names no GGUF file, or PONDER_TEST_GEMMA_CHECKSUM no sum";
  const GgufFile file(path);
  uint64_t total = 0;
  double seconds = 0;
  int64_t all = 0;
  std::vector<float> weights;
  for (const GgufTensor& tensor : file.tensors()) {
    weights.resize(tensor.weights);
    const double start = thread_seconds();
    file.read(tensor, 0, tensor.weights, weights.data());
    seconds += thread_seconds() - start;
    uint64_t checksum = 0;
    for (size_t i = 0; i < weights.size(); ++i) checksum += bits_of(weights[i]) * (2 * i + 1);
    total = total * 31 + checksum;
    all += tensor.weights;
  }
  EXPECT_EQ(base::cat(total), expected);
  std::printf("%.0f million weights in %.2f s\n", static_cast<double>(all) / 1e6, seconds);
}

}  // namespace
}  // namespace ponder::store
