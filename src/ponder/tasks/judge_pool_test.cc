#include "ponder/tasks/judge_pool.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "ponder/base/error.h"
#include "ponder/tasks/math.h"

namespace ponder::tasks {
namespace {

// A worker in shell: what the answer says decides what it does.
JudgePoolOptions shell(const std::string& script, int64_t workers = 1) {
  JudgePoolOptions options;
  options.command = {"sh", "-c", script};
  options.workers = workers;
  options.answer_ms = 2000;  // a busy machine is no broken worker
  return options;
}

const char kJudge[] =
    "echo '{\"ready\": true}'; while read line; do case \"$line\" in "
    "*hang*) sleep 1000;; *die*) exit 3;; *junk*) echo nonsense;; *yes*) echo '{\"same\": true}';; "
    "*no*) echo '{\"same\": false}';; *) echo '{\"same\": null}';; esac; done";

TEST(JudgePool, AnswersAndSurvivesItsWorkers) {
  JudgePool pool(shell(kJudge));
  EXPECT_EQ(pool.same("1", "yes"), true);
  EXPECT_EQ(pool.same("1", "no"), false);
  EXPECT_EQ(pool.same("1", "?"), std::nullopt);
  EXPECT_EQ(pool.same("1", "hang"), std::nullopt);
  EXPECT_EQ(pool.same("1", "yes"), true);  // a new worker
  EXPECT_EQ(pool.same("1", "die"), std::nullopt);
  EXPECT_EQ(pool.same("1", "no"), false);
  EXPECT_EQ(pool.same("1", "junk"), std::nullopt);
  EXPECT_EQ(pool.same("\n\"\\", "yes"), true);
  JudgeCounts counts = pool.counts();
  EXPECT_EQ(counts.asked, 9);
  EXPECT_EQ(counts.same, 3);
  EXPECT_EQ(counts.different, 2);
  EXPECT_EQ(counts.unsure, 1);
  EXPECT_EQ(counts.killed, 1);
  EXPECT_EQ(counts.lost, 2);
}

TEST(JudgePool, SaysWhenNoWorkerGetsReady) {
  JudgePoolOptions options = shell("exit 1");
  EXPECT_THROW(JudgePool{options}, Error);
  options.command = {"/nowhere/judge"};
  EXPECT_THROW(JudgePool{options}, Error);
  options = shell("sleep 1000");
  options.start_ms = 100;
  EXPECT_THROW(JudgePool{options}, Error);
}

TEST(JudgePool, ServesSeveralThreads) {
  JudgePool pool(shell(kJudge, 2));
  std::vector<std::thread> threads;
  std::vector<int> right(4);
  for (size_t t = 0; t < right.size(); ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i) right[t] += pool.same("1", t % 2 ? "yes" : "no") == (t % 2 == 1);
    });
  for (auto& t : threads) t.join();
  for (int r : right) EXPECT_EQ(r, 10);
}

TEST(JudgePool, IsAskedWhenTheNativeJudgeCannotTell) {
  JudgePool pool(shell(kJudge));
  const auto judged = [&](const std::string& gold, const std::string& answer, AnswerPlace place, bool when_wrong) {
    return std::string(core::verdict_name(judge_math(gold, answer, place, SecondOpinion{&pool, when_wrong}).kind));
  };
  EXPECT_EQ(judged("5", "\\boxed{\\frac{yes}}", AnswerPlace::kBoxed, false), "correct");
  EXPECT_EQ(judged("5", "\\boxed{\\frac{no}}", AnswerPlace::kBoxed, false), "wrong");
  EXPECT_EQ(judged("5", "\\boxed{\\frac{}}", AnswerPlace::kBoxed, false), "unparsable");
  EXPECT_EQ(judged("\\frac{yes}", "5", AnswerPlace::kLenient, false), "correct");
  EXPECT_EQ(judged("\\frac{}", "5", AnswerPlace::kLenient, false), "cannot_judge");
  // A place that holds no answer holds none for the second judge either.
  EXPECT_EQ(judged("5", "yes it is 5", AnswerPlace::kBoxed, false), "unparsable");
  EXPECT_EQ(judged("5", "\\text{yes}", AnswerPlace::kLenient, false), "wrong");
  EXPECT_EQ(judged("5", "\\text{yes}", AnswerPlace::kLenient, true), "correct");
  EXPECT_EQ(judged("5", "5", AnswerPlace::kLenient, true), "correct");
}

// With math-verify installed: PONDER_TEST_MATH_VERIFY=/path/to/python tasks_test --gtest_filter='JudgePool*'.
TEST(JudgePool, MathVerifyIsASecondJudge) {
  const char* python = std::getenv("PONDER_TEST_MATH_VERIFY");
  if (!python) GTEST_SKIP() << "PONDER_TEST_MATH_VERIFY names no Python that has math-verify";
  JudgePoolOptions options;
  options.command[0] = python;
  JudgePool pool(options);
  EXPECT_EQ(pool.same("$\\frac{1}{2}$", "$0.5$"), true);
  EXPECT_EQ(pool.same("$\\frac{1}{2}$", "$0.6$"), false);
  EXPECT_NE(pool.same("$5$", "$9^{9^{9^{9^9}}}$"), true);
  EXPECT_EQ(pool.same("$x^2-1$", "$(x-1)(x+1)$"), true);
}

}  // namespace
}  // namespace ponder::tasks
