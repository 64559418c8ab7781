// The numbers of a run over its steps: rows in metrics.jsonl, and those of them that make a curve as TensorBoard events
// in tensorboard/<stage>/. Rows are the truth, events a view. Called by recipes.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/store/jsonl_log.h"
#include "ponder/store/tensorboard.h"

namespace ponder::store {

class Metrics {
 public:
  explicit Metrics(const std::string& run_dir);
  // row: an object with a "stage" and a "step". scalars: what TensorBoard gets of it, by tag.
  void add(const base::Json& row, const std::vector<std::pair<std::string, double>>& scalars);
  void rewind(const std::string& stage, int64_t step);  // see JsonlLog
  void hold(int64_t rows) { rows_.hold(rows); }         // see JsonlLog
  void sync() { rows_.sync(); }

 private:
  JsonlLog rows_;
  std::string tensorboard_dir_;
  std::map<std::string, TensorBoardWriter> writers_;  // by stage
};

}  // namespace ponder::store
