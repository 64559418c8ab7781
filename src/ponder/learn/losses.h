// The losses of learning, as plain arithmetic in double on log-probs: no tensors, so that they run from records and are
// checked by finite differences. Each returns its value and its gradient with respect to logp in closed form;
// learner.cc feeds that gradient into the model's backward pass, `ponder loss` prints it.
//
// Notation in the loss_*.cc files: i row (one sampled answer), t token, B rows, |o_i| sum of row i's mask, N sum of all
// masks, m mask, A advantage, ρ = exp(logp − logp_old), k3 = exp(logp_ref − logp) − (logp_ref − logp) − 1, the
// estimator of KL(π‖π_ref) that is unbiased under π and never negative (Schulman 2020, "Approximating KL divergence").
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ponder/base/fields.h"

namespace ponder::learn {

inline constexpr double kOwnDefault = -1;  // stands for the algorithm's own number; resolve_options fills it in

struct LossOptions {
  double clip = kOwnDefault;             // ε below 1
  double clip_high = kOwnDefault;        // ε above 1
  double beta = kOwnDefault;             // weight of the KL term, or DPO's temperature
  double max_len = kOwnDefault;          // dr_grpo's divisor, tokens
  double label_smoothing = kOwnDefault;  // cdpo: share of pairs thought to be labelled the wrong way round
  double margin = 0;                     // bt
  std::string average = "token";
  void fields(base::Fields& f);
};

struct Pair {
  int64_t chosen = 0, rejected = 0;  // row numbers
};

// What a mean is taken over. A batch is worked off in packs, each with its own call and the whole batch's totals, so
// that values and gradients of the packs simply add up.
struct LossTotals {
  double rows = 0;     // B
  double tokens = 0;   // N
  double pairs = 0;    // preference losses
  double max_row = 0;  // tokens of the longest row, what max_len is when nothing is said
};

// Rows of different lengths, one behind the other: row i is offsets[i] … offsets[i+1]. Empty spans stand for: logp_old
// = logp (the first update after sampling), mask = 1. Where a row's head score takes the place of log-probs (bt, orm,
// prm), logp holds scores before the sigmoid.
struct LossInput {
  std::span<const double> logp;        // [n] nats
  std::span<const int64_t> offsets;    // [B+1]
  std::span<const double> logp_old;    // [n] or empty
  std::span<const double> logp_ref;    // [n] or empty
  std::span<const double> mask;        // [n] or empty; weights ≥ 0
  std::span<const double> advantages;  // [n] policy losses
  std::span<const double> labels;      // [n] orm, prm: targets in [0, 1]
  std::span<const Pair> pairs;         // preference losses
  LossTotals totals;
  size_t rows() const { return offsets.size() - 1; }
  double mask_at(size_t t) const { return mask.empty() ? 1.0 : mask[t]; }
};

LossTotals totals_of(const LossInput& input);  // when the input is the whole batch

// Sums, so that those of several packs add up.
struct LossStats {
  double clipped = 0, ratios = 0;  // ratios whose gradient the clip removed (cispo: that were cut), of how many
  double kl = 0, kl_tokens = 0;    // Σ m·k3 to the reference, Σ m
  double right = 0, judged = 0;    // pairs ranked right; scores on the right side of ½
  LossStats& operator+=(const LossStats& o);
  double clip_fraction() const { return ratios > 0 ? clipped / ratios : 0.0; }
  double mean_kl() const { return kl_tokens > 0 ? kl / kl_tokens : 0.0; }
  double accuracy() const { return judged > 0 ? right / judged : 0.0; }
};

struct LossResult {
  double loss = 0;
  std::vector<double> grad_logp;  // [n] ∂loss/∂logp
  LossStats stats;
};

enum class LossKind { kImitation, kPolicy, kPreference, kScore };

struct LossInfo {
  const char* name;
  LossKind kind;
  bool reads_scores;      // the column is a value head's score, not a log-prob
  const char* advantage;  // policy losses: the estimator in reward/advantage.h that belongs to it; else ""
  double clip, clip_high, beta, label_smoothing;  // own defaults; clip_high −1 = clip
  void (*compute)(const LossInput&, const LossOptions&, LossResult&);
  const char* help;
};

const std::vector<LossInfo>& all_losses();
const LossInfo& find_loss(const std::string& name);  // Error(kUsage) with the nearest name
std::vector<std::string> loss_names();

LossOptions resolve_options(const LossInfo& info, const LossOptions& options);

// Checks the input (PONDER_CHECK names the key) and computes. options need not be resolved.
LossResult compute_loss(const LossInfo& info, const LossInput& input, const LossOptions& options);

}  // namespace ponder::learn
