#include "ponder/store/text_lines.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <vector>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::store {
namespace {

std::vector<std::string> lines_of(const std::string& bytes, int64_t max_line_bytes = 1 << 20) {
  const std::string path = base::join_path(testing::TempDir(), "lines");
  base::write_file_atomic(path, bytes);
  TextLines lines(path, max_line_bytes);
  std::vector<std::string> out;
  for (std::string line; lines.next(line);) {
    out.push_back(line);
    EXPECT_EQ(lines.number(), static_cast<int64_t>(out.size()));
  }
  return out;
}

std::string gzipped(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 200, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}
std::string zstandard(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

TEST(TextLines, PlainAndCompressedFilesHaveTheSameLines) {
  const std::string text = "one\n\nthree\nfour";
  const std::vector<std::string> wanted = {"one", "", "three", "four"};
  const std::string files[] = {text, gzipped(text), zstandard(text),
                               gzipped(text.substr(0, 6)) + gzipped(text.substr(6)),
                               zstandard(text.substr(0, 6)) + zstandard(text.substr(6))};
  for (const std::string& bytes : files) EXPECT_EQ(lines_of(bytes), wanted);
  EXPECT_EQ(lines_of("a\n"), (std::vector<std::string>{"a"}));
  EXPECT_EQ(lines_of("\n"), (std::vector<std::string>{""}));
  for (const std::string& bytes : {std::string(), gzipped(""), zstandard("")}) EXPECT_TRUE(lines_of(bytes).empty());
}

TEST(TextLines, LargeFilesAreReadInBlocks) {
  std::string text;
  for (int i = 0; i < 200000; ++i) text += base::cat(i * 7919 % 100003, "\n");
  const std::vector<std::string> plain = lines_of(text);
  EXPECT_EQ(plain.size(), 200000u);
  EXPECT_EQ(lines_of(gzipped(text)), plain);
  EXPECT_EQ(lines_of(zstandard(text)), plain);
}

TEST(TextLines, DamagedAndCutOffFilesAreErrors) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += base::cat(i * 7919 % 100003, "\n");
  for (const std::string& bytes : {gzipped(text), zstandard(text)}) {
    EXPECT_THROW(lines_of(bytes.substr(0, bytes.size() / 2)), Error);
    EXPECT_THROW(lines_of(bytes.substr(0, bytes.size() - 1)), Error);
    std::string damaged = bytes;
    for (size_t i = 30; i < 60; ++i) damaged[i] = static_cast<char>(~damaged[i]);
    EXPECT_THROW(lines_of(damaged), Error);
  }
  EXPECT_THROW(TextLines(base::join_path(testing::TempDir(), "nothing")), Error);
}

TEST(TextLines, ALineHasALimit) {
  const std::string large(3 << 20, 'x');
  for (const std::string& bytes : {large, gzipped(large), zstandard(large), "a\n" + large}) {
    try {
      lines_of(bytes);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.message(), "the line is longer than 1 MiB");
      EXPECT_TRUE(e.where().ends_with(bytes[0] == 'a' ? ":2" : ":1"));
    }
  }
}

}  // namespace
}  // namespace ponder::store
