#include "ponder/base/log.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace ponder::base {
namespace {

ProgressView view(int64_t done, int64_t total) {
  ProgressView v;
  v.stage = "rl";
  v.unit = "steps";
  v.done = done;
  v.total = total;
  return v;
}

TEST(ProgressLine, SaysHowFarHowFastAndHowLong) {
  ProgressView v = view(40, 80);
  v.metric = "reward 0.41";
  EXPECT_EQ(progress_line(v, 20), "rl  40/80 [==========          ] 2 steps/s  ETA 20.0 s  reward 0.41");
  v.rate = 12'400;
  v.rate_unit = "tok/s";
  EXPECT_EQ(progress_line(v, 20), "rl  40/80 [==========          ] 12.4k tok/s  ETA 20.0 s  reward 0.41");
}

TEST(ProgressLine, WhatWasDoneBeforeIsNoPartOfTheRate) {
  ProgressView v = view(60, 80);
  v.done_before = 50;
  EXPECT_EQ(progress_line(v, 10), "rl  60/80 [===============     ] 1 steps/s  ETA 20.0 s");
  v.done = 50;
  EXPECT_EQ(progress_line(v, 10), "rl  50/80 [============        ]");  // nothing known yet, nothing promised
}

TEST(ProgressLine, AnUnknownTotalHasNoBarAndNoEta) {
  EXPECT_EQ(progress_line(view(5, 0), 10), "rl  5 steps 0.50 steps/s");
}

TEST(ProgressLine, TheLastLineSaysHowLongItTook) {
  EXPECT_EQ(progress_line(view(80, 80), 40), "rl  80/80 [====================] 2 steps/s  in 40.0 s");
}

TEST(Progress, PrintsFirstAndLastLineElsewhereThanOnATerminal) {
  testing::internal::CaptureStderr();
  {
    Progress progress("sft", 3, "steps");
    for (int i = 1; i <= 3; ++i) progress.update(i, "loss 1.0");
  }
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2) << out;
  EXPECT_NE(out.find("sft  1/3"), std::string::npos);
  EXPECT_NE(out.find("sft  3/3"), std::string::npos);
  EXPECT_EQ(out.find('\r'), std::string::npos);
}

TEST(Log, QuietKeepsOnlyWarningsAndErrors) {
  testing::internal::CaptureStderr();
  log_info("hello");
  set_quiet(true);
  log_info("unheard");
  log_warning("heard");
  log_error("heard as well");
  { Progress("x", 1, "steps").update(1, ""); }
  set_quiet(false);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "hello\nwarning: heard\nerror: heard as well\n");
}

TEST(Log, AResultGoesToStandardOutputAlone) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  print_result("{\"a\":1}");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "{\"a\":1}\n");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace ponder::base
