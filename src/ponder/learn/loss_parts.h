// The pieces that several losses share; included by loss_*.cc alone. Notation as in losses.h.
#pragma once
#include <algorithm>
#include <cmath>

#include "ponder/learn/losses.h"

namespace ponder::learn {

struct RowSpan {
  size_t begin = 0, end = 0;
  double tokens = 0;  // |o_i|
};

inline RowSpan row_span(const LossInput& in, size_t row) {
  RowSpan span{static_cast<size_t>(in.offsets[row]), static_cast<size_t>(in.offsets[row + 1])};
  for (size_t t = span.begin; t < span.end; ++t) span.tokens += in.mask_at(t);
  return span;
}

inline double log_ratio(const LossInput& in, size_t t) {
  return in.logp_old.empty() ? 0.0 : in.logp[t] - in.logp_old[t];
}

// A value and its derivative with respect to logp (or log ρ).
struct Term {
  double value = 0, slope = 0;
  bool clipped = false;
};

// −min(ρA, clip(ρ, 1 − low, 1 + high)·A) and its derivative with respect to log ρ. PPO, arXiv 1707.06347, eq. 7.
inline Term clipped_surrogate(double log_rho, double advantage, double low, double high) {
  const double rho = std::exp(log_rho);
  const double clamped = std::clamp(rho, 1 - low, 1 + high);
  if (rho * advantage <= clamped * advantage) return {-rho * advantage, -rho * advantage, false};
  return {-clamped * advantage, 0.0, true};
}

inline Term k3(double logp, double logp_ref) {
  const double d = logp_ref - logp;
  return {std::expm1(d) - d, -std::expm1(d), false};
}

// −log σ(z), without overflow.
inline double minus_log_sigmoid(double z) { return z > 0 ? std::log1p(std::exp(-z)) : std::log1p(std::exp(z)) - z; }
inline double sigmoid(double z) { return 1 / (1 + std::exp(-z)); }

// Adds scale·beta·m·k3 of one token and counts the KL, if there is a reference.
inline void add_kl(const LossInput& in, const LossOptions& options, size_t t, double scale, LossResult& out) {
  if (in.logp_ref.empty()) return;
  const double m = in.mask_at(t);
  const Term kl = k3(in.logp[t], in.logp_ref[t]);
  out.loss += scale * options.beta * m * kl.value;
  out.grad_logp[t] += scale * options.beta * m * kl.slope;
  out.stats.kl += m * kl.value;
  out.stats.kl_tokens += m;
}

// Σ over tokens of scale(row)·m·[−min(ρA, clip(ρ)A) + beta·k3], a ratio for every token. What tells grpo, dr_grpo,
// dapo, ppo and reinforce++ apart is the scale and where A comes from.
template <class Scale>
void add_clipped_tokens(const LossInput& in, const LossOptions& options, Scale scale_of, LossResult& out) {
  for (size_t row = 0; row < in.rows(); ++row) {
    const RowSpan span = row_span(in, row);
    const double scale = scale_of(span);
    for (size_t t = span.begin; t < span.end; ++t) {
      const double m = in.mask_at(t);
      if (m == 0) continue;
      const Term s = clipped_surrogate(log_ratio(in, t), in.advantages[t], options.clip, options.clip_high);
      out.loss += scale * m * s.value;
      out.grad_logp[t] += scale * m * s.slope;
      out.stats.clipped += s.clipped;
      out.stats.ratios += 1;
      add_kl(in, options, t, scale, out);
    }
  }
}

// Σ over tokens of scale·m·[−A·logp + beta·k3]: reinforce and rloo.
inline void add_log_likelihood(const LossInput& in, const LossOptions& options, double scale, LossResult& out) {
  for (size_t t = 0; t < in.logp.size(); ++t) {
    const double m = in.mask_at(t);
    if (m == 0) continue;
    out.loss -= scale * m * in.advantages[t] * in.logp[t];
    out.grad_logp[t] -= scale * m * in.advantages[t];
    add_kl(in, options, t, scale, out);
  }
}

// Mean over pairs of loss(z), z = Σ m(logp − logp_ref) of the chosen row minus that of the rejected row: dpo, cdpo,
// ipo.
template <class Loss>
void add_pairs(const LossInput& in, Loss loss_of, LossResult& out) {
  auto log_ratio_sum = [&in](const RowSpan& span) {
    double sum = 0;
    for (size_t t = span.begin; t < span.end; ++t) sum += in.mask_at(t) * (in.logp[t] - in.logp_ref[t]);
    return sum;
  };
  auto add_slope = [&in, &out](const RowSpan& span, double slope) {
    for (size_t t = span.begin; t < span.end; ++t) out.grad_logp[t] += slope * in.mask_at(t);
  };
  const double scale = 1 / in.totals.pairs;
  for (const Pair& pair : in.pairs) {
    const RowSpan chosen = row_span(in, static_cast<size_t>(pair.chosen));
    const RowSpan rejected = row_span(in, static_cast<size_t>(pair.rejected));
    const double z = log_ratio_sum(chosen) - log_ratio_sum(rejected);
    const Term term = loss_of(z);
    out.loss += scale * term.value;
    add_slope(chosen, scale * term.slope);
    add_slope(rejected, -scale * term.slope);
    out.stats.right += z > 0;
    out.stats.judged += 1;
  }
}

// −[y·log σ(s) + (1 − y)·log(1 − σ(s))] of the score at t, and whether it is on the label's side: orm and prm.
inline void add_cross_entropy(const LossInput& in, size_t t, double scale, LossResult& out) {
  const double s = in.logp[t], y = in.labels[t];
  out.loss += scale * (y * minus_log_sigmoid(s) + (1 - y) * minus_log_sigmoid(-s));
  out.grad_logp[t] += scale * (sigmoid(s) - y);
  out.stats.right += (s > 0) == (y > 0.5);
  out.stats.judged += 1;
}

// The last position of a row that its mask shows, where an outcome is scored; end when there is none.
inline size_t last_shown(const LossInput& in, size_t row) {
  const RowSpan span = row_span(in, row);
  for (size_t t = span.end; t > span.begin; --t) {
    if (in.mask_at(t - 1) > 0) return t - 1;
  }
  return span.end;
}

}  // namespace ponder::learn
