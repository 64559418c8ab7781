#include "ponder/recipes/audit.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "ponder/base/thread.h"
#include "ponder/craft/held_out.h"

namespace ponder::recipes {
namespace {

// Held-out instances that the training text of one stage shows.
std::set<std::string> leaks_in_text(const Run& run, int64_t steps,
                                    std::vector<learn::Row> (*batch)(const Recipe&, base::RngKey, int64_t)) {
  std::set<std::string> leaks;
  std::mutex mutex;
  base::run_workers(run.workers, [&](int worker) {
    for (int64_t step = worker; step < steps; step += run.workers)
      for (const std::string& leak : held_out_instances(batch(run.recipe, run.key, step))) {
        const std::lock_guard lock(mutex);
        leaks.insert(leak);
      }
  });
  return leaks;
}

std::vector<core::Item> training_problems(const Run& run) {
  std::vector<core::Item> items;
  const auto add = [&items](std::vector<core::Item> more) {
    items.insert(items.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  if (has_stage(run.recipe, "sft")) add(solved_problems(run.recipe));
  for (const char* stage : {"critic", "critic_rl"})
    if (has_stage(run.recipe, stage)) add(critic_problems(run.recipe, run.key, stage));
  if (has_stage(run.recipe, "rl"))
    for (int64_t step = 0; step < run.recipe.rl.train.steps; ++step) add(rl_problems(run.recipe, run.key, step));
  return items;
}

// Canonical instances of the dev problems that critics were measured on.
int64_t dev_instances(const Run& run, const std::string& task) {
  const CriticOptions& o = run.recipe.critic;
  if (std::ranges::find(o.mix.tasks, task) == o.mix.tasks.end()) return 0;
  std::set<std::string> instances;
  for (const core::Item& item : dev_problems(run, task))
    instances.insert(tasks::find_task(task).canonical(item.problem));
  return static_cast<int64_t>(instances.size());
}

// Every test problem that any row of the run speaks of, as far as it counts from the first: those of the training curve
// and those of the searches.
std::map<std::string, int64_t> tested_problems(const Recipe& recipe) {
  std::map<std::string, int64_t> tested;
  const auto at_least = [&tested](const std::string& task, int64_t n) {
    if (n > 0) tested[task] = std::max(tested[task], n);
  };
  for (const std::string& task : recipe.rl.mix.tasks) {
    if (has_stage(recipe, "sft")) at_least(task, recipe.sft.eval_problems);
    if (has_stage(recipe, "rl")) at_least(task, recipe.rl.eval_problems);
  }
  if (!has_stage(recipe, "search")) return tested;
  const SearchStageOptions& o = recipe.search;
  for (size_t t = 0; t < o.tasks.size(); ++t) at_least(o.tasks[t], o.problems[t]);
  for (const std::string& task : o.harder_tasks) at_least(task, o.harder_problems);
  return tested;
}

}  // namespace

std::vector<std::string> tested_tasks(const Recipe& recipe) {
  std::set<std::string> tasks;
  for (const auto& [task, problems] : tested_problems(recipe)) tasks.insert(task);
  if (has_stage(recipe, "base")) tasks.insert(recipe.base.tasks.begin(), recipe.base.tasks.end());
  for (const char* stage : {"critic", "critic_rl"})
    if (has_stage(recipe, stage)) tasks.insert(recipe.critic.mix.tasks.begin(), recipe.critic.mix.tasks.end());
  return {tasks.begin(), tasks.end()};
}

std::vector<std::string> held_out_instances(const std::vector<core::Item>& items) {
  std::vector<std::string> found;
  for (const core::Item& item : items) {
    const tasks::Task& task = tasks::find_task(item.problem.task);
    if (task.is_held_out(item.problem)) found.push_back(task.canonical(item.problem));
  }
  return found;
}

std::vector<std::string> held_out_instances(const std::vector<learn::Row>& rows) {
  std::vector<std::string> found;
  for (const learn::Row& row : rows)
    for (std::string& leak : craft::leaked_instances(row.tokens)) found.push_back(std::move(leak));
  return found;
}

std::vector<eval::DataRow> audit_data(const Run& run) {
  std::set<std::string> leaks;
  if (has_stage(run.recipe, "pretrain"))
    leaks.merge(leaks_in_text(run, run.recipe.pretrain.train.steps, pretrain_batch));
  const bool demonstrations = run.recipe.init.from.empty();
  if (has_stage(run.recipe, "sft") && demonstrations)
    leaks.merge(leaks_in_text(run, run.recipe.sft.train.steps, sft_batch));
  std::map<std::string, std::set<std::string>> trained;  // task -> canonical instances that were trained on
  for (const core::Item& item : training_problems(run))
    trained[item.problem.task].insert(tasks::find_task(item.problem.task).canonical(item.problem));

  std::vector<eval::DataRow> rows;
  const auto add = [&](const std::string& task, int64_t problems) {
    std::set<std::string> held_out;
    for (const core::Item& item : run.test_problems(task, problems))
      held_out.insert(tasks::find_task(task).canonical(item.problem));
    eval::DataRow row;
    row.task = task;
    row.train = static_cast<int64_t>(trained[task].size());
    row.dev = dev_instances(run, task);
    row.test = static_cast<int64_t>(held_out.size());
    for (const std::string& instance : held_out)
      row.overlap += trained[task].contains(instance) || leaks.contains(instance);
    row.note =
        demonstrations
            ? "canonical instances (sorted numbers, sorted instructions) that RL and critics trained on, and that "
              "test problems come from; overlap also counts test instances shown anywhere in pre-training text "
              "and demonstrations, failed tries included"
            : "questions, by their words and numbers, that SFT, RL and critics trained on, and that test problems "
              "come from; rows of sft.data that show a held-out one were left out, and count as none; what the model "
              "that the run started from has read is not known here";
    rows.push_back(row);
  };
  for (const auto& [task, problems] : tested_problems(run.recipe)) add(task, problems);
  return rows;
}

}  // namespace ponder::recipes
