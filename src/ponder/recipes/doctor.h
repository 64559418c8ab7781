// What looks wrong in a run, from its rows and records alone: each finding with its number, its threshold and a fix
// that names the key of the recipe to change. `ponder doctor` reads a run's directory, the learning stages look at
// their own rows as they go.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "ponder/eval/rows.h"
#include "ponder/recipes/recipe.h"

namespace ponder::recipes {

struct Finding {
  std::string code;       // "truncated_completions"; docs/doctor.md lists them
  bool is_fatal = false;  // going on is senseless: a stage stops
  std::string stage;
  int64_t step = 0;  // the last one that was looked at
  double value = 0, threshold = 0;
  std::string message, fix;
};

// rows may be those of a run that is still going. Fatal findings first.
std::vector<Finding> examine_rows(const eval::Rows& rows, const Recipe& recipe);
// The rollouts of up to `steps` steps, evenly spread, against the rows and the splits.
std::vector<Finding> examine_records(const std::string& run_dir, const eval::Rows& rows, int64_t steps);

// Looks at a learning stage while it runs: at every step at its data, for what is fatal at once and for a gap between
// sampler and trainer, after steps 3, 10, 25, 50, … and the last for all. A warning is logged once a code; a fatal
// finding is an Error(kUsage) with its fix.
class LiveDoctor {
 public:
  LiveDoctor(const Recipe& recipe, std::string metrics_path);
  void watch(const eval::RlRow& row);  // the row of the step just taken, not yet in the file
  void watch(const eval::TrainRow& row);
  // held_out: instances of the held-out splits in what the step is about to learn from.
  void watch_data(const std::string& stage, int64_t step, const std::vector<std::string>& held_out);

 private:
  bool is_due(const std::string& stage, int64_t step) const;
  void tell(const std::string& stage, int64_t step, const Finding& finding);
  void look(eval::Rows rows, const std::string& stage, int64_t step);

  const Recipe recipe_;
  const std::string metrics_path_;
  std::set<std::string> told_;
};

// Standard deviation of the labels of a critic's rows, for its TrainRow.
double label_deviation(const std::vector<learn::Row>& rows);

}  // namespace ponder::recipes
