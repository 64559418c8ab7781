#include "ponder/tasks/task.h"

#include <unordered_set>

#include "ponder/base/error.h"
#include "ponder/base/fields.h"
#include "ponder/tasks/countdown.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/vm.h"

namespace ponder::tasks {

const char* split_name(Split split) {
  switch (split) {
    case Split::kTrain:
      return "train";
    case Split::kDev:
      return "dev";
    case Split::kTest:
      return "test";
  }
  return "train";
}

Split split_of_canonical(const std::string& canonical) {
  uint64_t hash_class = base::hash64(canonical) % 16;
  if (hash_class < 4) return Split::kTest;
  return hash_class == 4 ? Split::kDev : Split::kTrain;
}

const std::vector<const Task*>& all_tasks() {
  static const CountdownTask countdown3(3), countdown4(4), countdown5(5);
  static const VmTask vm3(3), vm4(4);
  static const std::vector<const Task*> tasks{&countdown3, &countdown4, &countdown5, &vm3, &vm4};
  return tasks;
}

const std::vector<const Task*>& dataset_tasks() {
  static const MathTask math;
  static const Gsm8kTask gsm8k, gsm8k2000(2000);
  static const SvampTask svamp;
  static const ArithmeticTask arithmetic;
  static const std::vector<const Task*> tasks{&math, &gsm8k, &gsm8k2000, &svamp, &arithmetic};
  return tasks;
}

const Task& find_task(const std::string& name) {
  std::vector<std::string> names;
  for (const auto* table : {&all_tasks(), &dataset_tasks()}) {
    for (const Task* task : *table) {
      if (task->name() == name) return *task;
      names.push_back(task->name());
    }
  }
  std::string all;
  for (const auto& n : names) all += (all.empty() ? "" : ", ") + n;
  std::string near = base::nearest_name(name, names);
  throw Error(ErrorCode::kUsage,
              base::cat("there is no task \"", name, "\"",
                        near.empty() ? "" : base::cat("; did you mean \"", near, "\"?"), " Tasks: ", all));
}

const DatasetTask& find_dataset_task(const std::string& name) {
  const auto* task = dynamic_cast<const DatasetTask*>(&find_task(name));
  if (!task) throw Error(ErrorCode::kUsage, base::cat("the problems of ", name, " do not come from files"));
  return *task;
}

std::vector<core::Item> make_problems(const Task& task, Split split, size_t n, base::RngKey key) {
  // A small split runs dry: after so many draws in a row that were all known, what is left is not worth waiting for.
  constexpr int kMaxRepeats = 20000;
  std::vector<core::Item> items;
  std::unordered_set<std::string> seen;
  int repeats = 0;
  for (uint64_t draw = 0; items.size() < n; ++draw) {
    core::Item item = task.generate(key.child(draw), split);
    if (!seen.insert(task.instance(item.problem)).second) {
      if (++repeats < kMaxRepeats) continue;
      throw Error(ErrorCode::kUsage,
                  base::cat("the ", split_name(split), " split of ", task.name(), " holds about ", items.size(),
                            " different problems; ask for no more than that, not ", n));
    }
    repeats = 0;
    item.problem.id = base::cat(task.name(), "-", split_name(split), "-", items.size());
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace ponder::tasks
