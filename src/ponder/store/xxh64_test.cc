#include "ponder/store/xxh64.h"

#include <gtest/gtest.h>

#include <string>

namespace ponder::store {
namespace {

// Digests from the reference tool (xxh64sum), one for each path through the code: empty, bytes, a 4-byte word, 8-byte
// words, whole stripes, stripes with every kind of tail.
TEST(Xxh64, ReferenceDigests) {
  std::string counting;
  for (int i = 0; i < 256; ++i) counting += static_cast<char>(i);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 0)), 0xef46db3751d8e999u);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 1)), 0xe934a84adb052768u);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 3)), 0xe5c7bb4533bc65ddu);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 4)), 0xffced8604453cc1eu);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 7)), 0x14cc643f630c72d2u);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 8)), 0x884a173614b81b8du);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 15)), 0xa948f5f0f6abac2du);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 31)), 0xc346d2b59b4d8ee1u);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 32)), 0xcbf59c5116ff32b4u);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 33)), 0x0c535d1acafb8eadu);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 63)), 0xe26aa9e2a95f8e4fu);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 64)), 0xf7c67301db6713f0u);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 101)), 0xe99038495f85381eu);
  EXPECT_EQ(xxh64(std::string_view(counting).substr(0, 256)), 0x1facbe8406cd904bu);
  EXPECT_EQ(xxh64("abc"), 0x44bc2cf5ad770999u);
}

}  // namespace
}  // namespace ponder::store
