// Laws of sampling: how coverage grows with samples, and where a proxy's choice among them is over-optimised. For
// scaling.cc.
#pragma once
#include <cstdint>
#include <utility>
#include <vector>

namespace ponder::eval {

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

}  // namespace ponder::eval
