// The doctor's look at the rollouts themselves: what rows only claim.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "ponder/recipes/doctor.h"
#include "ponder/recipes/records.h"
#include "ponder/tasks/task.h"

namespace ponder::recipes {
namespace {

using base::cat;

// Blocks of up to n steps, evenly spread, the first and the last among them.
std::vector<store::RecordBlock> spread(const std::vector<store::RecordBlock>& blocks, size_t n) {
  if (blocks.size() <= n) return blocks;
  std::vector<store::RecordBlock> chosen;
  for (size_t i = 0; i < n; ++i)
    chosen.push_back(blocks[n == 1 ? blocks.size() - 1 : i * (blocks.size() - 1) / (n - 1)]);
  return chosen;
}

struct Seen {
  int64_t step = 0;  // the last one that was read
  int64_t samples = 0, stale = 0;
  int64_t groups = 0, held_out = 0;
  std::string held_out_problem;  // the first
};

// versions: what the row of each step says that it trained.
void look_at(const std::vector<core::Group>& groups, std::optional<int64_t> trained, Seen& seen) {
  for (const core::Group& group : groups) {
    const tasks::Task& task = tasks::find_task(group.item.problem.task);
    ++seen.groups;
    if (task.is_held_out(group.item.problem) && seen.held_out++ == 0)
      seen.held_out_problem = cat(task.name(), " ", task.canonical(group.item.problem));
    for (const core::Trajectory& t : group.trajectories) {
      ++seen.samples;
      seen.stale += t.policy_version != trained.value_or(groups.front().trajectories.front().policy_version);
    }
  }
}

}  // namespace

namespace {

// Steps that a row speaks of and no block; a run that is still going writes the block first.
std::optional<Finding> rows_without_records(const std::vector<store::RecordBlock>& blocks, const eval::Rows& rows) {
  std::set<int64_t> recorded;
  for (const store::RecordBlock& block : blocks)
    if (block.stage == "rl") recorded.insert(block.step);
  int64_t missing = 0, first = 0;
  for (const eval::RlRow& row : rows.rl)
    if (!recorded.contains(row.step) && missing++ == 0) first = row.step;
  if (missing == 0) return std::nullopt;
  return Finding{"records_missing",
                 false,
                 "rl",
                 first,
                 static_cast<double>(missing),
                 0,
                 cat(missing, " of ", rows.rl.size(), " RL steps have a row and no recorded rollouts, the first: step ",
                     first, "; nothing can be replayed of them"),
                 "restore rollouts.jsonl.zst and rollouts.index.jsonl, or run the recipe again in a new --out"};
}

// The reverse; the newest block may still wait for its row.
std::optional<Finding> records_without_rows(std::vector<store::RecordBlock> blocks, const eval::Rows& rows) {
  std::set<int64_t> told;
  for (const eval::RlRow& row : rows.rl) told.insert(row.step);
  if (!blocks.empty()) blocks.pop_back();
  std::erase_if(blocks, [&](const store::RecordBlock& b) { return b.stage != "rl" || told.contains(b.step); });
  if (blocks.empty()) return std::nullopt;
  return Finding{
      "rows_missing",
      false,
      "rl",
      blocks.front().step,
      static_cast<double>(blocks.size()),
      0,
      cat(blocks.size(), " RL steps have recorded rollouts and no row, the first: step ", blocks.front().step),
      "restore metrics.jsonl, or run the recipe again in a new --out"};
}

}  // namespace

std::vector<Finding> examine_records(const std::string& run_dir, const eval::Rows& rows, int64_t steps) {
  std::map<int64_t, int64_t> trained;  // step -> policy version, as its row says
  for (const eval::RlRow& row : rows.rl)
    if (row.policy_version >= 0) trained[row.step] = row.policy_version;
  std::vector<Finding> findings;
  Seen seen;
  const std::vector<store::RecordBlock> blocks = store::list_records(run_dir, kRollouts);
  if (auto missing = rows_without_records(blocks, rows)) findings.push_back(std::move(*missing));
  if (auto missing = records_without_rows(blocks, rows)) findings.push_back(std::move(*missing));
  for (const store::RecordBlock& block : spread(blocks, static_cast<size_t>(steps))) {
    const auto row = trained.find(block.step);
    try {
      look_at(read_rollouts(run_dir, block), row == trained.end() ? std::nullopt : std::optional(row->second), seen);
      seen.step = block.step;
    } catch (const Error& e) {
      findings.push_back({"records_unreadable", false, block.stage, block.step, 1, 0, e.what(),
                          "restore rollouts.jsonl.zst, or run the recipe again in a new --out"});
      break;
    }
  }
  if (seen.stale > 0)
    findings.push_back({"stale_weights", true, "rl", seen.step,
                        static_cast<double>(seen.stale) / static_cast<double>(seen.samples), 0,
                        cat(seen.stale, " of ", seen.samples,
                            " recorded samples were written by other weights than "
                            "those that their step trained"),
                        "start again in a new --out; if it happens there too, it is a fault of this program"});
  if (seen.held_out > 0)
    findings.push_back({"train_test_overlap", false, "rl", seen.step, static_cast<double>(seen.held_out), 0,
                        cat(seen.held_out, " of ", seen.groups,
                            " problems that RL trained on are held out for tests, "
                            "the first: ",
                            seen.held_out_problem),
                        "take the task out of rl.mix.tasks, or mend its split"});
  return findings;
}

}  // namespace ponder::recipes
