#include "ponder/store/run_dir.h"

#include <sys/wait.h>

#include <cerrno>

#include "ponder/base/error.h"
#include "ponder/store/jsonl_log.h"
#include "ponder/store/test_dir.h"

namespace ponder::store {
namespace {

using base::Json;

class RunDir : public TestDir {
 protected:
  static Json row(std::string_view stage, int64_t step) { return Json::Object{{"stage", stage}, {"step", step}}; }
  std::string text(std::string_view name) { return base::read_file(path(name)); }
};

TEST_F(RunDir, RemembersStagesCostsAndConfiguration) {
  {
    RunDirectory run(path("run"));
    EXPECT_EQ(run.config(), std::nullopt);
    run.write_config("seed: 1\n");
    EXPECT_EQ(run.finished("sft"), nullptr);
    run.ledger().add("sft", 1.5, 100, 6e9);
    run.finish("sft", Json::Object{{"accuracy", 0.5}});
    run.ledger().add("rl", 2, 10, 1e9);
    run.save();
  }
  RunDirectory run(path("run"));
  EXPECT_EQ(run.config(), "seed: 1\n");
  ASSERT_NE(run.finished("sft"), nullptr);
  EXPECT_EQ(run.finished("sft")->at("accuracy").as_double(), 0.5);
  EXPECT_EQ(run.finished("rl"), nullptr);
  run.ledger().add("rl", 3, 20, 2e9);
  ASSERT_EQ(run.ledger().stages().size(), 2u);
  const StageCost& rl = run.ledger().stages()[1];
  EXPECT_EQ(rl.name, "rl");
  EXPECT_EQ(rl.seconds, 5);
  EXPECT_EQ(rl.tokens, 30);
  EXPECT_EQ(rl.flops, 3e9);
  EXPECT_EQ(run.checkpoints(), path("run/checkpoints"));
  EXPECT_THROW(run.ledger().add("rl", -1, 0, 0), Error);
}

TEST_F(RunDir, TwoProcessesCannotShareOne) {
  const RunDirectory run(path("run"));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    int status = 1;
    try {
      RunDirectory second(path("run"));
    } catch (const Error& e) {
      const std::string expected = base::cat("(pid ", ::getppid(), ")");
      status = e.code() == ErrorCode::kUsage && e.message().find(expected) != std::string::npos ? 0 : 2;
    }
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(RunDir, ABrokenStateIsAnErrorAndReleasesTheLock) {
  { RunDirectory run(path("run")); }
  base::write_file_atomic(path("run/state.json"), "{\"finished\":{}");
  EXPECT_THROW(RunDirectory(path("run")), Error);
  base::remove_all(path("run/state.json"));
  RunDirectory run(path("run"));
}

TEST_F(RunDir, AStateOfTheWrongShapeNamesItsFile) {
  base::make_directories(path("run"));
  for (const char* state : {"[]", "3", "{}", "{\"finished\":{}}", "{\"finished\":3,\"ledger\":[]}",
                            "{\"finished\":{\"sft\":1},\"ledger\":[]}", "{\"finished\":{},\"ledger\":[{}]}",
                            "{\"finished\":{\"sft\":{\"committed\":{}}},\"ledger\":[]}"}) {
    base::write_file_atomic(path("run/state.json"), state);
    try {
      RunDirectory run(path("run"));
      FAIL() << state;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      EXPECT_EQ(e.where(), path("run/state.json")) << e.what();
    }
  }
}

TEST_F(RunDir, ARowThatWasSavedIsNotTakenBack) {
  JsonlLog log(path("m.jsonl"));
  for (int step = 1; step <= 3; ++step) log.append(row("rl", step));
  const std::string all = text("m.jsonl");
  log.hold(3);
  EXPECT_THROW(log.rewind("rl", 2), Error);
  EXPECT_EQ(text("m.jsonl"), all);
  log.append(row("rl", 4));
  log.rewind("rl", 3);
  EXPECT_EQ(text("m.jsonl"), all);
}

TEST_F(RunDir, RowsAreOnDiskAtOnceAndAppendedAcrossStarts) {
  {
    JsonlLog log(path("m.jsonl"));
    log.append(row("sft", 1));
    EXPECT_EQ(text("m.jsonl"), "{\"stage\":\"sft\",\"step\":1}\n");
  }
  JsonlLog log(path("m.jsonl"));
  log.append(row("sft", 2));
  log.sync();
  EXPECT_EQ(text("m.jsonl"), "{\"stage\":\"sft\",\"step\":1}\n{\"stage\":\"sft\",\"step\":2}\n");
}

TEST_F(RunDir, AHalfWrittenLastLineIsDropped) {
  base::write_file_atomic(path("m.jsonl"), "{\"a\":1}\n{\"a\":");
  JsonlLog log(path("m.jsonl"));
  log.append(row("rl", 1));
  EXPECT_EQ(text("m.jsonl"), "{\"a\":1}\n{\"stage\":\"rl\",\"step\":1}\n");
  base::write_file_atomic(path("n.jsonl"), std::string(50, '\0'));  // what a power cut may leave
  JsonlLog zeros(path("n.jsonl"));
  EXPECT_EQ(text("n.jsonl"), "");
}

TEST_F(RunDir, RewindTakesBackWhatCameAfterACheckpoint) {
  JsonlLog log(path("m.jsonl"));
  for (int step = 0; step <= 20; step += 10) log.append(row("sft", step));
  log.append(Json::Object{{"note", "no stage"}});
  for (int step = 0; step <= 40; step += 10) log.append(row("rl", step));
  const std::string all = text("m.jsonl");
  log.rewind("rl", 40);
  EXPECT_EQ(text("m.jsonl"), all);
  log.rewind("rl", 15);
  EXPECT_EQ(text("m.jsonl"), all.substr(0, all.find("{\"stage\":\"rl\",\"step\":20}")));
  log.append(row("rl", 20));  // goes on where it was cut
  log.rewind("rl", -1);
  EXPECT_EQ(text("m.jsonl"), all.substr(0, all.find("{\"stage\":\"rl\"")));
  log.rewind("sft", 0);
  EXPECT_EQ(text("m.jsonl"), "{\"stage\":\"sft\",\"step\":0}\n");
  log.rewind("never", -1);
  EXPECT_EQ(text("m.jsonl"), "{\"stage\":\"sft\",\"step\":0}\n");
}

// Writes some bytes of a row, then fails: a disk that fills up in the middle.
class FullAfter : public base::FileFaults {
 public:
  explicit FullAfter(size_t bytes) : left_(bytes) { base::set_file_faults(this); }
  ~FullAfter() override { base::set_file_faults(nullptr); }
  int before(base::FileOp op, const std::string&, size_t& bytes) override {
    if (op != base::FileOp::kWrite) return 0;
    if (left_ == 0) return ENOSPC;
    bytes = std::min(bytes, left_);
    left_ -= bytes;
    return 0;
  }

 private:
  size_t left_;
};

TEST_F(RunDir, AFullDiskLeavesWholeRows) {
  JsonlLog log(path("m.jsonl"));
  log.append(row("rl", 1));
  const std::string before = text("m.jsonl");
  for (size_t bytes = 0; bytes < before.size(); ++bytes) {
    {
      FullAfter disk(bytes);
      EXPECT_THROW(log.append(row("rl", 2)), Error);
    }
    EXPECT_EQ(text("m.jsonl"), before);
  }
  log.append(row("rl", 3));
  EXPECT_EQ(text("m.jsonl"), before + "{\"stage\":\"rl\",\"step\":3}\n");
}

}  // namespace
}  // namespace ponder::store
