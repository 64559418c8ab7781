#include "ponder/recipes/plan.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::recipes {
namespace {

const std::string kDir = base::join_path(testing::TempDir(), "ponder_plan_test/run");

TEST(Plan, SaysWhatTheRecipeSays) {
  const Recipe recipe = load_recipe("recipes/micro.yaml", {"workers=2", "device=cpu"});
  const Plan plan = make_plan(recipe, kDir);
  EXPECT_EQ(plan.parameters, recipe.model.parameter_count());
  EXPECT_EQ(plan.workers, 2);
  EXPECT_DOUBLE_EQ(plan.checkpoint, 12.0 * static_cast<double>(plan.parameters));
  EXPECT_DOUBLE_EQ(plan.gradients, 8.0 * static_cast<double>(plan.parameters));
  EXPECT_GT(plan.gemm_rate, 1e8);
  ASSERT_EQ(plan.stages.size(), recipe.stages.size());
  EXPECT_EQ(plan.stages[0].name, "pretrain");
  EXPECT_DOUBLE_EQ(plan.stages[0].tokens, 30 * 2048);
  EXPECT_EQ(plan.stages.back().tokens, 0);  // the report runs no model
  for (size_t i = 0; i + 1 < plan.stages.size(); ++i) EXPECT_GT(plan.stages[i].seconds, 0) << plan.stages[i].name;
  EXPECT_FALSE(base::is_directory(base::parent_path(kDir))) << "a plan writes nothing";
}

TEST(Plan, GrowsWithTheRecipe) {
  const auto plan_of = [](const std::vector<std::string>& overrides) {
    return make_plan(load_recipe("recipes/micro.yaml", overrides), kDir);
  };
  const Plan base = plan_of({}), more = plan_of({"workers=4", "rl.prompts=12", "engine.kv_pages=5000"});
  EXPECT_DOUBLE_EQ(more.gradients, 2 * base.gradients);
  EXPECT_DOUBLE_EQ(more.rollouts, 2 * base.rollouts);
  EXPECT_GT(more.kv_cache, base.kv_cache);
  const auto rl = [](const Plan& plan) { return plan.stages[3]; };
  EXPECT_EQ(rl(base).name, "rl");
  EXPECT_GT(rl(more).tokens, rl(base).tokens);
  EXPECT_GT(rl(plan_of({"rl.loss.beta=0.1"})).flops, rl(base).flops);  // the reference reads the samples too
  const Plan bf16 = plan_of({"model.compute=bf16"});
  EXPECT_DOUBLE_EQ(bf16.kv_cache, base.kv_cache / 2);
  EXPECT_LT(bf16.weights, base.weights);
}

TEST(Plan, TooLittleMemoryOrDiskIsAnErrorWithItsNumbers) {
  Plan plan;
  plan.device = "cpu";
  plan.memory = 3.0 * (1 << 30), plan.memory_available = 1 << 30;
  plan.disk = 5 << 20, plan.disk_free = 6 << 20;
  const auto message = [&] {
    try {
      check_resources(plan, "runs/x");
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kResource);
      return std::string(e.what());
    }
    return std::string();
  };
  EXPECT_NE(message().find("3072 MiB"), std::string::npos) << message();
  EXPECT_NE(message().find("1024 MiB"), std::string::npos) << message();
  plan.memory = 1 << 20;
  EXPECT_EQ(message(), "");
  plan.disk_free = 4 << 20;
  EXPECT_NE(message().find("runs/x"), std::string::npos) << message();
  EXPECT_NE(message().find("4 MiB are free"), std::string::npos) << message();
}

// As a user meets it: a model that no machine holds.
TEST(Plan, AnImpossibleRunFailsBeforeItStarts) {
  const Recipe recipe = load_recipe("recipes/micro.yaml", {"device=cpu", "workers=1", "engine.kv_pages=1000000000"});
  testing::internal::CaptureStdout();
  EXPECT_THROW(print_plan(recipe, kDir, true), Error);
  const base::Json json = base::Json::parse(testing::internal::GetCapturedStdout());
  EXPECT_GT(json.at("memory").at("total").as_double(), json.at("memory").at("available").as_double());
}

// It samples and trains nothing.
TEST(Plan, AConfidenceNeedsNoNetworkOfItsOwn) {
  const auto plan_of = [](const char* kind) {
    Recipe recipe =
        load_recipe("recipes/micro.yaml", {"device=cpu", "critic.temperature=0.8", base::cat("critic.kind=", kind)});
    recipe.stages = {"pretrain", "critic"};
    return make_plan(recipe, kDir);
  };
  const Plan network = plan_of("value_head"), confidence = plan_of("confidence");
  EXPECT_LT(confidence.weights, network.weights);
  EXPECT_LT(confidence.disk, network.disk);
  EXPECT_LT(confidence.stages[1].tokens, network.stages[1].tokens);
  EXPECT_GT(confidence.stages[1].tokens, 0);
}

}  // namespace
}  // namespace ponder::recipes
