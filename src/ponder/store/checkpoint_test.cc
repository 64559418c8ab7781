#include "ponder/store/checkpoint.h"

#include <sys/wait.h>

#include <cerrno>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/base/power_cut.h"
#include "ponder/store/test_dir.h"

namespace ponder::store {
namespace {

class Checkpoint : public TestDir {
 protected:
  void commit(std::string_view name, std::string_view weights) {
    CheckpointWriter writer(path(name));
    writer.write_text("model.safetensors", weights);
    writer.write_text("config.json", "{}");
    writer.commit();
  }
  std::string weights_of(const std::string& checkpoint) {
    return base::read_file(base::join_path(checkpoint, "model.safetensors"));
  }
  std::string error_of_verify(const std::string& checkpoint) {
    try {
      verify_checkpoint(checkpoint);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      return e.what();
    }
    return "";
  }
};

// At the k-th file operation: fails it, or ends the process there as a power cut would.
class AtKth : public base::FileFaults {
 public:
  enum Action { kFail, kDie };
  AtKth(int k, Action action, int error = ENOSPC) : k_(k), action_(action), error_(error) {
    base::set_file_faults(this);
  }
  ~AtKth() override { base::set_file_faults(nullptr); }
  int before(base::FileOp, const std::string&, size_t&) override {
    if (seen_++ != k_) return 0;
    if (action_ == kDie) ::_exit(9);
    return error_;
  }
  int seen() const { return seen_; }

 private:
  int k_;
  Action action_;
  int error_, seen_ = 0;
};

TEST_F(Checkpoint, IsAPlainDirectoryWithAManifest) {
  commit("rl-000010", "weights");
  EXPECT_EQ(base::list_directory(dir()), (std::vector<std::string>{"rl-000010"}));
  EXPECT_EQ(base::list_directory(path("rl-000010")),
            (std::vector<std::string>{"DONE", "config.json", "manifest.json", "model.safetensors"}));
  EXPECT_EQ(latest_checkpoint(dir()), path("rl-000010"));
  EXPECT_EQ(error_of_verify(path("rl-000010")), "");
  const base::Json manifest = base::Json::parse(base::read_file(path("rl-000010/manifest.json")));
  EXPECT_EQ(manifest.at("files").as_array()[1].dump(),
            R"({"name":"model.safetensors","bytes":7,"xxh64":"779c224020e59198"})");
}

// DONE promises what the disk holds, not what was handed to the system; so does the name that makes a checkpoint exist.
TEST_F(Checkpoint, NothingIsAtRiskBehindDoneAndBehindTheRename) {
  for (int round = 0; round < 2; ++round) {  // a new name, then one that is replaced
    std::set<std::string> seen;
    base::PowerCut cut([&](const std::string& to) {
      const std::string name = base::file_name(to);
      seen.insert(name);
      if (name != "DONE" && name != "rl-000010") return;
      EXPECT_TRUE(cut.bytes_at_risk().empty()) << *cut.bytes_at_risk().begin() << " before " << name;
      // A predecessor that is on its way out may well come back.
      const char* expected = name == "DONE" ? "DONE.tmp" : "rl-000010.tmp-removed";
      for (const std::string& other : cut.names_at_risk()) EXPECT_EQ(base::file_name(other), expected) << name;
    });
    commit("rl-000010", "weights");
    EXPECT_TRUE(seen.contains("DONE") && seen.contains("rl-000010"));
    EXPECT_TRUE(cut.names_at_risk().empty()) << *cut.names_at_risk().begin();
  }
}

TEST_F(Checkpoint, NewestIsTheLastCommittedWhateverItsName) {
  EXPECT_EQ(latest_checkpoint(path("absent")), std::nullopt);
  EXPECT_EQ(latest_checkpoint(dir()), std::nullopt);
  commit("sft-000900", "a");
  commit("rl-000010", "b");
  EXPECT_EQ(latest_checkpoint(dir()), path("rl-000010"));
  commit("sft-000900", "c");  // written again after going back
  EXPECT_EQ(latest_checkpoint(dir()), path("sft-000900"));
  EXPECT_EQ(weights_of(path("sft-000900")), "c");
}

TEST_F(Checkpoint, IncompleteOnesAreNotSeen) {
  commit("a", "1");
  commit("b", "2");
  base::truncate_file(path("b/model.safetensors"), 0);
  EXPECT_EQ(latest_checkpoint(dir()), path("a"));
  commit("c", "3");
  base::remove_all(path("c/DONE"));
  EXPECT_EQ(latest_checkpoint(dir()), path("a"));
  commit("d", "4");
  base::write_file_atomic(path("d/manifest.json"), "{\"sequence\":");
  EXPECT_EQ(latest_checkpoint(dir()), path("a"));
  base::make_directories(path("e"));
  EXPECT_EQ(list_checkpoints(dir()).size(), 1u);
}

TEST_F(Checkpoint, VerifyNamesWhatIsWrong) {
  commit("a", "weights");
  base::write_file_atomic(path("a/model.safetensors"), "weightz");
  EXPECT_NE(error_of_verify(path("a")).find("model.safetensors: has changed: XXH64"), std::string::npos);
  base::write_file_atomic(path("a/model.safetensors"), "weight");
  EXPECT_NE(error_of_verify(path("a")).find("has 6 bytes; the manifest says 7"), std::string::npos);
  base::remove_all(path("a/model.safetensors"));
  EXPECT_NE(error_of_verify(path("a")).find("model.safetensors"), std::string::npos);
  base::remove_all(path("a/DONE"));
  EXPECT_NE(error_of_verify(path("a")).find("DONE is missing"), std::string::npos);
}

TEST_F(Checkpoint, AnAbandonedWriterLeavesNothing) {
  {
    CheckpointWriter writer(path("a"));
    writer.write_text("x", "y");
  }
  EXPECT_TRUE(base::list_directory(dir()).empty());
}

TEST_F(Checkpoint, NeverReplacesWhatIsNoCheckpoint) {
  base::write_file_atomic(path("precious"), "text");
  EXPECT_THROW(CheckpointWriter(path("precious")), Error);
  base::make_directories(path("mine"));
  base::write_file_atomic(path("mine/thesis.txt"), "text");
  EXPECT_THROW(CheckpointWriter(path("mine")), Error);
  EXPECT_EQ(base::read_file(path("mine/thesis.txt")), "text");
  base::make_directories(path("empty"));
  commit("empty/", "1");
  EXPECT_EQ(weights_of(path("empty")), "1");
  CheckpointWriter writer(path("x"));
  EXPECT_THROW(writer.path("DONE"), Error);
  EXPECT_THROW(writer.path("../x"), Error);
}

TEST_F(Checkpoint, CleanTouchesOnlyItsOwn) {
  commit("a", "1");
  base::make_directories(path("b.tmp-77"));
  base::write_file_atomic(path("b.tmp-77/model.safetensors"), "half");
  base::make_directories(path("notes"));
  base::write_file_atomic(path("notes/x.txt"), "mine");
  base::write_file_atomic(path("readme"), "mine");
  clean_interrupted(dir());
  EXPECT_EQ(base::list_directory(dir()), (std::vector<std::string>{"a", "notes", "readme"}));
  clean_interrupted(path("absent"));
}

TEST_F(Checkpoint, Prunes) {
  for (const char* name : {"1", "2", "3", "4", "5"}) commit(name, name);
  prune_checkpoints(dir(), 2, {path("1")});
  EXPECT_EQ(base::list_directory(dir()), (std::vector<std::string>{"1", "4", "5"}));
  prune_checkpoints(dir(), 0);
  EXPECT_EQ(base::list_directory(dir()), (std::vector<std::string>{"5"}));
}

// After trouble at any point: some checkpoint loads, it is whole, and it is the old or the new one.
class CheckpointTrouble : public Checkpoint, public testing::WithParamInterface<const char*> {
 protected:
  int operations() {
    AtKth count(-1, AtKth::kFail);
    commit(GetParam(), "old");
    return count.seen();
  }
  void expect_old_or_new(int k) {
    clean_interrupted(dir());
    const auto latest = latest_checkpoint(dir());
    ASSERT_TRUE(latest.has_value()) << "operation " << k;
    EXPECT_EQ(error_of_verify(*latest), "");
    const std::string weights = weights_of(*latest);
    EXPECT_TRUE(weights == "old" || weights == "new") << weights;
    for (const std::string& name : base::list_directory(dir()))
      EXPECT_EQ(name.find(".tmp-"), std::string::npos) << name;
  }
};

TEST_P(CheckpointTrouble, EveryFailedOperationIsAnErrorAndCostsNoCheckpoint) {
  commit("base", "old");
  operations();
  const int count = operations();  // the second time the directory is replaced, which takes more steps
  ASSERT_GT(count, 10);
  for (int k = 0; k < count; ++k)
    for (int error : {ENOSPC, EIO}) {
      {
        AtKth fault(k, AtKth::kFail, error);
        try {
          commit(GetParam(), "new");
          ADD_FAILURE() << "operation " << k << " failed unseen";
        } catch (const Error& e) {
          EXPECT_EQ(e.code(), ErrorCode::kResource);
          EXPECT_NE(std::string(e.what()).find(dir()), std::string::npos) << e.what();
        }
      }
      expect_old_or_new(k);
      commit(GetParam(), "old");
    }
}

TEST_P(CheckpointTrouble, DeathAtEveryOperationCostsNoCheckpoint) {
  commit("base", "old");
  operations();
  const int count = operations();
  for (int k = 0; k < count; ++k) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      AtKth death(k, AtKth::kDie);
      commit(GetParam(), "new");
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 9) << "operation " << k << " was not reached";
    expect_old_or_new(k);
    commit(GetParam(), "old");
  }
}

INSTANTIATE_TEST_SUITE_P(NewNameAndOldName, CheckpointTrouble, testing::Values("next", "base"));

}  // namespace
}  // namespace ponder::store
