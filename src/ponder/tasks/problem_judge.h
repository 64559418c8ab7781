// What problems say of their own solutions, without any gold answer: a search may be guided by it (core::Judge).
#pragma once
#include "ponder/text/problem_codec.h"

namespace ponder::tasks {

// For tasks that judge alone (Task::judges_alone()): an answer is right or wrong, and a thought whose last step breaks
// the rules is worth 0. It says nothing of other tasks' problems; of thoughts that are in order it knows the task's
// heuristic alone. Thread-safe.
class ProblemJudge : public core::Judge {
 public:
  explicit ProblemJudge(const text::ProblemCodec& codec) : codec_(codec) {}
  bool knows(const core::Problem& problem) const override;
  std::optional<double> value(const core::Problem& problem, core::TokenSpan completion) const override;
  std::optional<double> outlook(const core::Problem& problem, core::TokenSpan completion) const override;

 private:
  const text::ProblemCodec& codec_;
};

}  // namespace ponder::tasks
