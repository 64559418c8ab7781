#include "ponder/eval/rows.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/eval/synthetic_run.h"

namespace ponder::eval {
namespace {

class RowsTest : public testing::Test {
 protected:
  void SetUp() override { base::make_directories(dir_); }
  void TearDown() override { base::remove_all(dir_); }
  Rows read(const std::string& lines) {
    base::write_file_atomic(path_, lines);
    return read_rows(path_);
  }
  const std::string dir_ = base::join_path(testing::TempDir(), base::cat("ponder_rows_test_", getpid()));
  const std::string path_ = base::join_path(dir_, "metrics.jsonl");
};

std::string line(const base::Json& json) { return json.dump() + "\n"; }

TEST_F(RowsTest, EveryKindReadsBackAsItWasWritten) {
  const SyntheticRun run;
  run.write(dir_);
  const Rows rows = read_rows(path_);
  EXPECT_TRUE(rows.unreadable.empty());
  std::vector<base::Json> again;
  auto collect = [&](const auto& list) {
    EXPECT_FALSE(list.empty());
    for (const auto& row : list) again.push_back(to_json(row));
  };
  collect(rows.run), collect(rows.ledger), collect(rows.train), collect(rows.rl), collect(rows.accuracy);
  collect(rows.search), collect(rows.pass_at_k), collect(rows.control), collect(rows.compare), collect(rows.critic);
  collect(rows.probe), collect(rows.outcomes);
  collect(rows.data), collect(rows.transcript), collect(rows.tree), collect(rows.note);
  auto sorted = [](const std::vector<base::Json>& jsons) {
    std::vector<std::string> texts;
    for (const auto& json : jsons) texts.push_back(json.dump());
    std::sort(texts.begin(), texts.end());
    return texts;
  };
  EXPECT_EQ(sorted(again), sorted(run.rows()));
}

TEST_F(RowsTest, EstimatesHaveTheKeysOfTheContract) {
  SearchRow row{.task = "vm3", .model = "rl", .strategy = "majority", .budget = 8};
  row.accuracy = {0.5, 0.05, {0.4, 0.6}, 100};
  const base::Json json = to_json(row);
  EXPECT_EQ(json.at("kind").as_string(), "search");
  EXPECT_EQ(json.at("accuracy").as_double(), 0.5);
  EXPECT_EQ(json.at("n").as_int(), 100);
  EXPECT_EQ(json.at("stderr").as_double(), 0.05);
  EXPECT_EQ(json.at("ci_lo").as_double(), 0.4);
  EXPECT_EQ(json.at("ci_hi").as_double(), 0.6);
  EXPECT_TRUE(json.at("seconds_per_problem").is_null() || std::isnan(json.at("seconds_per_problem").as_double()));
}

TEST_F(RowsTest, NotMeasuredSurvivesTheFile) {
  const Rows rows = read(line(to_json(RlRow{.step = 3, .reward = 0.25})));
  ASSERT_EQ(rows.rl.size(), 1u);
  EXPECT_EQ(rows.rl[0].reward, 0.25);
  EXPECT_TRUE(std::isnan(rows.rl[0].kl));
}

TEST_F(RowsTest, TheLaterOfTwoEqualRowsCountsInTheFirstOnesPlace) {
  const Rows rows = read(line(to_json(LedgerRow{"sft", 10, 100, 1e9})) + line(to_json(LedgerRow{"rl", 5, 50, 1e8})) +
                         line(to_json(LedgerRow{"sft", 20, 200, 2e9})));
  ASSERT_EQ(rows.ledger.size(), 2u);
  EXPECT_EQ(rows.ledger[0].stage, "sft");
  EXPECT_EQ(rows.ledger[0].seconds, 20);
}

TEST_F(RowsTest, BadLinesAreNamedAndTheRestIsRead) {
  const std::string good = line(to_json(LedgerRow{"sft", 10, 100, 1e9}));
  const Rows rows = read(good + "{\"kind\":\"dance\"}\n" + "{\"stage\":\"rl\"}\n" +
                         "{\"kind\":\"control\",\"name\":\"a number without its n\",\"accuracy\":0.9}\n" +
                         "{\"kind\":\"ledger\",\"stage\":7}\n" + "{\"kind\":\"ledger\",\"stage\":\"r");
  EXPECT_EQ(rows.ledger.size(), 1u);
  EXPECT_TRUE(rows.control.empty());
  ASSERT_EQ(rows.unreadable.size(), 5u);
  EXPECT_NE(rows.unreadable[0].find("metrics.jsonl:2: unknown kind of row \"dance\""), std::string::npos);
  EXPECT_NE(rows.unreadable[2].find("\"n\""), std::string::npos) << rows.unreadable[2];
  EXPECT_NE(rows.unreadable[4].find("6"), std::string::npos) << rows.unreadable[4];
}

// Curves for TensorBoard: numbers only, what was not measured is left out, an accuracy carries its task.
TEST_F(RowsTest, ScalarsAreTheCurvesOfARow) {
  using Scalars = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(scalars_of(to_json(TrainRow{.stage = "sft", .step = 4, .tokens = 10, .loss = 0.5})),
            (Scalars{{"tokens", 10}, {"loss", 0.5}}));
  AccuracyRow row{.stage = "rl", .task = "vm3", .step = 15};
  row.accuracy = synthetic_accuracy(0.25, 100);
  EXPECT_EQ(scalars_of(to_json(row)), (Scalars{{"accuracy/vm3", 0.25}}));
  EXPECT_TRUE(scalars_of(to_json(LedgerRow{"sft", 10, 100, 1e9})).empty());
}

TEST_F(RowsTest, AMissingFileIsAnError) { EXPECT_THROW(read_rows(base::join_path(dir_, "none.jsonl")), Error); }

}  // namespace
}  // namespace ponder::eval
