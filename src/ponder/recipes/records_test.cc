// Rollouts on disk and their replay: equal to the bit, and a changed record is found.
#include "ponder/recipes/records.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/base/stop.h"
#include "ponder/recipes/replay.h"
#include "ponder/recipes/run.h"

namespace ponder::recipes {
namespace {

std::vector<float> awkward_floats(base::Rng& rng, int64_t n) {
  std::vector<float> values{0.0f, -0.0f, -INFINITY, std::numeric_limits<float>::denorm_min(), -1e-30f, -88.7f};
  while (static_cast<int64_t>(values.size()) < n) values.push_back(std::bit_cast<float>(rng.next()));
  values.resize(static_cast<size_t>(n));
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         std::ranges::equal(a, b, {}, std::bit_cast<uint32_t, float>, std::bit_cast<uint32_t, float>);
}

TEST(Floats, ReadBackToTheBit) {
  EXPECT_EQ(encode_floats({1.0f}), "AACAPw==");  // 00 00 80 3f
  base::Rng rng(base::RngKey(1));
  for (int64_t n = 0; n < 40; ++n) {
    const std::vector<float> values = awkward_floats(rng, n);
    EXPECT_TRUE(same_bits(decode_floats(encode_floats(values)), values)) << n;
  }
  for (const char* bad : {"A", "AAAA", "AACAPw=", "AACA?w==", "====", "AAC=Pw=="})
    EXPECT_THROW(decode_floats(bad), Error) << bad;
}

core::Group random_group(const std::string& task, base::RngKey key) {
  base::Rng rng(key);
  core::Group group;
  group.item = tasks::find_task(task).generate(key, tasks::Split::kTrain);
  for (int64_t i = rng.between(1, 4); i > 0; --i) {
    core::Trajectory t;
    for (int64_t k = rng.between(1, 9); k > 0; --k) t.prompt.push_back(static_cast<core::Token>(rng.below(144)));
    for (int64_t k = rng.between(0, 20); k > 0; --k) t.tokens.push_back(static_cast<core::Token>(rng.below(144)));
    t.logp_behavior = awkward_floats(rng, static_cast<int64_t>(t.tokens.size()));
    t.policy_version = rng.below(1000);
    t.stop = static_cast<core::StopReason>(rng.below(4));
    t.key = key.child(static_cast<uint64_t>(i));
    group.trajectories.push_back(std::move(t));
    group.verdicts.push_back({static_cast<core::VerdictKind>(rng.below(5)), "13 * 2 ; 26 - 8", ""});
    group.rewards.push_back(static_cast<float>(rng.normal()));
    group.advantages.push_back(static_cast<float>(rng.normal()));
  }
  return group;
}

class RecordsTest : public testing::Test {
 protected:
  void SetUp() override { base::remove_all(dir_), base::make_directories(dir_), base::set_quiet(true); }
  void TearDown() override { base::remove_all(dir_), base::set_quiet(false), base::clear_stop(); }
  std::string path(std::string_view name) const { return base::join_path(dir_, name); }
  const std::string dir_ = base::join_path(testing::TempDir(), "ponder_records_test");
};

TEST_F(RecordsTest, GroupsReadBackToTheBit) {
  std::vector<core::Group> groups;
  for (int i = 0; i < 12; ++i)
    groups.push_back(random_group(i % 2 ? "vm3" : "countdown4", base::RngKey(9).child(static_cast<uint64_t>(i))));
  store::RecordLog(dir_, kRollouts).append("rl", 7, rollout_rows("rl", 7, groups));
  const auto blocks = store::list_records(dir_, kRollouts);
  ASSERT_EQ(blocks.size(), 1u);
  const std::vector<core::Group> back = read_rollouts(dir_, blocks[0]);
  ASSERT_EQ(back.size(), groups.size());
  for (size_t p = 0; p < groups.size(); ++p) {
    const core::Group &a = groups[p], &b = back[p];
    EXPECT_EQ(a.item.problem.question, b.item.problem.question);
    EXPECT_EQ(a.item.gold, b.item.gold);  // what the verifier needs: vm's hidden tests
    ASSERT_EQ(a.trajectories.size(), b.trajectories.size());
    EXPECT_EQ(a.rewards, b.rewards);
    EXPECT_EQ(a.advantages, b.advantages);
    for (size_t i = 0; i < a.trajectories.size(); ++i) {
      const core::Trajectory &s = a.trajectories[i], &t = b.trajectories[i];
      EXPECT_EQ(s.prompt, t.prompt);
      EXPECT_EQ(s.tokens, t.tokens);
      EXPECT_TRUE(same_bits(s.logp_behavior, t.logp_behavior));
      EXPECT_EQ(s.policy_version, t.policy_version);
      EXPECT_EQ(s.stop, t.stop);
      EXPECT_EQ(s.key, t.key);
      EXPECT_EQ(a.verdicts[i].kind, b.verdicts[i].kind);
      EXPECT_EQ(a.verdicts[i].extracted, b.verdicts[i].extracted);
    }
  }
}

Recipe rl_recipe(const std::vector<std::string>& more = {}) {
  std::vector<std::string> overrides{"stages=sft,rl",    "sft.train.steps=12",         "sft.eval_problems=2",
                                     "rl.prompts=4",     "rl.eval_problems=2",         "rl.reward.format=0.25",
                                     "rl.train.steps=4", "rl.train.checkpoint_every=2"};
  overrides.insert(overrides.end(), more.begin(), more.end());
  return load_recipe("recipes/micro.yaml", overrides);
}

TEST_F(RecordsTest, EveryStepReplaysToTheSameNumbers) {
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, {"rl.shuffle_rewards=yes"}, {"rl.advantage.estimator=reinforce++"}}) {
    base::remove_all(dir_);
    run_recipe(rl_recipe(more), dir_);
    double spread = 0;
    for (int64_t step = 1; step <= 4; ++step) {
      const Replay replay = replay_step(dir_, step);
      EXPECT_TRUE(replay.mismatches.empty())
          << step << " " << replay.mismatches.front().field << " " << replay.mismatches.front().recorded << " "
          << replay.mismatches.front().replayed;
      EXPECT_EQ(replay.groups.size(), 4u);
      spread += replay.row.reward_std;
    }
    EXPECT_GT(spread, 0) << "rewards that are all equal prove little";
  }
  EXPECT_THROW(replay_step(dir_, 5), Error);
}

// One number of one sample changed, and the block written anew: its checksum is right, its content is not.
TEST_F(RecordsTest, AChangedRecordIsFound) {
  run_recipe(rl_recipe(), dir_);
  const auto block = store::list_records(dir_, kRollouts).back();
  const std::vector<base::Json> rows = store::read_records(dir_, kRollouts, block);
  const auto replay_with = [&](const std::string& key, const base::Json& value) {
    std::vector<base::Json> changed = rows;
    changed[5][key] = value;
    store::RecordLog log(dir_, kRollouts);
    log.rewind("rl", block.step - 1);
    log.append("rl", block.step, changed);
    std::string fields;
    for (const Mismatch& m : replay_step(dir_, block.step).mismatches) {
      if (m.group >= 0) EXPECT_EQ(std::pair(m.group, m.sample), std::pair(int64_t{1}, int64_t{1}));
      fields += m.field + " ";
    }
    return fields;
  };
  EXPECT_EQ(replay_with("step", block.step), "");
  EXPECT_EQ(replay_with("reward", 0.75), "reward ");
  EXPECT_EQ(replay_with("advantage", 3), "advantage ");
  EXPECT_EQ(replay_with("verdict", "timeout"), "verdict ");
  EXPECT_EQ(replay_with("answer", "1 + 1"), "answer ");
  EXPECT_EQ(replay_with("prompt", base::Json::Array{1, 2}), "prompt ");
  EXPECT_NE(replay_with("stop", "length").find("truncated"), std::string::npos);  // the step's row says otherwise
  for (const auto& [key, value] : {std::pair<std::string, base::Json>{"key", "xyz"},
                                   {"verdict", "maybe"},
                                   {"logp", "AACAPw=="},
                                   {"sample", 9},
                                   {"reward", nullptr}})
    EXPECT_THROW(replay_with(key, value), Error) << key;
}

// A process killed behind its last checkpoint leaves records that the next one takes back and writes again.
TEST_F(RecordsTest, AResumedRunLeavesTheSameFiles) {
  run_recipe(rl_recipe(), dir_);
  const std::string data = base::read_file(path("rollouts.jsonl.zst")),
                    index = base::read_file(path("rollouts.index.jsonl"));
  base::remove_all(dir_);
  int stops = 0;
  for (bool finished = false; !finished; ++stops) {
    ASSERT_LT(stops, 40);
    base::request_stop();  // every step is the last one of its process
    try {
      run_recipe(rl_recipe(), dir_);
      finished = true;
    } catch (const Error& e) {
      ASSERT_EQ(e.code(), ErrorCode::kStopped) << e.what();
    }
    base::clear_stop();
    const auto blocks = store::list_records(dir_, kRollouts);
    if (finished || blocks.empty()) continue;
    store::RecordLog(dir_, kRollouts).append("rl", blocks.back().step + 1, {});
    base::write_file_atomic(path("rollouts.jsonl.zst"), base::read_file(path("rollouts.jsonl.zst")) + "half a block");
  }
  EXPECT_GT(stops, 10);
  EXPECT_TRUE(base::read_file(path("rollouts.jsonl.zst")) == data);
  EXPECT_EQ(base::read_file(path("rollouts.index.jsonl")), index);
}

}  // namespace
}  // namespace ponder::recipes
