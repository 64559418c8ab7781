// The whole road on a GPU. Skipped where LibTorch sees none; run by `ctest -L cuda`.
#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/recipes/run.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

bool has_gpu() { return tensor::resolve_device("auto").is_cuda(); }

TEST(Cuda, AskingForAGpuThatIsNotThereSaysSo) {
  if (has_gpu()) GTEST_SKIP() << "there is a GPU";
  try {
    tensor::resolve_device("cuda");
    FAIL() << "a missing GPU was accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("device=cpu"), std::string::npos) << e.what();
  }
}

TEST(Cuda, MicroRecipeEndsWithAReport) {
  if (!has_gpu()) GTEST_SKIP() << "LibTorch sees no GPU";
  base::set_quiet(true);
  const std::string dir = base::join_path(testing::TempDir(), "run_cuda");
  base::remove_all(dir);
  run_recipe(load_recipe("recipes/micro.yaml", {"device=cuda"}), dir);
  const base::Json report = base::Json::parse(base::read_file(base::join_path(dir, "report.json")), "report.json");
  EXPECT_GT(report.at("search_curve").size(), 0u);
}

// Training on the GPU starts from the same weights and rows as on the CPU, so its first losses agree closely.
TEST(Cuda, FirstLossesAgreeWithTheCpu) {
  if (!has_gpu()) GTEST_SKIP() << "LibTorch sees no GPU";
  base::set_quiet(true);
  std::vector<std::vector<double>> losses;
  for (const char* device : {"device=cpu", "device=cuda"}) {
    const std::string dir = base::join_path(testing::TempDir(), "run_losses");
    base::remove_all(dir);
    Recipe recipe = load_recipe("recipes/micro.yaml", {device, "pretrain.train.steps=5"});
    recipe.stages = {"pretrain"};
    run_recipe(recipe, dir);
    losses.emplace_back();
    for (const eval::TrainRow& row : eval::read_rows(base::join_path(dir, "metrics.jsonl")).train)
      losses.back().push_back(row.loss);
  }
  ASSERT_EQ(losses[0].size(), losses[1].size());
  for (size_t i = 0; i < losses[0].size(); ++i) EXPECT_NEAR(losses[0][i], losses[1][i], 1e-3) << "step " << i;
}

}  // namespace
}  // namespace ponder::recipes
