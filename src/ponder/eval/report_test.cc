#include "ponder/eval/report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/eval/headlines.h"
#include "ponder/eval/synthetic_run.h"
#include "ponder/eval/web_assets.h"

namespace ponder::eval {
namespace {

using base::Json;

class ReportTest : public testing::Test {
 protected:
  void TearDown() override { base::remove_all(dir_); }
  Json make(const SyntheticRun& run) {
    run.write(dir_);
    return make_report(dir_);
  }
  Rows rows_of(const SyntheticRun& run) {
    run.write(dir_);
    return read_rows(base::join_path(dir_, "metrics.jsonl"));
  }
  std::string html() const { return base::read_file(base::join_path(dir_, "report.html")); }
  const std::string dir_ = base::join_path(testing::TempDir(), base::cat("ponder_report_test_", getpid()));
};

bool mentions(const Json& sentences, const std::string& text) {
  return std::any_of(sentences.as_array().begin(), sentences.as_array().end(),
                     [&](const Json& s) { return s.as_string().find(text) != std::string::npos; });
}

TEST_F(ReportTest, ReportJsonHoldsTheContract) {
  make(SyntheticRun());
  const Json report = Json::parse(base::read_file(base::join_path(dir_, "report.json")), "report.json");
  const auto has = [&](const char* list, const std::vector<std::string>& keys) {
    ASSERT_GT(report.at(list).size(), 0u) << list;
    for (const auto& row : report.at(list).as_array())
      for (const auto& key : keys) EXPECT_NE(row.find(key), nullptr) << list << " " << key;
  };
  has("stages", {"name", "seconds", "tokens", "flops"});
  has("train_curve",
      {"stage", "task", "tokens", "flops", "seconds", "accuracy", "n", "stderr", "thought_tokens", "ci_lo", "ci_hi"});
  has("search_curve", {"task", "strategy", "budget", "tokens_per_problem", "critic_tokens_per_problem", "accuracy", "n",
                       "stderr", "model"});
  has("pass_at_k", {"task", "k", "value"});
  has("controls", {"name", "accuracy", "n", "stderr"});
  EXPECT_EQ(report.at("seed").as_int(), 7);
  EXPECT_EQ(report.at("config_hash").as_string(), "00c0ffee00c0ffee");
  EXPECT_EQ(report.at("data").at("train").as_int(), 290000 + 880000 + 410000);
  EXPECT_EQ(report.at("data").at("test").as_int(), 6100 + 30200 + 12800);
  EXPECT_EQ(report.at("data").at("overlap").as_int(), 0);
  EXPECT_EQ(report.at("missing").size(), 0u) << report.at("missing").dump();
  EXPECT_EQ(report.at("warnings").size(), 0u);
}

TEST_F(ReportTest, TheTrainingCurveIsTheTestSplitStageByStageInOrderOfSteps) {
  SyntheticRun run;
  AccuracyRow dev{.stage = "rl", .task = "vm3", .split = "dev", .step = 80, .accuracy = synthetic_accuracy(0.99, 50)};
  run.add(dev);
  AccuracyRow early{.stage = "rl", .task = "vm3", .step = 5, .accuracy = synthetic_accuracy(0.35, 200)};
  run.add(early);  // written late, as after a resume
  std::vector<std::pair<std::string, int64_t>> order;
  const Json report = make(run);
  for (const auto& row : report.at("train_curve").as_array()) {
    if (row.at("task").as_string() == "vm3") order.emplace_back(row.at("stage").as_string(), row.at("step").as_int());
  }
  ASSERT_EQ(order.size(), 2u + 9u);
  EXPECT_EQ(order[1], (std::pair<std::string, int64_t>{"sft", 400}));
  EXPECT_EQ(order[2], (std::pair<std::string, int64_t>{"rl", 5}));
  EXPECT_EQ(order.back(), (std::pair<std::string, int64_t>{"rl", 80}));
}

TEST_F(ReportTest, SentencesClaimOnlyWhatTheIntervalsShow) {
  const auto headlines = make_headlines(rows_of(SyntheticRun()));
  ASSERT_EQ(headlines.size(), 6u);
  const auto& three = headlines[0];
  EXPECT_TRUE(three.clear && three.paired);
  EXPECT_NE(three.text.find("countdown3: RL raised held-out accuracy from 47.5% [40.7, 54.4] (SFT) to"),
            std::string::npos)
      << three.text;
  const auto& four = headlines[1];
  EXPECT_FALSE(four.clear);
  EXPECT_NE(four.text.find("without a clear change"), std::string::npos) << four.text;
  EXPECT_EQ(four.text.find("raised"), std::string::npos) << four.text;
  EXPECT_EQ(summary_sentence(headlines).find("RL raised held-out accuracy on 2 of 3 tasks"), 0u);
}

TEST_F(ReportTest, SearchIsHeldAgainstGreedyNotAgainstASingleSample) {
  Rows rows = rows_of(SyntheticRun());
  const auto with_greedy = make_headlines(rows)[3];
  EXPECT_EQ(with_greedy.topic, "search");
  EXPECT_EQ(with_greedy.from.label, "greedy");
  EXPECT_DOUBLE_EQ(with_greedy.from.accuracy.value, 0.72);
  EXPECT_EQ(with_greedy.to.label, "majority, budget 16");
  std::erase_if(rows.search, [](const SearchRow& row) { return row.strategy == "greedy"; });
  EXPECT_EQ(make_headlines(rows)[3].from.label, "majority, budget 1");
}

TEST_F(ReportTest, ALossIsCalledALoss) {
  SyntheticRun run;
  run.add(CompareRow{"rl-sft", "countdown4", "", {-0.1, 0.02, {-0.14, -0.06}, 200}});
  const auto headlines = make_headlines(rows_of(run));
  EXPECT_NE(headlines[1].text.find("RL lowered held-out accuracy"), std::string::npos) << headlines[1].text;
  EXPECT_NE(summary_sentence(headlines).find("and lowered it on 1"), std::string::npos);
}

TEST_F(ReportTest, WithoutAPairedRowTheDifferenceIsUnpaired) {
  Rows rows = rows_of(SyntheticRun());
  rows.compare.clear();
  const auto headline = make_headlines(rows)[0];
  EXPECT_FALSE(headline.paired);
  const double error = std::hypot(headline.from.accuracy.std_error, headline.to.accuracy.std_error);
  EXPECT_NEAR(headline.difference.ci.hi - headline.difference.ci.lo, 2 * 1.96 * error, 1e-3);
}

TEST_F(ReportTest, ARunThatWasStoppedEarlySaysWhatItLacks) {
  const Json report = make(SyntheticRun(/*with_rl=*/false));
  EXPECT_TRUE(mentions(report.at("missing"), "Stage rl"));
  EXPECT_TRUE(mentions(report.at("missing"), "No test accuracy during RL"));
  EXPECT_TRUE(mentions(report.at("missing"), "No test-time search"));
  EXPECT_FALSE(mentions(report.at("missing"), "Stage sft"));
  EXPECT_EQ(report.at("headlines").size(), 0u);
  EXPECT_GT(report.at("train_curve").size(), 0u);
  EXPECT_NE(html().find("Stage rl is not in the ledger"), std::string::npos);
}

TEST_F(ReportTest, AnEmptyRunStillGivesAReport) {
  base::make_directories(dir_);
  base::write_file_atomic(base::join_path(dir_, "metrics.jsonl"), "");
  const Json report = make_report(dir_);
  EXPECT_TRUE(mentions(report.at("missing"), "No config.yaml"));
  EXPECT_EQ(report.at("name").as_string(), base::file_name(dir_));
  EXPECT_EQ(summary_table(Rows{}), "");
}

TEST_F(ReportTest, NoMetricsIsAnError) {
  base::make_directories(dir_);
  EXPECT_THROW(make_report(dir_), Error);
}

TEST_F(ReportTest, OverlapAndUnreadableRowsAreWarnings) {
  SyntheticRun run;
  run.add(DataRow{"vm3", 10, 0, 5, 2, ""});
  run.write(dir_);
  const std::string path = base::join_path(dir_, "metrics.jsonl");
  base::write_file_atomic(path, base::read_file(path) + "{\"kind\":\"led");
  const Json report = make_report(dir_);
  EXPECT_TRUE(mentions(report.at("warnings"), "vm3: 2 of 5 test instances also occur in training data"));
  EXPECT_TRUE(mentions(report.at("warnings"), "Row left out: metrics.jsonl:"));
}

TEST_F(ReportTest, ThePageNeedsNothingButItself) {
  make(SyntheticRun());
  const std::string page = html();
  for (const char* load : {"http://", "https://", "src=", "<link", "@import", "url(", "fetch(", "import("})
    EXPECT_EQ(page.find(load), std::string::npos) << load;
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  EXPECT_EQ(page.find("{{"), std::string::npos);
  EXPECT_NE(page.find(web::kReportScript), std::string::npos);
}

TEST_F(ReportTest, TextOfModelsAndUsersIsNeverMarkup) {
  const std::string evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)> {{SCRIPT}} & \"' <!--";
  SyntheticRun run;
  run.add(RunRow{evil, 7, evil, evil, evil, 1, 1});
  run.add(TranscriptRow{evil, evil, "rl", evil, evil, evil, evil, evil, 1});
  run.add(NoteRow{"limits", evil});
  AccuracyRow before{.stage = "sft", .task = evil, .accuracy = synthetic_accuracy(0.2, 100)}, after = before;
  after.stage = "rl";
  run.add(before);
  run.add(after);
  const Json report = make(run);
  const std::string page = html();
  EXPECT_EQ(page.find("<script>alert"), std::string::npos);
  EXPECT_EQ(page.find("<img"), std::string::npos);
  EXPECT_EQ(page.find("<!--"), std::string::npos);
  EXPECT_NE(page.find("&lt;img src=x"), std::string::npos);  // in the title and for readers without JavaScript
  // The data is all there: what the page parses is what report.json says.
  const std::string open = "id=\"data\">";
  const size_t start = page.find(open) + open.size();
  EXPECT_EQ(Json::parse(page.substr(start, page.find("</script>", start) - start)).dump(), report.dump());
}

TEST_F(ReportTest, TheScriptBuildsNoMarkupFromText) {
  for (const char* way : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"})
    EXPECT_EQ(web::kReportScript.find(way), std::string_view::npos) << way;
}

TEST_F(ReportTest, LongCurvesAreThinnedAndKeepTheirEnds) {
  SyntheticRun run;
  for (int64_t step = 1; step <= 5000; ++step) run.add(RlRow{.step = step, .reward = 0.5});
  const Json report = make(run);
  const auto& rl = report.at("rl").as_array();
  EXPECT_LE(rl.size(), 1000u);
  EXPECT_EQ(rl.front().at("step").as_int(), 1);
  EXPECT_EQ(rl.back().at("step").as_int(), 5000);
}

TEST_F(ReportTest, TheSummaryShowsCostCurvesAndControls) {
  const std::string text = summary_table(rows_of(SyntheticRun()));
  for (const char* part : {"pretrain", "all", "47.5% [40.7, 54.4]", "not clear", "majority", "random reward",
                           "RL raised held-out accuracy on 2 of 3 tasks"})
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
}

}  // namespace
}  // namespace ponder::eval
