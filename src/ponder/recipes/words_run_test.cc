// A whole run that starts from a "real" model.
#include <gtest/gtest.h>

#include <algorithm>

#include "ponder/recipes/open_model.h"
#include "ponder/recipes/replay.h"
#include "ponder/recipes/run.h"
#include "ponder/recipes/test_words.h"

namespace ponder::recipes {
namespace {

std::string weights_of(const std::string& dir, const std::string& stage) {
  return base::read_file(base::join_path(checkpoint_of(dir, stage), "model.safetensors"));
}

TEST_F(WordsRun, GoesFromARealModelToAReport) {
  const std::string dir = fresh_dir("words_run");
  run_recipe(recipe(), dir);
  const std::string path = base::join_path(dir, "report.json");
  const base::Json report = base::Json::parse(base::read_file(path), path);
  std::vector<std::string> stages;
  for (const base::Json& stage : report.at("stages").as_array()) stages.push_back(stage.at("name").as_string());
  EXPECT_EQ(stages, recipe().stages);
  EXPECT_EQ(report.at("data").at("overlap").as_int(), 0);
  EXPECT_GT(report.at("data").at("train").as_int(), 100);
  EXPECT_FALSE(weights_of(dir, "sft") == weights_of(dir, "rl"));

  const eval::Rows rows = eval::read_rows(base::join_path(dir, "metrics.jsonl"));
  const auto gain = std::ranges::find(rows.compare, "sft-base", &eval::CompareRow::name);
  ASSERT_NE(gain, rows.compare.end());
  EXPECT_EQ(gain->task, "svamp");
  EXPECT_EQ(gain->difference.n, recipe().base.problems);
  for (const char* name : {"majority-at-2", "majority-at-2-before-rl"}) {
    const auto votes = std::ranges::find(rows.compare, name, &eval::CompareRow::name);
    ASSERT_NE(votes, rows.compare.end()) << name;
    EXPECT_EQ(votes->difference.n, recipe().search.problems[0]);
  }
  EXPECT_GT(rows.train.back().loss, 0);
  EXPECT_LT(rows.train.back().loss, 0.7 * rows.train.front().loss);  // it learns to write solutions

  // Its checkpoints are models like the one that it began with.
  const OpenedModel opened = open_model(dir, {.device = "cpu"});
  const core::Tokens ids = opened.tokenizer().encode("Question: 2 pens\nAnswer: 2 + 3 = 5");
  EXPECT_EQ(ids, open_model(model_, {.device = "cpu"}).tokenizer().encode("Question: 2 pens\nAnswer: 2 + 3 = 5"));
  const Replay replay = replay_step(dir, 1);
  EXPECT_TRUE(replay.mismatches.empty());
  EXPECT_EQ(replay.groups.size(), static_cast<size_t>(recipe().rl.prompts));
}

// RL may also be the first stage, whose base the search compares it with.
TEST_F(WordsRun, StoppedAgainAndAgainItEndsInTheSameBits) {
  for (const char* stages : {"stages=[base,sft,rl,search,report]", "stages=[rl,search,report]"}) {
    const std::string whole = fresh_dir("words_whole"), stopped = fresh_dir("words_stopped");
    run_recipe(recipe({stages}), whole);
    int stops = 0;
    for (int attempt = 0; attempt < 100; ++attempt) {
      const StopAfterARow later(stopped, attempt);
      try {
        run_recipe(recipe({stages}), stopped);
        break;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ErrorCode::kStopped) << e.what();
        ++stops;
      }
    }
    EXPECT_GT(stops, 1);
    EXPECT_EQ(rows_of(whole), rows_of(stopped));
    for (const char* stage : {"sft", "rl"})
      if (std::string_view(stages).find(stage) != std::string_view::npos) {
        EXPECT_TRUE(weights_of(whole, stage) == weights_of(stopped, stage)) << stage;
      }
  }
}

TEST_F(WordsRun, WhatDoesNotGoTogetherIsRefused) {
  const auto holds = [](const std::string& message, const char* what) {
    EXPECT_NE(message.find(what), std::string::npos) << message;
  };
  holds(error_of({"model.width=64"}), "model.width is what init.from says");
  holds(error_of({"rl.mix.tasks=countdown3"}), "rl.mix.tasks names countdown3");
  holds(error_of({"stages=[pretrain,sft]"}), "stage pretrain is for models that ponder has begun itself");
  holds(error_of({"sft.solutions=[]"}), "sft learns worked solutions");
  holds(error_of({"init.from=" + model_ + "/no-such"}), "no such model");
  holds(error_of({"init.from="}), "only a real model reads");
  holds(error_of({"sft.practice_share=1"}), "sft.practice_share");
}

}  // namespace
}  // namespace ponder::recipes
