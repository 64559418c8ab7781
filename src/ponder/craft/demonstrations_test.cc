#include "ponder/craft/demonstrations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "ponder/base/error.h"
#include "ponder/craft/held_out.h"
#include "ponder/text/format.h"
#include "ponder/text/steps.h"

namespace ponder::craft {
namespace {

DemoOptions only(const std::string& task) {
  DemoOptions options;
  options.tasks = {task};
  options.shares = {1};
  return options;
}

std::string words(core::TokenSpan tokens) { return text::task_tokenizer().decode(tokens); }

core::Example demo_of(const tasks::Task& task, int row, const DemoOptions& options, core::Item& item) {
  item = task.generate(base::RngKey(1).child(row), tasks::Split::kTrain);
  return demonstrate(task, item, options, base::RngKey(2).child(row));
}

core::TokenSpan completion(const core::Example& demo) {
  size_t prompt = std::find(demo.tokens.begin() + 1, demo.tokens.end(), text::kGoal) - demo.tokens.begin();
  return core::TokenSpan(demo.tokens).subspan(prompt);
}

TEST(Demonstrations, EveryStepIsValidAndEveryAnswerCorrect) {
  for (const tasks::Task* task : tasks::all_tasks()) {
    int answered = 0, rows = task->name() == "countdown5" ? 60 : 300;
    for (int row = 0; row < rows; ++row) {
      core::Item item;
      core::Example demo = demo_of(*task, row, only(task->name()), item);
      core::Tokens prompt = text::render_prompt(text::task_tokenizer(), item.problem);
      ASSERT_TRUE(std::equal(prompt.begin(), prompt.end(), demo.tokens.begin()));
      std::string thought = words(core::TokenSpan(demo.tokens).subspan(prompt.size()));
      for (const auto& step : task->check_steps(item.problem, text::thought_of(thought)))
        EXPECT_TRUE(step.valid) << words(demo.tokens) << " -- " << step.reason;
      auto counts = text::count_behaviours(thought);
      EXPECT_EQ(counts.wrong_equations, 0);
      EXPECT_EQ(counts.analysis, 1);
      EXPECT_EQ(counts.answered + counts.gave_up, 1) << thought;
      if (auto answer = text::claimed_answer(thought)) {
        EXPECT_TRUE(task->verify(item, *answer).correct()) << words(demo.tokens);
        ++answered;
      }
    }
    EXPECT_GT(answered, rows / 5) << task->name();       // imperfect …
    EXPECT_LT(answered, 8 * rows / 10) << task->name();  // … on purpose
  }
}

TEST(Demonstrations, WeightsTeachAllButPromptAndSlips) {
  int slips = 0;
  for (int row = 0; row < 400; ++row) {
    core::Item item;
    core::Example demo = demo_of(tasks::find_task("countdown4"), row, only("countdown4"), item);
    size_t prompt = text::render_prompt(text::task_tokenizer(), item.problem).size();
    ASSERT_EQ(demo.weights.size(), demo.tokens.size());
    for (size_t i = 0; i < demo.tokens.size(); ++i) {
      bool slip = i + 1 < demo.tokens.size() && demo.tokens[i + 1] == text::kWait;
      EXPECT_EQ(demo.weights[i], i < prompt || slip ? 0.f : 1.f) << words(demo.tokens) << " at " << i;
      slips += slip;
    }
  }
  EXPECT_GT(slips, 80);  // about 5 equations a demonstration, 8% of them slip
  EXPECT_LT(slips, 240);
}

// What stands before "wait" must be wrong: judged by the step checker on the text without the correction.
TEST(Demonstrations, SlipsAreWrongAndOfFourKinds) {
  const tasks::Task& task = tasks::find_task("countdown4");
  DemoOptions options = only("countdown4");
  options.slip = 0.3;
  std::set<std::string> kinds;
  for (int row = 0; row < 300; ++row) {
    core::Item item;
    core::Example demo = demo_of(task, row, options, item);
    core::TokenSpan thought = completion(demo);
    for (size_t i = 1; i < thought.size(); ++i) {
      if (thought[i] != text::kWait) continue;
      core::Tokens kept = text::apply_corrections(thought.first(i - 1));
      kept.push_back(thought[i - 1]);
      bool in_result = thought[i - 2] == text::kEquals;
      int wrong = thought[i - 1], right = thought[i + 1];
      EXPECT_NE(wrong, right);
      if (!in_result) {
        const bool copied = thought[i - 2] == text::kComma;
        kinds.insert(copied ? "copy" : "left");
        if (copied) {
          EXPECT_TRUE(std::abs(wrong - right) == 1 || std::abs(wrong - right) == 10);
        }
        continue;
      }
      auto verdicts = task.check_steps(item.problem, words(kept) + " , 1");
      EXPECT_FALSE(verdicts.back().valid) << words(kept);
      int distance = std::abs(wrong - right);
      kinds.insert(distance == 1 || distance == 10 ? "near" : "operation");
    }
  }
  EXPECT_EQ(kinds, (std::set<std::string>{"copy", "left", "near", "operation"}));
}

TEST(Demonstrations, RowsDependOnTheirKeyAlone) {
  DemoOptions options;
  core::Example row7 = demonstration(options, base::RngKey(3), 7);
  demonstration(options, base::RngKey(3), 8);
  core::Example again = demonstration(options, base::RngKey(3), 7);
  EXPECT_EQ(row7.tokens, again.tokens);
  EXPECT_EQ(row7.weights, again.weights);
  std::set<core::Tokens> distinct;
  for (int row = 0; row < 100; ++row) distinct.insert(demonstration(options, base::RngKey(3), row).tokens);
  EXPECT_GT(distinct.size(), 95u);
  EXPECT_NE(row7.tokens, demonstration(options, base::RngKey(4), 7).tokens);
}

TEST(Demonstrations, NoHeldOutInstanceLeaks) {
  DemoOptions options;
  options.tasks = {"countdown3", "countdown4", "countdown5", "vm3", "vm4"};
  options.shares = {1, 2, 0.3, 1, 2};
  for (int row = 0; row < 6000; ++row) {
    core::Example demo = demonstration(options, base::RngKey(5), row);
    ASSERT_EQ(leaked_instances(demo.tokens), std::vector<std::string>{}) << words(demo.tokens);
  }
}

TEST(Demonstrations, NeverTryTheSameTwice) {
  DemoOptions options = only("countdown3");
  options.intuition = 0;
  options.patience = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  options.slip = 0;
  int given_up = 0;
  for (const char* name : {"countdown3", "countdown4", "vm3"}) {
    options.tasks = {name};
    for (int row = 0; row < 150; ++row) {
      core::Item item;
      core::Example demo = demo_of(tasks::find_task(name), row, options, item);
      std::set<std::string> seen;
      std::string path, first;
      for (const auto& step : text::parse_thought(words(completion(demo)))) {
        if (step.kind == text::StepKind::kTry) path.clear();
        if (step.kind == text::StepKind::kBack) path = first;
        if (step.kind == text::StepKind::kTest) break;
        if (step.kind != text::StepKind::kTry && step.kind != text::StepKind::kMove) continue;
        path += base::cat(step.a, " ", step.op, " ", step.b, " | ");
        if (step.kind == text::StepKind::kTry) first = path;
        bool repeated = step.checked && !seen.insert(path).second;
        EXPECT_FALSE(repeated) << words(demo.tokens);
      }
      given_up += text::count_behaviours(words(demo.tokens)).gave_up;
    }
  }
  EXPECT_GT(given_up, 10);
}

TEST(Demonstrations, PatienceFindsEverySolution) {
  // Exhaustive tries with a smart last step must solve every three-number problem without luck.
  DemoOptions options = only("countdown3");
  options.intuition = 0;
  options.patience.assign(40, 0);
  options.patience.back() = 1;
  for (int row = 0; row < 200; ++row) {
    core::Item item;
    core::Example demo = demo_of(tasks::find_task("countdown3"), row, options, item);
    EXPECT_EQ(text::count_behaviours(words(demo.tokens)).answered, 1) << words(demo.tokens);
  }
}

TEST(Demonstrations, IntuitionIsRightAtOnce) {
  for (const tasks::Task* task : tasks::all_tasks()) {
    DemoOptions options = only(task->name());
    options.intuition = 1;
    int right = 0;
    for (int row = 0; row < 40; ++row) {
      core::Item item;
      core::Example demo = demo_of(*task, row, options, item);
      auto counts = text::count_behaviours(words(demo.tokens));
      right += counts.answered == 1 && counts.tries == 1 && counts.backs == 0;
    }
    // Where every solution comes by a held-out state there is none to show.
    EXPECT_GE(right, task->family() == "vm" || task->name() == "countdown3" ? 40 : 30) << task->name();
  }
}

TEST(Demonstrations, DirectStyleIsTheAnswerAlone) {
  DemoOptions options = only("vm3");
  options.style = "direct";
  core::Item item;
  core::Example demo = demo_of(tasks::find_task("vm3"), 1, options, item);
  core::Tokens prompt = text::render_prompt(text::task_tokenizer(), item.problem);
  core::TokenSpan response = core::TokenSpan(demo.tokens).subspan(prompt.size());
  EXPECT_EQ(response.front(), text::kAns);
  EXPECT_EQ(response.back(), text::kEnd);
  EXPECT_TRUE(tasks::find_task("vm3").verify(item, *text::claimed_answer(words(response))).correct());
  EXPECT_EQ(std::accumulate(demo.weights.begin(), demo.weights.end(), 0.f), static_cast<float>(response.size()));
}

TEST(Demonstrations, RefuseHeldOutProblemsAndOddOptions) {
  const tasks::Task& task = tasks::find_task("countdown3");
  core::Item item = task.generate(base::RngKey(1), tasks::Split::kTest);
  EXPECT_THROW(demonstrate(task, item, {}, base::RngKey(1)), Error);
  DemoOptions options;
  options.shares = {1};
  EXPECT_THROW(demonstration(options, base::RngKey(1), 0), Error);
}

TEST(HeldOut, FindsLeaksWhereverTheyStand) {
  // Search for instances of each kind instead of naming them: the hash decides what is held out.
  core::Tokens out, in;
  for (core::Token n = 1; out.empty() || in.empty(); ++n)
    (is_held_out_numbers(core::Tokens{n, 5, 7}) ? out : in) = {n, 5, 7};
  std::string held = words(out), train = words(in);
  auto leaks = [](const std::string& text) { return leaked_instances(text::task_tokenizer().encode(text)).size(); };
  EXPECT_EQ(leaks("Q " + held + " > 18 :"), 1u);
  EXPECT_EQ(leaks("Q " + train + " > 18 :"), 0u);
  EXPECT_EQ(leaks("play " + held + " :"), 1u);
  EXPECT_EQ(leaks("try 1 + 2 = 3 , " + held + " ;"), 1u);
  EXPECT_EQ(leaks("back " + held + " ; back " + held), 2u);
  EXPECT_EQ(leaks(", " + words(core::Tokens{out[2], out[0], out[1]}) + " ;"), 1u);  // another order
  EXPECT_EQ(leaks(", " + words(core::Tokens{out[0], out[1]}) + " 99 wait " + words(core::Tokens{out[2]}) + " ;"), 1u);
  EXPECT_EQ(leaks("1 + 2 = " + words(core::Tokens{out[0]})), 0u);
  core::Tokens bag;
  for (core::Token k = 1; bag.empty(); ++k) {
    core::Tokens candidate{text::kPlus, k, text::kTimes, 2, text::kMinus, 5, text::kDivide, 3};
    if (is_held_out_bag(candidate)) bag = candidate;
  }
  EXPECT_EQ(leaks("P " + words(bag) + " use 3 :"), 1u);
  EXPECT_EQ(leaks("back 7 , " + words(bag) + " ;"), 1u);
  EXPECT_EQ(leaks("back 7 , " + words(core::TokenSpan(bag).first(6)) + " ;"), 0u);
}

}  // namespace
}  // namespace ponder::craft
