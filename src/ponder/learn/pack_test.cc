#include "ponder/learn/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/rng.h"

namespace ponder::learn {
namespace {

std::vector<Row> random_rows(uint64_t seed, int64_t count, int64_t longest) {
  base::Rng rng{base::RngKey(seed)};
  std::vector<Row> rows;
  for (int64_t r = 0; r < count; ++r) {
    Row row;
    const int64_t length = rng.between(1, longest);
    for (int64_t i = 0; i < length; ++i) {
      row.tokens.push_back(static_cast<core::Token>(rng.below(50)));
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
  EXPECT_EQ(packs[0].starts, (std::vector<int64_t>{0, 3}));
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

TEST(Pack, EveryLearnedPositionOnceAndNothingElse) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto rows = random_rows(seed, 30, 20);
    std::multiset<double> wanted, found;
    for (const Row& row : rows) {
      for (size_t i = 0; i < row.tokens.size(); ++i) {
        if (row.weights[i] > 0) wanted.insert(row.advantages[i]);
      }
    }
    const PackOptions options{.max_tokens = 40, .workers = 1 + static_cast<int>(seed % 3)};
    for (const Pack& pack : make_packs(rows, Reads::kTokens, options)) {
      EXPECT_LE(pack.ids.size(), 40u);
      EXPECT_EQ(pack.starts.back(), static_cast<int64_t>(pack.ids.size()));
      for (size_t s = 0; s < pack.rows.size(); ++s) {
        const Row& row = rows[pack.rows[s]];
        for (auto p = static_cast<size_t>(pack.offsets[s]); p < static_cast<size_t>(pack.offsets[s + 1]); ++p) {
          const auto i = static_cast<size_t>(pack.sources[p]);
          EXPECT_EQ(pack.targets[p], row.tokens[i]);
          EXPECT_EQ(pack.hidden[p], pack.starts[s] + pack.sources[p] - 1);
          EXPECT_EQ(pack.ids[static_cast<size_t>(pack.hidden[p])], row.tokens[i - 1]);
          EXPECT_EQ(pack.advantages[p], row.advantages[i]);
          found.insert(pack.advantages[p]);
        }
      }
    }
    EXPECT_EQ(found, wanted);
  }
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
