#include "ponder/base/thread.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <thread>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/base/stop.h"

namespace ponder::base {
namespace {

TEST(RunWorkers, EachIndexRunsOnceAndTheFirstInTheCaller) {
  std::vector<int> runs(8);
  std::vector<std::thread::id> ids(8);
  std::barrier together(8);  // hangs unless all eight are alive at once
  run_workers(8, [&](int worker) {
    together.arrive_and_wait();
    ++runs[worker];
    ids[worker] = std::this_thread::get_id();
  });
  EXPECT_EQ(runs, std::vector<int>(8, 1));
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  for (int i = 1; i < 8; ++i) EXPECT_NE(ids[i], ids[0]);
}

TEST(RunWorkers, TheLowestExceptionIsThrownAfterAllAreDone) {
  std::atomic<int> finished = 0;
  try {
    run_workers(4, [&](int worker) {
      if (worker == 1 || worker == 3) throw Error(ErrorCode::kInput, cat("worker ", worker));
      ++finished;
    });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.message(), "worker 1");
  }
  EXPECT_EQ(finished, 2);
  EXPECT_THROW(run_workers(1, [](int) { throw Error(ErrorCode::kInput, "alone"); }), Error);
  EXPECT_THROW(run_workers(0, [](int) {}), Error);
}

TEST(HardwareThreads, IsAtLeastOne) {
  EXPECT_GE(hardware_threads(), 1);
  EXPECT_LE(hardware_threads(), 65'536);
}

TEST(Stop, ARequestIsSeenAndCleared) {
  clear_stop();
  EXPECT_FALSE(stop_requested());
  request_stop();
  EXPECT_TRUE(stop_requested());
  clear_stop();
}

TEST(Stop, TheFirstSignalAsksAndTheSecondEnds) {
  EXPECT_EXIT(
      {
        install_stop_handler();
        raise(SIGTERM);
        if (!stop_requested()) _exit(1);
        raise(SIGINT);
        _exit(2);
      },
      testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace ponder::base
