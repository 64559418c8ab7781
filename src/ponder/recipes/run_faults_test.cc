// A run on a disk that fills up or breaks: every open, write, sync and rename of it fails once. What was committed
// stays good, the message says what a person needs, and with the disk mended the run ends in the same bits.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>

#include "ponder/base/file_faults.h"
#include "ponder/base/log.h"
#include "ponder/base/power_cut.h"
#include "ponder/base/rng.h"
#include "ponder/recipes/run.h"
#include "ponder/recipes/test_run.h"
#include "ponder/store/checkpoint.h"

namespace ponder::recipes {
namespace {

// The k-th operation (from 0) fails. ENOSPC: so do all after it, and a write first takes half of its bytes, as a disk
// does that fills up. EIO: only this one.
class Disk : public base::FileFaults {
 public:
  Disk(int k, int error) : k_(k), error_(error) { base::set_file_faults(this); }
  ~Disk() override { base::set_file_faults(nullptr); }

  int before(base::FileOp op, const std::string& path, size_t& bytes) override {
    const int number = seen_++;
    if (number == k_ && error_ == ENOSPC && op == base::FileOp::kWrite && bytes > 1) {
      bytes /= 2;
      return 0;
    }
    if (number == k_ || (number > k_ && error_ == ENOSPC)) return error_;
    if (op == base::FileOp::kRename && base::file_name(path).starts_with("step-") &&
        path.find(".tmp-") == std::string::npos)
      newest_[base::file_name(base::parent_path(path))] = path;
    return 0;
  }
  int seen() const { return seen_; }
  // The newest committed checkpoint of each stage that has one.
  const std::map<std::string, std::string>& newest_checkpoints() const { return newest_; }

 private:
  int k_, error_, seen_ = 0;
  std::map<std::string, std::string> newest_;
};

// Seconds short, and yet with all that a run writes: rows, events, checkpoints that push out older ones, rollouts,
// state, report.
Recipe short_recipe() {
  Recipe recipe = load_recipe(
      "recipes/micro.yaml",
      {"model.heads=1", "model.layers=1", "model.ffn=16", "workers=1", "pretrain.train.steps=3",
       "pretrain.train.batch_tokens=64", "pretrain.train.checkpoint_every=1", "rl.train.steps=1", "rl.prompts=1",
       "rl.group=2", "rl.max_tokens=8", "rl.eval_problems=1", "search.problems=1,1,1", "search.harder_problems=1"});
  recipe.stages = {"pretrain", "rl", "report"};
  return recipe;
}

// A disk in memory where there is one: some thousand syncs take a minute on a real one and prove no more here.
std::string test_dir(const std::string& name) {
  const std::string dir =
      base::cat(base::is_directory("/dev/shm") ? "/dev/shm" : testing::TempDir(), "/ponder_", ::getpid(), "_", name);
  base::remove_all(dir);
  return dir;
}

std::string checkpoints_of(const std::string& dir, const std::string& stage) {
  return base::join_path(base::join_path(dir, "checkpoints"), stage);
}

std::vector<store::CheckpointInfo> all_checkpoints(const std::string& dir) {
  std::vector<store::CheckpointInfo> all;
  for (const char* stage : {"pretrain", "rl"})
    for (store::CheckpointInfo& checkpoint : store::list_checkpoints(checkpoints_of(dir, stage)))
      all.push_back(std::move(checkpoint));
  return all;
}

// A line for each file of a run: its path and, where no seconds are in it, a hash of its bytes.
std::string files_of(const std::string& dir) {
  std::string lines;
  const auto add = [&](const std::string& path, bool has_seconds) {
    lines +=
        base::cat(path.substr(dir.size()), has_seconds ? "" : base::hex64(base::hash64(base::read_file(path))), "\n");
  };
  for (const std::string& name : base::list_directory(dir))
    add(base::join_path(dir, name), !name.starts_with("rollouts"));
  for (const store::CheckpointInfo& checkpoint : all_checkpoints(dir))
    for (const std::string& name : base::list_directory(checkpoint.path))
      add(base::join_path(checkpoint.path, name), name == "trainer.json" || name == "manifest.json");
  return lines;
}

std::string lines_of(const std::vector<std::string>& rows) {
  std::string lines;
  for (const std::string& row : rows) lines += row + "\n";
  return lines;
}

class RunFaultsTest : public testing::Test {
 protected:
  void SetUp() override {
    base::set_quiet(true);
    run_recipe(short_recipe(), whole_);
  }
  void TearDown() override {
    base::set_quiet(false);
    for (const char* name : {"whole", "failing"}) test_dir(name);
  }

  void expect_same_as_whole(const std::string& dir) const {
    EXPECT_EQ(lines_of(rows_of(dir)), lines_of(rows_of(whole_)));
    EXPECT_EQ(files_of(dir), files_of(whole_));
  }

  const std::string whole_ = test_dir("whole");
};

// Weights and two moments as 32-bit floats.
int64_t checkpoint_bytes() { return 3 * 4 * short_recipe().model.parameter_count(); }

// Returns false when the run did not get as far as operation k.
bool fail_once(const std::string& dir, int k, int error) {
  Disk disk(k, error);
  try {
    run_recipe(short_recipe(), dir);
  } catch (const Error& e) {
    const std::string what = e.what();
    EXPECT_EQ(e.code(), ErrorCode::kResource) << what;
    EXPECT_TRUE(e.where().starts_with(dir)) << what;
    EXPECT_NE(what.find(error == EIO ? "Input/output error" : "No space left"), std::string::npos) << what;
    if (e.where().find("/checkpoints/") != std::string::npos) {
      EXPECT_NE(what.find("a checkpoint of stage "), std::string::npos) << what;
      EXPECT_NE(what.find(base::cat(" takes ", checkpoint_bytes(), " bytes")), std::string::npos) << what;
    }
    for (const auto& [stage, newest] : disk.newest_checkpoints())
      EXPECT_EQ(store::latest_checkpoint(checkpoints_of(dir, stage)).value_or("none"), newest) << what;
    for (const store::CheckpointInfo& checkpoint : all_checkpoints(dir))
      EXPECT_NO_THROW(store::verify_checkpoint(checkpoint.path)) << what;
    return true;
  }
  EXPECT_LE(disk.seen(), k) << "a failed operation was ignored";
  return false;
}

TEST_F(RunFaultsTest, AfterAnyFailureTheCheckpointsAreGoodAndTheRunGoesOnToTheSameBits) {
  for (const int error : {ENOSPC, EIO}) {
    int k = 0;
    for (bool failed = true; failed && !HasFailure(); ++k) {
      SCOPED_TRACE(base::cat("operation ", k, error == EIO ? " EIO" : " ENOSPC"));
      const std::string dir = test_dir("failing");
      failed = fail_once(dir, k, error);
      if (failed) run_recipe(short_recipe(), dir);
      expect_same_as_whole(dir);
    }
    EXPECT_GT(k, 150);
  }
}

// A checkpoint, or a stage that is called finished, must not outlive the rows and rollouts before it.
TEST_F(RunFaultsTest, RowsAndRolloutsAreOnDiskBeforeWhatReliesOnThem) {
  int checkpoints = 0, states = 0;
  base::PowerCut cut([&](const std::string& to) {
    const std::string name = base::file_name(to);
    if (name != "state.json" && !name.starts_with("step-")) return;
    ++(name == "state.json" ? states : checkpoints);
    for (const std::string& file : cut.bytes_at_risk())
      EXPECT_FALSE(file.find("metrics") != std::string::npos || file.find("rollouts") != std::string::npos)
          << file << " before " << to;
  });
  run_recipe(short_recipe(), test_dir("failing"));
  EXPECT_GE(checkpoints, 4);
  EXPECT_GE(states, 3);
}

void flip_a_bit(const std::string& path) {
  std::string bytes = base::read_file(path);
  bytes[bytes.size() / 2] ^= 1;
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string text_of(const std::string& dir, const std::string& name) {
  return base::read_file(base::join_path(dir, name));
}

// The error of going on in a directory; it must leave the three files of evidence as they are.
std::string refused(const std::string& dir) {
  const auto evidence = [&] {
    std::string all;
    for (const char* name : {"metrics.jsonl", "rollouts.jsonl.zst", "rollouts.index.jsonl"}) {
      const std::string path = base::join_path(dir, name);
      all += base::file_exists(path) ? base::read_file(path) : "none";
    }
    return all;
  };
  const std::string before = evidence();
  try {
    run_recipe(short_recipe(), dir);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
    EXPECT_TRUE(evidence() == before) << e.what();
    return base::file_name(e.where());
  }
  return "";
}

TEST_F(RunFaultsTest, EvidenceOfAFinishedRunThatWasCutOrChangedIsNamedAndKept) {
  for (const std::string name : {"metrics.jsonl", "rollouts.jsonl.zst", "rollouts.index.jsonl"}) {
    const std::string path = base::join_path(whole_, name), bytes = text_of(whole_, name);
    std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.size() - 2);
    EXPECT_EQ(refused(whole_), name);
    base::remove_all(path);
    EXPECT_EQ(refused(whole_), name);
    std::ofstream(path, std::ios::binary) << bytes;
  }
  const std::string index = text_of(whole_, "rollouts.index.jsonl");
  std::string changed = index;
  changed.insert(changed.find("\"bytes\":") + 8, "1");
  std::ofstream(base::join_path(whole_, "rollouts.index.jsonl")) << changed;
  EXPECT_EQ(refused(whole_), "rollouts.index.jsonl");
  std::ofstream(base::join_path(whole_, "rollouts.index.jsonl")) << index;
  const std::string state = text_of(whole_, "state.json");
  base::remove_all(base::join_path(whole_, "state.json"));
  EXPECT_EQ(refused(whole_), "state.json");
  std::ofstream(base::join_path(whole_, "state.json")) << state;
  run_recipe(short_recipe(), whole_);
  base::remove_all(base::join_path(whole_, "config.yaml"));
  EXPECT_EQ(refused(whole_), "config.yaml");
}

// What an interrupted stage saved counts too: its state is in its checkpoint.
TEST_F(RunFaultsTest, ShortenedRowsOfAnInterruptedStageAreNamed) {
  const std::string dir = test_dir("failing");
  int k = 0;
  while (all_checkpoints(dir).empty()) fail_once(dir, k++, EIO);
  const std::string path = base::join_path(dir, "metrics.jsonl"), bytes = base::read_file(path);
  std::ofstream(path, std::ios::binary) << bytes.substr(0, bytes.find('\n') + 1);
  EXPECT_EQ(refused(dir), "metrics.jsonl");
  std::ofstream(path, std::ios::binary) << bytes;
  run_recipe(short_recipe(), dir);
  expect_same_as_whole(dir);
}

// A disk that says it wrote what it did not.
TEST_F(RunFaultsTest, ADamagedCheckpointIsPassedOver) {
  const std::string dir = test_dir("failing");
  int k = 0;
  while (all_checkpoints(dir).size() < 2) fail_once(dir, k++, EIO);
  flip_a_bit(base::join_path(all_checkpoints(dir).back().path, "model.safetensors"));
  testing::internal::CaptureStderr();
  run_recipe(short_recipe(), dir);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("model.safetensors: has changed"), std::string::npos);
  expect_same_as_whole(dir);
}

TEST_F(RunFaultsTest, DamagedWeightsOfAFinishedStageAreNamed) {
  const std::string path = base::join_path(all_checkpoints(whole_).back().path, "model.safetensors");
  flip_a_bit(path);
  try {
    run_recipe(short_recipe(), whole_);
    FAIL() << "damaged weights were loaded";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_EQ(e.where(), path);
  }
}

}  // namespace
}  // namespace ponder::recipes
