// Stage "probe": does the model notice its own errors? Slips are planted into its greedy thoughts on test problems and
// it goes on from there. Kinds that no demonstration shows say whether it learned to check or to copy.
#include "ponder/recipes/run.h"

#include <algorithm>

#include "ponder/base/clock.h"
#include "ponder/base/log.h"
#include "ponder/craft/behaviours.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/problems.h"
#include "ponder/text/words.h"

namespace ponder::recipes {
namespace {

// One model on one task.
struct Subject {
  std::string model;
  std::string task;
  const model::Parameters* weights;
};

struct Outcome {
  size_t problem = 0;
  std::string cluster;
  bool caught = false, repaired = false, doubted = false, solved = false, solved_control = false;
};

bool is_shown(craft::SlipKind kind) { return static_cast<int>(kind) < craft::kTrainedSlipKinds; }

// The slipped thoughts of one kind, gone on with greedily; one a problem whose thought has a place for it.
std::vector<Outcome> probe_kind(Run& run, const Subject& subject, const std::vector<core::Item>& items,
                                const GreedyAnswers& untouched, craft::SlipKind kind, Cost& cost) {
  const base::RngKey key = run.key.child("probe").child(subject.task).child(craft::slip_name(kind));
  std::vector<core::SampleRequest> requests;
  std::vector<craft::SlipProbe> probes;
  std::vector<size_t> of;  // the problem of each probe
  for (size_t i = 0; i < items.size(); ++i) {
    const core::Tokens thought = run.codec.tokenizer().encode(untouched.texts[i]);
    auto probe = craft::plant_slip(items[i].problem, thought, kind, key.child(i));
    if (!probe) continue;
    core::SampleRequest request;
    request.prefix = probe->prefix;
    request.params.temperature = 0;
    request.params.max_tokens = run.recipe.probe.max_tokens;
    requests.push_back(std::move(request));
    probes.push_back(std::move(*probe));
    of.push_back(i);
  }
  Models models = run.models(*subject.weights);
  models.may_stop = true;
  const std::vector<core::Completion> completions = sample_requests(models, std::move(requests), 1);
  std::vector<Outcome> outcomes;
  for (size_t p = 0; p < probes.size(); ++p) {
    const core::Item& item = items[of[p]];
    const core::Tokens& written = completions[p].tokens;
    const size_t prompt = run.codec.prompt(item.problem).size();
    core::Tokens whole(probes[p].prefix.begin() + static_cast<int64_t>(prompt), probes[p].prefix.end());
    whole.insert(whole.end(), written.begin(), written.end());
    Outcome o;
    o.problem = of[p];
    o.cluster = tasks::find_task(subject.task).canonical(item.problem);
    o.caught = !written.empty() && written[0] == text::kWait;
    o.repaired = craft::is_repaired(probes[p], written);
    o.doubted = probes[p].doubted;
    o.solved = grade(run.codec, item, run.codec.decode(whole)).correct();
    o.solved_control = untouched.correct[of[p]] > 0.5;
    outcomes.push_back(std::move(o));
    cost.tokens += completions[p].processed;
  }
  return outcomes;
}

double share(const std::vector<Outcome>& outcomes, bool Outcome::*field) {
  return static_cast<double>(std::ranges::count(outcomes, true, field)) / static_cast<double>(outcomes.size());
}

// As ProbeRow::outcomes has it.
std::string text_of(const std::vector<Outcome>& outcomes, size_t problems) {
  std::string text(problems, '-');
  for (const Outcome& o : outcomes) text[o.problem] = o.repaired ? '1' : '0';
  return text;
}

void write_outcomes(Run& run, const Subject& subject, const std::string& slip, bool shown,
                    const std::vector<Outcome>& outcomes, std::string by_problem) {
  if (outcomes.empty()) return;
  std::vector<double> repaired;
  std::vector<std::string> clusters;
  for (const Outcome& o : outcomes) repaired.push_back(o.repaired ? 1.0 : 0.0), clusters.push_back(o.cluster);
  eval::ProbeRow row;
  row.task = subject.task, row.model = subject.model, row.slip = slip, row.shown = shown ? "yes" : "no";
  row.repaired = eval::clustered_mean(repaired, clusters, run.key.child("bootstrap").child(subject.task));
  row.caught = share(outcomes, &Outcome::caught), row.false_alarms = share(outcomes, &Outcome::doubted);
  row.outcomes = std::move(by_problem);
  row.solved = share(outcomes, &Outcome::solved), row.solved_control = share(outcomes, &Outcome::solved_control);
  run.write(eval::to_json(row), "probe", 1);
}

void probe_subject(Run& run, const Subject& subject, Cost& cost) {
  const ProbeOptions& o = run.recipe.probe;
  const std::vector<core::Item> items = run.test_problems(subject.task, o.problems);
  const GreedyAnswers untouched = answer_greedily(run.models(*subject.weights), run.codec, items, o.max_tokens);
  cost.tokens += untouched.processed;
  std::vector<Outcome> unlike;
  for (const craft::SlipKind kind : craft::all_slip_kinds()) {
    const std::vector<Outcome> outcomes = probe_kind(run, subject, items, untouched, kind, cost);
    write_outcomes(run, subject, craft::slip_name(kind), is_shown(kind), outcomes, text_of(outcomes, items.size()));
    if (!is_shown(kind)) unlike.insert(unlike.end(), outcomes.begin(), outcomes.end());
  }
  write_outcomes(run, subject, "all unlike SFT", false, unlike, "");
}

}  // namespace

void run_probe(Run& run) {
  PONDER_CHECK(run.policy.exists(), "stage probe needs a policy; put pretrain, sft or rl before it");
  run.rewind("probe", -1);
  const base::Stopwatch watch;
  const bool after_rl = run.is_finished("rl");
  std::vector<Subject> subjects;
  for (const std::string& task : run.recipe.probe.tasks) {
    subjects.push_back({"sft", task, after_rl ? &run.before_rl : &run.policy});
    if (after_rl) subjects.push_back({"rl", task, &run.policy});
  }
  Cost cost;
  {
    base::Progress progress("probe", static_cast<int64_t>(subjects.size()), "units");
    for (size_t i = 0; i < subjects.size(); ++i) {
      probe_subject(run, subjects[i], cost);
      progress.update(static_cast<int64_t>(i) + 1, base::cat(subjects[i].model, " ", subjects[i].task));
    }
  }
  cost.flops = static_cast<double>(cost.tokens) *
               model::forward_flops(run.recipe.model, static_cast<double>(run.recipe.probe.max_tokens) / 2);
  cost.seconds = watch.seconds();
  run.finish("probe", cost, "");
}

}  // namespace ponder::recipes
