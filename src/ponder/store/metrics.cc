#include "ponder/store/metrics.h"

#include <utility>

#include "ponder/base/error.h"

namespace ponder::store {

Metrics::Metrics(const std::string& run_dir, bool with_tensorboard)
    : rows_(base::join_path(run_dir, "metrics.jsonl")),
      tensorboard_dir_(with_tensorboard ? base::join_path(run_dir, "tensorboard") : "") {}

void Metrics::add(const std::string& stage, int64_t step, const base::Json::Object& values) {
  base::Json::Object row{{"stage", stage}, {"step", step}};
  std::vector<std::pair<std::string, double>> numbers;
  for (const auto& [name, value] : values) {
    PONDER_CHECK(name != "stage" && name != "step", "a metric may not be named ", name);
    row.emplace_back(name, value);
    if (value.is_number()) numbers.emplace_back(name, value.as_double());
  }
  rows_.append(std::move(row));
  if (tensorboard_dir_.empty() || numbers.empty()) return;
  // A stage is a TensorBoard run of its own: its steps count from zero, and taking back its last ones leaves the
  // others.
  auto writer = writers_.find(stage);
  if (writer == writers_.end())
    writer = writers_.try_emplace(stage, base::join_path(tensorboard_dir_, stage), step).first;
  writer->second.scalars(step, numbers);
}

}  // namespace ponder::store
