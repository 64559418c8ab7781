#include "ponder/reward/confidence.h"

#include <algorithm>
#include <cmath>

#include "ponder/base/error.h"

namespace ponder::reward {
namespace {

using Vector = std::vector<double>;

// The last `window` log-probs, the last one first and 0 where there is none; the sum of those before; the length.
Vector features_of(std::span<const float> logps, size_t window) {
  Vector x(window + 2, 0.0);
  for (size_t i = 0; i < logps.size(); ++i) x[std::min(i, window)] += logps[logps.size() - 1 - i];
  x[window + 1] = static_cast<double>(logps.size());
  return x;
}

constexpr double kLeastDeviation = 1e-3;  // nats or tokens; below it a feature is as good as constant

// Column by column: x ← (x − mean) / deviation, 0 where it is too small.
struct Scale {
  Vector mean, deviation;
};

Scale standardize(std::vector<Vector>& rows) {
  const size_t width = rows[0].size();
  const auto n = static_cast<double>(rows.size());
  Scale scale{Vector(width, 0.0), Vector(width, 0.0)};
  for (size_t j = 0; j < width; ++j) {
    for (const Vector& x : rows) scale.mean[j] += x[j] / n;
    for (const Vector& x : rows) scale.deviation[j] += (x[j] - scale.mean[j]) * (x[j] - scale.mean[j]) / n;
    scale.deviation[j] = std::sqrt(scale.deviation[j]);
    if (scale.deviation[j] < kLeastDeviation) scale.deviation[j] = 0;
    for (Vector& x : rows) x[j] = scale.deviation[j] > 0 ? (x[j] - scale.mean[j]) / scale.deviation[j] : 0;
  }
  return scale;
}

// Solves A·x = b in place for a symmetric positive definite A [n,n], by Cholesky's A = L·Lᵀ.
Vector solve(std::vector<Vector> a, Vector b) {
  const size_t n = b.size();
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double sum = a[i][j];
      for (size_t k = 0; k < j; ++k) sum -= a[i][k] * a[j][k];
      a[i][j] = i == j ? std::sqrt(sum) : sum / a[j][j];
    }
    for (size_t k = 0; k < i; ++k) b[i] -= a[i][k] * b[k];
    b[i] /= a[i][i];
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t k = i + 1; k < n; ++k) b[i] -= a[k][i] * b[k];
    b[i] /= a[i][i];
  }
  return b;
}

// One step of Newton's method; the last of the weights is the bias.
void newton_step(const std::vector<Vector>& rows, std::span<const JudgedAnswer> answers, double ridge, Vector& w) {
  const size_t bias = w.size() - 1;
  const auto n = static_cast<double>(rows.size());
  Vector gradient(w.size(), 0.0);
  std::vector<Vector> hessian(w.size(), Vector(w.size(), 0.0));
  for (size_t r = 0; r < rows.size(); ++r) {
    Vector x = rows[r];
    x.push_back(1);
    double z = 0;
    for (size_t j = 0; j < w.size(); ++j) z += w[j] * x[j];
    const double p = 1 / (1 + std::exp(-z)), slope = (p - (answers[r].correct ? 1 : 0)) / n, curve = p * (1 - p) / n;
    for (size_t j = 0; j < w.size(); ++j) {
      gradient[j] += slope * x[j];
      for (size_t k = 0; k <= j; ++k) hessian[j][k] += curve * x[j] * x[k];
    }
  }
  constexpr double kBiasRidge = 1e-6;  // finite where all verdicts are the same
  for (size_t j = 0; j < w.size(); ++j) {
    const double weight = j == bias ? kBiasRidge : ridge;
    gradient[j] += weight * w[j], hessian[j][j] += weight;
  }
  const Vector step = solve(std::move(hessian), std::move(gradient));
  double limit = 1;  // a weight moves by at most 1: where the curve is flat Newton's step would be far too long
  for (double s : step) limit = std::max(limit, std::abs(s));
  for (size_t j = 0; j < w.size(); ++j) w[j] -= step[j] / limit;
}

}  // namespace

core::Confidence fit_confidence(std::span<const JudgedAnswer> answers, int64_t window, double ridge) {
  PONDER_CHECK(!answers.empty() && window >= 0 && ridge > 0, "a confidence is fitted to at least one answer");
  constexpr int kSteps = 25;
  const auto last = static_cast<size_t>(window);
  std::vector<Vector> rows;
  for (const JudgedAnswer& answer : answers) rows.push_back(features_of(answer.logps, last));
  const Scale scale = standardize(rows);
  Vector w(last + 3, 0.0);
  for (int step = 0; step < kSteps; ++step) newton_step(rows, answers, ridge, w);

  core::Confidence fitted;
  fitted.bias = w.back();
  for (size_t j = 0; j < last + 2; ++j) {  // back to features as they are
    w[j] = scale.deviation[j] > 0 ? w[j] / scale.deviation[j] : 0;
    fitted.bias -= w[j] * scale.mean[j];
  }
  fitted.weights.assign(w.begin(), w.begin() + window);
  fitted.earlier = w[last], fitted.length = w[last + 1];
  return fitted;
}

}  // namespace ponder::reward
