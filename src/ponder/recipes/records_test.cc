// Rollouts on disk and their replay: equal to the bit, and a changed record is found.
#include "ponder/recipes/records.h"
#include "ponder/text/format.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/base/stop.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/replay.h"
#include "ponder/recipes/rl.h"
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
    group.reward_parts.push_back({{"outcome", rng.normal()}, {"format", 0.1}});
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
    EXPECT_EQ(a.reward_parts, b.reward_parts);
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

// Completions of all kinds: right, readable but wrong, unreadable, given up, cut off.
core::Tokens completion(const core::Item& item, int kind) {
  const tasks::Task& task = tasks::find_task(item.problem.task);
  const std::string wrong = task.family() == "vm" ? "ans + 1 end" : "ans 1 + 1 end";
  const std::string texts[] = {"ans " + *task.solve(item.problem) + " end", wrong, "ans ans end", "stop end", "goal 3"};
  return text::task_tokenizer().encode(texts[kind]);
}

// A run's directory with one RL step of 6 problems and 5 samples each, made without a model.
void write_step(const std::string& dir, const Recipe& recipe, int64_t step) {
  const base::RngKey key(static_cast<uint64_t>(recipe.seed));
  std::vector<core::Group> groups;
  for (int p = 0; p < 6; ++p) {
    core::Group group;
    group.item = draw_problem(recipe.rl.mix, key.child(static_cast<uint64_t>(p)));
    for (int i = 0; i < 5; ++i) {
      core::Trajectory t;
      t.prompt = text::render_prompt(text::task_tokenizer(), group.item.problem);
      t.tokens = completion(group.item, p == 0 ? 0 : i);  // the first problem is solved by all: no advantage
      t.logp_behavior.assign(t.tokens.size(), -0.125f);
      t.policy_version = 40;
      t.stop = t.tokens.back() == text::kEnd ? core::StopReason::kStopToken : core::StopReason::kMaxTokens;
      group.trajectories.push_back(std::move(t));
    }
    groups.push_back(std::move(group));
  }
  const text::TaskCodec codec(text::task_tokenizer());
  judge_groups(recipe, codec, key, step - 1, groups);
  for (const core::Group& group : groups)
    for (size_t i = 0; i < group.rewards.size(); ++i)
      EXPECT_FLOAT_EQ(group.rewards[i], static_cast<float>(reward::sum_of(group.reward_parts[i])));
  eval::RlRow row = measure_groups(recipe, codec, groups, reward::fill_advantages(groups, recipe.rl.advantage), 40);
  row.step = step;
  EXPECT_GT(row.reward_std, 0.3);
  EXPECT_DOUBLE_EQ(row.unparsable, 5.0 / 30);
  EXPECT_DOUBLE_EQ(row.truncated, 5.0 / 30);
  EXPECT_DOUBLE_EQ(row.ended, 25.0 / 30);
  Recipe copy = recipe;
  base::write_file_atomic(base::join_path(dir, "config.yaml"), base::to_yaml(copy));
  base::write_file_atomic(base::join_path(dir, "metrics.jsonl"), eval::to_json(row).dump() + "\n");
  store::RecordLog(dir, kRollouts).append("rl", step, rollout_rows("rl", step, groups));
}

TEST_F(RecordsTest, AStepReplaysToTheSameNumbers) {
  for (const std::vector<std::string>& overrides : {std::vector<std::string>{},
                                                    {"rl.shuffle_rewards=yes"},
                                                    {"rl.advantage.estimator=reinforce++"},
                                                    {"rl.reward.format=0.25", "rl.reward.wrong=-0.3"}}) {
    base::remove_all(dir_);
    base::make_directories(dir_);
    write_step(dir_, load_recipe("recipes/micro.yaml", overrides), 3);
    const Replay replay = replay_step(dir_, 3);
    EXPECT_TRUE(replay.mismatches.empty()) << replay.mismatches.front().field;
    EXPECT_EQ(replay.groups.size(), 6u);
    EXPECT_EQ(replay.row.policy_version, 40);
  }
  try {
    replay_step(dir_, 5);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kInput);
    EXPECT_NE(std::string(e.what()).find("steps 3 to 3"), std::string::npos) << e.what();
  }
}

// One number of one sample changed, and the block written anew: its checksum is right, its content is not.
TEST_F(RecordsTest, AChangedRecordIsFound) {
  write_step(dir_, load_recipe("recipes/micro.yaml", {}), 3);
  const std::vector<base::Json> rows = store::read_records(dir_, kRollouts, store::list_records(dir_, kRollouts)[0]);
  const auto replay_with = [&](const std::string& key, const base::Json& value) {
    std::vector<base::Json> changed = rows;
    changed[6][key] = value;
    store::RecordLog log(dir_, kRollouts);
    log.rewind("rl", 2);
    log.append("rl", 3, changed);
    std::string fields;
    for (const Mismatch& m : replay_step(dir_, 3).mismatches) {
      if (m.group >= 0) {
        EXPECT_EQ(std::pair(m.group, m.sample), std::pair(int64_t{1}, int64_t{1})) << m.field;
      }
      fields += m.field + " ";
    }
    return fields;
  };
  EXPECT_EQ(replay_with("step", 3), "");
  EXPECT_EQ(replay_with("reward", 0.75), "reward ");
  EXPECT_EQ(replay_with("reward_parts", base::Json::Object{{"outcome", 0.75}}), "reward_parts ");
  EXPECT_EQ(replay_with("advantage", 3), "advantage ");
  EXPECT_EQ(replay_with("verdict", "timeout"), "verdict ");
  EXPECT_EQ(replay_with("answer", "2 + 2"), "answer ");
  EXPECT_EQ(replay_with("prompt", base::Json::Array{1, 2}), "prompt ");
  EXPECT_NE(replay_with("stop", "length").find("truncated"), std::string::npos);  // the step's row says otherwise
  for (const auto& [key, value] : {std::pair<std::string, base::Json>{"key", "xyz"},
                                   {"verdict", "maybe"},
                                   {"logp", "AACAPw=="},
                                   {"sample", 9},
                                   {"reward_parts", base::Json::Array{1}},
                                   {"reward", nullptr}})
    EXPECT_THROW(replay_with(key, value), Error) << key;
}

TEST_F(RecordsTest, AMissingRowIsNoAgreement) {
  write_step(dir_, load_recipe("recipes/micro.yaml", {}), 3);
  base::write_file_atomic(path("metrics.jsonl"), "");
  const Replay replay = replay_step(dir_, 3);
  ASSERT_EQ(replay.mismatches.size(), 1u);
  EXPECT_EQ(replay.mismatches[0].field, "row");
}

// Tokens that were changed so that the answer becomes another: the verdict cannot stand.
TEST_F(RecordsTest, AChangedAnswerIsFound) {
  write_step(dir_, load_recipe("recipes/micro.yaml", {}), 3);
  std::vector<base::Json> rows = store::read_records(dir_, kRollouts, store::list_records(dir_, kRollouts)[0]);
  rows[5]["tokens"] = rows[6].at("tokens"), rows[5]["logp"] = rows[6].at("logp");  // the wrong answer for the right one
  store::RecordLog log(dir_, kRollouts);
  log.rewind("rl", 2);
  log.append("rl", 3, rows);
  std::set<std::string> fields;
  for (const Mismatch& m : replay_step(dir_, 3).mismatches) fields.insert(m.field);
  for (const char* field : {"verdict", "answer", "reward", "advantage"}) EXPECT_TRUE(fields.contains(field)) << field;
}

Recipe rl_recipe() {
  return load_recipe("recipes/micro.yaml", {"stages=sft,rl", "sft.train.steps=2", "sft.eval_problems=2", "rl.prompts=4",
                                            "rl.eval_problems=2", "rl.train.steps=4", "rl.train.checkpoint_every=2"});
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
  EXPECT_GT(stops, 5);
  EXPECT_TRUE(base::read_file(path("rollouts.jsonl.zst")) == data);
  EXPECT_EQ(base::read_file(path("rollouts.index.jsonl")), index);
  for (int64_t step = 1; step <= 4; ++step) EXPECT_TRUE(replay_step(dir_, step).mismatches.empty()) << step;
}

}  // namespace
}  // namespace ponder::recipes
