#include "ponder/recipes/replay.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/records.h"
#include "ponder/recipes/rl.h"
#include "ponder/recipes/start.h"

namespace ponder::recipes {
namespace {

store::RecordBlock find_block(const std::string& run_dir, int64_t step) {
  const auto blocks = store::list_records(run_dir, kRollouts);
  for (const store::RecordBlock& block : blocks)
    if (block.stage == "rl" && block.step == step) return block;
  throw Error(ErrorCode::kInput,
              blocks.empty() ? std::string("there are no recorded rollouts; they are written by the stage rl")
                             : base::cat("no rollouts of step ", step, " are recorded; there are steps ",
                                         blocks.front().step, " to ", blocks.back().step),
              run_dir);
}

std::string ids_text(const core::Tokens& ids) { return base::Json::list(ids).dump(); }

std::string parts_text(const std::vector<core::RewardPart>& parts) {
  base::Json json = base::Json::object();
  for (const core::RewardPart& part : parts) json[part.name] = part.value;
  return json.dump();
}

// Equal numbers are equal to the bit; a NaN stands for "not measured" and agrees with nothing that is.
void compare(double recorded, double replayed, Mismatch at, std::vector<Mismatch>& mismatches) {
  if (recorded == replayed) return;
  at.recorded = base::cat(recorded), at.replayed = base::cat(replayed);
  mismatches.push_back(std::move(at));
}

void compare(const std::string& recorded, const std::string& replayed, Mismatch at, std::vector<Mismatch>& mismatches) {
  if (recorded == replayed) return;
  at.recorded = recorded, at.replayed = replayed;
  mismatches.push_back(std::move(at));
}

void compare_groups(const text::ProblemCodec& codec, const Groups& recorded, const Groups& replayed,
                    std::vector<Mismatch>& mismatches) {
  for (size_t p = 0; p < recorded.size(); ++p) {
    const core::Group &a = recorded[p], &b = replayed[p];
    const std::string prompt = ids_text(codec.prompt(a.item.problem));
    for (size_t i = 0; i < a.trajectories.size(); ++i) {
      const auto at = [&](const char* field) {
        return Mismatch{static_cast<int64_t>(p), static_cast<int64_t>(i), field, "", ""};
      };
      compare(ids_text(a.trajectories[i].prompt), prompt, at("prompt"), mismatches);
      compare(core::verdict_name(a.verdicts[i].kind), core::verdict_name(b.verdicts[i].kind), at("verdict"),
              mismatches);
      compare(a.verdicts[i].extracted, b.verdicts[i].extracted, at("answer"), mismatches);
      compare(parts_text(a.reward_parts[i]), parts_text(b.reward_parts[i]), at("reward_parts"), mismatches);
      compare(double{a.rewards[i]}, double{b.rewards[i]}, at("reward"), mismatches);
      compare(double{a.advantages[i]}, double{b.advantages[i]}, at("advantage"), mismatches);
    }
  }
}

// The step's row in metrics.jsonl says the same of its samples.
void compare_row(const std::string& run_dir, const eval::RlRow& replayed, std::vector<Mismatch>& mismatches) {
  const std::string path = base::join_path(run_dir, "metrics.jsonl");
  const eval::Rows rows = base::file_exists(path) ? eval::read_rows(path) : eval::Rows{};
  const auto row = std::ranges::find_if(rows.rl, [&](const eval::RlRow& r) { return r.step == replayed.step; });
  if (row == rows.rl.end()) {
    mismatches.push_back({-1, -1, "row", "none in metrics.jsonl", "one of this step"});
    return;
  }
  struct Field {
    const char* name;
    double eval::RlRow::*member;
  };
  for (const auto& [name, member] :
       {Field{"reward", &eval::RlRow::reward}, Field{"reward_std", &eval::RlRow::reward_std},
        Field{"length", &eval::RlRow::length}, Field{"truncated", &eval::RlRow::truncated},
        Field{"ended", &eval::RlRow::ended}, Field{"unparsable", &eval::RlRow::unparsable},
        Field{"groups_kept", &eval::RlRow::groups_kept}})
    compare((*row).*member, replayed.*member, Mismatch{-1, -1, name, "", ""}, mismatches);
  compare(static_cast<double>(row->policy_version), static_cast<double>(replayed.policy_version),
          Mismatch{-1, -1, "policy_version", "", ""}, mismatches);
}

base::Json summary_json(const Replay& replay) {
  const eval::RlRow& row = replay.row;
  int64_t samples = 0;
  reward::VerdictCounts verdicts;
  for (const core::Group& group : replay.groups) {
    samples += static_cast<int64_t>(group.trajectories.size());
    for (const core::Verdict& verdict : group.verdicts) verdicts.add(verdict);
  }
  base::Json json = base::Json::object();
  json["step"] = replay.step, json["groups"] = replay.groups.size(), json["samples"] = samples;
  json["policy_version"] = row.policy_version, json["reward"] = row.reward, json["reward_std"] = row.reward_std;
  json["groups_kept"] = row.groups_kept, json["truncated"] = row.truncated, json["unparsable"] = row.unparsable;
  json["length"] = row.length, json["verdicts"] = verdicts.to_json();
  json["mismatches"] = base::Json::array();
  for (const Mismatch& m : replay.mismatches) {
    base::Json entry = base::Json::object();
    if (m.group >= 0) entry["group"] = m.group, entry["sample"] = m.sample;
    entry["field"] = m.field, entry["recorded"] = m.recorded, entry["replayed"] = m.replayed;
    json["mismatches"].push_back(std::move(entry));
  }
  return json;
}

void print_samples(const text::ProblemCodec& codec, const Replay& replay, int64_t n) {
  for (size_t p = 0; p < replay.groups.size(); ++p) {
    const core::Group& group = replay.groups[p];
    for (size_t i = 0; i < group.trajectories.size() && n > 0; ++i, --n)
      std::printf("\ngroup %zu sample %zu: %s, reward %s %s, advantage %s%s%s\n  %s\n  %s\n", p, i,
                  core::verdict_name(group.verdicts[i].kind), base::fixed(group.rewards[i], 3).c_str(),
                  parts_text(group.reward_parts[i]).c_str(), base::fixed(group.advantages[i], 3).c_str(),
                  group.verdicts[i].reason.empty() ? "" : ": ", group.verdicts[i].reason.c_str(),
                  group.item.problem.question.c_str(), codec.decode(group.trajectories[i].tokens).c_str());
  }
}

}  // namespace

Replay replay_step(const std::string& run_dir, int64_t step) {
  const Recipe recipe = recipe_of_run(run_dir);
  const auto codec = codec_of_run(run_dir, recipe);
  const Groups recorded = read_rollouts(run_dir, find_block(run_dir, step));
  PONDER_CHECK(!recorded.empty(), "a step has at least one group");
  Replay replay{step, {}, recorded, {}};
  judge_groups(recipe, *codec, base::RngKey(static_cast<uint64_t>(recipe.seed)), step - 1, replay.groups);
  const reward::Advantages advantages = reward::fill_advantages(replay.groups, recipe.rl.advantage);
  replay.row = measure_groups(recipe, *codec, replay.groups, advantages, recorded[0].trajectories[0].policy_version);
  replay.row.step = step;
  compare_groups(*codec, recorded, replay.groups, replay.mismatches);
  compare_row(run_dir, replay.row, replay.mismatches);
  return replay;
}

int command_replay(const ReplayArgs& args) {
  const Replay replay = replay_step(args.dir, args.step);
  const base::Json json = summary_json(replay);
  if (args.json) {
    std::printf("%s\n", json.dump().c_str());
    return replay.mismatches.empty() ? 0 : 1;
  }
  std::printf(
      "step %lld: %lld samples of %lld problems, policy version %lld\n"
      "reward %s  kept groups %s  truncated %s  length %s\nverdicts %s\n",
      static_cast<long long>(args.step), static_cast<long long>(json.at("samples").as_int()),
      static_cast<long long>(replay.groups.size()), static_cast<long long>(replay.row.policy_version),
      base::fixed(replay.row.reward, 4).c_str(), base::fixed(replay.row.groups_kept, 3).c_str(),
      base::fixed(replay.row.truncated, 3).c_str(), base::fixed(replay.row.length, 1).c_str(),
      json.at("verdicts").dump().c_str());
  for (const Mismatch& m : replay.mismatches) {
    const std::string where = m.group < 0 ? std::string("step") : base::cat("group ", m.group, " sample ", m.sample);
    std::printf("mismatch: %s, %s: recorded %s, replayed %s\n", where.c_str(), m.field.c_str(), m.recorded.c_str(),
                m.replayed.c_str());
  }
  if (replay.mismatches.empty()) std::printf("every verdict, reward and advantage is what was recorded\n");
  print_samples(*codec_of_run(args.dir, recipe_of_run(args.dir)), replay, args.show);
  return replay.mismatches.empty() ? 0 : 1;
}

}  // namespace ponder::recipes
