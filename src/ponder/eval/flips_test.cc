#include "ponder/eval/flips.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/search/fake_ports.h"

namespace ponder::eval {
namespace {

using base::Json;

// None of them was cut off.
void add_whole(const std::vector<int64_t>& revises, const std::vector<bool>& correct, std::vector<Flips>& rounds) {
  add_flips(revises, correct, std::vector<bool>(correct.size(), false), rounds);
}

Json rounds_of(const std::vector<int64_t>& revises, const std::vector<bool>& correct) {
  std::vector<Flips> rounds;
  add_whole(revises, correct, rounds);
  return flips_json(rounds);
}

TEST(Flips, AChainIsCountedRoundByRound) {
  // wrong, right, right, wrong, wrong
  const Json rounds = rounds_of({-1, 0, 1, 2, 3}, {false, true, true, false, false});
  EXPECT_EQ(rounds.dump(), R"([{"round":1,"n":1,"incorrect_to_correct":1,"correct_to_incorrect":0,)"
                           R"("correct_before":0,"correct_after":1,"cut":0},)"
                           R"({"round":2,"n":1,"incorrect_to_correct":0,"correct_to_incorrect":0,)"
                           R"("correct_before":1,"correct_after":1,"cut":0},)"
                           R"({"round":3,"n":1,"incorrect_to_correct":0,"correct_to_incorrect":1,)"
                           R"("correct_before":1,"correct_after":0,"cut":0},)"
                           R"({"round":4,"n":1,"incorrect_to_correct":0,"correct_to_incorrect":0,)"
                           R"("correct_before":0,"correct_after":0,"cut":0}])");
}

TEST(Flips, ChainsSideBySideAndSeveralSearchesAddUp) {
  std::vector<Flips> rounds;
  add_whole({-1, -1, 0, 1, 2}, {true, false, false, true, true}, rounds);  // the second chain ends after one round
  add_whole({-1, 0}, {true, true}, rounds);
  add_whole({-1, -1, -1}, {true, false, true}, rounds);  // nobody revised anything
  ASSERT_EQ(rounds.size(), 2u);
  EXPECT_EQ(rounds[0].n, 3);
  EXPECT_EQ(rounds[0].to_right, 1);
  EXPECT_EQ(rounds[0].to_wrong, 1);
  EXPECT_EQ(rounds[0].right_before, 2);
  EXPECT_EQ(rounds[0].right_after(), 2);
  EXPECT_EQ(rounds[1].n, 1);
  EXPECT_EQ(rounds[1].to_right, 1);
}

// In a tree an answer is revised several times, and each of these is a revision of it.
TEST(Flips, OfATreeItsLevels) {
  const Json rounds = rounds_of({-1, 0, 0, 1, 0}, {true, false, true, true, false});
  EXPECT_EQ(rounds.as_array()[0].dump(), R"({"round":1,"n":3,"incorrect_to_correct":0,"correct_to_incorrect":2,)"
                                         R"("correct_before":3,"correct_after":1,"cut":0})");
  EXPECT_EQ(rounds.as_array()[1].at("incorrect_to_correct").as_int(), 1);
  const std::string text = flips_table(rounds);
  EXPECT_NE(text.find("right to wrong"), std::string::npos);
  EXPECT_NE(text.find("round 2"), std::string::npos);
  EXPECT_EQ(flips_table(Json::array()), "");
}

// It is neither right nor wrong.
TEST(Flips, WhatTheBudgetCutOffIsCountedApart) {
  std::vector<Flips> rounds;
  add_flips({-1, -1, 0, 1}, {true, true, false, false}, {false, false, true, false}, rounds);
  EXPECT_EQ(flips_json(rounds).dump(), R"([{"round":1,"n":1,"incorrect_to_correct":0,"correct_to_incorrect":1,)"
                                       R"("correct_before":1,"correct_after":0,"cut":1}])");
  EXPECT_NE(flips_table(flips_json(rounds)).find("cut"), std::string::npos);
}

TEST(Flips, WhatIsNoChainIsRefused) {
  EXPECT_THROW(rounds_of({1, -1}, {true, true}), Error);
  EXPECT_THROW(rounds_of({-1, 0}, {true}), Error);
  std::vector<Flips> rounds;
  EXPECT_THROW(add_flips({-1, 0}, {true, true}, {false}, rounds), Error);
}

// ---- What a search leaves -----------------------------------------------------------------------------------------

// One word, 0 to 3; what follows a question about an answer is the script's.
class Speaking : public search::fake::FakeCodec {
 public:
  std::string said(core::TokenSpan) const override { return "No."; }
};

std::vector<search::SearchRow> revised(const char* strategy, std::vector<std::string> options, int problems,
                                       core::Budget budget = {}) {
  using namespace search::fake;
  World world(path_game(1, {1, 1, 1, 1}, [](const std::vector<int>& path) { return path == std::vector<int>{1}; }));
  world.policy.asked = [](int, int, core::TokenSpan reply) -> std::vector<Choice> {
    return {{reply.empty() ? kFirstWord : kEnd, 1.0}};
  };
  Speaking codec;
  options.push_back("temperature=1");
  return world.run(*search::make_strategy(strategy, options), problems, {.budget = budget}, 5, &codec);
}

std::vector<Flips> graded(const std::vector<search::SearchRow>& rows, const std::string& gold) {
  std::vector<Flips> rounds;
  for (const search::SearchRow& row : rows) {
    std::vector<bool> correct, cut;
    for (const search::Candidate& c : row.result.candidates) correct.push_back(c.answer == gold), cut.push_back(c.cut);
    add_flips(search::revised_candidates(row.result), correct, cut, rounds);
  }
  return rounds;
}

// The feedback knows nothing, so a round is a new draw among four: it mends a quarter of the wrong answers and spoils
// three quarters of the right ones.
TEST(Flips, OfRevisionWithoutKnowledgeAreThoseOfNewDraws) {
  constexpr int kProblems = 800;
  const auto rows = revised("revise", {"rounds=3"}, kProblems);
  ASSERT_TRUE(rows[0].ok()) << rows[0].error;
  const std::vector<Flips> rounds = graded(rows, *rows[0].result.candidates[0].answer);
  ASSERT_EQ(rounds.size(), 3u);
  for (const Flips& flips : rounds) {
    EXPECT_EQ(flips.n, kProblems);
    const auto before = static_cast<double>(flips.right_before);
    EXPECT_NEAR(before, kProblems / 4.0, 50);
    EXPECT_NEAR(static_cast<double>(flips.to_right) / (kProblems - before), 0.25, 0.07);
    EXPECT_NEAR(static_cast<double>(flips.to_wrong) / before, 0.75, 0.14);
  }
  for (size_t r = 1; r < rounds.size(); ++r) EXPECT_EQ(rounds[r].right_before, rounds[r - 1].right_after());
}

// An answer takes three tokens, and reading it to revise it two. With four left behind the first answer the revision
// stops short of its end: nothing that revising has spoilt.
TEST(Flips, ARevisionThatTheBudgetCutSpoilsNothing) {
  constexpr int kProblems = 40;
  const auto of_budget = [](int64_t tokens, const char* longest) {
    const auto rows = revised("revise", {"rounds=1", "feedback=none", longest}, kProblems, {.tokens = tokens});
    EXPECT_TRUE(rows[0].ok()) << rows[0].error;
    return graded(rows, "a");
  };
  const auto cut = of_budget(7, "max_tokens=3"), whole = of_budget(8, "max_tokens=3");
  ASSERT_EQ(cut.size(), 1u);
  EXPECT_EQ(cut[0].cut, kProblems);
  EXPECT_EQ(cut[0].n + cut[0].right_before + cut[0].to_right + cut[0].to_wrong, 0);
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].cut, 0);
  EXPECT_EQ(whole[0].n, kProblems);
  EXPECT_GT(whole[0].to_wrong, 0);
  // An answer that may be no longer is none that the budget cut.
  const auto longest = of_budget(100, "max_tokens=2");
  ASSERT_EQ(longest.size(), 1u);
  EXPECT_EQ(longest[0].cut, 0);
  EXPECT_EQ(longest[0].n, kProblems);
}

// Gold comes in after the search alone: other golds, other flips, and the same search. Over all answers that there are
// each revision that says something else is one flip to right (of the gold that it says) and one to wrong.
TEST(Flips, GoldIsNoPartOfTheSearch) {
  const auto rows = revised("revise", {"n=2", "rounds=2"}, 50), again = revised("revise", {"n=2", "rounds=2"}, 50);
  std::set<std::string> golds;
  int64_t changed = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const search::SearchResult& result = rows[i].result;
    EXPECT_EQ(result.completion, again[i].result.completion);
    const auto revises = search::revised_candidates(result);
    for (size_t k = 0; k < revises.size(); ++k) {
      golds.insert(*result.candidates[k].answer);
      changed +=
          revises[k] >= 0 && result.candidates[k].answer != result.candidates[static_cast<size_t>(revises[k])].answer;
    }
  }
  ASSERT_EQ(golds.size(), 4u);
  int64_t to_right = 0, to_wrong = 0;
  for (const std::string& gold : golds)
    for (const Flips& flips : graded(rows, gold)) to_right += flips.to_right, to_wrong += flips.to_wrong;
  EXPECT_GT(changed, 0);
  EXPECT_EQ(to_right, changed);
  EXPECT_EQ(to_wrong, changed);
}

TEST(Flips, OnlyWhatIsWrittenAnewIsARevision) {
  const auto tree = revised("mctsr", {"sims=6", "n=2"}, 5);
  for (const search::SearchRow& row : tree) {
    ASSERT_TRUE(row.ok()) << row.error;
    const auto revises = search::revised_candidates(row.result);
    ASSERT_EQ(revises.size(), row.result.candidates.size());
    EXPECT_EQ(std::ranges::count(revises, -1), 2);
    for (size_t i = 0; i < revises.size(); ++i) {
      if (revises[i] < 0) continue;
      const search::Node& node = row.result.tree[row.result.candidates[i].node];
      EXPECT_EQ(row.result.candidates[static_cast<size_t>(revises[i])].node, node.parent);
    }
  }
  for (const char* strategy : {"majority", "mcts", "decompose", "rap"})
    for (const search::SearchRow& row : revised(strategy, {}, 3)) EXPECT_TRUE(graded({row}, "x").empty()) << strategy;
}

}  // namespace
}  // namespace ponder::eval
