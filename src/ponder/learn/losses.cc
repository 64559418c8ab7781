#include "ponder/learn/losses.h"

#include <algorithm>

#include "ponder/base/error.h"

namespace ponder::learn {

using Compute = void(const LossInput&, const LossOptions&, LossResult&);
Compute loss_sft, loss_reinforce, loss_rloo, loss_reinforce_pp, loss_ppo, loss_grpo, loss_dr_grpo, loss_dapo, loss_gspo,
    loss_cispo, loss_dpo, loss_cdpo, loss_ipo, loss_bt, loss_orm, loss_prm;

const std::vector<LossInfo>& all_losses() {
  using enum LossKind;
  // name, kind, reads_scores, advantage, clip, clip_high, beta, label_smoothing
  static const std::vector<LossInfo> table = {
      {"sft", kImitation, false, "", 0, 0, 0, 0, loss_sft, "imitation of given tokens"},
      {"reinforce", kPolicy, false, "reinforce", 0, 0, 0, 0, loss_reinforce, "reward times log-likelihood"},
      {"rloo", kPolicy, false, "rloo", 0, 0, 0, 0, loss_rloo, "REINFORCE with a leave-one-out baseline"},
      {"reinforce++", kPolicy, false, "reinforce++", .2, -1, 0, 0, loss_reinforce_pp,
       "clipped, normalised over the batch"},
      {"ppo", kPolicy, false, "reinforce", .2, -1, 0, 0, loss_ppo, "clipped, an advantage for every token"},
      {"grpo", kPolicy, false, "grpo", .2, -1, 0, 0, loss_grpo,
       "clipped, normalised over the group, mean of row means"},
      {"dr_grpo", kPolicy, false, "dr_grpo", .2, -1, 0, 0, loss_dr_grpo, "GRPO without length and difficulty bias"},
      {"dapo", kPolicy, false, "grpo", .2, .28, 0, 0, loss_dapo, "GRPO with one token mean and a higher upper clip"},
      {"gspo", kPolicy, false, "grpo", .2, -1, 0, 0, loss_gspo, "one ratio a row; its paper clips at 3e-4 and 4e-4"},
      {"cispo", kPolicy, false, "grpo", 0, .28, 0, 0, loss_cispo,
       "cut importance weights, every token keeps its gradient"},
      {"dpo", kPreference, false, "", 0, 0, .1, 0, loss_dpo, "preference pairs against a reference"},
      {"cdpo", kPreference, false, "", 0, 0, .1, .1, loss_cdpo, "DPO for noisy labels"},
      {"ipo", kPreference, false, "", 0, 0, .1, 0, loss_ipo, "DPO with a target for the gap"},
      {"bt", kPreference, true, "", 0, 0, 0, 0, loss_bt, "reward model from preference pairs"},
      {"orm", kScore, true, "", 0, 0, 0, 0, loss_orm, "outcome reward model"},
      {"prm", kScore, true, "", 0, 0, 0, 0, loss_prm, "process reward model"},
  };
  return table;
}

std::vector<std::string> loss_names() {
  std::vector<std::string> names;
  for (const auto& info : all_losses()) names.push_back(info.name);
  return names;
}

const LossInfo& find_loss(const std::string& name) {
  for (const auto& info : all_losses()) {
    if (name == info.name) return info;
  }
  const std::string nearest = base::nearest_name(name, loss_names());
  std::string known;
  for (const auto& n : loss_names()) known += (known.empty() ? "" : ", ") + n;
  const std::string right = nearest.empty() ? "it must be one of " + known : "did you mean \"" + nearest + "\"?";
  throw Error(ErrorCode::kUsage, base::cat("unknown loss \"", name, "\"; ", right));
}

void LossOptions::fields(base::Fields& f) {
  f.field("clip", clip, {.min = -1, .max = 1, .help = "how far a ratio may fall below 1; -1 = the loss's own default"});
  f.field("clip_high", clip_high, {.min = -1, .max = 100, .help = "how far it may rise above 1; -1 = own default"});
  f.field("beta", beta, {.min = -1, .max = 1000, .help = "weight of the KL term, DPO's temperature; -1 = own default"});
  f.field("max_len", max_len, {.min = -1, .unit = "tokens", .help = "dr_grpo's divisor; -1 = the longest row"});
  f.field("label_smoothing", label_smoothing,
          {.min = -1, .max = 0.5, .help = "cdpo: share of wrong labels; -1 = own default"});
  f.field("margin", margin, {.min = 0, .max = 1000, .help = "bt: by how much the chosen score must be higher"});
  f.field("average", average,
          {.help = "sft: mean over all tokens, or over rows of the row's mean", .choices = {"token", "row"}});
}

LossOptions resolve_options(const LossInfo& info, const LossOptions& options) {
  LossOptions out = options;
  if (out.clip < 0) out.clip = info.clip;
  if (out.clip_high < 0) out.clip_high = info.clip_high < 0 ? out.clip : info.clip_high;
  if (out.beta < 0) out.beta = info.beta;
  if (out.label_smoothing < 0) out.label_smoothing = info.label_smoothing;
  return out;
}

LossStats& LossStats::operator+=(const LossStats& o) {
  clipped += o.clipped, ratios += o.ratios;
  kl += o.kl, kl_tokens += o.kl_tokens;
  right += o.right, judged += o.judged;
  return *this;
}

LossTotals totals_of(const LossInput& input) {
  LossTotals totals;
  totals.rows = static_cast<double>(input.rows());
  totals.pairs = static_cast<double>(input.pairs.size());
  for (size_t t = 0; t < input.logp.size(); ++t) totals.tokens += input.mask_at(t);
  for (size_t i = 0; i < input.rows(); ++i) {
    totals.max_row = std::max(totals.max_row, static_cast<double>(input.offsets[i + 1] - input.offsets[i]));
  }
  return totals;
}

namespace {

void check_length(const char* key, size_t found, size_t wanted, bool required) {
  PONDER_CHECK(found == wanted || (found == 0 && !required), key, " needs one number for each of the ", wanted,
               " tokens, got ", found);
}

void check_input(const LossInfo& info, const LossInput& in, const LossOptions& options) {
  const size_t n = in.logp.size();
  PONDER_CHECK(!in.offsets.empty() && in.offsets.front() == 0 && in.offsets.back() == static_cast<int64_t>(n),
               "offsets must run from 0 to the number of tokens");
  const bool log_ratios = info.kind == LossKind::kPreference && !info.reads_scores;
  check_length("logp_old", in.logp_old.size(), n, false);
  check_length("logp_ref", in.logp_ref.size(), n, log_ratios || (info.kind == LossKind::kPolicy && options.beta > 0));
  check_length("mask", in.mask.size(), n, false);
  check_length("advantages", in.advantages.size(), n, info.kind == LossKind::kPolicy);
  check_length("labels", in.labels.size(), n, info.kind == LossKind::kScore);
  for (const Pair& pair : in.pairs) {
    const auto rows = static_cast<int64_t>(in.rows());
    PONDER_CHECK(pair.chosen >= 0 && pair.chosen < rows && pair.rejected >= 0 && pair.rejected < rows,
                 "chosen and rejected must be row numbers below ", rows);
  }
}

}  // namespace

LossResult compute_loss(const LossInfo& info, const LossInput& input, const LossOptions& options) {
  const LossOptions resolved = resolve_options(info, options);
  check_input(info, input, resolved);
  LossResult out;
  out.grad_logp.assign(input.logp.size(), 0.0);
  info.compute(input, resolved, out);
  return out;
}

}  // namespace ponder::learn
