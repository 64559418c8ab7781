// The promises of a whole run, on a recipe of seconds: the same bits again, and the same bits after any number of
// stops.
#include "ponder/recipes/run.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ponder/base/log.h"
#include "ponder/base/stop.h"
#include "ponder/recipes/test_run.h"
#include "ponder/store/checkpoint.h"

namespace ponder::recipes {
namespace {

Recipe tiny_recipe() {
  return load_recipe(
      "recipes/micro.yaml",
      {"pretrain.train.steps=6", "pretrain.train.checkpoint_every=2", "sft.train.steps=40",
       "sft.train.checkpoint_every=10", "sft.eval_problems=4", "critic.problems=4", "critic.train.steps=4",
       "critic.train.checkpoint_every=2", "critic.dev_problems=3", "rl.prompts=3", "rl.eval_problems=4",
       "rl.train.steps=4", "search.problems=4,4,4", "search.harder_problems=4"});
}

std::string weights_of(const std::string& dir, const std::string& stage) {
  const auto latest = store::latest_checkpoint(base::join_path(base::join_path(dir, "checkpoints"), stage));
  return latest ? base::read_file(base::join_path(*latest, "model.safetensors")) : "";
}

void expect_same_run(const std::string& a, const std::string& b) {
  const std::vector<std::string> rows_a = rows_of(a), rows_b = rows_of(b);
  EXPECT_EQ(rows_a.size(), rows_b.size());
  const auto [first, second] = std::ranges::mismatch(rows_a, rows_b);
  if (first != rows_a.end() && second != rows_b.end()) {
    EXPECT_EQ(*first, *second) << "row " << first - rows_a.begin();
  }
  for (const char* stage : {"pretrain", "sft", "critic", "rl", "critic_rl"}) {
    EXPECT_FALSE(weights_of(a, stage).empty()) << stage;
    EXPECT_TRUE(weights_of(a, stage) == weights_of(b, stage)) << "other weights after " << stage;
  }
}

// A run whose RL teaches nothing could lose its weights in a resume, and nobody would see it.
void expect_rl_learned(const std::string& dir) {
  EXPECT_FALSE(weights_of(dir, "sft") == weights_of(dir, "rl"));
  EXPECT_FALSE(weights_of(dir, "critic") == weights_of(dir, "critic_rl"));
  int64_t updates = 0;
  for (const eval::RlRow& row : eval::read_rows(base::join_path(dir, "metrics.jsonl")).rl)
    updates += row.reward_std > 0 && row.grad_norm > 0;
  EXPECT_GE(updates, 2) << "RL must have learned on both sides of a checkpoint";
}

class RunTest : public testing::Test {
 protected:
  void SetUp() override { base::set_quiet(true), base::clear_stop(); }
  void TearDown() override { base::set_quiet(false), base::clear_stop(); }
};

TEST_F(RunTest, AllStagesLeaveRowsAndASecondRunIsTheSame) {
  const std::string a = fresh_dir("run_a"), b = fresh_dir("run_b");
  run_recipe(tiny_recipe(), a);
  run_recipe(tiny_recipe(), b);
  expect_same_run(a, b);
  expect_rl_learned(a);

  const base::Json report = base::Json::parse(base::read_file(base::join_path(a, "report.json")), "report.json");
  std::vector<std::string> stages;
  for (const base::Json& stage : report.at("stages").as_array()) stages.push_back(stage.at("name").as_string());
  EXPECT_EQ(stages, tiny_recipe().stages);
  EXPECT_EQ(report.at("data").at("overlap").as_int(), 0);
  for (const char* key : {"train_curve", "search_curve", "pass_at_k"}) EXPECT_GT(report.at(key).size(), 0u) << key;
}

// Stops at times that fall into every stage; each time the same command goes on.
TEST_F(RunTest, StoppedAgainAndAgainItEndsInTheSameBits) {
  const std::string whole = fresh_dir("run_whole"), stopped = fresh_dir("run_stopped");
  run_recipe(tiny_recipe(), whole);
  expect_rl_learned(whole);
  int stops = 0;
  for (int attempt = 0; attempt < 200; ++attempt) {
    const StopAfterARow later(stopped, attempt);
    try {
      run_recipe(tiny_recipe(), stopped);
      break;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kStopped) << e.what();
      EXPECT_NE(e.message().find("the same command goes on from here"), std::string::npos) << e.what();
      ++stops;
    }
  }
  EXPECT_GT(stops, 2);
  expect_same_run(whole, stopped);
}

TEST_F(RunTest, AnotherConfigurationInTheSameDirectoryIsRefused) {
  const std::string dir = fresh_dir("run_config");
  Recipe recipe = tiny_recipe();
  recipe.stages = {"pretrain"};
  run_recipe(recipe, dir);
  recipe.pretrain.train.lr *= 2;
  try {
    run_recipe(recipe, dir);
    FAIL() << "a second configuration was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("lr"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace ponder::recipes
