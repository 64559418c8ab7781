#include "ponder/tasks/task.h"

#include <gtest/gtest.h>

#include <set>

#include "ponder/base/error.h"
#include "ponder/tasks/countdown.h"
#include "ponder/tasks/vm.h"
#include "ponder/text/words.h"

namespace ponder::tasks {
namespace {

TEST(Tasks, AreFoundByName) {
  for (const Task* task : all_tasks()) EXPECT_EQ(&find_task(task->name()), task);
  try {
    find_task("countdwn3");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("countdown3"), std::string::npos);
    EXPECT_NE(std::string(e.what()).find("vm4"), std::string::npos);
  }
}

TEST(Splits, HoldOutAQuarterOfTheCanonicalInstances) {
  int all = 0, test = 0, dev = 0;
  auto count = [&](const std::string& canonical) {
    ++all;
    test += split_of_canonical(canonical) == Split::kTest;
    dev += split_of_canonical(canonical) == Split::kDev;
  };
  auto expect_shares = [&](const char* what) {
    EXPECT_NEAR(static_cast<double>(test) / all, 0.25, 0.02) << what;
    EXPECT_NEAR(static_cast<double>(dev) / all, 0.0625, 0.02) << what;
    all = test = dev = 0;
  };
  for (int a = 1; a <= 13; ++a)
    for (int b = a; b <= 13; ++b)
      for (int c = b; c <= 13; ++c) count(countdown_canonical({c, a, b}));
  expect_shares("countdown3");
  for (int a = 1; a <= 13; ++a)
    for (int b = a; b <= 13; ++b)
      for (int c = b; c <= 13; ++c)
        for (int d = c; d <= 13; ++d) count(countdown_canonical({a, b, c, d}));
  expect_shares("countdown4");
  for (int a = 1; a <= 12; ++a)
    for (int b = a + 1; b <= 12; ++b)
      for (int c = 1; c <= 12; ++c)
        for (int d = 2; d <= 4; ++d)
          count(vm_canonical({{text::kPlus, a}, {text::kPlus, b}, {text::kMinus, c}, {text::kTimes, d}}));
  expect_shares("vm3");
}

TEST(Splits, CanonicalIgnoresOrder) {
  EXPECT_EQ(countdown_canonical({13, 8, 2}), countdown_canonical({2, 13, 8}));
  EXPECT_NE(countdown_canonical({1, 32}), countdown_canonical({13, 2}));
  EXPECT_EQ(vm_canonical({{text::kPlus, 3}, {text::kTimes, 2}}), vm_canonical({{text::kTimes, 2}, {text::kPlus, 3}}));
  EXPECT_NE(vm_canonical({{text::kPlus, 2}, {text::kTimes, 3}}), vm_canonical({{text::kPlus, 3}, {text::kTimes, 2}}));
}

TEST(Tasks, JudgeAnyTextWithoutFailing) {
  base::Rng rng(base::RngKey(12));
  for (const Task* task : all_tasks()) {
    core::Item item = task->generate(base::RngKey(1), Split::kTrain);
    for (int i = 0; i < 2000; ++i) {
      std::string text;
      for (int64_t n = rng.below(30); n > 0; --n) {
        if (rng.chance(0.02))
          text.push_back(static_cast<char>(rng.below(256)));
        else  // marks and words twice as often as numbers
          text += text::task_words()[rng.chance(0.33) ? rng.below(20) : rng.between(text::kPad, text::kWordCount - 1)] +
                  " ";
      }
      EXPECT_FALSE(task->verify(item, text).correct()) << text;
      for (const auto& step : task->check_steps(item.problem, text)) EXPECT_TRUE(step.parsed || !step.valid);
    }
  }
}

TEST(MakeProblems, AreDistinctDisjointAndRepeatable) {
  for (const Task* task : all_tasks()) {
    std::set<std::string> canonicals[3];
    for (Split split : {Split::kTrain, Split::kDev, Split::kTest}) {
      auto items = make_problems(*task, split, 60, base::RngKey(5));
      std::set<std::string> instances, ids;
      for (const auto& item : items) {
        instances.insert(task->instance(item.problem));
        ids.insert(item.problem.id);
        canonicals[static_cast<int>(split)].insert(task->canonical(item.problem));
      }
      EXPECT_EQ(instances.size(), 60u) << task->name();
      EXPECT_EQ(ids.size(), 60u) << task->name();
      auto more = make_problems(*task, split, 70, base::RngKey(5));
      for (size_t i = 0; i < items.size(); ++i) EXPECT_EQ(more[i].problem.question, items[i].problem.question);
    }
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < a; ++b)
        for (const auto& canonical : canonicals[a]) EXPECT_FALSE(canonicals[b].contains(canonical)) << canonical;
  }
}

TEST(MakeProblems, SaysWhenASplitIsTooSmall) {
  try {
    make_problems(find_task("countdown3"), Split::kDev, 100000, base::RngKey(1));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(e.what()).find("dev split of countdown3"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace ponder::tasks
