#include "ponder/recipes/critic_rows.h"

#include <gtest/gtest.h>

#include <map>

#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

const char* kRight = "goal 26 below ; try 12 + 2 = 14 , 14 9 ; 14 + 9 = 23 ? 26 no ; ans 12 + 2 ; 14 + 9 end";

Labelled labelled(const char* completion, bool correct, std::vector<int64_t> ends) {
  Labelled l;
  l.item = tasks::find_task("countdown3").parse(base::Json::parse(R"({"numbers":[12,9,2],"target":23})"), "p");
  l.prompt = text::render_prompt(text::task_tokenizer(), l.item.problem);
  l.completion = text::task_tokenizer().encode(completion);
  l.correct = correct;
  l.ends = std::move(ends);
  l.labels.resize(l.ends.size());
  for (reward::MonteCarloLabel& label : l.labels) label.n = 4, label.c = 1;
  return l;
}

// Lengths behind the prompt that are learned, with label and weight.
std::map<int64_t, std::pair<float, float>> learned(const Labelled& l, const learn::Row& row) {
  std::map<int64_t, std::pair<float, float>> at;
  for (size_t i = 0; i < row.weights.size(); ++i)
    if (row.weights[i] > 0) at[static_cast<int64_t>(i + 1 - l.prompt.size())] = {row.labels[i], row.weights[i]};
  return at;
}

std::vector<learn::Row> rows_of(const Labelled& l, double spoiled) {
  CriticOptions options;
  options.prefix_weight = 0.25;
  options.spoiled = spoiled;
  const text::TaskCodec codec(text::task_tokenizer());
  return critic_rows(options, codec, {l}, base::RngKey(1));
}

TEST(CriticRows, GuessesWeighLessThanTheVerdictOfAnAnswer) {
  const Labelled l = labelled(kRight, true, {4, 12});
  const auto rows = rows_of(l, 0);
  ASSERT_EQ(rows.size(), 1u);
  const auto size = static_cast<int64_t>(l.completion.size());
  const std::map<int64_t, std::pair<float, float>> expected = {
      {4, {0.25f, 0.25f}}, {12, {0.25f, 0.25f}}, {size - 4, {1, 1}}, {size, {1, 1}}};
  EXPECT_EQ(learned(l, rows[0]), expected);
}

TEST(CriticRows, AWrongAnswerIsWorthNothing) {
  const Labelled l = labelled("goal 26 below ; ans 12 + 9 end", false, {});
  const auto rows = rows_of(l, 1);
  ASSERT_EQ(rows.size(), 1u);  // only right answers are spoiled
  EXPECT_EQ(learned(l, rows[0]), (std::map<int64_t, std::pair<float, float>>{{9, {0, 1}}}));
}

TEST(CriticRows, ASpoiledAnswerIsAnotherRowWorthNothingFromThereOn) {
  const Labelled l = labelled(kRight, true, {});
  const auto rows = rows_of(l, 1);
  ASSERT_EQ(rows.size(), 2u);
  const auto size = static_cast<int64_t>(l.completion.size());
  EXPECT_EQ(learned(l, rows[1]), (std::map<int64_t, std::pair<float, float>>{{size - 4, {0, 1}}, {size, {0, 1}}}));
  int changed = 0;
  for (size_t i = 0; i < rows[0].tokens.size(); ++i) changed += rows[0].tokens[i] != rows[1].tokens[i];
  EXPECT_EQ(changed, 1);
}

TEST(CriticRows, WithoutAnAnswerOrAChosenStepThereIsNothingToLearn) {
  EXPECT_TRUE(rows_of(labelled("goal 26 below ; stop end", false, {}), 1).empty());
  EXPECT_EQ(rows_of(labelled("goal 26 below ; stop end", false, {4}), 1).size(), 1u);
}

}  // namespace
}  // namespace ponder::recipes
