// Runs that train an adapter beside a real model: what learns, what checkpoints hold, and who can open them.
#include <gtest/gtest.h>

#include <algorithm>

#include "ponder/engine/generate.h"
#include "ponder/recipes/adapter_base.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/doctor.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/plan.h"
#include "ponder/recipes/replay.h"
#include "ponder/recipes/run.h"
#include "ponder/recipes/test_words.h"

namespace ponder::recipes {
namespace {

class AdapterRun : public WordsRun {
 protected:
  Recipe lora(std::vector<std::string> more = {}) const {
    more.insert(more.begin(),
                {"init.lora.r=4", "sft.train.steps=8", "sft.train.learner.optimizer.kind=adamw", "sft.train.lr=0.002"});
    return recipe(std::move(more));
  }
  // An adapter cannot teach drawn weights much: the base has seen such problems.
  void train_base() {
    const std::string dir = fresh_dir("adapter_base_run");
    run_recipe(recipe({"stages=[sft]"}), dir);
    model_ = checkpoint_of(dir, "sft");
  }
  static std::string file(const std::string& dir, const std::string& stage, const char* name) {
    return base::read_file(base::join_path(checkpoint_of(dir, stage), name));
  }
  static std::vector<float> scores(const model::Parameters& model) {
    return engine::score_tokens(model, core::Tokens{5, 9, 11, 30, 2, 17, 40, 8});
  }
  static void convert(const std::string& from, const std::string& to, const std::string& adapter = "",
                      const std::string& dtype = "") {
    ConvertArgs args;
    args.from = from, args.to = to, args.adapter = adapter, args.dtype = dtype;
    testing::internal::CaptureStdout();
    EXPECT_EQ(command_convert(args), 0);
    testing::internal::GetCapturedStdout();
  }
  // The message of what a run, or opening a model, ends with.
  template <class Work>
  static std::string message_of(const Work& work) {
    try {
      work();
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  static void holds(const std::string& message, const std::string& what) {
    EXPECT_NE(message.find(what), std::string::npos) << message;
  }
};

TEST_F(AdapterRun, LearnsAnAdapterAlone) {
  train_base();
  const std::string dir = fresh_dir("adapter_run");
  const std::string base_weights = base::read_file(base::join_path(model_, "model.safetensors"));
  const Recipe recipe = lora({"rl.loss.beta=0.05"});
  run_recipe(recipe, dir);

  for (const char* stage : {"sft", "rl"})
    EXPECT_EQ(base::list_directory(checkpoint_of(dir, stage)),
              (std::vector<std::string>{"DONE", "adapter_config.json", "adapter_model.safetensors", "config.json",
                                        "generation_config.json", "manifest.json", "optimizer.safetensors",
                                        "tokenizer.json", "tokenizer_config.json", "trainer.json"}));
  EXPECT_FALSE(file(dir, "sft", "adapter_model.safetensors") == file(dir, "rl", "adapter_model.safetensors"));
  const base::Json config = base::Json::parse(file(dir, "rl", "adapter_config.json"), "adapter_config.json");
  EXPECT_EQ(config.string_at("base_model_name_or_path"), model_);
  EXPECT_EQ(config.int_at("r"), 4);
  EXPECT_EQ(config.at("target_modules").size(), 7u);
  EXPECT_TRUE(base::read_file(base::join_path(model_, "model.safetensors")) == base_weights);

  const eval::Rows rows = eval::read_rows(base::join_path(dir, "metrics.jsonl"));
  EXPECT_LT(rows.train.back().loss, rows.train.front().loss);
  ASSERT_EQ(std::ssize(rows.rl), recipe.rl.train.steps);
  for (const eval::RlRow& row : rows.rl) {
    EXPECT_EQ(row.logp_gap, 0);  // the sampler reads the adapter that learns, to the bit
    EXPECT_EQ(row.stale, 0);
    EXPECT_EQ(row.policy_version, recipe.sft.train.steps + row.step - 1);
  }
  EXPECT_EQ(rows.rl.front().kl, 0);  // the reference is the policy as it was then …
  EXPECT_GT(rows.rl.back().kl, 0);   // … and stays so
  for (const Finding& finding : examine_rows(rows, recipe)) EXPECT_FALSE(finding.is_fatal) << finding.message;
  EXPECT_TRUE(replay_step(dir, 2).mismatches.empty());
}

// Other ways through sampler and trainer: bf16, one gradient for all workers, a sampler at another temperature.
TEST_F(AdapterRun, SamplerAndTrainerAgreeInAnyCase) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"model.compute=bf16", "rl.train.learner.share=products"},
        {"rl.temperature=0.8", "rl.train.learner.recompute=true"}}) {
    const std::string dir = fresh_dir("adapter_agrees");
    std::vector<std::string> overrides = {"stages=[sft,rl]", "sft.train.steps=6", "rl.train.steps=2",
                                          "rl.loss.beta=0.1"};
    overrides.insert(overrides.end(), more.begin(), more.end());
    run_recipe(lora(overrides), dir);
    const eval::Rows rows = eval::read_rows(base::join_path(dir, "metrics.jsonl"));
    ASSERT_EQ(rows.rl.size(), 2u);
    for (const eval::RlRow& row : rows.rl) {
      EXPECT_LE(row.logp_gap, more[0] == "rl.temperature=0.8" ? 1e-3 : 0) << more[0];
      EXPECT_EQ(row.stale, 0) << more[0];
    }
  }
}

TEST_F(AdapterRun, StoppedAgainAndAgainItEndsInTheSameBits) {
  train_base();
  const std::string whole = fresh_dir("adapter_whole"), stopped = fresh_dir("adapter_stopped");
  run_recipe(lora(), whole);
  int stops = 0;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const StopAfterARow later(stopped, attempt);
    const std::string message = message_of([&] { run_recipe(lora(), stopped); });
    if (message == "no error") break;
    holds(message, "stopped");
    ++stops;
  }
  EXPECT_GT(stops, 1);
  EXPECT_EQ(rows_of(whole), rows_of(stopped));
  for (const char* stage : {"sft", "rl"})
    for (const char* name : {"adapter_model.safetensors", "adapter_config.json", "optimizer.safetensors"})
      EXPECT_TRUE(file(whole, stage, name) == file(stopped, stage, name)) << stage << " " << name;
}

TEST_F(AdapterRun, CheckpointsOpenWithTheirBaseAndMergeIntoIt) {
  const std::string dir = fresh_dir("adapter_opens");
  run_recipe(lora({"stages=[sft]"}), dir);
  const std::string checkpoint = checkpoint_of(dir, "sft");
  const OpenedModel opened = open_model(dir, {.device = "cpu"}), plain = open_model(model_, {.device = "cpu"});
  ASSERT_TRUE(opened.policy.adapter);
  EXPECT_EQ(opened.policy_path, checkpoint);
  const std::vector<float> adapted = scores(opened.policy), before = scores(plain.policy);
  EXPECT_NE(adapted, before);
  EXPECT_EQ(adapted, scores(open_model(checkpoint, {.device = "cpu"}).policy));
  for (const std::string& adapter : {dir, checkpoint})
    EXPECT_EQ(adapted, scores(open_model(model_, {.device = "cpu", .adapter = adapter}).policy));
  holds(message_of([&] { open_model(dir, {.device = "cpu", .adapter = checkpoint}); }), "has an adapter already");
  // It is asked as the run asked it, whichever way it is opened.
  const OpenedModel beside = open_model(model_, {.device = "cpu", .adapter = dir});
  const OpenedModel beside_one = open_model(model_, {.device = "cpu", .adapter = checkpoint});
  const core::Problem problem{"1", "svamp", "Ann has 3 nuts. How many nuts has she?", {}};
  const core::Tokens asked = open_codec(opened, {})->prompt(problem);
  EXPECT_EQ(open_codec(beside, {})->prompt(problem), asked);
  EXPECT_EQ(open_codec(beside_one, {})->prompt(problem), asked);
  WordArgs few;
  few.shots = 1;
  EXPECT_NE(open_codec(plain, few)->prompt(problem), asked);

  // What PEFT itself writes has neither a configuration nor a tokenizer of the model.
  const std::string bare = fresh_dir("adapter_bare");
  base::make_directories(bare);
  for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
    base::write_file_atomic(base::join_path(bare, name), file(dir, "sft", name));
  const OpenedModel as_peft = open_model(bare, {.device = "cpu"});
  EXPECT_EQ(adapted, scores(as_peft.policy));
  EXPECT_EQ(as_peft.tokenizer().encode("2 pens"), plain.tokenizer().encode("2 pens"));

  const std::string merged = fresh_dir("adapter_merged"), again = fresh_dir("adapter_merged_again");
  convert(dir, merged);
  convert(model_, again, checkpoint);
  EXPECT_TRUE(base::read_file(base::join_path(merged, "model.safetensors")) ==
              base::read_file(base::join_path(again, "model.safetensors")));
  const OpenedModel whole = open_model(merged, {.device = "cpu"});
  EXPECT_FALSE(whole.policy.adapter);
  const std::vector<float> of_merged = scores(whole.policy);
  for (size_t i = 0; i < adapted.size(); ++i) EXPECT_NEAR(adapted[i], of_merged[i], 1e-4);
  EXPECT_EQ(whole.tokenizer().encode("2 pens"), plain.tokenizer().encode("2 pens"));

  // A run of all weights may start from it.
  EXPECT_TRUE(load_trainable(dir).parameters.flat.defined());
  EXPECT_EQ(of_merged, scores(load_trainable(dir).parameters));
}

TEST_F(AdapterRun, TheBaseMayBeAGgufFile) {
  const std::string gguf = base::join_path(model_, "base.gguf"), dir = fresh_dir("adapter_gguf");
  convert(model_, gguf, "", "bf16");
  const Recipe recipe =
      lora({"init.from=" + gguf, "stages=[sft,rl]", "sft.train.steps=4", "rl.train.steps=1", "rl.loss.beta=0.1"});
  run_recipe(recipe, dir);
  EXPECT_EQ(eval::read_rows(base::join_path(dir, "metrics.jsonl")).rl.front().logp_gap, 0);
  const OpenedModel opened = open_model(dir, {.device = "cpu"});
  EXPECT_EQ(find_adapter_base(opened.policy_path), gguf);
  EXPECT_NE(scores(opened.policy), scores(open_model(gguf, {.device = "cpu"}).policy));
  EXPECT_EQ(scores(opened.policy), scores(open_model(gguf, {.device = "cpu", .adapter = dir}).policy));
}

TEST_F(AdapterRun, AnotherBaseIsRefused) {
  const std::string dir = fresh_dir("adapter_base"), weights = base::join_path(model_, "model.safetensors");
  run_recipe(lora({"stages=[sft]", "sft.train.steps=2"}), dir);
  const std::string bytes = base::read_file(weights);
  std::string other = bytes;
  other[other.size() - 3] = static_cast<char>(other[other.size() - 3] ^ 1);
  base::write_file_atomic(weights, other);
  const auto goes_on = [&] { run_recipe(lora({"stages=[sft]", "sft.train.steps=2"}), dir); };
  const auto opens = [&] { open_model(dir, {.device = "cpu"}); };
  holds(message_of(goes_on), "was trained beside other weights than " + model_);
  holds(message_of(opens), "was trained beside other weights than " + model_);
  base::remove_all(model_);
  holds(message_of(opens), "adapter_config.json: base_model_name_or_path is " + model_ + ", which is neither");
  EXPECT_EQ(recipe_of_run(dir).init.lora.r, 4);  // the run's rows are read without it
}

TEST_F(AdapterRun, WhatDoesNotGoTogetherIsRefused) {
  holds(message_of([] { load_recipe("recipes/micro.yaml", {"init.lora.r=4"}); }), "name one with init.from");
  holds(error_of({"init.lora.r=4", "stages=[sft,critic]", "critic.mix.tasks=svamp", "critic.mix.weights=1"}),
        "use critic.kind=confidence");
  holds(error_of({"init.lora.r=4", "init.lora.target_modules=[]"}), "leave it out for all linear layers");
  holds(error_of({"init.lora.r=4", "init.lora.target_modules=lm_head"}), "q_proj");
  holds(error_of({"init.lora.r=5000"}), "between 0 and 4096");
  holds(error_of({"init.lora.rank=5"}), "unknown");
  const std::string dir = fresh_dir("adapter_twice");
  run_recipe(lora({"stages=[sft]", "sft.train.steps=1"}), dir);
  holds(error_of({"init.from=" + dir, "init.lora.r=4"}), "merge the first");
  EXPECT_EQ(error_of({"init.from=" + dir}), "no error");
}

TEST_F(AdapterRun, PlansGradientAndOptimizerOfTheAdapterAlone) {
  const std::string dir = fresh_dir("adapter_plan");
  const Recipe all = recipe({"device=cpu"}), some = lora({"device=cpu", "init.lora.target_modules=q_proj"});
  const Plan full = make_plan(all, dir), plan = make_plan(some, dir);
  const int64_t trained = 2 * 4 * (48 + 48);  // layers · r · (in + out)
  EXPECT_EQ(full.trained, full.parameters);
  EXPECT_EQ(plan.trained, trained);
  EXPECT_EQ(plan.parameters, full.parameters);
  EXPECT_DOUBLE_EQ(plan.optimizer, 2.0 * 4 * trained);
  EXPECT_DOUBLE_EQ(plan.gradients, 2.0 * 4 * trained);  // two workers
  EXPECT_DOUBLE_EQ(plan.checkpoint, 3.0 * 4 * trained);
  EXPECT_LT(plan.weights, full.weights);
  EXPECT_GT(plan.weights, 4.0 * static_cast<double>(plan.parameters));
  EXPECT_LT(plan.disk, full.disk);
  EXPECT_LT(plan.stages[1].flops, full.stages[1].flops);
}

}  // namespace
}  // namespace ponder::recipes
