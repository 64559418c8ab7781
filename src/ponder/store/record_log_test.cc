#include "ponder/store/record_log.h"

#include "ponder/base/error.h"
#include "ponder/base/rng.h"
#include "ponder/store/test_dir.h"
#include "ponder/store/xxh64.h"

namespace ponder::store {
namespace {

using RecordLogTest = TestDir;

std::vector<base::Json> rows_of(int64_t step, int64_t n) {
  std::vector<base::Json> rows;
  base::Rng rng{base::RngKey(static_cast<uint64_t>(step))};
  for (int64_t i = 0; i < n; ++i) {
    base::Json row = base::Json::object();
    row["step"] = step, row["text"] = base::cat("row ", i), row["x"] = rng.uniform();
    rows.push_back(std::move(row));
  }
  return rows;
}

void write_steps(const std::string& dir, int64_t first, int64_t last) {
  RecordLog log(dir, "r");
  for (int64_t step = first; step <= last; ++step) log.append("rl", step, rows_of(step, 3 + step));
}

// All that the log holds, read back block by block.
std::string whole(const std::string& dir) {
  std::string text;
  for (const RecordBlock& block : list_records(dir, "r"))
    for (const base::Json& row : read_records(dir, "r", block)) text += row.dump() + "\n";
  return text;
}

TEST_F(RecordLogTest, BlocksReadBackByStep) {
  write_steps(dir(), 1, 5);
  const auto blocks = list_records(dir(), "r");
  ASSERT_EQ(blocks.size(), 5u);
  EXPECT_EQ(blocks[3].stage, "rl");
  EXPECT_EQ(blocks[3].step, 4);
  const auto rows = read_records(dir(), "r", blocks[3]);
  EXPECT_EQ(rows, rows_of(4, 7));
}

TEST_F(RecordLogTest, NothingIsMadeBeforeTheFirstAppend) {
  RecordLog log(dir(), "r");
  log.rewind("rl", 0);
  log.sync();
  EXPECT_TRUE(base::list_directory(dir()).empty());
  EXPECT_TRUE(list_records(dir(), "r").empty());
}

// A block without rows is a block.
TEST_F(RecordLogTest, AnEmptyBlock) {
  RecordLog(dir(), "r").append("rl", 1, {});
  ASSERT_EQ(list_records(dir(), "r").size(), 1u);
  EXPECT_TRUE(read_records(dir(), "r", list_records(dir(), "r")[0]).empty());
}

TEST_F(RecordLogTest, RewoundAndWrittenAgainItIsTheSameFile) {
  write_steps(dir(), 1, 6);
  const std::string data = base::read_file(path("r.jsonl.zst")), index = base::read_file(path("r.index.jsonl"));
  {
    RecordLog log(dir(), "r");
    log.rewind("rl", 2);
    EXPECT_EQ(list_records(dir(), "r").size(), 2u);
    for (int64_t step = 3; step <= 6; ++step) log.append("rl", step, rows_of(step, 3 + step));
  }
  EXPECT_TRUE(base::read_file(path("r.jsonl.zst")) == data);
  EXPECT_EQ(base::read_file(path("r.index.jsonl")), index);
}

// Killed at any byte of either file, in the order in which they are written: the next process sees whole blocks.
TEST_F(RecordLogTest, CutAnywhereTheWholeBlocksRemain) {
  write_steps(dir(), 1, 3);
  const std::string data = base::read_file(path("r.jsonl.zst")), index = base::read_file(path("r.index.jsonl"));
  const auto blocks = list_records(dir(), "r");
  base::Rng rng(base::RngKey(7));
  for (int i = 0; i < 60; ++i) {
    const auto data_bytes = static_cast<size_t>(rng.between(0, static_cast<int64_t>(data.size())));
    const auto index_bytes = static_cast<size_t>(rng.between(0, static_cast<int64_t>(index.size())));
    base::write_file_atomic(path("r.jsonl.zst"), data.substr(0, data_bytes));
    base::write_file_atomic(path("r.index.jsonl"), index.substr(0, index_bytes));
    RecordLog log(dir(), "r");
    const auto left = list_records(dir(), "r");
    for (size_t b = 0; b < left.size(); ++b) {
      EXPECT_EQ(left[b].hash, blocks[b].hash);
      EXPECT_EQ(read_records(dir(), "r", left[b]).size(), static_cast<size_t>(blocks[b].rows));
    }
    for (auto step = static_cast<int64_t>(left.size()) + 1; step <= 3; ++step)
      log.append("rl", step, rows_of(step, 3 + step));
    EXPECT_TRUE(base::read_file(path("r.jsonl.zst")) == data) << data_bytes << " " << index_bytes;
    EXPECT_EQ(base::read_file(path("r.index.jsonl")), index);
  }
}

TEST_F(RecordLogTest, ChangedBytesAreFound) {
  write_steps(dir(), 1, 2);
  std::string data = base::read_file(path("r.jsonl.zst"));
  const auto blocks = list_records(dir(), "r");
  data[static_cast<size_t>(blocks[1].offset) + 20] ^= 1;
  base::write_file_atomic(path("r.jsonl.zst"), data);
  EXPECT_EQ(read_records(dir(), "r", blocks[0]).size(), 4u);
  try {
    read_records(dir(), "r", blocks[1]);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(e.what()).find("rl step 2"), std::string::npos) << e.what();
  }
  RecordBlock beyond = blocks[1];
  beyond.bytes += 1000;
  EXPECT_THROW(read_records(dir(), "r", beyond), Error);
}

// Garbage whose hash is right is still no crash and no huge allocation.
TEST_F(RecordLogTest, HostileFramesAreErrors) {
  base::Rng rng(base::RngKey(3));
  write_steps(dir(), 1, 1);
  const std::string good = base::read_file(path("r.jsonl.zst"));
  RecordBlock block = list_records(dir(), "r")[0];
  const std::string text = whole(dir());
  for (int i = 0; i < 300; ++i) {
    std::string frame = good;
    for (int64_t flips = rng.between(1, 4); flips > 0; --flips)
      frame[static_cast<size_t>(rng.below(static_cast<int64_t>(frame.size())))] ^=
          static_cast<char>(rng.between(1, 255));
    base::write_file_atomic(path("r.jsonl.zst"), frame);
    block.hash = base::hex64(xxh64(frame));
    try {
      read_records(dir(), "r", block);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
    }
  }
}

class NoSpace : public base::FileFaults {
 public:
  explicit NoSpace(int nth) : left_(nth) {}
  int before(base::FileOp op, const std::string&, size_t& bytes) override {
    if (op != base::FileOp::kWrite || --left_ > 0) return 0;
    if (left_ < 0 || bytes < 2) return ENOSPC;
    bytes /= 2;
    return 0;
  }

 private:
  int left_;
};

TEST_F(RecordLogTest, AFullDiskLeavesWholeBlocks) {
  for (int nth = 1; nth <= 4; ++nth) {
    base::remove_all(dir());
    base::make_directories(dir());
    write_steps(dir(), 1, 2);
    const std::string before = whole(dir());
    RecordLog log(dir(), "r");
    NoSpace faults(nth);
    base::set_file_faults(&faults);
    try {
      for (int64_t step = 3; step < 6; ++step) log.append("rl", step, rows_of(step, 3 + step));
      ADD_FAILURE() << "the disk was full";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kResource);
    }
    base::set_file_faults(nullptr);
    EXPECT_EQ(whole(dir()).substr(0, before.size()), before);
    const auto left = static_cast<int64_t>(list_records(dir(), "r").size());
    for (int64_t step = left + 1; step <= 6; ++step) log.append("rl", step, rows_of(step, 3 + step));
    EXPECT_EQ(list_records(dir(), "r").size(), 6u);
    EXPECT_FALSE(whole(dir()).empty());
  }
}

}  // namespace
}  // namespace ponder::store
