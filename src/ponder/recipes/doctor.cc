#include "ponder/recipes/doctor.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "ponder/base/log.h"

namespace ponder::recipes {
namespace {

using base::cat;
using base::fixed;
using eval::RlRow;
using eval::TrainRow;

// The last steps, which say how the run is now; a fault that has healed is none.
constexpr size_t kWindow = 10;

constexpr double kMostTruncated = 0.25;
constexpr double kMostUnparsable = 0.1;
constexpr double kMostIdleGroups = 0.7;
constexpr double kLargestGap = 0.01;          // nats; equal bits are the rule on a CPU, a GPU rounds
constexpr double kEntropyLeft = 0.2;          // of that of the first steps
constexpr double kGradientRise = 10;          // over the median of the steps before
constexpr double kRewardFall = 0.15;          // of the span between a wrong and a correct answer
constexpr double kLossLeft = 0.98;            // of that of the first steps
constexpr double kSamplesForCertainty = 100;  // fewer that all fail prove nothing

// A number to write into a recipe: two digits are enough.
std::string suggested(double value) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value, std::chars_format::general, 2);
  return {text, end};
}

std::string percent(double share) { return cat(fixed(100 * share, 0), "%"); }

double mean_of(const std::vector<RlRow>& rows, double RlRow::*member) {
  double sum = 0, n = 0;
  for (const RlRow& row : rows)
    if (!std::isnan(row.*member)) sum += row.*member, n += 1;
  return n > 0 ? sum / n : eval::kNotMeasured;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (double v : values) sum += v;
  return sum / static_cast<double>(values.size());
}

double median_of(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

template <class Row>
std::vector<Row> last(const std::vector<Row>& rows, size_t n) {
  return {rows.end() - static_cast<std::ptrdiff_t>(std::min(n, rows.size())), rows.end()};
}

// ---- reinforcement learning ----

struct RlCase {
  const Recipe& recipe;
  const std::vector<RlRow>& all;
  std::vector<RlRow> recent;  // the last kWindow rows
  const RlOptions& rl() const { return recipe.rl; }
  double samples() const { return static_cast<double>(recent.size()) * static_cast<double>(rl().prompts * rl().group); }
  double highest() const { return rl().reward.correct + rl().reward.format; }
  double lowest() const { return rl().reward.wrong; }
  double mean(double RlRow::*member) const { return mean_of(recent, member); }
  Finding finding(const char* code, double value, double threshold, std::string message, std::string fix) const {
    return {code, false, "rl", all.back().step, value, threshold, std::move(message), std::move(fix)};
  }
};

std::string longer_completions(const RlCase& c) {
  const int64_t tokens = 2 * c.rl().max_tokens, context = tokens + longest_prompt(c.recipe);
  std::string fix = cat("rl.max_tokens=", tokens, " (now ", c.rl().max_tokens, ")");
  if (context > c.recipe.model.context)
    fix += cat(" with model.context=", context, " (now ", c.recipe.model.context, ")");
  return fix;
}

std::string slower(const RlCase& c) {
  return cat("rl.train.lr=", suggested(c.rl().train.lr / 2), " (now ", c.rl().train.lr, ")");
}

std::optional<Finding> truncated_completions(const RlCase& c) {
  const double share = c.mean(&RlRow::truncated);
  if (!(share > kMostTruncated)) return {};
  return c.finding("truncated_completions", share, kMostTruncated,
                   cat(percent(share), " of the completions are cut off before their end and can earn nothing"),
                   longer_completions(c));
}

std::optional<Finding> end_never_written(const RlCase& c) {
  if (!(c.mean(&RlRow::ended) == 0)) return {};
  Finding f =
      c.finding("end_never_written", 0, 0, cat("none of the last ", c.samples(), " completions wrote the end token"),
                cat("sft.train.steps=", 2 * c.recipe.sft.train.steps, " (now ", c.recipe.sft.train.steps,
                    "), so that the model learns to end, or ", longer_completions(c)));
  f.is_fatal = c.samples() >= kSamplesForCertainty && c.mean(&RlRow::truncated) == 1 &&
               c.mean(&RlRow::reward_std) == 0 && c.mean(&RlRow::reward) <= c.lowest() + 1e-6;  // rewards are floats
  return f;
}

std::optional<Finding> unparsable_answers(const RlCase& c) {
  const double share = c.mean(&RlRow::unparsable);
  if (!(share > kMostUnparsable)) return {};
  std::string fix = c.rl().reward.format > 0 ? "" : "rl.reward.format=0.1 (now 0) pays for the form, or ";
  fix += cat("sft.train.steps=", 2 * c.recipe.sft.train.steps, " (now ", c.recipe.sft.train.steps, ")");
  return c.finding("unparsable_answers", share, kMostUnparsable,
                   cat(percent(share), " of the completions end without an answer that can be read"), fix);
}

// What helps when all samples of a problem fare alike depends on how they fare.
std::string more_contrast(const RlCase& c) {
  const double middle = (c.highest() + c.lowest()) / 2;
  if (c.mean(&RlRow::reward) > middle)
    return "harder problems: raise the weight of the hardest task in rl.mix.weights, or add one to rl.mix.tasks";
  return cat("rl.group=", 2 * c.rl().group, " (now ", c.rl().group,
             "), easier problems by rl.mix.weights, or sft.train.steps=", 2 * c.recipe.sft.train.steps, " (now ",
             c.recipe.sft.train.steps, ")");
}

std::optional<Finding> zero_advantage_groups(const RlCase& c) {
  const double share = 1 - c.mean(&RlRow::groups_kept);
  if (!(share > kMostIdleGroups)) return {};
  return c.finding("zero_advantage_groups", share, kMostIdleGroups,
                   cat(percent(share), " of the groups have equal rewards and teach nothing"), more_contrast(c));
}

std::optional<Finding> constant_reward(const RlCase& c) {
  const double reward = c.all.back().reward;
  for (const RlRow& row : c.recent)
    if (row.reward_std != 0 || row.reward != reward) return {};
  return c.finding("constant_reward", reward, 0,
                   cat("all of the last ", c.samples(), " completions earned the same reward, ", reward),
                   more_contrast(c));
}

std::optional<Finding> logp_gap(const RlCase& c) {
  double gap = 0;
  for (const RlRow& row : c.recent) gap = std::max(gap, row.logp_gap);
  if (!(gap > kLargestGap)) return {};
  return c.finding("logp_gap", gap, kLargestGap,
                   cat("sampler and trainer differ by up to ", fixed(gap, 4), " nats on the same token"),
                   "device=cpu, where both take the same path to the bit; a gap that stays there is a fault of this "
                   "program");
}

std::optional<Finding> stale_weights(const RlCase& c) {
  const double share = c.all.back().stale;
  if (!(share > 0)) return {};
  Finding f = c.finding("stale_weights", share, 0,
                        cat(percent(share),
                            " of the samples were written by other weights than those that the step "
                            "trained (version ",
                            c.all.back().policy_version, ")"),
                        "start again in a new --out; if it happens there too, it is a fault of this program");
  f.is_fatal = true;
  return f;
}

std::optional<Finding> entropy_collapse(const RlCase& c) {
  constexpr size_t kFirst = 5;
  if (c.all.size() < 2 * kFirst) return {};
  const double before = mean_of({c.all.begin(), c.all.begin() + kFirst}, &RlRow::entropy);
  const double now = mean_of(last(c.all, kFirst), &RlRow::entropy);
  if (!(now < kEntropyLeft * before)) return {};
  return c.finding("entropy_collapse", now, kEntropyLeft * before,
                   cat("entropy fell from ", fixed(before, 3), " to ", fixed(now, 4),
                       " nats a token: all samples of a "
                       "problem become the same"),
                   cat(slower(c), ", rl.loss.clip_high=0.28, or rl.loss.beta=0.02 (now ",
                       learn::resolve_options(learn::find_loss(c.rl().algo), c.rl().loss).beta, ")"));
}

std::optional<Finding> reward_falling(const RlCase& c) {
  if (c.all.size() < 2 * kWindow) return {};
  const double now = c.mean(&RlRow::reward);
  double best = now, spread = 0;
  for (size_t end = c.all.size() - kWindow; end >= kWindow; end -= std::min(end, kWindow)) {
    const auto begin = c.all.begin() + static_cast<std::ptrdiff_t>(end - kWindow);
    best = std::max(best, mean_of({begin, begin + kWindow}, &RlRow::reward));
  }
  for (const RlRow& row : c.recent) spread += (row.reward - now) * (row.reward - now);
  const double error = std::sqrt(spread / static_cast<double>(kWindow - 1) / static_cast<double>(kWindow));
  const double allowed = std::max(kRewardFall * (c.highest() - c.lowest()), 4 * error);
  if (!(best - now > allowed)) return {};
  return c.finding("reward_falling", now, best - allowed,
                   cat("the reward fell from ", fixed(best, 3), " to ", fixed(now, 3)),
                   cat(slower(c), ", or rl.loss.beta=0.02 to stay near the model that RL started from"));
}

// ---- every kind of learning ----

const TrainOptions& train_options(const Recipe& recipe, const std::string& stage) {
  if (stage == "pretrain") return recipe.pretrain.train;
  if (stage == "sft") return recipe.sft.train;
  return stage == "rl" ? recipe.rl.train : recipe.critic.train;
}

std::string section(const std::string& stage) { return stage == "critic_rl" ? "critic" : stage; }

struct Curve {
  const Recipe& recipe;
  std::string stage;
  int64_t step = 0;
  std::vector<double> loss, grad_norm;  // of each step
  const TrainOptions& train() const { return train_options(recipe, stage); }
  std::string lower_rate(double factor) const {
    return cat(section(stage), ".train.lr=", suggested(train().lr * factor), " (now ", train().lr, ")");
  }
};

// A NaN is written as null, and these two are always measured.
std::optional<Finding> loss_not_finite(const Curve& c) {
  if (std::isfinite(c.loss.back()) && std::isfinite(c.grad_norm.back())) return {};
  const char* what = std::isfinite(c.loss.back()) ? "the gradient" : "the loss";
  return Finding{"loss_not_finite", true, c.stage, c.step, eval::kNotMeasured, 0, cat(what, " is not a finite number"),
                 c.lower_rate(0.1)};
}

std::optional<Finding> gradient_exploding(const Curve& c) {
  constexpr size_t kRecent = 5;
  if (c.grad_norm.size() < kWindow + kRecent) return {};
  const std::vector<double> recent = last(c.grad_norm, kRecent);
  const double before = median_of({c.grad_norm.begin(), c.grad_norm.end() - kRecent});
  const double now = *std::ranges::max_element(recent);
  if (!(before > 0 && now > kGradientRise * before)) return {};
  const double clip = c.train().learner.optimizer.clip_norm;
  std::string fix = c.lower_rate(0.5);
  if (clip == 0 || clip > before)
    fix += cat(", or ", section(c.stage), ".train.learner.optimizer.clip_norm=", suggested(2 * before), " (now ", clip,
               ")");
  return Finding{"gradient_exploding",
                 false,
                 c.stage,
                 c.step,
                 now,
                 kGradientRise * before,
                 cat("the gradient's norm rose to ", fixed(now, 3), "; it was ", fixed(before, 3), " before"),
                 fix};
}

std::optional<Finding> loss_not_falling(const Curve& c) {
  if (c.loss.size() < 20) return {};
  const size_t n = std::max<size_t>(3, c.loss.size() / 10);
  const double before = mean_of({c.loss.begin(), c.loss.begin() + static_cast<std::ptrdiff_t>(n)});
  const double now = mean_of(last(c.loss, n));
  if (!(now > kLossLeft * before)) return {};
  return Finding{"loss_not_falling",
                 false,
                 c.stage,
                 c.step,
                 now,
                 kLossLeft * before,
                 cat("the loss is ", fixed(now, 3), "; it began at ", fixed(before, 3)),
                 cat(c.lower_rate(0.3), ", or a higher one if the loss never moved")};
}

void examine_curve(const Curve& curve, std::vector<Finding>& findings) {
  const auto add = [&](std::optional<Finding> f) {
    if (f) findings.push_back(std::move(*f));
  };
  add(loss_not_finite(curve));
  add(gradient_exploding(curve));
  if (curve.stage != "rl") add(loss_not_falling(curve));  // a policy loss is no measure of progress
}

void examine_rl(const std::vector<RlRow>& rows, const Recipe& recipe, std::vector<Finding>& findings) {
  Curve curve{recipe, "rl", rows.back().step, {}, {}};
  for (const RlRow& row : rows) {
    curve.loss.push_back(std::isnan(row.loss) ? 0.0 : row.loss);  // not measured by older runs; the gradient is
    curve.grad_norm.push_back(row.grad_norm);
  }
  examine_curve(curve, findings);
  const RlCase c{recipe, rows, last(rows, kWindow)};
  for (auto check : {truncated_completions, end_never_written, unparsable_answers, zero_advantage_groups,
                     constant_reward, logp_gap, stale_weights, entropy_collapse, reward_falling})
    if (auto f = check(c)) findings.push_back(std::move(*f));
}

void examine_training(const std::vector<TrainRow>& rows, const Recipe& recipe, std::vector<Finding>& findings) {
  const TrainRow& newest = rows.back();
  Curve curve{recipe, newest.stage, newest.step, {}, {}};
  bool labels_are_equal = newest.label_std == 0;
  for (const TrainRow& row : rows) {
    curve.loss.push_back(row.loss);
    curve.grad_norm.push_back(row.grad_norm);
    labels_are_equal = labels_are_equal && row.label_std == 0;
  }
  examine_curve(curve, findings);
  if (!labels_are_equal) return;
  findings.push_back(
      {"labels_all_equal", false, newest.stage, newest.step, 0, 0,
       "all labels are the same number; the critic learns a constant",
       cat("critic.problems=", 4 * recipe.critic.problems, " (now ", recipe.critic.problems,
           "), critic.temperature=", suggested(recipe.critic.temperature * 1.5), " (now ", recipe.critic.temperature,
           "), or tasks in critic.mix.tasks that the policy solves sometimes")});
}

void examine_data(const eval::Rows& rows, std::vector<Finding>& findings) {
  for (const eval::DataRow& row : rows.data)
    if (row.overlap > 0)
      findings.push_back(
          {"train_test_overlap", false, "report", 0, static_cast<double>(row.overlap), 0,
           cat(row.overlap, " of ", row.test, " held-out instances of ", row.task,
               " were shown in training: its test accuracy means nothing"),
           cat("take ", row.task, " out of sft.demos.tasks, critic.mix.tasks and rl.mix.tasks, or mend its split")});
  if (!rows.unreadable.empty())
    findings.push_back({"rows_unreadable", false, "", 0, static_cast<double>(rows.unreadable.size()), 0,
                        cat("lines of the metrics cannot be read, the first: ", rows.unreadable.front()),
                        "restore metrics.jsonl, or run the recipe again in a new --out"});
}

}  // namespace

std::vector<Finding> examine_rows(const eval::Rows& rows, const Recipe& recipe) {
  std::vector<Finding> findings;
  for (const char* stage : {"pretrain", "sft", "critic", "critic_rl"}) {
    std::vector<TrainRow> of_stage;
    for (const TrainRow& row : rows.train)
      if (row.stage == stage) of_stage.push_back(row);
    if (!of_stage.empty()) examine_training(of_stage, recipe, findings);
  }
  if (!rows.rl.empty()) examine_rl(rows.rl, recipe, findings);
  examine_data(rows, findings);
  std::ranges::stable_sort(findings, [](const Finding& a, const Finding& b) { return a.is_fatal > b.is_fatal; });
  return findings;
}

LiveDoctor::LiveDoctor(const Recipe& recipe, std::string metrics_path)
    : recipe_(recipe), metrics_path_(std::move(metrics_path)) {}

bool LiveDoctor::is_due(const std::string& stage, int64_t step) const {
  return step == 3 || step == 10 || step % 25 == 0 || step == train_options(recipe_, stage).steps;
}

void LiveDoctor::watch(const eval::RlRow& row) {
  const bool is_broken = !std::isfinite(row.loss) || !std::isfinite(row.grad_norm) || row.stale > 0;
  const bool has_gap = row.logp_gap > kLargestGap && !told_.contains("logp_gap");
  if (!is_broken && !has_gap && !is_due(row.stage, row.step)) return;
  eval::Rows rows = eval::read_rows(metrics_path_);
  rows.rl.push_back(row);
  look(std::move(rows), row.stage, row.step);
}

void LiveDoctor::watch(const eval::TrainRow& row) {
  const bool is_broken = !std::isfinite(row.loss) || !std::isfinite(row.grad_norm);
  if (!is_broken && !is_due(row.stage, row.step)) return;
  eval::Rows rows = eval::read_rows(metrics_path_);
  rows.train.push_back(row);
  look(std::move(rows), row.stage, row.step);
}

void LiveDoctor::watch_data(const std::string& stage, int64_t step, const std::vector<std::string>& held_out) {
  if (held_out.empty()) return;
  tell(stage, step,
       {"train_test_overlap", false, stage, step, static_cast<double>(held_out.size()), 0,
        cat(held_out.size(), " held-out instances are about to be trained on, the first: ", held_out.front(),
            "; test accuracy will mean nothing"),
        "take its task out of sft.demos.tasks, critic.mix.tasks and rl.mix.tasks, or mend its split"});
}

void LiveDoctor::tell(const std::string& stage, int64_t step, const Finding& f) {
  if (told_.insert(f.code).second)
    base::log_warning(cat(stage, " step ", step, ": ", f.message, " (", f.code, "); try ", f.fix));
}

void LiveDoctor::look(eval::Rows rows, const std::string& stage, int64_t step) {
  for (const Finding& f : examine_rows(rows, recipe_)) {
    if (f.stage != stage) continue;
    if (f.is_fatal)
      throw Error(ErrorCode::kUsage,
                  cat(f.message, " (", f.code, "); going on is senseless. Give another --out and ", f.fix),
                  cat(stage, " step ", step));
    tell(stage, step, f);
  }
}

double label_deviation(const std::vector<learn::Row>& rows) {
  std::vector<double> labels;
  for (const learn::Row& row : rows)
    for (size_t i = 0; i < row.labels.size(); ++i)
      if (row.weights[i] != 0) labels.push_back(row.labels[i]);
  if (labels.empty()) return 0;
  const double mean = mean_of(labels);
  double squares = 0;
  for (double label : labels) squares += (label - mean) * (label - mean);
  return std::sqrt(squares / static_cast<double>(labels.size()));
}

}  // namespace ponder::recipes
