// Stage 4: reinforcement learning from exact verifiers. The one page that shows the way of the data; the
// numbers are those of docs/data-path.md.
#include "ponder/recipes/rl.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ponder/engine/policy.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/audit.h"
#include "ponder/recipes/doctor.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/records.h"
#include "ponder/recipes/repairs.h"
#include "ponder/recipes/train_loop.h"

namespace ponder::recipes {
namespace {

// 1. tasks draws the problems of a step.
Groups draw_groups(const Run& run, LiveDoctor& doctor, int64_t step) {
  std::vector<core::Item> items = rl_problems(run.recipe, run.key, step);
  doctor.watch_data("rl", step + 1, held_out_instances(items));
  Groups groups;
  for (core::Item& item : items) groups.push_back({std::move(item)});
  return groups;
}

// 2., 3. text renders the prompts, the engine samples. A sample has the policy's version where the engine says that it
// read the very weights that will learn from it.
int64_t sample_groups(const Run& run, const model::Parameters& sampler, int64_t step, Groups& groups) {
  const RlOptions& o = run.recipe.rl;
  core::SampleParams params;
  params.temperature = o.temperature;
  params.max_tokens = o.max_tokens;
  const base::RngKey key = run.key.child("rl").child(static_cast<uint64_t>(step)).child("sample");
  std::vector<core::SampleRequest> requests;
  for (size_t p = 0; p < groups.size(); ++p)
    for (int64_t g = 0; g < o.group; ++g)
      requests.push_back(
          request_for(run.codec, groups[p].item.problem, params, key.child(p).child(static_cast<uint64_t>(g))));
  const std::vector<core::SampleRequest> sent = requests;
  std::vector<core::Completion> completions =
      sample_requests(run.models(sampler), std::move(requests), static_cast<size_t>(o.group));
  const uint64_t learns = engine::weights_id(run.policy);
  int64_t processed = 0;
  for (size_t i = 0; i < completions.size(); ++i) {
    core::Completion& c = completions[i];
    processed += c.processed;
    groups[i / static_cast<size_t>(o.group)].trajectories.push_back(
        {sent[i].prefix, std::move(c.tokens), std::move(c.logps),
         c.weights == learns ? run.policy_version : kOtherWeights, c.stop, sent[i].key});
  }
  return processed;
}

// A KL term needs the log-probs of the model that RL started from.
bool has_reference(const RlOptions& o) { return learn::resolve_options(learn::find_loss(o.algo), o.loss).beta > 0; }

// Rows of repairs.h. Nobody sampled them, so the policy that learns stands for the one that did.
std::vector<learn::Row> lessons_of_repair(const Run& run, int64_t step, const Groups& groups) {
  const RlOptions& o = run.recipe.rl;
  if (o.repairs == 0) return {};
  const base::RngKey key = run.key.child("rl").child(static_cast<uint64_t>(step)).child("repairs");
  std::vector<learn::Row> rows = repair_rows(groups, o.repairs, o.repair_advantage, key);
  auto logps = learn::row_logps(run.policy, rows, o.train.learner.pack_tokens, run.workers);
  for (size_t i = 0; i < rows.size(); ++i) rows[i].logp_old = std::move(logps[i]);
  return rows;
}

// 6. The rows that the update learns from. log-probs of a tempered sampler are not the model's own: then the policy
// that learns stands for the one that sampled (one update a batch, so the ratio is 1 either way).
std::vector<learn::Row> training_rows(const Run& run, int64_t step, const Groups& groups) {
  const RlOptions& o = run.recipe.rl;
  std::vector<learn::Row> rows;
  for (const core::Group& group : groups)
    for (size_t i = 0; i < group.trajectories.size(); ++i)
      rows.push_back(learn::make_row(group.trajectories[i], group.advantages[i]));
  std::ranges::move(lessons_of_repair(run, step, groups), std::back_inserter(rows));
  if (o.temperature != 1.0)
    for (learn::Row& row : rows) row.logp_old.clear();
  if (!has_reference(o)) return rows;
  auto reference = learn::row_logps(run.before_rl, rows, o.train.learner.pack_tokens, run.workers);
  for (size_t i = 0; i < rows.size(); ++i) rows[i].logp_ref = std::move(reference[i]);
  return rows;
}

// What was not measured stays so: a step without anything to learn from has run no token through the trainer.
void add_update(const learn::StepStats& stats, const RlOptions& o, eval::RlRow& row) {
  row.loss = stats.loss, row.grad_norm = stats.grad_norm, row.clip_fraction = stats.clip_fraction;
  if (stats.targets == 0) return;
  row.entropy = stats.entropy;
  if (has_reference(o)) row.kl = stats.kl;
  if (o.temperature == 1.0) row.logp_gap = stats.max_logp_gap;
}

}  // namespace

StepReport take_rl_step(Run& run, const model::Parameters& sampler, learn::Learner& learner, LiveDoctor& doctor,
                        int64_t step, const Cost& before) {
  const RlOptions& o = run.recipe.rl;
  Groups groups = draw_groups(run, doctor, step);                                      // 1.
  const int64_t sampled = sample_groups(run, sampler, step, groups);                   // 2., 3.
  judge_groups(run.recipe, run.codec, run.key, step, groups);                          // 4.
  const reward::Advantages advantages = reward::fill_advantages(groups, o.advantage);  // 5.
  run.records.append("rl", step + 1, rollout_rows("rl", step + 1, groups));
  const std::vector<learn::Row> rows = training_rows(run, step, groups);  // 6.
  const double tempered_gap = o.temperature == 1.0
                                  ? eval::kNotMeasured
                                  : sampler_gap(run.policy, groups, o.temperature, o.train.learner, run.workers);
  const learn::StepStats stats = learner.step(rows, {o.algo, o.loss}, o.train.lr_at(step));  // 6., 7.

  eval::RlRow row = measure_groups(run.recipe, run.codec, groups, advantages, run.policy_version);
  row.logp_gap = tempered_gap;
  add_update(stats, o, row);
  row.step = step + 1;
  row.lr = o.train.lr_at(step);
  row.tokens = before.tokens + sampled + stats.tokens;
  doctor.watch(row);
  StepReport report;
  report.tokens = sampled + stats.tokens;
  report.flops = stats.flops + static_cast<double>(sampled) * model::forward_flops(run.recipe.model, row.length);
  report.metric = base::cat("reward ", base::fixed(row.reward, 3), "  length ", base::fixed(row.length, 0));
  report.row = eval::to_json(row);
  return report;
}

// log softmax(z/T) is what the model with its last norm divided by T computes: one more forward pass, so that like is
// compared with like.
double sampler_gap(const model::Parameters& parameters, const Groups& groups, double temperature,
                   const learn::LearnerOptions& options, int workers) {
  model::Parameters tempered = parameters.packed();
  model::DecoderWeights weights = *tempered.read_only;
  const double offset = tempered.config.norm_offset;
  weights.final_norm = weights.final_norm.add(offset).div_(temperature).sub_(offset);
  tempered.read_only = std::make_shared<const model::DecoderWeights>(std::move(weights));
  std::vector<learn::Row> rows;
  for (const core::Group& group : groups) rows.push_back(learn::make_row(group.trajectories.front(), 1));
  const std::vector<std::vector<float>> logps = learn::row_logps(tempered, rows, options.pack_tokens, workers);
  double gap = 0;
  for (size_t r = 0; r < rows.size(); ++r)
    for (size_t i = 0; i < logps[r].size(); ++i)
      if (rows[r].weights[i] != 0) gap = std::max(gap, std::abs(double{logps[r][i]} - double{rows[r].logp_old[i]}));
  return gap;
}

// 4. tasks judges, reward makes numbers of it.
void judge_groups(const Recipe& recipe, const text::ProblemCodec& codec, base::RngKey key, int64_t step,
                  Groups& groups) {
  const RlOptions& o = recipe.rl;
  for (core::Group& group : groups) {
    group.verdicts.clear();
    for (const core::Trajectory& t : group.trajectories)
      group.verdicts.push_back(grade(codec, group.item, codec.decode(t.tokens)));
    reward::fill_rewards(group, o.reward);
  }
  if (o.shuffle_rewards != "yes") return;
  std::vector<float> all;
  for (const core::Group& group : groups) all.insert(all.end(), group.rewards.begin(), group.rewards.end());
  base::Rng rng(key.child("rl").child(static_cast<uint64_t>(step)).child("shuffle"));
  rng.shuffle(all);
  size_t next = 0;
  for (core::Group& group : groups)
    for (size_t i = 0; i < group.rewards.size(); ++i) {
      const float given = all[next++];
      group.reward_parts[i].push_back({"shuffle", double{given} - double{group.rewards[i]}});
      group.rewards[i] = given;
    }
}

eval::RlRow measure_groups(const Recipe& recipe, const text::ProblemCodec& codec, const Groups& groups,
                           const reward::Advantages& advantages, int64_t policy_version) {
  std::vector<double> rewards;
  double length = 0, truncated = 0, ended = 0, unparsable = 0, stale = 0;
  for (const core::Group& group : groups)
    for (size_t i = 0; i < group.trajectories.size(); ++i) {
      const core::Trajectory& t = group.trajectories[i];
      const size_t size = t.tokens.size();
      const bool has_end = size > 0 && std::ranges::count(recipe.model.eos_ids, t.tokens.back()) > 0;
      const bool gave_up = has_end && codec.gave_up(t.tokens);
      rewards.push_back(group.rewards[i]);
      length += static_cast<double>(size);
      truncated += t.stop != core::StopReason::kStopToken;
      ended += has_end;
      unparsable += has_end && !gave_up && group.verdicts[i].kind == core::VerdictKind::kUnparsable;
      stale += t.policy_version != policy_version;
    }
  const auto n = static_cast<double>(rewards.size());
  eval::RlRow row;
  row.policy_version = policy_version;
  row.reward = std::accumulate(rewards.begin(), rewards.end(), 0.0) / n;
  const auto [lowest, highest] = std::ranges::minmax(rewards);
  double squares = 0;
  for (double r : rewards) squares += (r - row.reward) * (r - row.reward);
  row.reward_std = lowest == highest ? 0.0 : std::sqrt(squares / n);  // equal rewards are exactly that, rounding apart
  row.length = length / n, row.truncated = truncated / n;
  row.ended = ended / n, row.unparsable = unparsable / n, row.stale = stale / n;
  row.groups_kept = 1.0 - static_cast<double>(advantages.zero_variance_groups) / static_cast<double>(advantages.groups);
  return row;
}

std::vector<core::Item> rl_problems(const Recipe& recipe, base::RngKey key, int64_t step) {
  const base::RngKey step_key = key.child("rl").child(static_cast<uint64_t>(step));
  std::vector<core::Item> items;
  for (int64_t p = 0; p < recipe.rl.prompts; ++p)
    items.push_back(draw_problem(recipe.rl.mix, step_key.child(static_cast<uint64_t>(p))));
  return items;
}

void run_rl(Run& run) {
  const RlOptions& o = run.recipe.rl;
  PONDER_CHECK(run.policy.exists(), "stage rl needs a policy; put pretrain and sft before it");
  run.before_rl = run.policy.clone();
  learn::Learner learner(run.policy, o.train.learner, run.workers);
  LiveDoctor doctor(run.recipe, run.directory.metrics());
  std::string accuracy;
  train_stage(
      run, {"rl", o.train.steps, o.train.checkpoint_every}, run.policy, learner,
      {[&](int64_t step, const Cost& before) { return take_rl_step(run, run.policy, learner, doctor, step, before); },
       [&](int64_t done, const Cost& so_far, std::string& metric) {
         if (done % o.eval_every == 0 || done == o.train.steps)
           write_greedy_accuracy(run, "rl", done, so_far, o.eval_problems, accuracy);
         if (done == o.train.steps) write_rl_gain(run, done, o.eval_problems);
         metric += "  " + accuracy;
       }});
}

}  // namespace ponder::recipes
