// Scaling of search at test time (S7, S8): what each strategy has found when so many tokens are spent, the laws behind
// it, and which strategy is worth the tokens. Made from rows alone; recipes/scaling_command.cc writes them.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/eval/statistics.h"

namespace ponder::eval {

// A finished candidate of one search, graded afterwards.
struct Found {
  int64_t generated = 0, read = 0;  // tokens that the search had spent when it was complete
  std::string answer;
  bool answered = false, correct = false;
  double score = 0;
};

// One search of one problem.
struct ScalingRow {
  std::string strategy;  // "samples": the pool that the sampling family shares
  int64_t budget = 0;    // tokens that it was given; 0: none
  std::string problem, cluster;
  std::string error;      // why it failed; "" when it did not
  bool answered = false;  // what it chose
  bool correct = false;   //
  int64_t generated = 0, read = 0;
  std::string select;        // how it chooses among candidates: "rm", "maj", "wmaj", "first", "last"
  std::vector<Found> found;  // in the order in which they were complete
};
base::Json to_json(const ScalingRow& row);
ScalingRow scaling_row(const base::Json& json, const std::string& where);  // Error(kInput)

// Candidates that a budget had paid for, and whether the choice among them is right.
struct AtBudget {
  double generated = 0, read = 0;
  bool correct = false;
};
// reads: whether reading counts against the budget (a vote reads nothing of what a critic read in the same pool).
AtBudget at_budget(const std::vector<Found>& found, const std::string& select, int64_t budget, bool reads);

// Coverage of k samples: c(k) ≈ exp(a·k^b), a, b < 0 (Brown et al. 2024, arXiv 2407.21787, §3.1): log(−log c) is linear
// in log k. Least squares over the points with 0 < c < 1.
struct CoverageLaw {
  double a = 0, b = 0;
  int64_t points = 0;
  bool fitted() const { return points >= 2; }
  double at(double k) const;
};
CoverageLaw fit_coverage(const std::vector<std::pair<double, double>>& coverage);  // (k, c)

// Gao et al. 2022 (arXiv 2210.10760, eq. 1) for best of n: R(d) = R(0) + d·(α − β·d), d = √KL, KL = log n − (n − 1)/n.
// Where β > 0 the true score has a peak, at d = α/2β, behind which the proxy is over-optimised.
struct OverOptimisation {
  double alpha = 0, beta = 0;
  int64_t points = 0;
  bool fitted() const { return points >= 2; }
  double peak() const;  // d; infinite where there is none
};
OverOptimisation fit_over_optimisation(const std::vector<std::pair<double, double>>& reward);  // (n, R(n) − R(1))
double bon_distance(double n);                                                                 // d
double samples_at(double distance);                                                            // n; inverse of it

// All of it as the page and scripts read it. budgets: growing. Strategies that were run at one budget have curves of
// what they had found on the way; those that were run at several have each of them.
struct ScalingSetup {
  std::string model, task;
  std::vector<int64_t> budgets;
  int64_t seed = 0, probe = 4;
  base::Json more = base::Json::object();  // options, version: quoted as they are
};
base::Json scaling_json(const std::vector<ScalingRow>& rows, const ScalingSetup& setup);
std::string scaling_table(const base::Json& scaling);  // for the terminal
std::string scaling_html(const base::Json& scaling);

}  // namespace ponder::eval
