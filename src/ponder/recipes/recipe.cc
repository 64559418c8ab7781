#include "ponder/recipes/recipe.h"

#include "ponder/base/file.h"
#include "ponder/learn/losses.h"
#include "ponder/tasks/task.h"
#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

std::vector<std::string> task_choices() {
  std::vector<std::string> names;
  for (const tasks::Task* task : tasks::all_tasks()) names.push_back(task->name());
  return names;
}

std::vector<std::string> policy_loss_names() {
  std::vector<std::string> names;
  for (const learn::LossInfo& loss : learn::all_losses())
    if (loss.kind == learn::LossKind::kPolicy) names.emplace_back(loss.name);
  return names;
}

[[noreturn]] void impossible(const std::string& message) { throw Error(ErrorCode::kUsage, message, "recipe"); }

}  // namespace

void TaskMix::fields(base::Fields& f) {
  f.field("tasks", tasks, {.help = "tasks that problems are drawn from", .choices = task_choices()});
  f.field("weights", weights, {.min = 0, .max = 1e6, .help = "share of each task, in the same order"});
}

void TaskMix::check(const std::string& where) const {
  if (tasks.empty()) impossible(where + ".tasks is empty; name at least one task");
  if (tasks.size() != weights.size())
    impossible(base::cat(where, ".weights has ", weights.size(), " numbers for ", tasks.size(),
                         " tasks; give one weight a task"));
  double sum = 0;
  for (double w : weights) sum += w;
  if (sum <= 0) impossible(where + ".weights are all 0; at least one must be positive");
}

void TrainOptions::fields(base::Fields& f) {
  f.field("steps", steps, {.min = 1, .max = 1e9, .unit = "steps", .help = "gradient steps"});
  f.field("batch_tokens", batch_tokens, {.min = 64, .max = 1e8, .unit = "tokens", .help = "tokens a step (not rl)"});
  f.field("checkpoint_every", checkpoint_every,
          {.min = 1, .max = 1e9, .unit = "steps", .help = "steps between checkpoints"});
  f.field("lr", lr, {.min = 0, .max = 1, .help = "learning rate at its highest"});
  f.group("schedule", schedule, "learning rate over the steps");
  f.group("learner", learner, "how weights move");
}

void PretrainOptions::fields(base::Fields& f) {
  f.group("train", train, "steps and learning rate");
  f.group("text", text, "what the generated text is made of (P1, P6)");
}

void SftOptions::fields(base::Fields& f) {
  f.group("train", train, "steps and learning rate");
  f.field("pretrain_share", pretrain_share,
          {.min = 0, .max = 0.9, .help = "share of each batch that stays pre-training text"});
  f.group("demos", demos, "the teacher: its behaviours and its imperfections (P2, P7, P12)");
  f.field("eval_problems", eval_problems,
          {.min = 1, .max = 1e6, .help = "test problems a task, answered greedily at the end"});
}

void CriticOptions::fields(base::Fields& f) {
  f.field("problems", problems, {.min = 1, .max = 1e9, .help = "training problems"});
  f.field("completions", completions, {.min = 1, .max = 1024, .help = "completions a problem"});
  f.field("prefixes", prefixes, {.min = 1, .max = 1024, .help = "labelled step ends a completion"});
  f.field("rollouts", rollouts,
          {.min = 1, .max = 1024, .help = "re-rollouts a prefix; their share of right answers is its label"});
  f.field("max_tokens", max_tokens, {.min = 1, .max = 1e6, .unit = "tokens", .help = "longest completion"});
  f.field("dev_problems", dev_problems,
          {.min = 1, .max = 1e6, .help = "dev problems a task that the critic is measured on"});
  f.field("temperature", temperature, {.min = 0.05, .max = 5, .help = "of completions and re-rollouts"});
  f.group("mix", mix, "tasks that the critic learns");
  f.group("train", train, "steps and learning rate");
}

void RlOptions::fields(base::Fields& f) {
  f.field("prompts", prompts, {.min = 1, .max = 1e6, .help = "problems a step"});
  f.field("group", group, {.min = 1, .max = 4096, .help = "samples a problem (G)"});
  f.field("max_tokens", max_tokens, {.min = 1, .max = 1e6, .unit = "tokens", .help = "longest completion"});
  f.field("temperature", temperature, {.min = 0.05, .max = 5, .help = "of sampling; the loss uses the log-probs at 1"});
  f.field("algo", algo, {.help = "policy-gradient algorithm", .choices = policy_loss_names()});
  f.group("loss", loss, "knobs of the algorithm; −1 = the algorithm's own");
  f.field("eval_every", eval_every,
          {.min = 1, .max = 1e9, .unit = "steps", .help = "steps between greedy evaluations"});
  f.field("eval_problems", eval_problems, {.min = 1, .max = 1e6, .help = "test problems a task in those"});
  f.field(
      "shuffle_rewards", shuffle_rewards,
      {.help = "yes: a control, rewards are permuted over the batch and carry no signal", .choices = {"no", "yes"}});
  f.group("mix", mix, "tasks that are reinforced");
  f.group("reward", reward, "verdict to reward (R1)");
  f.group("advantage", advantage, "rewards to advantages (L2, L4)");
  f.group("train", train, "steps and learning rate");
}

void SearchStageOptions::fields(base::Fields& f) {
  f.field("tasks", tasks, {.help = "tasks that are searched", .choices = task_choices()});
  f.field("problems", problems, {.min = 1, .max = 1e6, .help = "test problems of each of them"});
  f.field("harder_tasks", harder_tasks,
          {.help = "a harder split, never trained on; greedy and majority", .choices = task_choices()});
  f.field("harder_problems", harder_problems, {.min = 1, .max = 1e6, .help = "problems of each of those"});
  f.field("budgets", budgets,
          {.min = 1,
           .max = 1e7,
           .unit = "tokens",
           .help = "most tokens a problem, written and read by the critic; ascending"});
  f.field("pool", pool, {.min = 1, .max = 4096, .help = "samples a problem behind majority, best-of-N and pass@k"});
  f.field("temperature", temperature, {.min = 0.05, .max = 5, .help = "of that pool"});
  f.field("max_tokens", max_tokens, {.min = 1, .max = 1e6, .unit = "tokens", .help = "longest completion"});
  f.field("tree_strategies", tree_strategies,
          {.help = "searches that run at every budget", .choices = {"beam", "dvts", "mcts", "best-first"}});
  f.field("before_rl", before_rl, {.help = "the sampling family on the model before RL too"});
  f.group("beam", beam, "step beam search (S2)");
  f.group("dvts", dvts, "diverse verifier tree search (S2)");
  f.group("mcts", mcts, "Monte-Carlo tree search (S4)");
  f.group("best_first", best_first, "best-first search (S6)");
}

void ReportOptions::fields(base::Fields& f) {
  f.field("transcripts", transcripts, {.min = 0, .max = 1000, .help = "test problems shown before and after RL"});
}

void Recipe::fields(base::Fields& f) {
  f.field("name", name, {.help = "name of the run and, without --out, of its directory"});
  f.field("seed", seed, {.min = 0, .max = 9e15, .help = "all randomness; the same seed gives the same bits"});
  f.field("workers", workers, {.min = 0, .max = 1024, .help = "worker threads; 0 = one a core"});
  f.field("device", device, {.help = "auto, cpu or cuda"});
  f.field("stages", stages,
          {.help = "what is run, in this order",
           .choices = {"pretrain", "sft", "critic", "rl", "critic_rl", "search", "report"}});
  f.group("model", model, "shape of the decoder");
  f.group("init", init, "weights at the start");
  f.group("engine", engine, "batches and cache of the sampler");
  f.group("pretrain", pretrain, "next-token learning on generated text (P1, P6)");
  f.group("sft", sft, "imitation of imperfect demonstrations (P2, P7, P12)");
  f.group("critic", critic, "value head on Monte-Carlo labels (R6)");
  f.group("rl", rl, "reinforcement learning from exact verifiers (R1, L4)");
  f.group("search", search, "test-time compute (S1, S2, S4)");
  f.group("report", report, "what the report shows");
}

namespace {

void check_recipe(const Recipe& recipe) {
  recipe.critic.mix.check("critic.mix");
  recipe.rl.mix.check("rl.mix");
  if (recipe.search.tasks.size() != recipe.search.problems.size())
    impossible(base::cat("search.problems has ", recipe.search.problems.size(), " numbers for ",
                         recipe.search.tasks.size(), " tasks; give one number a task"));
  for (size_t i = 1; i < recipe.search.budgets.size(); ++i)
    if (recipe.search.budgets[i] <= recipe.search.budgets[i - 1]) impossible("search.budgets must be ascending");
  if (recipe.rl.group < 2 && recipe.rl.advantage.estimator != "reinforce")
    impossible("rl.group = 1 leaves nothing to compare; give at least 2 samples a problem");
  const int64_t longest = std::max(recipe.rl.max_tokens, recipe.search.max_tokens) + kLongestPrompt;
  if (recipe.model.context < longest)
    impossible(base::cat("model.context = ", recipe.model.context, " is shorter than prompt and completion together (",
                         longest, " tokens); raise it or lower rl.max_tokens and search.max_tokens"));
}

}  // namespace

Recipe load_recipe(const std::string& path, const std::vector<std::string>& overrides) {
  Recipe recipe;
  const base::Yaml yaml = base::load_yaml(path);
  base::read_fields(recipe, yaml, path);
  for (const std::string& o : overrides) base::override_field(recipe, o);
  recipe.model.vocab = static_cast<int64_t>(text::task_tokenizer().size());
  recipe.model.pad_id = text::kPad;
  recipe.model.eos_ids = {text::kEnd};
  recipe.model.resolve();
  check_recipe(recipe);
  return recipe;
}

}  // namespace ponder::recipes
