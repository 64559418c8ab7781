#include "ponder/recipes/confidence.h"

#include <gtest/gtest.h>

#include "ponder/base/log.h"
#include "ponder/recipes/oracle.h"
#include "ponder/recipes/test_run.h"
#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

TEST(ConfidenceJson, ReadsBackTheSame) {
  const core::Confidence c{{0.1, -2.5e-7, 3}, 1.0 / 3, -0.01, 2, 0.8};
  const core::Confidence back = confidence_from(base::Json::parse(to_json(c).dump()));
  EXPECT_EQ(back.weights, c.weights);
  EXPECT_EQ(back.earlier, c.earlier);
  EXPECT_EQ(back.length, c.length);
  EXPECT_EQ(back.bias, c.bias);
  EXPECT_EQ(back.temperature, c.temperature);
}

TEST(ConfidenceJson, NamesWhatIsMissing) {
  try {
    confidence_from(base::Json::parse(R"({"weights":[1],"earlier":0,"bias":0})"));
    FAIL() << "half a confidence was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_NE(e.message().find("length"), std::string::npos);
  }
}

// The search stage judges with what the critic stage left, in this process or in a later one.
TEST(ConfidenceStage, IsKeptInTheRunsState) {
  base::set_quiet(true);
  Recipe recipe = load_recipe(
      "recipes/micro.yaml", {"critic.kind=confidence", "critic.temperature=0.8", "critic.window=8",
                             "critic.dev_problems=3", "sft.eval_problems=2", "search.tasks=[countdown3]",
                             "search.problems=[3]", "search.tree_strategies=[]", "search.stopping_strategies=[reject]",
                             "search.harder_tasks=[]", "search.stopping_budgets=[200]", "search.oracle=yes"});
  recipe.stages = {"pretrain", "sft", "critic", "search"};
  const std::string dir = fresh_dir("confidence");
  run_recipe(recipe, dir);
  const recipes::Run again(recipe, dir);
  ASSERT_TRUE(again.confidence && again.confidence_before_rl && !again.critic);
  EXPECT_EQ(again.confidence->weights.size(), 8u);
  EXPECT_EQ(confidence_of_run(dir, "sft")->weights, again.confidence->weights);
  EXPECT_FALSE(confidence_of_run(dir, "rl"));  // another policy's log-probs are other numbers
  double judged = -1, told = -1;
  for (const eval::SearchRow& row : eval::read_rows(base::join_path(dir, "metrics.jsonl")).search) {
    if (row.strategy == "reject") judged = row.critic_tokens_per_problem;
    if (row.strategy == "oracle") told = row.accuracy.value;
  }
  EXPECT_EQ(judged, 0.0);  // it reads nothing
  EXPECT_GE(told, 0.0);
  base::set_quiet(false);
}

TEST(ConfidenceStage, ABadStateIsNamed) {
  const std::string dir = fresh_dir("confidence-state");
  base::make_directories(dir);
  const std::string path = base::join_path(dir, "state.json");
  base::write_file_atomic(path, R"({"finished":{"critic_rl":{"confidence":{"weights":[1]}}}})");
  EXPECT_FALSE(confidence_of_run(dir, "sft"));
  try {
    confidence_of_run(dir, "rl");
    FAIL() << "half a confidence was read";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_EQ(e.where(), path);
    EXPECT_NE(e.message().find("critic_rl"), std::string::npos);
  }
}

core::Item countdown(const char* json, const char* id) {
  return tasks::find_task("countdown3").parse(base::Json::parse(json), id);
}

TEST(Oracle, JudgesEachAnswerByItsOwnProblem) {
  const core::Item a = countdown(R"({"numbers":[12,9,2],"target":23})", "a");
  const core::Item b = countdown(R"({"numbers":[12,9,2],"target":5})", "b");
  const text::TaskCodec codec(text::task_tokenizer());
  Oracle oracle({a, b}, codec);
  const auto value = [&](const core::Item& item, const char* completion) {
    core::Tokens prefix = text::render_prompt(text::task_tokenizer(), item.problem);
    const core::Tokens words = text::task_tokenizer().encode(completion);
    prefix.insert(prefix.end(), words.begin(), words.end());
    core::ReadyQueue nobody;
    core::Waiter waiter{&nobody, std::noop_coroutine(), 1};
    core::Score score{-1, 0};
    oracle.submit({prefix}, &score, &waiter);
    EXPECT_TRUE(oracle.advance());
    EXPECT_FALSE(oracle.advance());
    EXPECT_EQ(waiter.pending, 0u);
    return score.value;
  };
  EXPECT_EQ(value(a, "ans 12 + 2 ; 14 + 9 end"), 1);
  EXPECT_EQ(value(b, "ans 12 + 2 ; 14 + 9 end"), 0);
  EXPECT_EQ(value(b, "ans 12 - 9 ; 3 + 2 end"), 1);
  EXPECT_EQ(value(a, "ans 12 - 9 ; 3 + 2 end"), 0);
  EXPECT_EQ(value(a, "goal 23 above ; stop end"), 0);
}

}  // namespace
}  // namespace ponder::recipes
