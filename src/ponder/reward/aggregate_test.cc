#include "ponder/reward/aggregate.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"

namespace ponder::reward {
namespace {

TEST(Aggregate, EveryName) {
  const std::vector<float> steps = {0.5f, 0.25f, 1.0f};
  EXPECT_DOUBLE_EQ(aggregate(steps, parse_aggregate("min")), 0.25);
  EXPECT_DOUBLE_EQ(aggregate(steps, parse_aggregate("prod")), 0.125);
  EXPECT_DOUBLE_EQ(aggregate(steps, parse_aggregate("last")), 1.0);
  EXPECT_NEAR(aggregate(steps, parse_aggregate("mean")), 1.75 / 3, 1e-12);
  EXPECT_EQ(aggregate_names().size(), 4u);
}

TEST(Aggregate, RefusesUnknownNamesAndEmptySolutions) {
  EXPECT_THROW(parse_aggregate("max"), Error);
  EXPECT_THROW(aggregate({}, Aggregate::kMin), Error);
}

}  // namespace
}  // namespace ponder::reward
