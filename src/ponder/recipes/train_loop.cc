#include "ponder/recipes/train_loop.h"

#include "ponder/base/clock.h"
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/base/stop.h"
#include "ponder/model/adapter.h"
#include "ponder/model/load.h"
#include "ponder/store/checkpoint.h"

namespace ponder::recipes {
namespace {

constexpr int64_t kKeptCheckpoints = 2;  // of each stage; the older one is there in case the disk harms the newer

struct Position {
  int64_t step = 0;
  Cost cost;
};

std::string stage_checkpoints(const Run& run, const std::string& stage) {
  return base::join_path(run.directory.checkpoints(), stage);
}

std::string step_name(int64_t step) {
  std::string digits = std::to_string(step);
  return "step-" + std::string(digits.size() < 6 ? 6 - digits.size() : 0, '0') + digits;
}

// A plain Hugging Face directory, or one of PEFT's, which says where the weights beside the adapter are.
void write_model(const Run& run, const model::Parameters& weights, const store::CheckpointWriter& writer) {
  const std::string directory = base::parent_path(writer.path("config.json"));
  if (weights.adapter) {
    model::save_config(directory, weights.config);  // with it the run's rows and records are read without the base
    model::save_adapter(directory, weights, run.adapter_base->path);
  } else {
    const bool is_real = !run.recipe.init.from.empty();
    model::save_hf(directory, weights, is_real ? "" : run.tokenizer_files.at("tokenizer.json"));
  }
}

// The model, and beside it what it takes to go on in the same bits.
void write_checkpoint(Run& run, const StageSpec& spec, const model::Parameters& weights, learn::Learner& learner,
                      const Position& at) {
  const std::string parent = stage_checkpoints(run, spec.name);
  run.sync();  // a checkpoint must not outlive the rows before it, not even a power cut
  base::make_directories(parent);
  store::CheckpointWriter writer(base::join_path(parent, step_name(at.step)));
  write_model(run, weights, writer);
  if (!run.recipe.init.from.empty())
    for (const auto& [name, bytes] : run.tokenizer_files) writer.write_text(name, bytes);
  learner.optimizer().save(writer.path("optimizer.safetensors"));
  base::Json state = base::Json::object();
  state["stage"] = spec.name;
  state["step"] = at.step;
  state["policy_version"] = run.policy_version;
  state["seed"] = run.recipe.seed;  // with stage and step, all there is to randomness and to the place in the data
  if (weights.adapter) state[kBaseHashKey] = run.adapter_base->hash;
  put_cost(at.cost, state);
  state["committed"] = to_json(store::extent_of(run.directory.path()));
  writer.write_text("trainer.json", state.dump(2) + "\n");
  writer.commit();
  store::prune_checkpoints(parent, kKeptCheckpoints);
}

base::Json trainer_state(const std::string& checkpoint) {
  const std::string path = base::join_path(checkpoint, "trainer.json");
  return base::Json::parse(base::read_file(path), path);
}

// The error of a full or failing disk names one file; what a person needs to know beyond that is how much room to make
// and that what was saved before is still good.
void save(Run& run, const StageSpec& spec, const model::Parameters& weights, learn::Learner& learner,
          const Position& at) {
  try {
    write_checkpoint(run, spec, weights, learner, at);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kResource) throw;
    const size_t bytes = 3 * model::trained_weights(weights).flat.nbytes();  // beside them the optimizer's two moments
    throw Error(e.code(),
                base::cat(e.message(), "; a checkpoint of stage ", spec.name, " takes ", bytes,
                          " bytes; the same command goes on from what was saved before"),
                e.where());
  }
}

// The newest checkpoint that still holds the bytes that were written; a damaged one is named and passed over.
std::optional<std::string> newest_sound_checkpoint(const std::string& parent) {
  std::vector<store::CheckpointInfo> checkpoints = store::list_checkpoints(parent);
  for (; !checkpoints.empty(); checkpoints.pop_back()) {
    try {
      store::verify_checkpoint(checkpoints.back().path);
      return checkpoints.back().path;
    } catch (const Error& e) {
      base::log_warning(base::cat(e.what(), "; this checkpoint is passed over"));
    }
  }
  return std::nullopt;
}

// The newest checkpoint of a stage that was interrupted; step 0 when there is none.
Position resume(Run& run, const StageSpec& spec, model::Parameters& weights, learn::Learner& learner) {
  const std::string parent = stage_checkpoints(run, spec.name);
  Position at;
  store::clean_interrupted(parent);
  store::prune_checkpoints(parent, kKeptCheckpoints);  // a kill may have come between a commit and this
  if (const auto latest = newest_sound_checkpoint(parent)) {
    const base::Json state = trainer_state(*latest);
    run.hold(store::later(run.directory.committed(), store::extent_from(state)));
    at.step = state.at("step").as_int();
    at.cost = cost_from(state);
    run.policy_version = state.at("policy_version").as_int();
    model::trained_weights(weights).flat.copy_(model::trained_weights(run.load_checkpoint(*latest)).flat);
    learner.optimizer().load(base::join_path(*latest, "optimizer.safetensors"));
    base::log_info(base::cat(spec.name, ": going on from step ", at.step, " of ", spec.steps));
  }
  run.rewind(spec.name, at.step);
  return at;
}

Error stopped_after(const StageSpec& spec, int64_t step) {
  return {ErrorCode::kStopped, base::cat("stopped in stage ", spec.name, " after step ", step, " of ", spec.steps,
                                         "; the same command goes on from here")};
}

}  // namespace

Error stopped_before_steps(const Run& run, const StageSpec& spec) {
  const auto latest = store::latest_checkpoint(stage_checkpoints(run, spec.name));
  return stopped_after(spec, latest ? trainer_state(*latest).int_at("step") : 0);
}

void train_stage(Run& run, const StageSpec& spec, model::Parameters& weights, learn::Learner& learner,
                 const StageWork& work) {
  Position at = resume(run, spec, weights, learner);
  if (at.step == 0) at.cost.seconds = work.seconds_before;
  {
    base::Progress progress(spec.name, spec.steps, "steps", at.step);
    while (at.step < spec.steps) {
      const base::Stopwatch watch;
      StepReport report = work.take_step(at.step, at.cost);
      ++at.step;
      if (spec.subject == "policy") ++run.policy_version;
      at.cost += Cost{report.tokens, report.flops, watch.seconds()};
      run.write(std::move(report.row), spec.name, at.step);
      if (work.measure) {
        const base::Stopwatch measuring;
        work.measure(at.step, at.cost, report.metric);
        const double seconds = measuring.seconds();
        at.cost.seconds += seconds, at.cost.evaluation_seconds += seconds;
      }
      progress.set_rate(static_cast<double>(at.cost.tokens) / at.cost.training_seconds(), "tok/s");
      progress.update(at.step, report.metric);
      const bool stop = base::stop_requested();
      if (stop || at.step % spec.checkpoint_every == 0 || at.step == spec.steps) save(run, spec, weights, learner, at);
      if (stop) throw stopped_after(spec, at.step);
    }
  }
  run.finish(spec.name, at.cost, base::cat("checkpoints/", spec.name, "/", step_name(spec.steps)));
}

}  // namespace ponder::recipes
