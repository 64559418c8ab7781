// A study of seconds: what its arms share is the same to the bit as if each had run alone, and its file is checked.
#include "ponder/recipes/study.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/log.h"
#include "ponder/eval/statistics.h"
#include "ponder/recipes/run.h"
#include "ponder/recipes/test_run.h"

namespace ponder::recipes {
namespace {

const std::vector<std::string> kTiny = {"pretrain.train.steps=4", "sft.train.steps=4",     "sft.eval_problems=6",
                                        "rl.prompts=3",           "rl.eval_problems=6",    "rl.train.steps=2",
                                        "probe.problems=4",       "probe.tasks=countdown4"};

class StudyTest : public testing::Test {
 protected:
  void SetUp() override { base::set_quiet(true), base::make_directories(dir_); }
  void TearDown() override { base::set_quiet(false); }
  std::string file(const std::string& text) const {
    const std::string path = base::join_path(dir_, "study.yaml");
    base::write_file_atomic(path, text);
    base::write_file_atomic(base::join_path(dir_, "micro.yaml"), base::read_file("recipes/micro.yaml"));
    return path;
  }
  std::string message_of(const std::string& text) const {
    try {
      load_study(file(text));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kUsage);
      return base::cat(base::file_name(e.where()), ": ", e.message());
    }
    return "no error";
  }
  const std::string dir_ = fresh_dir("study");
};

TEST_F(StudyTest, ArmsShareImitationAndEndAsIfEachHadRunAlone) {
  const Study study =
      load_study(file("study: tiny\nbase: micro.yaml\nseeds: [1, 2]\narms:\n"
                      "  main: ['stages=[pretrain,sft,rl,probe,report]', probe.max_tokens=64]\n"
                      "  shuffled: ['stages=[pretrain,sft,rl,report]', rl.shuffle_rewards=yes]\n"
                      "compare:\n"
                      "  - {name: gain, task: countdown3, a: main rl greedy, b: main sft greedy}\n"
                      "  - {name: absent, task: countdown3, a: main rl mcts@64, b: main rl greedy}\n"
                      "  - {name: unmeasured, task: countdown3, a: main rl greedy, b: main sft greedy, "
                      "equal_tokens: true}\n"));
  const std::string out = base::join_path(dir_, "out"), alone = base::join_path(dir_, "alone");
  run_study(study, kTiny, out);
  run_recipe(arm_recipe(study, study.arms[1], 2, kTiny), alone);
  EXPECT_EQ(rows_of(base::join_path(out, "shuffled-2")), rows_of(alone));

  const std::string before = base::read_file(base::join_path(out, "study.json"));
  const base::Json json = base::Json::parse(before);
  const auto& comparisons = json.at("comparisons").as_array();
  ASSERT_EQ(comparisons.size(), 3u);
  EXPECT_EQ(comparisons[0].at("n").as_int(), 12);  // 6 problems of 2 seeds
  EXPECT_EQ(comparisons[0].at("seeds").size(), 2u);
  EXPECT_EQ(comparisons[1].find("value"), nullptr);
  EXPECT_EQ(comparisons[1].find("refused"), nullptr);
  EXPECT_EQ(comparisons[2].find("value"), nullptr);
  EXPECT_NE(comparisons[2].at("refused").as_string().find("not measured"), std::string::npos);
  EXPECT_GT(json.at("accuracies").size(), 0u);
  EXPECT_NE(study_table(json).find("no rows yet"), std::string::npos);
  run_study(study, kTiny, out);  // all is finished: nothing changes
  EXPECT_EQ(base::read_file(base::join_path(out, "study.json")), before);
}

// What a finished run of micro.yaml has in its ledger.
std::string ledger_rows() {
  std::string rows;
  for (const std::string& stage : load_recipe("recipes/micro.yaml", {}).stages) {
    eval::LedgerRow row;
    row.stage = stage;
    rows += eval::to_json(row).dump() + "\n";
  }
  return rows;
}

// Rows of two searches that spent what they say, answering 4 problems.
void write_searches(const std::string& run_dir, double left_tokens, double left_critic_tokens) {
  std::string rows = ledger_rows();
  const auto add = [&](const char* strategy, int64_t budget, const char* outcomes, double tokens,
                       double critic_tokens) {
    eval::SearchRow search;
    search.task = "countdown3", search.model = "rl", search.strategy = strategy, search.budget = budget;
    search.tokens_per_problem = tokens, search.critic_tokens_per_problem = critic_tokens;
    search.accuracy = eval::mean(std::vector<double>{0, 1});
    rows += eval::to_json(search).dump() + "\n";
    rows += eval::to_json(eval::OutcomeRow{"countdown3", "rl", strategy, budget, outcomes}).dump() + "\n";
  };
  add("reject", 128, "1101", left_tokens, left_critic_tokens);
  add("mcts", 64, "1101", left_tokens, left_critic_tokens);
  add("majority", 64, "1100", 50, 0);
  base::make_directories(run_dir);
  base::write_file_atomic(base::join_path(run_dir, "metrics.jsonl"), rows);
}

TEST_F(StudyTest, AClaimAtEqualTokensStandsOnlyWhereTheyAreEqual) {
  const Study study = load_study(
      file("study: tiny\nbase: micro.yaml\nseeds: [1]\narms: {main: []}\ncompare:\n"
           "  - {name: x, task: countdown3, a: main rl reject@128, b: main rl majority@64, equal_tokens: true}\n"
           "  - {name: y, task: countdown3, a: main rl reject@128, b: main rl majority@64}\n"
           "  - {name: z, task: countdown3, a: main rl mcts@64, b: main rl majority@64, equal_tokens: true}\n"));
  const std::string out = base::join_path(dir_, "out");
  const auto compared = [&](double tokens, double critic_tokens) {
    write_searches(base::join_path(out, "main-1"), tokens, critic_tokens);
    return study_json(study, {}, out).at("comparisons").as_array();
  };
  auto fair = compared(30, 20);
  EXPECT_EQ(fair[0].at("value").as_double(), 0.25);
  EXPECT_EQ(fair[0].at("a_tokens").as_double(), 50);
  EXPECT_EQ(fair[0].at("b_tokens").as_double(), 50);
  auto unfair = compared(30, 21);  // the critic's tokens count
  EXPECT_EQ(unfair[0].find("value"), nullptr);
  EXPECT_EQ(unfair[0].at("refused").as_string(), "a spends more tokens than b");
  EXPECT_EQ(unfair[1].at("value").as_double(), 0.25);  // makes no such claim
  EXPECT_EQ(unfair[1].at("a_tokens").as_double(), 51);
  EXPECT_EQ(unfair[2].at("value").as_double(), 0.25);  // both were given 64; what b left over is its own affair
  auto overspent = compared(30, 35);
  EXPECT_EQ(overspent[2].find("value"), nullptr);
  EXPECT_EQ(overspent[2].at("refused").as_string(), "a spends more tokens than its budget");
}

TEST_F(StudyTest, ProbesAndPassAtKStandWithEverySeed) {
  const Study study = load_study(file("study: tiny\nbase: micro.yaml\nseeds: [1, 2]\narms: {main: []}\ncompare: []\n"));
  const std::string out = base::join_path(dir_, "rows");
  for (const int seed : {1, 2}) {
    eval::PassAtKRow pass{"countdown3", "rl", 4, 8, 100.0 * seed, eval::mean(std::vector<double>{0, 1})};
    eval::ProbeRow probe;
    probe.task = "countdown3", probe.model = "rl", probe.slip = "miscopied";
    probe.repaired = eval::mean(std::vector<double>{1, 1, 1, 0}), probe.false_alarms = 0.25;
    probe.shown = "no", probe.outcomes = seed == 1 ? "1-110" : "0-000";
    const std::string run_dir = base::join_path(out, base::cat("main-", seed));
    base::make_directories(run_dir);
    base::write_file_atomic(base::join_path(run_dir, "metrics.jsonl"),
                            ledger_rows() + eval::to_json(pass).dump() + "\n" + eval::to_json(probe).dump() + "\n");
  }
  const base::Json json = study_json(study, {}, out);
  EXPECT_EQ(json.at("pass_at_k").size(), 2u);
  EXPECT_EQ(json.at("probes").as_array()[1].at("seed").as_int(), 2);
  const std::string table = study_table(json);
  EXPECT_NE(table.find("main countdown3 rl k=4: 50.0 @ 100; 50.0 @ 200\n"), std::string::npos) << table;
  EXPECT_NE(table.find("main countdown3 rl miscopied: 75.0 ["), std::string::npos) << table;
  EXPECT_NE(table.find("] n 4 (25.0)\n"), std::string::npos) << table;
  // Over seeds a place that has no room for a slip counts for nothing.
  const auto slips = json.at("slips").as_array();
  ASSERT_EQ(slips.size(), 3u);
  EXPECT_EQ(slips[2].at("task").as_string(), "all");
  for (const base::Json& row : slips) {
    EXPECT_EQ(row.at("n").as_int(), 8);
    EXPECT_EQ(row.at("value").as_double(), 0.375);
    EXPECT_EQ(row.at("false_alarms").as_double(), 0.25);
    EXPECT_EQ(row.at("seeds").as_array()[0].as_double(), 0.75);
  }
  EXPECT_NE(table.find("main all rl unlike SFT: 37.5 ["), std::string::npos) << table;
  // A run that is not finished says nothing.
  base::write_file_atomic(base::join_path(out, "main-2/metrics.jsonl"), "");
  EXPECT_EQ(study_json(study, {}, out).at("pass_at_k").size(), 1u);
}

TEST_F(StudyTest, ShippedStudiesLoad) {
  for (const char* path : {"recipes/laptop-study.yaml", "recipes/laptop-fresh.yaml"})
    EXPECT_EQ(load_study(path).seeds.size(), 3u) << path;
}

TEST_F(StudyTest, ABadFileIsRefusedWithItsLine) {
  const std::string good = "study: t\nbase: micro.yaml\nseeds: [1]\narms:\n  main: []\n";
  EXPECT_EQ(message_of(good), "no error");
  EXPECT_TRUE(is_study(file(good)));
  EXPECT_FALSE(is_study("recipes/micro.yaml"));
  EXPECT_TRUE(message_of(good + "sedes: 3\n").starts_with("study.yaml:6: unknown key \"sedes\""));
  EXPECT_TRUE(message_of("study: t\nbase: micro.yaml\narms: {main: []}\n").find("\"seeds\" is missing") !=
              std::string::npos);
  EXPECT_TRUE(message_of("study: t\nbase: micro.yaml\nseeds: [one]\narms: {main: []}\n")
                  .starts_with("study.yaml:3: \"one\" is not a whole number"));
  const auto compare = [&](const std::string& a) {
    return message_of(good + "compare:\n  - {name: x, task: countdown3, a: " + a + ", b: main rl greedy}\n");
  };
  EXPECT_EQ(compare("main rl majority@64"), "no error");
  EXPECT_EQ(compare("main rl majority@64, equal_tokens: true"), "no error");
  EXPECT_TRUE(compare("main rl greedy, equal_tokens: perhaps").starts_with("study.yaml:7: \"perhaps\" must be true"));
  EXPECT_TRUE(compare("man rl greedy").starts_with("study.yaml:7: there is no arm \"man\""));
  EXPECT_TRUE(compare("main late greedy").starts_with("study.yaml:7: model \"late\""));
  EXPECT_TRUE(compare("greedy").starts_with("study.yaml:7: \"greedy\" must be ARM MODEL STRATEGY"));
  // An arm's overrides are checked before anything runs.
  EXPECT_NE(message_of("study: t\nbase: micro.yaml\nseeds: [1]\narms:\n  main: [rl.gruop=4]\n"), "no error");
}

}  // namespace
}  // namespace ponder::recipes
