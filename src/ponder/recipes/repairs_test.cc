#include "ponder/recipes/repairs.h"

#include <gtest/gtest.h>

#include "ponder/recipes/problems.h"
#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

Groups groups_of(const std::vector<const char*>& thoughts) {
  core::Group group;
  group.item = tasks::find_task("countdown3").parse(base::Json::parse(R"({"numbers":[12,9,2],"target":26})"), "p");
  for (const char* thought : thoughts) {
    core::Trajectory t;
    t.prompt = text::render_prompt(text::task_tokenizer(), group.item.problem);
    t.tokens = text::task_tokenizer().encode(thought);
    group.trajectories.push_back(std::move(t));
  }
  return {group};
}

const char* kThought = "goal 26 below ; try 12 + 2 = 14 , 14 9 ; 14 + 9 = 23 ? 26 no ; stop end";

core::Tokens learned(const learn::Row& row) {
  core::Tokens tokens;
  for (size_t i = 0; i < row.tokens.size(); ++i) {
    EXPECT_TRUE(row.weights[i] == 0 || row.weights[i] == 1);
    if (row.weights[i] == 1) tokens.push_back(row.tokens[i]);
  }
  return tokens;
}

TEST(Repairs, ASlipIsMendedAndTheSameThoughtWithoutOneGoesOn) {
  const Groups groups = groups_of({kThought});
  const core::Trajectory& thought = groups[0].trajectories[0];
  const auto rows = repair_rows(groups, 40, 0.25, base::RngKey(1));
  ASSERT_EQ(rows.size(), 80u);
  for (size_t i = 0; i < rows.size(); i += 2) {
    const learn::Row &mended = rows[i], &untouched = rows[i + 1];
    const size_t at = untouched.tokens.size() - 2;  // the slip's place
    const size_t in_thought = at - thought.prompt.size();
    const core::Token right = thought.tokens[in_thought];
    EXPECT_EQ(learned(mended), (core::Tokens{text::kWait, right}));
    EXPECT_EQ(learned(untouched), (core::Tokens{thought.tokens[in_thought + 1]}));
    EXPECT_EQ(mended.tokens.size(), at + 3);
    EXPECT_NE(mended.tokens[at], right);
    EXPECT_EQ(untouched.tokens[at], right);
    EXPECT_TRUE(
        std::equal(mended.tokens.begin(), mended.tokens.begin() + static_cast<int64_t>(at), untouched.tokens.begin()));
    for (float a : mended.advantages) EXPECT_EQ(a, 0.25f);
    EXPECT_EQ(mended.advantages.size(), mended.tokens.size());
    EXPECT_TRUE(mended.logp_old.empty());
  }
}

TEST(Repairs, NeverOfAKindThatProbesAskFor) {
  for (const learn::Row& row : repair_rows(groups_of({kThought}), 300, 1, base::RngKey(2))) {
    const core::Tokens words = learned(row);
    if (words.size() < 2) continue;
    const core::Token wrong = row.tokens[row.tokens.size() - 3], right = words[1];
    const int distance = std::abs(wrong - right);
    const bool other_operation = wrong == 10 || wrong == 24 || wrong == 6 || wrong == 5 || wrong == 1;
    const bool operand_left = right == 9 && (wrong == 12 || wrong == 2);
    EXPECT_TRUE(distance == 1 || distance == 10 || other_operation || operand_left) << right << " became " << wrong;
  }
}

TEST(Repairs, ADoubtedThoughtTeachesNoDoubt) {
  const auto rows = repair_rows(groups_of({"12 + 2 = 14 wait 14 ; stop end"}), 20, 1, base::RngKey(3));
  for (const learn::Row& row : rows) EXPECT_EQ(learned(row).size(), 2u);
  EXPECT_FALSE(rows.empty());
}

TEST(Repairs, ThoughtsWithoutAPlaceGiveNoRows) {
  EXPECT_TRUE(repair_rows(groups_of({"stop end", "end"}), 20, 1, base::RngKey(4)).empty());
}

}  // namespace
}  // namespace ponder::recipes
