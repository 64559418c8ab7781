#include "ponder/store/extent.h"

#include "ponder/base/error.h"
#include "ponder/store/jsonl_log.h"
#include "ponder/store/record_log.h"
#include "ponder/store/run_dir.h"
#include "ponder/store/test_dir.h"

namespace ponder::store {
namespace {

using base::Json;

class ExtentTest : public TestDir {
 protected:
  ExtentTest() {
    for (int step = 1; step <= 3; ++step) add(step);
    saved_ = extent_of(dir());
  }
  void add(int64_t step) {
    JsonlLog(path("metrics.jsonl")).append(Json::Object{{"stage", "rl"}, {"step", step}});
    RecordLog(dir(), kRolloutLog).append("rl", step, std::vector<Json>{Json::Object{{"step", step}}});
  }
  // The file that the error names; "" when there is none.
  std::string blamed() {
    try {
      check_extent(dir(), saved_);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput) << e.what();
      return base::file_name(e.where());
    }
    return "";
  }

  Extent saved_;
};

TEST_F(ExtentTest, IsWhatIsThereAndSurvivesBeingSaved) {
  EXPECT_EQ(saved_.metrics_rows, 3);
  EXPECT_EQ(saved_.record_blocks, 3);
  EXPECT_EQ(saved_.record_bytes, base::file_size(path("rollouts.jsonl.zst")));
  EXPECT_EQ(extent_from(Json::Object{{"committed", to_json(saved_)}}), saved_);
  EXPECT_EQ(extent_from(Json::object()), Extent{});
  EXPECT_EQ(blamed(), "");
}

TEST_F(ExtentTest, MoreThanWasSavedIsFineEvenWhenItIsHalfWritten) {
  add(4);
  for (const char* name : {"metrics.jsonl", "rollouts.index.jsonl", "rollouts.jsonl.zst"})
    base::write_file_atomic(path(name), base::read_file(path(name)) + "{\"half");
  EXPECT_EQ(blamed(), "");
}

TEST_F(ExtentTest, LessThanWasSavedIsNamed) {
  for (const std::string name : {"metrics.jsonl", "rollouts.index.jsonl", "rollouts.jsonl.zst"}) {
    const std::string whole = base::read_file(path(name));
    for (const size_t cut : {size_t{1}, whole.size() / 2, whole.size()}) {
      base::write_file_atomic(path(name), whole.substr(0, whole.size() - cut));
      // A newline that is missing at the end of the index takes no block away.
      if (name != "rollouts.index.jsonl" || cut > 1) {
        EXPECT_EQ(blamed(), name) << cut;
      }
    }
    base::remove_all(path(name));
    EXPECT_EQ(blamed(), name);
    base::write_file_atomic(path(name), whole);
  }
}

TEST_F(ExtentTest, ABlockOfOtherBytesIsNamed) {
  const std::string whole = base::read_file(path("rollouts.jsonl.zst"));
  for (const size_t at : {size_t{0}, whole.size() / 2, whole.size() - 1}) {
    std::string changed = whole;
    changed[at] ^= 1;
    base::write_file_atomic(path("rollouts.jsonl.zst"), changed);
    EXPECT_TRUE(blamed().starts_with("rollouts.jsonl.zst: rl step ")) << at;
  }
}

TEST_F(ExtentTest, AnIndexWithOtherNumbersIsNamed) {
  const std::string whole = base::read_file(path("rollouts.index.jsonl"));
  for (size_t at = whole.find("\"bytes\":"); at != std::string::npos; at = whole.find("\"bytes\":", at + 1)) {
    std::string changed = whole;
    changed[at + 8] = changed[at + 8] == '1' ? '2' : '1';
    base::write_file_atomic(path("rollouts.index.jsonl"), changed);
    EXPECT_EQ(blamed(), "rollouts.index.jsonl") << at;
  }
}

TEST_F(ExtentTest, AFinishedStageSavesIt) {
  { RunDirectory(dir()).finish("rl"); }
  EXPECT_EQ(RunDirectory(dir()).committed(), saved_);
}

TEST_F(ExtentTest, ABlockThatWasSavedIsNotTakenBack) {
  RecordLog log(dir(), kRolloutLog);
  log.hold(2);
  EXPECT_THROW(log.rewind("rl", 1), Error);
  EXPECT_EQ(list_records(dir(), kRolloutLog).size(), 3u);
  log.rewind("rl", 2);
  EXPECT_EQ(list_records(dir(), kRolloutLog).size(), 2u);
}

}  // namespace
}  // namespace ponder::store
