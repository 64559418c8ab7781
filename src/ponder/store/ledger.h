// What each stage of a run has cost: seconds, tokens and floating-point operations, summed over resumes. The report and
// report.json read it. Kept in a run's state.json by RunDirectory.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::store {

struct StageCost {
  std::string name;
  double seconds = 0;
  int64_t tokens = 0;
  double flops = 0;  // of the model's forward and backward passes; closed form, not measured
};

class Ledger {
 public:
  void add(const std::string& stage, double seconds, int64_t tokens, double flops);
  const std::vector<StageCost>& stages() const { return stages_; }  // in the order of their first cost
  base::Json to_json() const;
  static Ledger from_json(const base::Json& json);

 private:
  std::vector<StageCost> stages_;
};

}  // namespace ponder::store
