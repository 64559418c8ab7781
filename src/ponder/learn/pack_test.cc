#include "ponder/learn/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::learn {
namespace {

std::vector<Row> random_rows(uint64_t seed, int64_t count, int64_t longest, int words = 50) {
  base::Rng rng{base::RngKey(seed)};
  std::vector<Row> rows;
  for (int64_t r = 0; r < count; ++r) {
    Row row;
    const int64_t length = rng.between(1, longest);
    for (int64_t i = 0; i < length; ++i) {
      row.tokens.push_back(static_cast<core::Token>(rng.below(words)));
      row.weights.push_back(i > 0 && rng.chance(0.6) ? 1.0f : 0.0f);
      row.advantages.push_back(static_cast<float>(1000 * r + i));
    }
    rows.push_back(row);
  }
  return rows;
}

TEST(Pack, OneRowByHand) {
  const Row row = make_row(core::Example{{7, 8, 9, 5, 6}, {0, 0, 1, 0.5f, 0}});
  const auto packs = make_packs(std::vector{row}, Reads::kTokens, {});
  ASSERT_EQ(packs.size(), 1u);
  EXPECT_EQ(packs[0].ids, (std::vector<int64_t>{7, 8, 9}));  // 5 is predicted from 9; nothing behind is needed
  EXPECT_EQ(packs[0].packing.starts, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(packs[0].hidden, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(packs[0].targets, (std::vector<int64_t>{9, 5}));
  EXPECT_EQ(packs[0].sources, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(packs[0].mask, (std::vector<double>{1, 0.5}));
  EXPECT_EQ(packs[0].offsets, (std::vector<int64_t>{0, 2}));
}

TEST(Pack, ScoresAreReadBehindTheirToken) {
  const std::vector<int64_t> positions = {1, 3};
  const std::vector<float> labels = {0.25f, 1};
  const Row row = make_row(core::Tokens{7, 8, 9, 5}, positions, labels);
  const auto packs = make_packs(std::vector{row}, Reads::kScores, {});
  ASSERT_EQ(packs.size(), 1u);
  EXPECT_EQ(packs[0].ids, (std::vector<int64_t>{7, 8, 9}));
  EXPECT_EQ(packs[0].hidden, (std::vector<int64_t>{0, 2}));
  EXPECT_EQ(packs[0].labels, (std::vector<double>{0.25, 1}));
}

TEST(Pack, TrajectoriesLearnTheirCompletionAlone) {
  core::Trajectory trajectory;
  trajectory.prompt = {1, 2};
  trajectory.tokens = {3, 4};
  trajectory.logp_behavior = {-0.5f, -1.5f};
  const auto packs = make_packs(std::vector{make_row(trajectory, 2.0f)}, Reads::kTokens, {});
  ASSERT_EQ(packs.size(), 1u);
  EXPECT_EQ(packs[0].targets, (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(packs[0].advantages, (std::vector<double>{2, 2}));
  EXPECT_EQ(packs[0].logp_old, (std::vector<double>{-0.5, -1.5}));
}

// The tokens that a row of hidden states has seen, read out of the pack alone.
std::vector<int64_t> seen_by(const Pack& pack, int64_t hidden) {
  const auto& packing = pack.packing;
  size_t s = 0, root = 0;
  for (; packing.starts[s + 1] <= hidden; ++s) {
    if (!packing.goes_on(s)) root = s;
  }
  std::vector<int64_t> seen;
  if (packing.goes_on(s)) seen.assign(&pack.ids[0] + packing.starts[root], &pack.ids[0] + packing.starts[root + 1]);
  seen.insert(seen.end(), &pack.ids[0] + packing.starts[s], &pack.ids[0] + hidden + 1);
  return seen;
}

TEST(Pack, EveryLearnedPositionOnceAndNothingElse) {
  int64_t shared = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const size_t unit = 1 + seed % 2;
    const auto rows = random_rows(seed, 30, 20, seed % 3 == 0 ? 3 : 50);  // few words: many common beginnings
    std::multiset<double> wanted, found;
    size_t inputs = 0;
    for (const Row& row : rows) {
      size_t last = 0;
      for (size_t i = 0; i < row.tokens.size(); ++i) {
        if (row.weights[i] > 0) wanted.insert(row.advantages[i]), last = i;
      }
      inputs += last;
    }
    const PackOptions options{
        .max_tokens = 40, .workers = 1 + static_cast<int>(seed % 3), .unit = unit, .min_shared = 2};
    for (const Pack& pack : make_packs(rows, Reads::kTokens, options)) {
      EXPECT_LE(pack.ids.size(), 40u);
      EXPECT_EQ(pack.packing.starts.back(), static_cast<int64_t>(pack.ids.size()));
      EXPECT_EQ(pack.packing.continues.size(), pack.packing.count());
      EXPECT_EQ(pack.rows.size() % unit, 0u);
      inputs -= pack.ids.size();
      for (size_t s = 0; s < pack.rows.size(); ++s) {
        EXPECT_EQ(pack.rows[s], pack.rows[s / unit * unit] + s % unit);
        const Row& row = rows[pack.rows[s]];
        for (auto p = static_cast<size_t>(pack.offsets[s]); p < static_cast<size_t>(pack.offsets[s + 1]); ++p) {
          const auto i = static_cast<size_t>(pack.sources[p]);
          EXPECT_EQ(pack.targets[p], row.tokens[i]);
          EXPECT_EQ(seen_by(pack, pack.hidden[p]), std::vector<int64_t>(row.tokens.begin(), row.tokens.begin() + i));
          EXPECT_EQ(pack.advantages[p], row.advantages[i]);
          found.insert(pack.advantages[p]);
        }
      }
    }
    shared += static_cast<int64_t>(inputs);
    EXPECT_EQ(found, wanted);
  }
  EXPECT_GT(shared, 50);  // tokens that were not read again
}

Row row_of(core::Tokens tokens, size_t prompt) {
  Row row{std::move(tokens)};
  row.weights.assign(row.tokens.size(), 1.0f);
  std::fill_n(row.weights.begin(), prompt, 0.0f);
  return row;
}

TEST(Pack, ACommonPromptIsReadOnce) {
  const std::vector<Row> rows = {row_of({1, 2, 3, 7, 7, 9}, 3), row_of({1, 2, 3, 8, 9}, 3), row_of({1, 2, 3, 9}, 3),
                                 row_of({4, 5, 9}, 2)};
  const auto packs = make_packs(rows, Reads::kTokens, {.min_shared = 2});
  ASSERT_EQ(packs.size(), 1u);
  EXPECT_EQ(packs[0].rows, (std::vector<size_t>{0, 1, 2, 3}));
  EXPECT_EQ(packs[0].ids, (std::vector<int64_t>{1, 2, 3, 7, 7, 8, 4, 5}));
  EXPECT_EQ(packs[0].packing.starts, (std::vector<int64_t>{0, 3, 5, 6, 6, 8}));  // the third row has nothing of its own
  EXPECT_EQ(packs[0].packing.continues, (std::vector<int64_t>{0, 1, 1, 1, 0}));
  EXPECT_EQ(packs[0].hidden, (std::vector<int64_t>{2, 3, 4, 2, 5, 2, 7}));
  EXPECT_EQ(packs[0].targets, (std::vector<int64_t>{7, 7, 9, 8, 9, 9, 9}));
  EXPECT_EQ(make_packs(rows, Reads::kTokens, {.min_shared = 4})[0].ids.size(), 5u + 4 + 3 + 2);
}

// A longer beginning that two rows have in common by chance is given up where a third row saves more.
TEST(Pack, RunsSaveAsMuchAsTheyCan) {
  const std::vector<Row> rows = {row_of({1, 2, 3, 4, 5, 9}, 3), row_of({1, 2, 3, 4, 6, 9}, 3),
                                 row_of({1, 2, 3, 7, 7, 9}, 3), row_of({1, 2, 8, 9, 9, 9}, 3)};
  const auto packs = make_packs(rows, Reads::kTokens, {.min_shared = 2});
  EXPECT_EQ(packs[0].packing.starts, (std::vector<int64_t>{0, 3, 5, 7, 9, 14}));
}

TEST(Pack, RunsLeaveEveryWorkerItsShare) {
  std::vector<Row> rows;
  for (core::Token i = 10; i < 18; ++i) rows.push_back(row_of({i / 14, 2, 3, 4, i, i, i, i, 9}, 4));
  const auto packs = make_packs(rows, Reads::kTokens, {.workers = 2, .min_shared = 2});
  ASSERT_EQ(packs.size(), 2u);
  EXPECT_EQ(packs[0].ids.size(), packs[1].ids.size());
}

TEST(Pack, WorkersGetEvenShares) {
  const auto packs = make_packs(random_rows(1, 200, 60), Reads::kTokens, {.max_tokens = 1000, .workers = 2});
  EXPECT_EQ(packs.size() % 2, 0u);
  size_t least = 1000, most = 0;
  for (const Pack& pack : packs) least = std::min(least, pack.ids.size()), most = std::max(most, pack.ids.size());
  EXPECT_LE(most - least, 60u);
  EXPECT_GE(least, 800u);
}

TEST(Pack, UnitsStayTogetherAndLongRowsStandAlone) {
  std::vector<Row> rows(6);
  for (Row& row : rows) row.tokens.assign(31, 1), row.weights.assign(31, 1.0f), row.weights[0] = 0;
  const auto packs = make_packs(rows, Reads::kTokens, {.max_tokens = 50, .workers = 1, .unit = 2});
  ASSERT_EQ(packs.size(), 3u);
  for (const Pack& pack : packs) {
    ASSERT_EQ(pack.rows.size(), 2u);
    EXPECT_EQ(pack.rows[0] % 2, 0u);
    EXPECT_EQ(pack.rows[1], pack.rows[0] + 1);
  }
}

TEST(Pack, RowsThatLearnNothingAreLeftOut) {
  std::vector<Row> rows(2);
  for (Row& row : rows) row.tokens = {1, 2}, row.weights = {0, 0};
  EXPECT_TRUE(make_packs(rows, Reads::kTokens, {}).empty());
  EXPECT_TRUE(make_packs({}, Reads::kTokens, {.workers = 2}).empty());
}

TEST(Pack, RefusesRowsThatDoNotFitTogether) {
  Row first_token_learned{{1, 2}, {1, 1}};
  EXPECT_THROW(make_packs(std::vector{first_token_learned}, Reads::kTokens, {}), Error);
  Row short_list{{1, 2}, {0, 1}, {1}};
  EXPECT_THROW(make_packs(std::vector{short_list}, Reads::kTokens, {}), Error);
  Row fine{{1, 2}, {0, 1}};
  EXPECT_THROW(make_packs(std::vector{fine}, Reads::kTokens, {.unit = 2}), Error);
}

}  // namespace
}  // namespace ponder::learn
