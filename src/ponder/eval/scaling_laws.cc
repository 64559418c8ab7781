#include "ponder/eval/scaling_laws.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ponder::eval {

double CoverageLaw::at(double k) const { return std::exp(a * std::pow(k, b)); }

CoverageLaw fit_coverage(const std::vector<std::pair<double, double>>& coverage) {
  CoverageLaw law;
  double sx = 0, sy = 0, sxx = 0, sxy = 0, n = 0;
  for (const auto& [k, c] : coverage) {
    if (!(c > 0 && c < 1 && k > 0)) continue;
    const double x = std::log(k), y = std::log(-std::log(c));
    sx += x, sy += y, sxx += x * x, sxy += x * y, n += 1;
  }
  const double spread = n * sxx - sx * sx;
  if (n < 2 || spread <= 0) return law;
  law.b = (n * sxy - sx * sy) / spread;
  law.a = -std::exp((sy - law.b * sx) / n);
  law.points = static_cast<int64_t>(n);
  return law;
}

double bon_distance(double n) { return std::sqrt(std::max(0.0, std::log(n) - (n - 1) / n)); }

double samples_at(double distance) {
  double lo = 1, hi = 1e12;
  if (!(distance < bon_distance(hi))) return std::numeric_limits<double>::infinity();
  for (int i = 0; i < 200; ++i) {
    const double mid = std::sqrt(lo * hi);
    (bon_distance(mid) < distance ? lo : hi) = mid;
  }
  return hi;
}

double OverOptimisation::peak() const {
  return beta > 0 ? alpha / (2 * beta) : std::numeric_limits<double>::infinity();
}

// Least squares of y = α·d − β·d², without a constant: at n = 1 there is nothing to gain.
OverOptimisation fit_over_optimisation(const std::vector<std::pair<double, double>>& reward) {
  OverOptimisation fit;
  double s2 = 0, s3 = 0, s4 = 0, y1 = 0, y2 = 0;
  for (const auto& [n, gain] : reward) {
    const double d = bon_distance(n);
    if (d <= 0) continue;
    s2 += d * d, s3 += d * d * d, s4 += d * d * d * d, y1 += d * gain, y2 += d * d * gain;
    ++fit.points;
  }
  const double determinant = s2 * s4 - s3 * s3;
  if (fit.points < 2 || determinant <= 1e-12) return {};
  fit.alpha = (y1 * s4 - y2 * s3) / determinant;
  fit.beta = (y1 * s3 - y2 * s2) / determinant;
  return fit;
}

}  // namespace ponder::eval
