#include "ponder/recipes/confidence.h"

#include "ponder/base/clock.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/eval/statistics.h"
#include "ponder/recipes/audit.h"
#include "ponder/recipes/doctor.h"
#include "ponder/recipes/problems.h"
#include "ponder/recipes/train_loop.h"
#include "ponder/reward/confidence.h"

namespace ponder::recipes {
namespace {

struct Answers {
  std::vector<reward::JudgedAnswer> judged;
  int64_t processed = 0;  // tokens that ran through the policy
};

// The answers that the policy claims on training problems.
Answers answer_training_problems(const Run& run, const std::string& stage) {
  const CriticOptions& o = run.recipe.critic;
  const std::vector<core::Item> items = critic_problems(run.recipe, run.key, stage);
  std::vector<core::SampleRequest> requests;
  for (size_t p = 0; p < items.size(); ++p)
    for (int64_t c = 0; c < o.completions; ++c)
      requests.push_back(request_for(run.codec, items[p].problem, params_of(o),
                                     run.key.child(stage).child(p).child("sample").child(static_cast<uint64_t>(c))));
  Models models = run.models(run.policy);
  models.may_stop = true;
  base::Progress progress(stage, static_cast<int64_t>(requests.size()), "completions");
  const auto completions = sample_requests(models, std::move(requests), static_cast<size_t>(o.completions),
                                           [&](int64_t done) { progress.update(done, ""); });
  Answers answers;
  for (size_t i = 0; i < completions.size(); ++i) {
    const std::string text = run.codec.decode(completions[i].tokens);
    answers.processed += completions[i].processed;
    if (!run.codec.claimed(text)) continue;
    answers.judged.push_back(
        {completions[i].logps, grade(run.codec, items[i / static_cast<size_t>(o.completions)], text).correct()});
  }
  return answers;
}

Answers answers_or_stop(const Run& run, const std::string& stage) {
  try {
    return answer_training_problems(run, stage);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kStopped) throw;
    throw stopped_before_steps(run, {stage, 1, 1, "critic"});
  }
}

}  // namespace

core::SampleParams params_of(const CriticOptions& options) {
  core::SampleParams params;
  params.temperature = options.temperature;
  params.max_tokens = options.max_tokens;
  return params;
}

void run_confidence(Run& run, const std::string& stage) {
  const CriticOptions& o = run.recipe.critic;
  const base::Stopwatch watch;
  run.rewind(stage, 0);
  LiveDoctor doctor(run.recipe, run.directory.metrics());
  doctor.watch_data(stage, 0, held_out_instances(critic_problems(run.recipe, run.key, stage)));
  const Answers answers = answers_or_stop(run, stage);
  if (answers.judged.empty())
    throw Error(ErrorCode::kUsage, "no completion claimed an answer; is critic.max_tokens too small?", stage);
  core::Confidence fitted = reward::fit_confidence(answers.judged, o.window);
  fitted.temperature = o.temperature;
  base::log_info(base::cat(stage, ": fitted to ", answers.judged.size(), " answers"));
  Cost cost;
  cost.tokens = answers.processed;
  cost.flops = static_cast<double>(answers.processed) *
               model::forward_flops(run.recipe.model, static_cast<double>(o.max_tokens) / 2);
  const base::Stopwatch measuring;
  for (const std::string& task : o.mix.tasks) {
    const DevAnswers dev = answer_dev_problems(run, stage, task);
    std::vector<double> values;
    for (const core::Completion& completion : dev.completions) values.push_back(fitted.value(completion.logps));
    if (!values.empty()) write_critic_row(run, stage, dev, values);
  }
  cost.evaluation_seconds = measuring.seconds(), cost.seconds = watch.seconds();
  base::Json left = base::Json::object();
  left[kConfidenceKey] = to_json(fitted);
  set_confidence(run, stage, fitted);
  run.finish(stage, cost, "", std::move(left));
}

base::Json to_json(const core::Confidence& confidence) {
  base::Json json = base::Json::object();
  json["weights"] = base::Json::list(confidence.weights);
  json["earlier"] = confidence.earlier, json["length"] = confidence.length, json["bias"] = confidence.bias;
  json["temperature"] = confidence.temperature;
  return json;
}

core::Confidence confidence_from(const base::Json& json) {
  core::Confidence confidence{
      {}, json.double_at("earlier"), json.double_at("length"), json.double_at("bias"), json.double_at("temperature")};
  for (const base::Json& weight : json.at("weights").as_array()) confidence.weights.push_back(weight.as_double());
  return confidence;
}

void set_confidence(Run& run, const std::string& stage, core::Confidence confidence) {
  if (stage == "critic") run.confidence_before_rl = confidence;
  run.confidence = std::move(confidence);
}

std::optional<core::Confidence> confidence_of_run(const std::string& run_dir, const std::string& stage) {
  const std::string path = base::join_path(run_dir, "state.json");
  if (!base::file_exists(path)) return std::nullopt;
  const base::Json state = base::Json::parse(base::read_file(path), path);
  const char* critic = stage == "rl" ? "critic_rl" : "critic";
  const base::Json* finished = state.find("finished");
  const base::Json* left = finished ? finished->find(critic) : nullptr;
  const base::Json* fitted = left ? left->find(kConfidenceKey) : nullptr;
  if (!fitted) return std::nullopt;
  try {
    return confidence_from(*fitted);
  } catch (const Error& e) {
    throw Error(e.code(), base::cat("stage ", critic, ": ", e.message(), "; restore the file from a copy"), path);
  }
}

DevAnswers answer_dev_problems(const Run& run, const std::string& stage, const std::string& task) {
  const std::vector<core::Item> items = dev_problems(run, task);
  std::vector<core::SampleRequest> requests;
  for (size_t i = 0; i < items.size(); ++i)
    for (int64_t s = 0; s < kDevSamples; ++s)
      requests.push_back(request_for(run.codec, items[i].problem, params_of(run.recipe.critic),
                                     run.key.child(stage).child("dev").child(i).child(static_cast<uint64_t>(s))));
  const auto sent = requests;
  auto completions = sample_requests(run.models(run.policy), std::move(requests), kDevSamples);
  DevAnswers dev;
  dev.task = task;
  for (size_t i = 0; i < completions.size(); ++i) {
    const std::string text = run.codec.decode(completions[i].tokens);
    if (!run.codec.claimed(text)) continue;  // only claimed answers need a critic
    const core::Item& item = items[i / kDevSamples];
    dev.prompts.push_back(sent[i].prefix);
    dev.completions.push_back(std::move(completions[i]));
    dev.labels.push_back(grade(run.codec, item, text).correct());
    dev.clusters.push_back(tasks::find_task(task).canonical(item.problem));
  }
  return dev;
}

void write_critic_row(Run& run, const std::string& stage, const DevAnswers& dev, const std::vector<double>& values) {
  eval::CriticRow row;
  row.task = dev.task;
  row.model = stage == "critic_rl" ? "rl" : "sft";
  row.auroc = eval::auroc(values, dev.labels, dev.clusters, run.key.child("bootstrap"));
  std::vector<int> permuted = dev.labels;
  base::Rng rng(run.key.child("permute"));
  rng.shuffle(permuted);
  row.auroc_permuted = eval::auroc(values, permuted);
  row.calibration_error = eval::expected_calibration_error(values, dev.labels);
  row.brier = eval::brier_score(values, dev.labels);
  const CriticOptions& o = run.recipe.critic;
  run.write(eval::to_json(row), stage, o.kind == "confidence" ? 1 : o.train.steps);
}

}  // namespace ponder::recipes
