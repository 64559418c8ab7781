#include "ponder/store/metrics.h"

namespace ponder::store {

Metrics::Metrics(const std::string& run_dir)
    : rows_(base::join_path(run_dir, "metrics.jsonl")), tensorboard_dir_(base::join_path(run_dir, "tensorboard")) {}

void Metrics::add(const base::Json& row, const std::vector<std::pair<std::string, double>>& scalars) {
  const std::string& stage = row.at("stage").as_string();
  const int64_t step = row.at("step").as_int();
  rows_.append(row);
  if (scalars.empty()) return;
  // A stage is a TensorBoard run of its own: its steps count from one, and taking back its last ones leaves the others.
  auto writer = writers_.find(stage);
  if (writer == writers_.end())
    writer = writers_.try_emplace(stage, base::join_path(tensorboard_dir_, stage), step).first;
  writer->second.scalars(step, scalars);
}

// The next event of the stage then starts a file, whose start mark takes the later points of the older files back.
void Metrics::rewind(const std::string& stage, int64_t step) {
  rows_.rewind(stage, step);
  writers_.erase(stage);
}

}  // namespace ponder::store
