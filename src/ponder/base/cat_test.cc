#include "ponder/base/cat.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ponder/base/error.h"

namespace ponder::base {
namespace {

TEST(Cat, JoinsValues) {
  EXPECT_EQ(cat("a", 1, ' ', 0.1, true, std::string("z"), uint64_t{18446744073709551615u}),
            "a1 0.1truez18446744073709551615");
}

TEST(Cat, Fixed) {
  EXPECT_EQ(fixed(0.4567, 2), "0.46");
  EXPECT_EQ(fixed(-0.001, 2), "0.00");
  EXPECT_EQ(fixed(-1.5, 1), "-1.5");
  EXPECT_EQ(fixed(3, 0), "3");
  EXPECT_EQ(fixed(1e300, 0).size(), 301u);
  EXPECT_EQ(fixed(NAN, 2), "nan");
}

TEST(Cat, HumanCount) {
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(3.2), "3.20");
  EXPECT_EQ(human_count(4096), "4.10k");
  EXPECT_EQ(human_count(12'400), "12.4k");
  EXPECT_EQ(human_count(1'234'567), "1.23M");
  EXPECT_EQ(human_count(999'999), "1.00M");
  EXPECT_EQ(human_count(9'999), "10.0k");
  EXPECT_EQ(human_count(-4096), "-4.10k");
}

TEST(Cat, HumanSeconds) {
  EXPECT_EQ(human_seconds(8.2), "8.2 s");
  EXPECT_EQ(human_seconds(59.96), "1 min 00 s");
  EXPECT_EQ(human_seconds(185), "3 min 05 s");
  EXPECT_EQ(human_seconds(3599.7), "1 h 00 min");
  EXPECT_EQ(human_seconds(3720), "1 h 02 min");
  EXPECT_EQ(human_seconds(INFINITY), "unknown time");
}

TEST(Error, SaysWhereAndHasAnExitStatus) {
  const Error error(ErrorCode::kUsage, "unknown key", "run.yaml:3");
  EXPECT_STREQ(error.what(), "run.yaml:3: unknown key");
  EXPECT_STREQ(Error(ErrorCode::kInput, "bad").what(), "bad");
  EXPECT_EQ(exit_status(ErrorCode::kUsage), 2);
  EXPECT_EQ(exit_status(ErrorCode::kInput), 3);
  EXPECT_EQ(exit_status(ErrorCode::kResource), 4);
  EXPECT_EQ(exit_status(ErrorCode::kStopped), 130);
  EXPECT_EQ(exit_status(ErrorCode::kInternal), 1);
}

TEST(Error, CheckNamesTheExpressionAndTheValues) {
  const int n = -1;
  try {
    PONDER_CHECK(n > 0, "n must be positive, got ", n);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInternal);
    EXPECT_EQ(e.message(), "check failed: n > 0; n must be positive, got -1");
    EXPECT_TRUE(e.where().starts_with("src/ponder/base/cat_test.cc:")) << e.where();
  }
}

}  // namespace
}  // namespace ponder::base
