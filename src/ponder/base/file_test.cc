#include "ponder/base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ponder/base/error.h"
#include "ponder/base/file_faults.h"

namespace ponder::base {
namespace {

class FileTest : public testing::Test {
 protected:
  FileTest() { make_directories(dir_); }
  ~FileTest() override {
    set_file_faults(nullptr);
    remove_all(dir_);
  }
  std::string path(std::string_view name) const { return join_path(dir_, name); }

 private:
  std::string dir_ = join_path(testing::TempDir(), cat("ponder_file_", ::getpid()));
};

// Fails the k-th operation (from 0) of those that `error` is for; counts all of them.
class FailKth : public FileFaults {
 public:
  FailKth(int k, int error) : k_(k), error_(error) { set_file_faults(this); }
  ~FailKth() override { set_file_faults(nullptr); }
  int before(FileOp, const std::string&, size_t&) override { return seen_++ == k_ ? error_ : 0; }
  int seen() const { return seen_; }

 private:
  int k_, error_, seen_ = 0;
};

class ShortWrites : public FileFaults {
 public:
  ShortWrites() { set_file_faults(this); }
  ~ShortWrites() override { set_file_faults(nullptr); }
  int before(FileOp op, const std::string&, size_t& bytes) override {
    if (op != FileOp::kWrite) return 0;
    bytes = std::min<size_t>(bytes, 1 + calls_ % 3);
    return ++calls_ % 5 == 0 ? EINTR : 0;
  }

 private:
  size_t calls_ = 0;
};

TEST_F(FileTest, WritesAndReads) {
  const std::string bytes("a\0b\n", 4);
  write_file_atomic(path("x"), bytes);
  EXPECT_EQ(read_file(path("x")), bytes);
  EXPECT_EQ(file_size(path("x")), 4);
  EXPECT_TRUE(file_exists(path("x")));
  EXPECT_FALSE(file_exists(path("x.tmp")));
  write_file_atomic(path("x"), "");
  EXPECT_EQ(read_file(path("x")), "");
  EXPECT_FALSE(read_file("/proc/self/status").empty());  // a file without a size
}

TEST_F(FileTest, ReadErrorsNameTheFileAndTheCause) {
  for (const std::string& bad : {path("absent"), path("")}) {
    try {
      read_file(bad);
      FAIL() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_EQ(e.where(), bad);
    }
  }
  EXPECT_THROW(file_size(path("absent")), Error);
  EXPECT_THROW(list_directory(path("absent")), Error);
  EXPECT_THROW(MappedFile(path("absent")), Error);
  EXPECT_THROW(MappedFile(path("")), Error);
}

TEST_F(FileTest, Directories) {
  make_directories(path("a/b/c"));
  make_directories(path("a/b/c"));
  EXPECT_TRUE(is_directory(path("a/b")));
  write_file_atomic(path("a/z"), "");
  write_file_atomic(path("a/m"), "");
  EXPECT_EQ(list_directory(path("a")), (std::vector<std::string>{"b", "m", "z"}));
  EXPECT_THROW(make_directories(path("a/z/d")), Error);
  remove_all(path("a"));
  remove_all(path("a"));
  EXPECT_FALSE(file_exists(path("a")));
}

TEST(Paths, JoinNameParent) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(join_path("a", ""), "a");
  EXPECT_EQ(join_path("a", "/b"), "/b");
  EXPECT_EQ(file_name("a/b.txt"), "b.txt");
  EXPECT_EQ(file_name("a/b/"), "b");
  EXPECT_EQ(file_name("b"), "b");
  EXPECT_EQ(parent_path("a/b"), "a");
  EXPECT_EQ(parent_path("a/b/"), "a");
  EXPECT_EQ(parent_path("b"), ".");
  EXPECT_EQ(parent_path("/b"), "/");
}

TEST_F(FileTest, EveryFailedStepOfAnAtomicWriteKeepsTheOldFile) {
  write_file_atomic(path("x"), "old");
  int steps;
  {
    FailKth none(-1, 0);
    write_file_atomic(path("x"), "old");
    steps = none.seen();
  }
  ASSERT_EQ(steps, 5);  // open, write, sync, rename, sync the directory
  for (int k = 0; k < steps; ++k)
    for (int error : {ENOSPC, EIO}) {
      FailKth fault(k, error);
      try {
        write_file_atomic(path("x"), "new");
        FAIL() << k;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kResource);
        const std::string what = e.what();
        EXPECT_NE(what.find(path("")), std::string::npos) << what;
        EXPECT_NE(what.find(error == EIO ? "Input/output error" : "No space left"), std::string::npos) << what;
        EXPECT_EQ(what.find("write 3 bytes") != std::string::npos, k == 1) << what;
      }
      // Only after the rename may the new content show; never anything else, and nothing is left aside.
      EXPECT_EQ(read_file(path("x")), k < 4 ? "old" : "new") << k;
      EXPECT_FALSE(file_exists(path("x.tmp"))) << k;
      set_file_faults(nullptr);
      write_file_atomic(path("x"), "old");
    }
}

TEST_F(FileTest, ShortAndInterruptedWritesAreContinued) {
  const ShortWrites faults;
  write_file_atomic(path("x"), "hello, short writes");
  EXPECT_EQ(read_file(path("x")), "hello, short writes");
}

TEST_F(FileTest, ADiskThatIsReallyFull) {
  if (!file_exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  FileWriter file("/dev/full");
  file.write("some bytes");
  try {
    file.flush();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kResource);
    EXPECT_STREQ(
        e.what(),
        "/dev/full: cannot write 10 bytes: No space left on device; free some space or choose another directory");
  }
}

TEST_F(FileTest, OnlyARegularFileIsAPlaceForAResult) {
  EXPECT_NO_THROW(check_output_file(path("new")));
  write_file_atomic(path("old"), "x");
  EXPECT_NO_THROW(check_output_file(path("old")));
  ASSERT_EQ(::symlink(path("old").c_str(), path("link").c_str()), 0);
  ASSERT_EQ(::symlink(path("nowhere").c_str(), path("dangling").c_str()), 0);
  for (const std::string& bad :
       {path("link"), path("dangling"), path("none/file"), path(""), std::string("/dev/null")}) {
    try {
      check_output_file(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage);
      EXPECT_EQ(e.where(), bad);
    }
  }
}

TEST_F(FileTest, WriterStreamsAndAppends) {
  std::string expected;
  {
    FileWriter file(path("big"));
    for (int i = 0; i < 30; ++i) {
      const std::string piece(i % 7 == 0 ? 300'000 : 10'000, static_cast<char>('a' + i % 26));
      file.write(piece);
      expected += piece;
      EXPECT_EQ(file.offset(), static_cast<int64_t>(expected.size()));
    }
    file.close(true);
    file.close(true);
  }
  EXPECT_EQ(read_file(path("big")), expected);
  FileWriter more(path("big"), true);
  EXPECT_EQ(more.offset(), static_cast<int64_t>(expected.size()));
  more.write("end");
  more.flush();
  EXPECT_EQ(read_file(path("big")), expected + "end");
  more.sync();
  more.close(false);
  truncate_file(path("big"), 2);
  EXPECT_EQ(read_file(path("big")), expected.substr(0, 2));
  EXPECT_THROW(truncate_file(path("absent"), 0), Error);
  sync_file(path("big"));
  EXPECT_THROW(sync_file(path("absent")), Error);
  EXPECT_THROW(more.write("x"), Error);
}

TEST_F(FileTest, LinesWithAndWithoutALastNewline) {
  write_file_atomic(path("l"), std::string("a\n\nb\r\n") + std::string(100'000, 'x'));
  LineReader reader(path("l"));
  std::vector<std::string> lines;
  for (std::string line; reader.next(line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[1], "");
  EXPECT_EQ(lines[2], "b\r");
  EXPECT_EQ(lines[3].size(), 100'000u);
  EXPECT_FALSE(reader.ended_in_newline());
  write_file_atomic(path("empty"), "");
  LineReader empty(path("empty"));
  std::string line;
  EXPECT_FALSE(empty.next(line));
  LineReader directory(path(""));
  EXPECT_THROW(directory.next(line), Error);
}

TEST_F(FileTest, Maps) {
  write_file_atomic(path("m"), "mapped");
  EXPECT_EQ(MappedFile(path("m")).bytes(), "mapped");
  write_file_atomic(path("e"), "");
  EXPECT_TRUE(MappedFile(path("e")).bytes().empty());
}

}  // namespace
}  // namespace ponder::base
