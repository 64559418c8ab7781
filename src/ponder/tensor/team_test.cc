#include "ponder/tensor/team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "ponder/base/error.h"

namespace ponder::tensor {
namespace {

TEST(Team, EveryPartIsDoneOnce) {
  for (int threads : {1, 2, 5}) {
    Team team(threads);
    EXPECT_EQ(team.threads(), threads);
    for (int64_t parts : {0, 1, 2, 7, 100}) {
      for (int repeat = 0; repeat < 200; ++repeat) {
        std::vector<std::atomic<int>> done(static_cast<size_t>(parts));
        team.run(parts, [&](int64_t part) { ++done[static_cast<size_t>(part)]; });
        for (const auto& count : done) ASSERT_EQ(count, 1);
      }
    }
  }
}

TEST(Team, TheFirstErrorIsThrownAndTheTeamGoesOn) {
  Team team(3);
  std::atomic<int> done = 0;
  const auto work = [&](int64_t part) {
    ++done;
    if (part == 4) throw Error(ErrorCode::kInput, "part 4");
  };
  EXPECT_THROW(team.run(20, work), Error);
  EXPECT_EQ(done, 20);
  team.run(3, work);
  EXPECT_EQ(done, 23);
}

TEST(Team, AScopeLendsTheTeamToItsThreadAlone) {
  Team team(2);
  EXPECT_EQ(team_threads(), 1);
  {
    const TeamScope scope(&team);
    EXPECT_EQ(team_threads(), 2);
    share_work(4, [](int64_t) { EXPECT_EQ(team_threads(), 1); });  // within a part
    std::thread([] { EXPECT_EQ(team_threads(), 1); }).join();
    EXPECT_EQ(team_threads(), 2);
  }
  EXPECT_EQ(team_threads(), 1);
}

TEST(Team, ARangeIsCutAtItsGrain) {
  Team team(3);
  for (const bool shared : {false, true}) {
    const TeamScope scope(shared ? &team : nullptr);
    for (int64_t n : {0, 1, 15, 16, 17, 1000}) {
      std::vector<std::atomic<int>> done(static_cast<size_t>(n));
      std::atomic<int> pieces = 0;
      share_range(n, 16, [&](int64_t from, int64_t to) {
        EXPECT_EQ(from % 16, 0);
        EXPECT_LT(from, to);
        ++pieces;
        for (int64_t i = from; i < to; ++i) ++done[static_cast<size_t>(i)];
      });
      for (const auto& count : done) ASSERT_EQ(count, 1);
      if (!shared) EXPECT_EQ(pieces, n > 0);
      if (shared && n == 1000) EXPECT_EQ(pieces, 12);
    }
  }
}

}  // namespace
}  // namespace ponder::tensor
