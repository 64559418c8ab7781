#include "ponder/recipes/recipe.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::recipes {
namespace {

std::string write_recipe(const std::string& text) {
  const std::string path = base::join_path(testing::TempDir(), "recipe_test.yaml");
  base::write_file_atomic(path, text);
  return path;
}

// The message of the Error that loading this recipe throws.
std::string load_error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  try {
    load_recipe(write_recipe(text), overrides);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    return e.what();
  }
  return "";
}

TEST(Recipe, ShippedRecipesLoadAndRoundTrip) {
  for (const char* path : {"recipes/laptop.yaml", "recipes/micro.yaml"}) {
    Recipe recipe = load_recipe(path, {});
    Recipe again = load_recipe(write_recipe(base::to_yaml(recipe)), {});
    EXPECT_EQ(base::to_yaml(recipe), base::to_yaml(again)) << path;
  }
}

TEST(Recipe, LaptopRunsTheWholeRoad) {
  const Recipe recipe = load_recipe("recipes/laptop.yaml", {});
  EXPECT_EQ(recipe.stages,
            (std::vector<std::string>{"pretrain", "sft", "rl", "critic_rl", "search", "probe", "report"}));
  ASSERT_EQ(recipe.search.tasks.size(), recipe.search.problems.size());
  for (size_t t = 0; t < recipe.search.tasks.size(); ++t) {
    if (recipe.search.tasks[t] == "countdown4") {
      EXPECT_GE(recipe.search.problems[t], 500);
    }
  }
  EXPECT_FALSE(recipe.search.harder_tasks.empty());
}

TEST(Recipe, MistypedKeyNamesFileLineAndNearest) {
  const std::string message = load_error("name: x\nrl:\n  promts: 3\n");
  EXPECT_NE(message.find("recipe_test.yaml:3"), std::string::npos) << message;
  EXPECT_NE(message.find("\"promts\""), std::string::npos) << message;
  EXPECT_NE(message.find("\"prompts\""), std::string::npos) << message;
}

TEST(Recipe, WrongTypeAndRangeSayWhatWouldBeRight) {
  EXPECT_NE(load_error("rl: {prompts: many}\n").find("prompts"), std::string::npos);
  EXPECT_NE(load_error("rl: {prompts: 0}\n").find("between"), std::string::npos);
  EXPECT_NE(load_error("search: {tasks: [countdwon3]}\n").find("countdown3"), std::string::npos);
}

TEST(Recipe, ImpossibleCombinationsAreRefused) {
  EXPECT_NE(load_error("rl: {mix: {tasks: [vm3], weights: [1, 2]}}\n").find("one weight a task"), std::string::npos);
  EXPECT_NE(load_error("search: {tasks: [vm3], problems: [1, 2]}\n").find("one number a task"), std::string::npos);
  EXPECT_NE(load_error("search: {budgets: [64, 32]}\n").find("ascending"), std::string::npos);
  EXPECT_NE(load_error("model: {context: 64}\n").find("context"), std::string::npos);
  EXPECT_NE(load_error("rl: {group: 1}\n").find("at least 2"), std::string::npos);
}

TEST(Recipe, StagesStandBehindWhatTheyNeed) {
  EXPECT_NE(load_error("stages: []\n").find("at least one"), std::string::npos);
  EXPECT_NE(load_error("stages: [rl]\n").find("needs a policy"), std::string::npos);
  EXPECT_NE(load_error("stages: [sft, sft]\n").find("twice"), std::string::npos);
  EXPECT_NE(load_error("stages: [sft, pretrain]\n").find("begin with pretrain"), std::string::npos);
  EXPECT_NE(load_error("stages: [sft, critic_rl]\n").find("put rl before"), std::string::npos);
}

TEST(Recipe, AConfidenceJudgesThePolicyItWasFittedTo) {
  const std::string kind = "critic: {kind: confidence, temperature: 0.8}\n";
  EXPECT_NE(load_error("stages: [sft, critic, rl, search]\n" + kind).find("put critic_rl"), std::string::npos);
  EXPECT_EQ(load_error("stages: [sft, critic, rl, critic_rl, search]\n" + kind), "");
  EXPECT_EQ(load_error("stages: [sft, critic, search]\n" + kind), "");
  EXPECT_NE(load_error("stages: [sft, critic, search]\n" + kind, {"search.temperature=1"}).find("make them equal"),
            std::string::npos);
  EXPECT_EQ(load_error("stages: [sft, critic, report]\n" + kind, {"search.temperature=1"}), "");
}

TEST(Recipe, HarderTasksAreNeverTrainedOn) {
  EXPECT_NE(load_error("search: {harder_tasks: [vm3]}\n").find("trains on"), std::string::npos);
}

// One error each, and it says where: the file and the line of the key, or the command line.
TEST(Recipe, ImpossibleCombinationsSayWhereTheyAreSet) {
  struct Case {
    const char *text, *override_, *place, *key;
  };
  for (const Case& c :
       {Case{"name: x\nrl:\n  group: 1\n", "", "recipe_test.yaml:3: ", "rl.group"},
        Case{"name: x\n", "rl.group=1", "command line: ", "rl.group"},
        Case{"name: x\nmodel: {width: 128}\nrl:\n  max_tokens: 5000\n", "", "recipe_test.yaml:4: ", "model.context"},
        Case{"name: x\nmodel:\n  width: 100\n", "", "recipe_test.yaml:3: ", "model.width"},
        Case{"name: x\nmodel: {heads: 3}\n", "", "recipe_test.yaml:2: ", "model.width"},
        Case{"name: x\nsft:\n  demos:\n    shares: [1]\n", "", "recipe_test.yaml:4: ", "sft.demos.shares"},
        Case{"name: x\nsft:\n  demos:\n    shares: [0, 0, 0]\n", "", "recipe_test.yaml:4: ", "sft.demos.shares"},
        Case{"name: x\nsearch:\n  budgets: []\n", "", "recipe_test.yaml:3: ", "search.budgets"},
        Case{"seed: 1\nname: a/b\n", "", "recipe_test.yaml:2: ", "name"},
        Case{"seed: 1\nname: ..\n", "", "recipe_test.yaml:2: ", "name"},
        Case{"seed: 1\n", "name=", "command line: ", "name"},
        Case{"name: x\nstages: [rl]\n", "", "recipe_test.yaml:2: ", "stage"},
        Case{"name: x\nrl:\n  mix:\n    tasks: []\n    weights: []\n", "", "recipe_test.yaml:4: ", "rl.mix.tasks"}}) {
    const std::vector<std::string> overrides =
        *c.override_ ? std::vector<std::string>{c.override_} : std::vector<std::string>{};
    const std::string message = load_error(c.text, overrides);
    EXPECT_NE(message.find(c.place), std::string::npos) << message;
    EXPECT_NE(message.find(c.key), std::string::npos) << message;
  }
}

TEST(Recipe, AMissingFileIsNamed) {
  try {
    load_recipe("no/such/recipe.yaml", {});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("no/such/recipe.yaml"), std::string::npos) << e.what();
  }
}

TEST(Recipe, OverridesComeLast) {
  const Recipe recipe = load_recipe(write_recipe("rl: {prompts: 3}\n"), {"rl.prompts=5", "search.budgets=10,20"});
  EXPECT_EQ(recipe.rl.prompts, 5);
  EXPECT_EQ(recipe.search.budgets, (std::vector<int64_t>{10, 20}));
  EXPECT_NE(load_error("name: x\n", {"rl.promts=5"}).find("rl.prompts"), std::string::npos);
  EXPECT_NE(load_error("name: x\n", {"rl.steps=5"}).find("rl.train.steps"), std::string::npos);
}

}  // namespace
}  // namespace ponder::recipes
