#include "ponder/craft/behaviours.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "ponder/craft/held_out.h"
#include "ponder/tasks/task.h"
#include "ponder/text/format.h"

namespace ponder::craft {
namespace {

const char* kThought =
    "goal 26 below ; try 12 + 2 = 14 , 14 9 ; 14 + 9 = 23 ? 26 no ; try 12 * 2 = 25 wait 24 , 24 9 ; 24 - 9 = 15 ? 26 "
    "no ; "
    "ans 12 + 2 ; 14 + 9 end";

core::Problem problem() {
  return tasks::find_task("countdown3").parse(base::Json::parse(R"({"numbers":[12,9,2],"target":26})"), "p").problem;
}

TEST(PlantSlip, MakesOneStepWrongAndStopsThere) {
  core::Tokens completion = text::task_tokenizer().encode(kThought);
  core::Tokens prompt = text::render_prompt(text::task_tokenizer(), problem());
  for (SlipKind kind : all_slip_kinds()) {
    std::set<core::Tokens> probes;
    for (int i = 0; i < 60; ++i) {
      auto probe = plant_slip(problem(), completion, kind, base::RngKey(1).child(i));
      ASSERT_TRUE(probe) << slip_name(kind);
      size_t at = probe->prefix.size() - prompt.size() - 1;  // of the slip in the completion
      EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), probe->prefix.begin()));
      EXPECT_TRUE(std::equal(completion.begin(), completion.begin() + at, probe->prefix.begin() + prompt.size()));
      EXPECT_EQ(completion[at], probe->right);
      EXPECT_NE(probe->prefix.back(), probe->right);
      EXPECT_FALSE(probe->doubted);  // what was wrong and taken back is no place for a slip
      bool in_list = completion[at - 1] != text::kEquals && kind != SlipKind::kFalseVerdict;
      EXPECT_EQ(in_list, kind == SlipKind::kWrongLeft || kind == SlipKind::kNearCopy || kind == SlipKind::kMiscopied ||
                             kind == SlipKind::kFarRest);
      probes.insert(probe->prefix);
      core::Tokens repair{text::kWait, probe->right, text::kSemicolon};
      EXPECT_TRUE(is_repaired(*probe, repair));
      EXPECT_FALSE(is_repaired(*probe, core::TokenSpan(repair).first(1)));
      EXPECT_FALSE(is_repaired(*probe, core::Tokens{text::kWait, probe->prefix.back()}));
      EXPECT_FALSE(is_repaired(*probe, core::Tokens{text::kSemicolon}));
    }
    EXPECT_GE(probes.size(), 2u) << slip_name(kind);
  }
}

// Every word that a kind can put into every place of a step.
std::set<std::pair<int, core::Token>> slips_of(SlipKind kind, const SlipSite& site) {
  std::set<std::pair<int, core::Token>> all;
  for (int i = 0; i < 200; ++i) {
    base::Rng rng(base::RngKey(2).child(i));
    if (const auto slip = draw_slip(kind, site, rng)) all.insert({slip->at, slip->wrong});
  }
  return all;
}

TEST(DrawSlip, ProbesAreUnlikeWhatWasTrained) {
  const core::Tokens rest{7, 15};
  std::map<SlipKind, size_t> probes;
  // Operands off by one and by ten from the result, swapped digits that are, results of other operations.
  const std::vector<std::tuple<int, core::Token, int>> steps = {
      {10, text::kMinus, 9},  {20, text::kDivide, 2}, {6, text::kTimes, 2}, {4, text::kTimes, 4},
      {30, text::kMinus, 18}, {11, text::kPlus, 1},   {9, text::kPlus, 12}, {13, text::kPlus, 10}};
  for (const auto& [a, op, b] : steps) {
    const SlipSite site{a, op, b, text::apply_op(op, a, b), rest};
    for (const SlipKind kind : all_slip_kinds()) {
      if (static_cast<int>(kind) < kTrainedSlipKinds) continue;
      for (const auto& [at, wrong] : slips_of(kind, site)) {
        ++probes[kind];
        for (int trained = 0; trained < kTrainedSlipKinds; ++trained)
          EXPECT_FALSE(slips_of(static_cast<SlipKind>(trained), site).contains({at, wrong}))
              << slip_name(kind) << " as " << slip_name(static_cast<SlipKind>(trained)) << ": " << a << " . " << b;
      }
    }
  }
  EXPECT_EQ(probes.size(), 5u);  // all but verdicts
}

TEST(PlantSlip, TellsWhereAnUntouchedThoughtRaisedAFalseAlarm) {
  core::Tokens completion = text::task_tokenizer().encode("12 + 2 = 14 wait 14 ; stop end");
  auto probe = plant_slip(problem(), completion, SlipKind::kNearResult, base::RngKey(1));
  ASSERT_TRUE(probe);
  EXPECT_TRUE(probe->doubted);
}

TEST(PlantSlip, NeedsAPlace) {
  auto plant = [&](const char* thought, SlipKind kind) {
    return plant_slip(problem(), text::task_tokenizer().encode(thought), kind, base::RngKey(1)).has_value();
  };
  EXPECT_FALSE(plant("stop end", SlipKind::kNearResult));
  EXPECT_FALSE(plant("ans 12 + 2 = 14 end", SlipKind::kNearResult));     // behind the thought
  EXPECT_FALSE(plant("12 + 2 = 15 ; stop end", SlipKind::kNearResult));  // wrong already
  EXPECT_FALSE(plant("12 + 2 = 14 ; stop end", SlipKind::kWrongLeft));
  EXPECT_FALSE(plant("12 - 9 = 3 ; stop end", SlipKind::kSwappedDigits));
  EXPECT_FALSE(plant("12 + 2 = 14 ; stop end", SlipKind::kFalseVerdict));
  EXPECT_TRUE(plant("12 + 2 = 14 ; stop end", SlipKind::kNearResult));
}

TEST(SpoilAnswer, ChangesOneNumberOfTheFirstStep) {
  const core::Tokens prompt = text::render_prompt(text::task_tokenizer(), problem());
  const core::Tokens completion = text::task_tokenizer().encode(kThought);
  const std::set<core::Token> allowed = {12, 9, 2, 26};
  std::set<core::Tokens> spoiled;
  for (int i = 0; i < 60; ++i) {
    const auto s = spoil_answer(prompt, completion, base::RngKey(1).child(i));
    ASSERT_TRUE(s);
    ASSERT_EQ(s->completion.size(), completion.size());
    for (size_t t = 0; t < completion.size(); ++t)
      EXPECT_EQ(s->completion[t] != completion[t], static_cast<int64_t>(t) == s->at);
    const core::Token before = completion[static_cast<size_t>(s->at)], now = s->completion[static_cast<size_t>(s->at)];
    EXPECT_TRUE(before == 12 || before == 2) << before;  // of "ans 12 + 2", not of "14 + 9"
    EXPECT_TRUE(allowed.contains(now)) << now;
    spoiled.insert(s->completion);
  }
  EXPECT_EQ(spoiled.size(), 6u);  // two places, three other numbers
}

TEST(SpoilAnswer, NeedsAnAnswer) {
  const core::Tokens prompt = text::render_prompt(text::task_tokenizer(), problem());
  const auto spoil = [&](const char* completion) {
    return spoil_answer(prompt, text::task_tokenizer().encode(completion), base::RngKey(1)).has_value();
  };
  EXPECT_FALSE(spoil("12 + 2 = 14 ; stop end"));
  EXPECT_FALSE(spoil("ans end"));
  EXPECT_FALSE(spoil_answer({}, text::task_tokenizer().encode("ans 9 + 9 end"), base::RngKey(1)).has_value());
}

TEST(PlantSlip, ReadsAnyTokensWithoutFailing) {
  base::Rng rng(base::RngKey(3));
  int planted = 0;
  for (int i = 0; i < 20000; ++i) {
    core::Tokens completion;
    for (int64_t n = rng.below(40); n > 0; --n) {
      bool number = rng.chance(0.5);
      completion.push_back(static_cast<core::Token>(number ? rng.below(6) : rng.between(text::kSemicolon, text::kNo)));
    }
    SlipKind kind = rng.pick(all_slip_kinds());
    auto probe = plant_slip(problem(), completion, kind, base::RngKey(4).child(i));
    planted += probe.has_value();
    if (probe) {
      EXPECT_NE(probe->prefix.back(), probe->right);
    }
    leaked_instances(completion);
  }
  EXPECT_GT(planted, 20);
}

}  // namespace
}  // namespace ponder::craft
