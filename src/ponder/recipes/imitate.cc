// Stages 1 and 2: next-token learning on generated text, then on demonstrations, worked solutions or rows of files.
#include "ponder/base/file.h"
#include "ponder/base/log.h"
#include "ponder/craft/solution_forms.h"
#include "ponder/craft/solutions.h"
#include "ponder/recipes/accuracy.h"
#include "ponder/recipes/audit.h"
#include "ponder/recipes/batches.h"
#include "ponder/recipes/doctor.h"
#include "ponder/recipes/train_loop.h"
#include "ponder/store/checkpoint.h"
#include "ponder/tasks/dataset.h"

namespace ponder::recipes {
namespace {

constexpr int64_t kPracticeLines = 12;  // of a sheet, about a hundred tokens

// Rows make(0), make(1), … until they hold `tokens` tokens; those that are longer than the model's context are left
// out.
template <class Make>
void fill_batch(int64_t tokens, int64_t context, const Make& make, std::vector<learn::Row>& rows) {
  int64_t filled = 0;
  for (int64_t i = 0; filled < tokens; ++i) {
    learn::Row row = make(i);
    const auto length = static_cast<int64_t>(row.tokens.size());
    if (length > context) continue;
    rows.push_back(std::move(row));
    filled += length;
  }
}

StepReport imitate(learn::Learner& learner, LiveDoctor& doctor, const std::vector<learn::Row>& rows,
                   const TrainOptions& train, const std::string& stage, int64_t step, const Cost& before) {
  const learn::StepStats stats = learner.step(rows, learn::Objective{"sft", {}}, train.lr_at(step));
  eval::TrainRow row;
  row.stage = stage;
  row.step = step + 1;
  row.tokens = before.tokens + stats.tokens;
  row.loss = stats.loss, row.grad_norm = stats.grad_norm, row.lr = train.lr_at(step);
  row.tokens_per_second = static_cast<double>(stats.tokens) / stats.seconds;
  doctor.watch(row);
  return {eval::to_json(row), base::cat("loss ", base::fixed(stats.loss, 3)), stats.tokens, stats.flops};
}

learn::Row text_row(const Recipe& recipe, base::RngKey set, int64_t i) {
  return learn::make_row(craft::make_pretrain_document(recipe.pretrain.text, set.child(static_cast<uint64_t>(i))).text);
}

}  // namespace

std::vector<learn::Row> pretrain_batch(const Recipe& recipe, base::RngKey key, int64_t step) {
  const base::RngKey set = key.child("pretrain").child(static_cast<uint64_t>(step));
  std::vector<learn::Row> rows;
  fill_batch(
      recipe.pretrain.train.batch_tokens, recipe.model.context, [&](int64_t i) { return text_row(recipe, set, i); },
      rows);
  return rows;
}

std::vector<core::Item> solved_problems(const Recipe& recipe) {
  std::vector<core::Item> items;
  for (const std::string& name : recipe.sft.solutions)
    for (const core::Item& item : tasks::find_dataset_task(name).dataset().train)
      if (tasks::worked_solution(item)) items.push_back(item);
  return items;
}

std::vector<learn::Row> solution_rows(const Recipe& recipe, const text::ProblemCodec& codec) {
  std::vector<learn::Row> rows;
  int64_t too_long = 0;
  for (const core::Item& item : solved_problems(recipe))
    for (const std::string& form : recipe.sft.solution_forms) {
      const auto solution = craft::solution_in_form(item, form);
      if (!solution) continue;
      learn::Row row = learn::make_row(craft::solution_example(codec, item.problem, *solution));
      const bool fits = static_cast<int64_t>(row.tokens.size()) <= recipe.sft.train.learner.pack_tokens;
      if (fits)
        rows.push_back(std::move(row));
      else
        ++too_long;
    }
  if (too_long > 0) base::log_warning(base::cat("sft: left out ", too_long, " solutions longer than pack_tokens"));
  if (rows.empty())
    throw Error(ErrorCode::kInput,
                "none of these tasks has a problem with a worked solution in these forms in its training part",
                "sft.solutions, sft.solution_forms");
  return rows;
}

std::vector<learn::Row> sft_batch(const Recipe& recipe, base::RngKey key, int64_t step) {
  const SftOptions& o = recipe.sft;
  const base::RngKey set = key.child("sft").child(static_cast<uint64_t>(step));
  const auto text_tokens = static_cast<int64_t>(o.pretrain_share * static_cast<double>(o.train.batch_tokens));
  std::vector<learn::Row> rows;
  fill_batch(
      o.train.batch_tokens - text_tokens, recipe.model.context,
      [&](int64_t i) { return learn::make_row(craft::demonstration(o.demos, set, i)); }, rows);
  const base::RngKey text_set = set.child("text");
  fill_batch(
      text_tokens, recipe.model.context, [&](int64_t i) { return text_row(recipe, text_set, i); }, rows);
  return rows;
}

void run_pretrain(Run& run) {
  const TrainOptions& train = run.recipe.pretrain.train;
  run.policy = run.on_device(model::make_parameters(run.recipe.model, run.recipe.init, run.key.child("init")));
  learn::Learner learner(run.policy, train.learner, run.workers);
  LiveDoctor doctor(run.recipe, run.directory.metrics());
  train_stage(run, {"pretrain", train.steps, train.checkpoint_every}, run.policy, learner,
              {[&](int64_t step, const Cost& before) {
                const std::vector<learn::Row> rows = pretrain_batch(run.recipe, run.key, step);
                doctor.watch_data("pretrain", step + 1, held_out_instances(rows));
                return imitate(learner, doctor, rows, train, "pretrain", step, before);
              }});
  run.before_rl = run.policy;
}

namespace {

// Rows that are given, and which of them each step learns from.
struct Epochs {
  std::vector<learn::Row> rows = {};
  std::vector<std::vector<size_t>> batches = {};

  Epochs() = default;
  Epochs(std::vector<learn::Row> given, int64_t steps, int64_t batch_tokens, base::RngKey key)
      : rows(std::move(given)), batches(plan_batches(rows, steps, batch_tokens, key)) {}
  void add_batch(int64_t step, std::vector<learn::Row>& out) const {
    if (rows.empty()) return;
    for (const size_t i : batches[static_cast<size_t>(step)]) out.push_back(rows[i]);
  }
};

// Reads sft.data. What it holds becomes a row of the run, so that a run that goes on finds out when a file has changed.
std::vector<learn::Row> rows_of_files(Run& run) {
  TrainingFiles files = run.files ? std::move(*run.files) : read_training_files(run.recipe);
  run.files.reset();
  const std::string text = base::cat(kFilesNote, summary_of(files, run.recipe), "; checksum ", files.checksum);
  base::log_info(base::cat("sft: ", summary_of(files, run.recipe)));
  const std::string checkpoints = base::join_path(run.directory.checkpoints(), "sft");
  store::clean_interrupted(checkpoints);  // a kill may have come between a commit and its last step
  if (!store::latest_checkpoint(checkpoints)) {
    run.rewind("sft", -1);
    run.write(eval::to_json(eval::NoteRow{"data", text}), "sft", 0);
    return std::move(files.rows);
  }
  const eval::Rows before = eval::read_rows(run.directory.metrics());
  for (const eval::NoteRow& note : before.note)
    if (note.text.starts_with(kFilesNote) && !note.text.ends_with(files.checksum))
      throw Error(ErrorCode::kInput,
                  "its rows give other tokens than those that this run began with, so it cannot go on; restore the "
                  "files from a copy, or choose another --out",
                  "sft.data");
  return std::move(files.rows);
}

}  // namespace

void run_sft(Run& run) {
  const SftOptions& o = run.recipe.sft;
  if (!run.policy.exists())  // a recipe without pretraining starts from scratch
    run.policy = run.on_device(model::make_parameters(run.recipe.model, run.recipe.init, run.key.child("init")));
  const base::RngKey key = run.key.child("sft");
  LiveDoctor doctor(run.recipe, run.directory.metrics());
  // Practice takes its share of each batch, what is given has the rest.
  const auto share_of = [](double share, int64_t tokens) {
    return static_cast<int64_t>(share * static_cast<double>(tokens));
  };
  const int64_t practice_tokens = share_of(o.practice_share, o.train.batch_tokens);
  const int64_t given_tokens = o.train.batch_tokens - practice_tokens;
  const int64_t data_tokens = o.solutions.empty() ? given_tokens : share_of(o.data_share, given_tokens);
  Epochs data, solutions;
  if (!o.data.empty()) data = Epochs(rows_of_files(run), o.train.steps, data_tokens, key.child("data"));
  if (!o.solutions.empty()) {
    doctor.watch_data("sft", 0, held_out_instances(solved_problems(run.recipe)));
    const int64_t tokens = o.data.empty() ? given_tokens : given_tokens - data_tokens;
    solutions = Epochs(solution_rows(run.recipe, run.codec), o.train.steps, tokens, key);
  }
  const auto batch = [&](int64_t step) {
    std::vector<learn::Row> rows;
    if (solutions.rows.empty() && data.rows.empty()) {
      rows = sft_batch(run.recipe, run.key, step);
      doctor.watch_data("sft", step + 1, held_out_instances(rows));
      return rows;
    }
    solutions.add_batch(step, rows);
    data.add_batch(step, rows);
    const base::RngKey practice = key.child("practice").child(static_cast<uint64_t>(step));
    fill_batch(
        practice_tokens, run.recipe.model.context,
        [&](int64_t i) {
          return learn::make_row(
              craft::practice_sheet(run.codec.tokenizer(), practice.child(static_cast<uint64_t>(i)), kPracticeLines));
        },
        rows);
    return rows;
  };
  learn::Learner learner(run.policy, o.train.learner, run.workers);
  train_stage(run, {"sft", o.train.steps, o.train.checkpoint_every}, run.policy, learner,
              {[&](int64_t step, const Cost& before) {
                 return imitate(learner, doctor, batch(step), o.train, "sft", step, before);
               },
               [&](int64_t done, const Cost& so_far, std::string& metric) {
                 if (done != o.train.steps || o.eval_problems == 0) return;
                 write_sft_gain(run, done, write_greedy_accuracy(run, "sft", done, so_far, o.eval_problems, metric));
               }});
  run.before_rl = run.policy;
}

}  // namespace ponder::recipes
