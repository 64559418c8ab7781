#include "ponder/recipes/run.h"

#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/base/thread.h"
#include "ponder/eval/report.h"
#include "ponder/model/load.h"
#include "ponder/recipes/confidence.h"
#include "ponder/recipes/records.h"
#include "ponder/recipes/start.h"
#include "ponder/store/checkpoint.h"
#include "ponder/tensor/device.h"

namespace ponder::recipes {
namespace {

// The first line in which two configurations differ, for the message.
std::string first_difference(const std::string& a, const std::string& b) {
  size_t line_begin = 0;
  for (size_t i = 0; i < std::min(a.size(), b.size()) && a[i] == b[i]; ++i)
    if (a[i] == '\n') line_begin = i + 1;
  const auto line = [line_begin](const std::string& s) {
    const size_t end = s.find('\n', line_begin);
    return s.substr(std::min(line_begin, s.size()), end == std::string::npos ? end : end - line_begin);
  };
  return base::cat("\"", line(a), "\" there, \"", line(b), "\" now");
}

void keep_configuration(store::RunDirectory& directory, const std::string& yaml) {
  const auto earlier = directory.config();
  if (earlier && *earlier != yaml)
    throw Error(ErrorCode::kUsage,
                base::cat("this directory holds a run with another configuration (", first_difference(*earlier, yaml),
                          "); give --out another directory, or remove this one"),
                directory.path());
  if (earlier) return;
  // Rows of one configuration must not come to stand under another.
  const bool has_rows = base::file_exists(directory.metrics()) && base::file_size(directory.metrics()) > 0;
  if (has_rows || base::file_exists(directory.file("state.json")) || base::is_directory(directory.checkpoints()))
    throw Error(ErrorCode::kInput,
                "is missing, yet this directory holds a run; restore the file from a copy, or choose another --out",
                directory.file("config.yaml"));
  directory.write_config(yaml);
}

// What a stage that was interrupted has saved: of its newest checkpoint that is whole. Nothing is mended here; the
// stage does that when it goes on, and says what it passes over.
store::Extent saved_within(const store::RunDirectory& directory, const std::string& stage) {
  auto checkpoints = store::list_checkpoints(base::join_path(directory.checkpoints(), stage));
  for (; !checkpoints.empty(); checkpoints.pop_back()) {
    try {
      store::verify_checkpoint(checkpoints.back().path);
      const std::string path = base::join_path(checkpoints.back().path, "trainer.json");
      return store::extent_from(base::Json::parse(base::read_file(path), path));
    } catch (const Error&) {
      continue;
    }
  }
  return {};
}

store::Extent committed(const store::RunDirectory& directory, const Recipe& recipe) {
  store::Extent extent = directory.committed();
  std::string unfinished;
  for (const std::string& stage : recipe.stages) {
    if (directory.finished(stage)) continue;
    // A lost or older state must not send a run back over what it has long finished.
    const bool has_saved = !store::list_checkpoints(base::join_path(directory.checkpoints(), stage)).empty();
    if (has_saved && !unfinished.empty())
      throw Error(
          ErrorCode::kInput,
          base::cat(base::file_exists(directory.file("state.json")) ? "does not know" : "is missing, so nobody knows",
                    " that stage ", unfinished, " is finished, yet ", stage,
                    " behind it has checkpoints; restore the file from a copy, or choose another --out"),
          directory.file("state.json"));
    if (unfinished.empty()) unfinished = stage;
    extent = store::later(extent, saved_within(directory, stage));
  }
  return extent;
}

std::string resolved_yaml(const Recipe& recipe) {
  Recipe written = as_written(recipe);
  return base::to_yaml(written);
}

// A finished stage is not run again, so its weights cannot be passed over as an interrupted one's can.
void verify_finished(const std::string& stage, const std::string& checkpoint) {
  try {
    store::verify_checkpoint(checkpoint);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kInput) throw;
    throw Error(e.code(),
                base::cat(e.message(), ". These are the weights that stage ", stage,
                          " ended with: restore the file from a copy, or run the recipe again in a new --out"),
                e.where());
  }
}

// The directory, once it is known that this recipe's run may go on in it; nothing is cut or added before.
const std::string& checked(store::RunDirectory& directory, const Recipe& recipe) {
  keep_configuration(directory, resolved_yaml(recipe));
  store::check_extent(directory.path(), committed(directory, recipe));
  return directory.path();
}

// On a GPU one worker keeps the device busy; on a CPU it is one a core.
int worker_count(const Recipe& recipe) {
  if (recipe.workers > 0) return static_cast<int>(recipe.workers);
  return tensor::resolve_device(recipe.device).is_cuda() ? 1 : base::hardware_threads();
}

// What "auto" stands for here, before anything is written: config.yaml says what the run was really made with.
Recipe resolved(Recipe recipe) {
  recipe.workers = worker_count(recipe);
  recipe.device = tensor::resolve_device(recipe.device).str();
  return recipe;
}

}  // namespace

void put_cost(const Cost& cost, base::Json& json) {
  json["tokens"] = cost.tokens, json["flops"] = cost.flops;
  json["seconds"] = cost.seconds, json["evaluation_seconds"] = cost.evaluation_seconds;
}

Cost cost_from(const base::Json& json) {
  return {json.int_at("tokens"), json.double_at("flops"), json.double_at("seconds"),
          json.double_at("evaluation_seconds")};
}

Run::Run(Recipe r, const std::string& dir)
    : recipe(resolved(std::move(r))),
      workers(static_cast<int>(recipe.workers)),
      key(static_cast<uint64_t>(recipe.seed)),
      tokenizer_files(start_tokenizer_files(recipe)),
      codec_owner(make_codec(recipe)),
      codec(*codec_owner),
      adapter_base(recipe.init.trains_adapter() ? std::optional(adapter_base_of(recipe.init.from)) : std::nullopt),
      directory(dir),
      records(checked(directory, recipe), kRollouts),
      rows_(dir) {
  hold(committed(directory, recipe));
  policy.config = recipe.model;
  if (adapter_base) start_ = on_device(load_start(recipe));
  for (const std::string& stage : recipe.stages)
    if (const base::Json* finished = directory.finished(stage)) restore(stage, *finished);
  if (!recipe.init.from.empty() && !before_rl.exists()) {  // no stage before rl has changed it
    before_rl = adapter_base ? start_ : on_device(load_start(recipe));
    if (!policy.exists()) policy = before_rl;
  }
  if (base::file_size(directory.metrics()) > 0) return;  // a run that goes on has its first row
  eval::RunRow row;
  row.name = recipe.name;
  row.seed = recipe.seed;
  Recipe copy = as_written(recipe);
  row.config_hash = base::hex64(base::fields_hash(copy));
  row.version = "0.1.0";
  row.device = recipe.device;
  row.threads = workers;
  row.parameters = policy.config.parameter_count();
  write(eval::to_json(row), "run", 0);
}

void Run::hold(const store::Extent& extent) {
  held_ = store::later(held_, extent);
  store::check_extent(directory.path(), held_);
  rows_.hold(held_.metrics_rows);
  records.hold(held_.record_blocks);
}

void Run::restore(const std::string& stage, const base::Json& finished) {
  std::string checkpoint;
  int64_t version = 0;
  try {
    cost += cost_from(finished.at("cost"));
    checkpoint = finished.string_at("checkpoint");
    version = finished.int_at("policy_version");
    if (const base::Json* fitted = finished.find(kConfidenceKey))
      set_confidence(*this, stage, confidence_from(*fitted));
  } catch (const Error& e) {
    throw Error(ErrorCode::kInput,
                base::cat("is not the state of a run (stage ", stage, ": ", e.message(),
                          "); restore it from a copy, or choose another --out"),
                directory.file("state.json"));
  }
  if (checkpoint.empty()) return;
  verify_finished(stage, directory.file(checkpoint));
  model::Parameters weights = load_checkpoint(directory.file(checkpoint));
  if (stage == "critic_rl") {
    critic = std::move(weights);
  } else if (stage == "critic") {
    critic = critic_before_rl = std::move(weights);
  } else {
    policy = std::move(weights);
    if (stage != "rl") before_rl = policy;
    policy_version = version;
  }
}

void Run::write(base::Json row, const std::string& stage, int64_t step) {
  row["stage"] = stage;
  row["step"] = step;
  rows_.add(row, eval::scalars_of(row));
}

void Run::finish(const std::string& stage, const Cost& stage_cost, const std::string& checkpoint, base::Json left) {
  eval::LedgerRow row;
  row.stage = stage;
  row.seconds = stage_cost.seconds, row.tokens = stage_cost.tokens, row.flops = stage_cost.flops;
  write(eval::to_json(row), stage, std::numeric_limits<int32_t>::max());
  sync();
  cost += stage_cost;
  left["checkpoint"] = checkpoint;
  left["policy_version"] = policy_version;
  put_cost(stage_cost, left["cost"]);
  directory.ledger().add(stage, stage_cost.seconds, stage_cost.tokens, stage_cost.flops);
  directory.finish(stage, std::move(left));
}

Models Run::models(const model::Parameters& weights, const model::Parameters* critic_weights) const {
  return {&weights, critic_weights, recipe.engine, workers};
}

model::Parameters Run::on_device(model::Parameters weights) const {
  return weights.on(tensor::resolve_device(recipe.device));
}

model::Parameters Run::load_checkpoint(const std::string& checkpoint) const {
  if (!adapter_base) return on_device(model::load_hf(checkpoint).parameters);
  model::Parameters weights = start_;
  weights.adapter = open_adapter(checkpoint, *adapter_base, weights.config);
  return on_device(std::move(weights));
}

std::vector<core::Item> Run::test_problems(const std::string& task, int64_t n) const {
  return tasks::make_problems(tasks::find_task(task), evaluation_split(recipe), static_cast<size_t>(n),
                              key.child(recipe.evaluate));
}

void run_recipe(const Recipe& recipe, const std::string& dir) {
  tensor::set_operator_threads(1);
  // A bad row ends a run before it has a directory, and not behind the stages before sft.
  const bool is_new = !base::file_exists(base::join_path(dir, "config.yaml"));
  const bool reads = has_stage(recipe, "sft") && !recipe.sft.data.empty();
  std::optional<TrainingFiles> files;
  if (is_new && reads) files = read_training_files(recipe);
  Run run(recipe, dir);
  run.files = std::move(files);
  for (const std::string& stage : recipe.stages) {
    if (run.is_finished(stage) && stage != "report") continue;
    if (stage == "pretrain") run_pretrain(run);
    if (stage == "base") run_base(run);
    if (stage == "sft") run_sft(run);
    if (stage == "critic" || stage == "critic_rl") run_critic(run, stage);
    if (stage == "rl") run_rl(run);
    if (stage == "probe") run_probe(run);
    if (stage == "search") run_search(run);
    if (stage == "report") run_report(run);
  }
}

}  // namespace ponder::recipes
