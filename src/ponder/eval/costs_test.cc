#include "ponder/eval/costs.h"

#include <gtest/gtest.h>

#include "ponder/search/run.h"

namespace ponder::eval {
namespace {

// Of what was written `discarded` tokens do not stand in the tree.
search::SearchResult result_of(core::Usage usage, size_t prompt_tokens, int64_t discarded = 0) {
  search::SearchResult result;
  result.usage = usage;
  const auto kept = static_cast<size_t>(usage.generated - discarded);
  search::NodeId node = search::kRoot;
  for (const size_t length : {kept / 3, kept - kept / 3})
    node = result.tree.add(node, {}, core::Tokens(length, 9), std::vector<float>(length, -1.0f));
  result.prompts = {core::Tokens(prompt_tokens, 7), core::Tokens(50, 8)};  // of others `asked` has what is new
  return result;
}

TEST(Costs, UniqueTokensArePromptAndTreeEachOnce) {
  const auto result = result_of({.generated = 30, .processed = 38, .critic = 5, .asked = 4}, 10);
  EXPECT_EQ(search::unique_tokens(result), 44);
  EXPECT_EQ(search::recomputed_tokens(result), 0);
  EXPECT_EQ(search::discarded_tokens(result), 0);
  EXPECT_EQ(search::unique_tokens({}), 0);
}

// They had to be written, so they are none that ran again.
TEST(Costs, DiscardedTokensAreNotUnique) {
  const auto result = result_of({.generated = 30, .processed = 45}, 10, 12);
  EXPECT_EQ(search::unique_tokens(result), 28);
  EXPECT_EQ(search::discarded_tokens(result), 12);
  EXPECT_EQ(search::needed_tokens(result), 40);
  EXPECT_EQ(search::recomputed_tokens(result), 5);
  EXPECT_EQ(costs_line(costs_of(result, 1e6, 1)),
            "30 tokens written, 45 processed (5 again), 28 unique, 12 discarded, 0 read to judge, 1.00M FLOPs, 1.00 s");
}

TEST(Costs, WhatRanTwiceIsCountedAndWrongGuessesAreNot) {
  EXPECT_EQ(search::recomputed_tokens(result_of({.generated = 30, .processed = 60}, 10)), 20);
  EXPECT_EQ(search::recomputed_tokens(result_of({.generated = 30, .processed = 60, .drafted = 20, .accepted = 5}, 10)),
            5);
  // What a second model wrote and read is unique too.
  EXPECT_EQ(
      search::recomputed_tokens(result_of({.generated = 30, .processed = 30, .asked = 12, .second_processed = 25}, 10)),
      3);
}

TEST(Costs, ALineSaysAllOfThem) {
  const Costs plain = costs_of(result_of({.generated = 12, .processed = 40, .critic = 3}, 26), 1.2e6, 0.304);
  EXPECT_EQ(costs_line(plain),
            "12 tokens written, 40 processed (2 again), 38 unique, 3 read to judge, 1.20M FLOPs, 0.30 s");
  const Costs more = costs_of(
      result_of({.generated = 12, .processed = 20, .asked = 8, .second_processed = 9, .drafted = 6, .accepted = 4}, 26),
      2e9, 61);
  EXPECT_EQ(costs_line(more),
            "12 tokens written, 20 processed, 46 unique, 8 read to judge, 9 processed by the discriminator, 4 of 6 "
            "guesses right, 2.00G FLOPs, 1 min 01 s");
}

TEST(Costs, ATableHasMeansAndSums) {
  Costs all;
  all += costs_of(result_of({.generated = 10, .processed = 20}, 10), 1e6, 3);
  all += costs_of(result_of({.generated = 15, .processed = 25}, 10, 3), 2e6, 3);
  const std::string text = costs_table(all, 4, 3 << 20);
  EXPECT_EQ(text,
            "                    written  processed  unique  discarded  again  read to judge  FLOPs    time\n"
            "  tokens a problem     12.5       22.5    21.0        1.5    0.0            0.0  1.50M  2.00 s\n"
            "  all 2                  25         45      42          3      0              0  3.00M  4.00 s\n"
            "  6.25 tokens/s written, 3.00 MiB of keys and values at most\n");
  all += costs_of(result_of({.second_processed = 2, .drafted = 9, .accepted = 3}, 0), 0, 0);
  EXPECT_NE(costs_table(all, 4, 0).find("by the discriminator"), std::string::npos);
  EXPECT_NE(costs_table(all, 4, 0).find("3 of 9"), std::string::npos);
  EXPECT_EQ(costs_table({}, 0, 0).find("nan"), std::string::npos);
  EXPECT_NE(costs_table(all, 0.0042, 0).find("4.2 ms"), std::string::npos);
}

}  // namespace
}  // namespace ponder::eval
