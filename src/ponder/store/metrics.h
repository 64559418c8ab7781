// The numbers of a run over its steps: one row {"stage", "step", numbers…} in metrics.jsonl, and the same numbers as
// TensorBoard events in tensorboard/<stage>/. Rows are the truth, events a view. Called by recipes.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "ponder/base/json.h"
#include "ponder/store/jsonl_log.h"
#include "ponder/store/tensorboard.h"

namespace ponder::store {

class Metrics {
 public:
  explicit Metrics(const std::string& run_dir, bool with_tensorboard = true);
  // `values`: numbers, and texts such as a task's name, which TensorBoard does not get.
  void add(const std::string& stage, int64_t step, const base::Json::Object& values);
  void rewind(const std::string& stage, int64_t step) { rows_.rewind(stage, step); }  // see JsonlLog
  void sync() { rows_.sync(); }

 private:
  JsonlLog rows_;
  std::string tensorboard_dir_;                       // "": none
  std::map<std::string, TensorBoardWriter> writers_;  // by stage
};

}  // namespace ponder::store
