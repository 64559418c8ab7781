// Stage 3 (and again behind rl, for the policy as it stands then): a critic from Monte-Carlo labels. Math-Shepherd
// (arXiv 2312.08935): a prefix is worth the share of re-rollouts from it that end in a right answer. Verifiers are used
// here, to make labels of training problems; a search never sees one.
#include "ponder/base/log.h"
#include "ponder/recipes/audit.h"
#include "ponder/recipes/batches.h"
#include "ponder/recipes/confidence.h"
#include "ponder/recipes/critic_rows.h"
#include "ponder/recipes/doctor.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/train_loop.h"
#include "ponder/reward/monte_carlo.h"

namespace ponder::recipes {
namespace {

struct LabelSet {
  std::vector<Labelled> rows;
  int64_t processed = 0;  // tokens that ran through the policy
};

// Sampling for labels: no weights change meanwhile, so a stop need not wait for its end.
std::vector<core::Completion> sample_for_labels(const Run& run, const std::string& what,
                                                std::vector<core::SampleRequest> requests, int64_t neighbours) {
  Models models = run.models(run.policy);
  models.may_stop = true;
  base::Progress progress(what, static_cast<int64_t>(requests.size()), "completions");
  return sample_requests(models, std::move(requests), static_cast<size_t>(neighbours),
                         [&](int64_t done) { progress.update(done, ""); });
}

// Completions of training problems, each with the step ends that are to be labelled.
LabelSet sample_completions(const Run& run, const std::string& stage) {
  const base::RngKey key = run.key.child(stage);
  const CriticOptions& o = run.recipe.critic;
  LabelSet set;
  std::vector<core::SampleRequest> requests;
  const std::vector<core::Item> items = critic_problems(run.recipe, run.key, stage);
  for (size_t p = 0; p < items.size(); ++p) {
    const core::Item& item = items[p];
    const base::RngKey problem = key.child(p);
    for (int64_t c = 0; c < o.completions; ++c) {
      requests.push_back(
          request_for(run.codec, item.problem, params_of(o), problem.child("sample").child(static_cast<uint64_t>(c))));
      set.rows.push_back({item, requests.back().prefix, {}, {}, {}, false});
    }
  }
  const auto completions = sample_for_labels(run, stage + " samples", std::move(requests), o.completions);
  const core::Tokens step_ends = run.codec.step_ends();
  for (size_t i = 0; i < completions.size(); ++i) {
    Labelled& row = set.rows[i];
    row.completion = completions[i].tokens;
    row.correct = grade(run.codec, row.item, run.codec.decode(row.completion)).correct();
    row.ends = reward::choose_step_ends(row.completion, step_ends, o.prefixes, key.child("ends").child(i));
    row.labels.resize(row.ends.size());
    set.processed += completions[i].processed;
  }
  return set;
}

// Re-rollouts from every chosen prefix; their verdicts are its label. Without re-rollouts the completion that it comes
// from is the one sample: a noisier label, but of more problems for the same tokens.
void label_prefixes(const Run& run, const std::string& stage, LabelSet& set) {
  const base::RngKey key = run.key.child(stage);
  const CriticOptions& o = run.recipe.critic;
  if (o.rollouts == 0) {
    for (Labelled& row : set.rows)
      for (reward::MonteCarloLabel& label : row.labels) label.add(row.correct);
    return;
  }
  struct Place {
    size_t row, end;
  };
  std::vector<core::SampleRequest> requests;
  std::vector<Place> places;
  for (size_t i = 0; i < set.rows.size(); ++i) {
    const Labelled& row = set.rows[i];
    for (size_t e = 0; e < row.ends.size(); ++e) {
      core::SampleRequest request{row.prompt, params_of(o), key.child("roll").child(i).child(e), row.ends[e]};
      request.params.endings = run.codec.endings();
      request.prefix.insert(request.prefix.end(), row.completion.begin(), row.completion.begin() + row.ends[e]);
      request.params.max_tokens = std::max<int64_t>(1, o.max_tokens - row.ends[e]);
      for (int64_t r = 0; r < o.rollouts; ++r) {
        requests.push_back(request);
        requests.back().key = request.key.child(static_cast<uint64_t>(r));
        places.push_back({i, e});
      }
    }
  }
  const auto rollouts =
      sample_for_labels(run, stage + " labels", std::move(requests), o.rollouts * o.prefixes * o.completions);
  for (size_t i = 0; i < rollouts.size(); ++i) {
    Labelled& row = set.rows[places[i].row];
    core::Tokens whole(row.completion.begin(), row.completion.begin() + row.ends[places[i].end]);
    whole.insert(whole.end(), rollouts[i].tokens.begin(), rollouts[i].tokens.end());
    row.labels[places[i].end].add(grade(run.codec, row.item, run.codec.decode(whole)).correct());
    set.processed += rollouts[i].processed;
  }
}

// A resumed run labels anew: keys, not an order, say what is drawn, so the labels are the same.
LabelSet make_labels(const Run& run, const StageSpec& spec) {
  try {
    LabelSet set = sample_completions(run, spec.name);
    label_prefixes(run, spec.name, set);
    return set;
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kStopped) throw;
    throw stopped_before_steps(run, spec);
  }
}

// The policy with a value head that knows nothing yet.
model::Parameters critic_from(const model::Parameters& policy) {
  model::DecoderConfig config = policy.config;
  config.value_head = true;
  model::Parameters critic = model::make_parameters(config, {}, base::RngKey(0));
  critic.flat = critic.flat.to(policy.flat.device());
  for (const model::ParameterInfo& from : model::parameter_table(policy.config))
    for (const model::ParameterInfo& to : model::parameter_table(config))
      if (from.name == to.name)
        critic.flat.narrow(0, to.offset, to.numel()).copy_(policy.flat.narrow(0, from.offset, from.numel()));
  return critic;
}

// The critic's values of answers to dev problems.
void measure_critic(Run& run, const std::string& stage, const model::Parameters& critic) {
  for (const std::string& task : run.recipe.critic.mix.tasks) {
    const DevAnswers dev = answer_dev_problems(run, stage, task);
    if (dev.completions.empty()) continue;
    std::vector<core::ScoreRequest> to_score;
    for (size_t i = 0; i < dev.completions.size(); ++i) {
      core::Tokens prefix = dev.prompts[i];
      prefix.insert(prefix.end(), dev.completions[i].tokens.begin(), dev.completions[i].tokens.end());
      to_score.push_back({std::move(prefix)});
    }
    std::vector<double> values;
    for (const core::Score& s : score_prefixes(run.models(run.policy, &critic), std::move(to_score)))
      values.push_back(s.value);
    write_critic_row(run, stage, dev, values);
  }
}

}  // namespace

std::vector<core::Item> dev_problems(const Run& run, const std::string& task) {
  return tasks::make_problems(tasks::find_task(task), tasks::Split::kDev,
                              static_cast<size_t>(run.recipe.critic.dev_problems), run.key.child("dev"));
}

std::vector<core::Item> critic_problems(const Recipe& recipe, base::RngKey key, const std::string& stage) {
  std::vector<core::Item> items;
  for (int64_t p = 0; p < recipe.critic.problems; ++p)
    items.push_back(draw_problem(recipe.critic.mix, key.child(stage).child(static_cast<uint64_t>(p))));
  return items;
}

void run_critic(Run& run, const std::string& stage) {
  const CriticOptions& o = run.recipe.critic;
  PONDER_CHECK(run.policy.exists(), "stage ", stage, " needs a policy; put pretrain or sft before it");
  if (o.kind == "confidence") return run_confidence(run, stage);
  const base::RngKey key = run.key.child(stage);
  const base::Stopwatch watch;
  base::log_info(base::cat(stage, ": labelling ", o.problems * o.completions, " completions by ",
                           o.rollouts ? base::cat(o.rollouts, " re-rollouts a prefix") : "their own verdicts"));
  const StageSpec spec{stage, o.train.steps, o.train.checkpoint_every, "critic"};
  LiveDoctor doctor(run.recipe, run.directory.metrics());
  doctor.watch_data(stage, 0, held_out_instances(critic_problems(run.recipe, run.key, stage)));
  const LabelSet set = make_labels(run, spec);
  const std::vector<learn::Row> rows = critic_rows(o, run.codec, set.rows, key.child("spoiled"));
  PONDER_CHECK(!rows.empty(), "no completion had a step end or an answer to label; is critic.max_tokens too small?");
  const double labelling_seconds = watch.seconds();
  const auto batches = plan_batches(rows, o.train.steps, o.train.batch_tokens, key.child("batches"));

  model::Parameters critic = critic_from(run.policy);
  learn::Learner learner(critic, o.train.learner, run.workers);
  const double label_flops = static_cast<double>(set.processed) * model::forward_flops(run.recipe.model, 64);
  train_stage(run, spec, critic, learner,
              {[&](int64_t step, const Cost& before) {
                 std::vector<learn::Row> batch;
                 for (size_t i : batches[static_cast<size_t>(step)]) batch.push_back(rows[i]);
                 const learn::StepStats stats = learner.step(batch, {"prm", {}}, o.train.lr_at(step));
                 eval::TrainRow row;
                 row.stage = stage;
                 row.step = step + 1;
                 row.tokens = before.tokens + stats.tokens;
                 row.loss = stats.loss, row.grad_norm = stats.grad_norm, row.lr = o.train.lr_at(step);
                 row.label_std = label_deviation(batch);
                 doctor.watch(row);
                 StepReport report{eval::to_json(row), base::cat("loss ", base::fixed(stats.loss, 3)), stats.tokens,
                                   stats.flops};
                 if (step == 0) report.tokens += set.processed, report.flops += label_flops;
                 return report;
               },
               [&](int64_t done, const Cost&, std::string&) {
                 if (done == o.train.steps) measure_critic(run, stage, critic);
               },
               labelling_seconds});
  run.critic = critic;
  if (stage == "critic") run.critic_before_rl = critic;
}

}  // namespace ponder::recipes
