#include "ponder/recipes/recipe.h"

#include <algorithm>

#include "ponder/base/file.h"
#include "ponder/craft/solution_forms.h"
#include "ponder/learn/losses.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/start.h"
#include "ponder/tasks/dataset.h"
#include "ponder/tasks/task.h"
#include "ponder/text/format.h"

namespace ponder::recipes {
namespace {

std::vector<std::string> task_choices() {
  std::vector<std::string> names;
  for (const auto* table : {&tasks::all_tasks(), &tasks::dataset_tasks()})
    for (const tasks::Task* task : *table) names.push_back(task->name());
  return names;
}

std::vector<std::string> names_of(const std::vector<const tasks::Task*>& table) {
  std::vector<std::string> names;
  for (const tasks::Task* task : table) names.push_back(task->name());
  return names;
}

std::vector<std::string> policy_loss_names() {
  std::vector<std::string> names;
  for (const learn::LossInfo& loss : learn::all_losses())
    if (loss.kind == learn::LossKind::kPolicy) names.emplace_back(loss.name);
  return names;
}

// A combination of knobs that cannot be; load_recipe() turns the keys into the place where the first of them is set.
[[noreturn]] void impossible(const std::string& keys, const std::string& message) {
  throw Error(ErrorCode::kUsage, message, keys);
}

}  // namespace

void StartOptions::fields(base::Fields& f) {
  f.field(
      "from", from,
      {.help = "MODEL to start from, which then says shape and tokenizer: a Hugging Face directory, a run directory "
               "or a .gguf file; empty = drawn weights of the shape that `model` says"});
  f.group("lora", lora, "with init.from: train an adapter beside its weights (LoRA), in place of all of them");
  InitOptions::fields(f);
}

void TaskMix::fields(base::Fields& f) {
  f.field("tasks", tasks, {.help = "tasks that problems are drawn from", .choices = task_choices()});
  f.field("weights", weights, {.min = 0, .max = 1e6, .help = "share of each task, in the same order"});
}

void TaskMix::check(const std::string& where) const {
  if (tasks.empty()) impossible(where + ".tasks", where + ".tasks is empty; name at least one task");
  if (tasks.size() != weights.size())
    impossible(base::cat(where, ".weights ", where, ".tasks"),
               base::cat(where, ".weights has ", weights.size(), " numbers for ", tasks.size(),
                         " tasks; give one weight a task"));
  double sum = 0;
  for (double w : weights) sum += w;
  if (sum <= 0) impossible(where + ".weights", where + ".weights are all 0; at least one must be positive");
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
  f.group("text", text, "what the generated text is made of");
}

void SftOptions::fields(base::Fields& f) {
  f.group("train", train, "steps and learning rate");
  f.field("pretrain_share", pretrain_share,
          {.min = 0, .max = 0.9, .help = "share of each batch that stays pre-training text"});
  f.group("demos", demos, "the teacher: its behaviours and its imperfections");
  f.field("solutions", solutions,
          {.help = "tasks from files whose worked solutions are learned, in place of demonstrations",
           .choices = names_of(tasks::dataset_tasks())});
  f.field(
      "solution_forms", solution_forms,
      {.help = "how they are written, each problem once in each form that it has: steps alone, operations (what will "
               "be done comes first), amounts (the numbers with what they count come first), question (what is asked "
               "comes first), check (the inverse comes last)",
       .choices = craft::solution_forms()});
  f.field("practice_share", practice_share,
          {.min = 0,
           .max = 0.95,
           .help = "with solutions or data: share of each batch that is practice, made-up sums whose results are "
                   "learned"});
  f.field("data", data,
          {.help = "with init.from: files of your own rows to learn from, JSONL (.gz and .zst too) or Parquet: texts, "
                   "conversations, prompts with completions (docs/file-formats.md)"});
  f.field("data_share", data_share,
          {.min = 0.01, .max = 0.99, .help = "with data and solutions: share of data in what is no practice"});
  f.field("bad_rows", bad_rows,
          {.min = 0, .max = 1e9, .unit = "rows", .help = "bad rows of data that are left out; one more is an error"});
  f.field("eval_problems", eval_problems,
          {.min = 0, .max = 1e6, .help = "test problems a task of rl.mix, answered greedily at the end; 0 = none"});
}

void BaseOptions::fields(base::Fields& f) {
  f.field("tasks", tasks, {.help = "tasks that are tried", .choices = names_of(tasks::dataset_tasks())});
  f.field("problems", problems, {.min = 1, .max = 1e6, .help = "test problems of each of them"});
  f.field("max_tokens", max_tokens, {.min = 1, .max = 1e6, .unit = "tokens", .help = "longest completion"});
  f.group("prompt", prompt, "how the model is asked then");
}

void CriticOptions::fields(base::Fields& f) {
  f.field("kind", kind,
          {.help = "value_head: a network that reads what it judges; confidence: the policy's own log-probs, weighted. "
                   "Of the other knobs confidence has window, problems, completions, dev_problems, max_tokens, "
                   "temperature and mix",
           .choices = {"value_head", "confidence"}});
  f.field("window", window,
          {.min = 0, .max = 1024, .help = "confidence: log-probs at the end that have a weight of their own"});
  f.field("problems", problems, {.min = 1, .max = 1e9, .help = "training problems"});
  f.field("completions", completions, {.min = 1, .max = 1024, .help = "completions a problem"});
  f.field("prefixes", prefixes, {.min = 0, .max = 1024, .help = "labelled step ends a completion; 0 = answers alone"});
  f.field("prefix_weight", prefix_weight,
          {.min = 0.001, .max = 1, .help = "weight of such a label, when one in an answer weighs 1"});
  f.field(
      "rollouts", rollouts,
      {.min = 0,
       .max = 1024,
       .help = "re-rollouts a prefix, whose share of right answers is its label; 0 = the completion's own verdict"});
  f.field(
      "spoiled", spoiled,
      {.min = 0, .max = 1, .help = "share of right completions that are also learned with a spoiled, wrong answer"});
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
  f.field("repairs", repairs,
          {.min = 0, .max = 1e6, .help = "slips a step, planted into the step's own thoughts, to learn to mend them"});
  f.field("repair_advantage", repair_advantage, {.min = 0, .max = 100, .help = "advantage of mending such a slip"});
  f.group("mix", mix, "tasks that are reinforced");
  f.group("reward", reward, "verdict to reward");
  f.group("advantage", advantage, "rewards to advantages");
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
  f.field("stopping_strategies", stopping_strategies,
          {.help = "searches of the first task that end before their budget where they can",
           .choices = {"reject", "first", "agree"}});
  f.field("stopping_budgets", stopping_budgets,
          {.min = 1, .max = 1e7, .unit = "tokens", .help = "most tokens of those"});
  f.field(
      "oracle", oracle,
      {.help = "yes: a control at those budgets, what reject does when a verifier who knows the right answers judges",
       .choices = {"no", "yes"}});
  f.field("before_rl", before_rl, {.help = "the sampling family on the model before RL too"});
  f.group("reject", reject, "rejection with early acceptance");
  f.group("first", first, "the same without a judge");
  f.group("agree", agree, "the same with two votes for a judge");
  f.group("beam", beam, "step beam search");
  f.group("dvts", dvts, "diverse verifier tree search");
  f.group("mcts", mcts, "Monte-Carlo tree search");
  f.group("best_first", best_first, "best-first search");
}

void ProbeOptions::fields(base::Fields& f) {
  f.field("tasks", tasks, {.help = "tasks whose thoughts are probed", .choices = names_of(tasks::all_tasks())});
  f.field("problems", problems, {.min = 1, .max = 1e6, .help = "test problems of each of them"});
  f.field("max_tokens", max_tokens,
          {.min = 1, .max = 1e6, .unit = "tokens", .help = "longest thought, and longest continuation of a slip"});
}

void ReportOptions::fields(base::Fields& f) {
  f.field("transcripts", transcripts, {.min = 0, .max = 1000, .help = "test problems shown before and after RL"});
}

void Recipe::fields(base::Fields& f) {
  f.field("name", name, {.help = "name of the run and, without --out, of its directory"});
  f.field("seed", seed, {.min = 0, .max = 9e15, .help = "all randomness; the same seed gives the same bits"});
  f.field("workers", workers, {.min = 0, .max = 1024, .help = "worker threads; 0 = one a core"});
  f.field("device", device, {.help = "auto, cpu or cuda"});
  f.field("evaluate", evaluate,
          {.help = "split whose problems are answered: dev while a recipe is being chosen, test for what is reported",
           .choices = {"test", "dev"}});
  f.field("stages", stages,
          {.help = "what is run, in this order",
           .choices = {"pretrain", "base", "sft", "critic", "rl", "critic_rl", "probe", "search", "report"}});
  f.field("data", data,
          {.help = "folder with svamp/, gsm8k/ and math/, for tasks whose problems come from files; empty = what the "
                   "environment variable PONDER_DATA names"});
  f.group("model", model, "shape of the decoder");
  f.group("init", init, "weights at the start");
  f.group("engine", engine, "batches and cache of the sampler");
  f.group("prompt", prompt, "with init.from: how the model is asked, and how it is taught to answer");
  f.group("pretrain", pretrain, "next-token learning on generated text");
  f.group("base", base, "a real model's answers before anything is learned");
  f.group("sft", sft, "imitation of imperfect demonstrations");
  f.group("critic", critic, "value head on verdicts of answers and of rollouts behind steps");
  f.group("rl", rl, "reinforcement learning from exact verifiers");
  f.group("search", search, "test-time compute");
  f.group("probe", probe, "self-correction of planted slips");
  f.group("report", report, "what the report shows");
}

namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// Each stage once, and behind what it needs.
void check_stages(const std::vector<std::string>& stages, bool from_model) {
  if (stages.empty()) impossible("stages", "stages is empty; name at least one stage");
  std::vector<std::string> before;
  for (const std::string& stage : stages) {
    if (contains(before, stage)) impossible("stages", base::cat("stages names ", stage, " twice; a stage runs once"));
    if (stage == "pretrain" && !before.empty())
      impossible("stages", "stages must begin with pretrain where it is named: it starts from nothing");
    const bool has_policy = from_model || contains(before, "pretrain") || contains(before, "sft");
    if ((stage == "critic" || stage == "rl" || stage == "probe" || stage == "search") && !has_policy)
      impossible("stages", base::cat("stage ", stage,
                                     " needs a policy; put pretrain or sft before it, or name a model "
                                     "with init.from"));
    if (stage == "base" && (contains(before, "sft") || contains(before, "rl")))
      impossible("stages", "stage base is for the model before anything is learned; put it before sft and rl");
    if (stage == "critic_rl" && !contains(before, "rl"))
      impossible("stages", "stage critic_rl is for the policy behind rl; put rl before it");
    before.push_back(stage);
  }
}

bool is_dataset(const std::string& task) { return contains(names_of(tasks::dataset_tasks()), task); }

// A real model reads words, a drawn one the tasks' own language.
void check_start(const Recipe& recipe) {
  const bool real = !recipe.init.from.empty();
  const auto check = [&](const char* stage, const char* key, const std::vector<std::string>& tasks) {
    for (const std::string& task : tasks)
      if (contains(recipe.stages, stage) && is_dataset(task) != real)
        impossible(key, base::cat(key, " names ", task, ", which ",
                                  real ? "has a language of its own that a real model (init.from) does not read"
                                       : "is in words that only a real model reads; name one with init.from"));
  };
  check("rl", "rl.mix.tasks", recipe.rl.mix.tasks);
  if (recipe.sft.eval_problems > 0) check("sft", "rl.mix.tasks", recipe.rl.mix.tasks);  // that it answers at its end
  check("critic", "critic.mix.tasks", recipe.critic.mix.tasks);
  check("critic_rl", "critic.mix.tasks", recipe.critic.mix.tasks);
  check("search", "search.tasks", recipe.search.tasks);
  check("search", "search.harder_tasks", recipe.search.harder_tasks);
  if (contains(recipe.stages, "base") && recipe.base.tasks.empty())
    impossible("base.tasks", "base.tasks is empty; name at least one task");
  if (!real) {
    if (contains(recipe.stages, "base")) impossible("stages", "stage base needs a real model; name one with init.from");
    if (!recipe.sft.solutions.empty())
      impossible("sft.solutions", "sft.solutions are in words that only a real model reads; name one with init.from");
    if (!recipe.sft.data.empty())
      impossible("sft.data",
                 "sft.data are texts and conversations that only a real model reads; name one with init.from");
    if (recipe.sft.practice_share > 0)
      impossible("sft.practice_share", "sft.practice_share is for a real model's words; name one with init.from");
    return;
  }
  for (const char* stage : {"pretrain", "probe"})
    if (contains(recipe.stages, stage))
      impossible("stages", base::cat("stage ", stage,
                                     " is for models that ponder has begun itself; leave it out with "
                                     "init.from"));
  if (contains(recipe.stages, "sft") && recipe.sft.solution_forms.empty())
    impossible("sft.solution_forms", "sft.solution_forms is empty; name at least one form");
  if (contains(recipe.stages, "sft") && recipe.sft.solutions.empty() && recipe.sft.data.empty())
    impossible("sft.solutions sft.data",
               "with init.from, sft learns worked solutions or rows of your own; name tasks that have solutions in "
               "sft.solutions, or files in sft.data");
  if (contains(recipe.stages, "sft") && recipe.sft.pretrain_share > 0)
    impossible("sft.pretrain_share",
               "sft.pretrain_share is text in the tasks' own language; it must be 0 with init.from");
  if (contains(recipe.stages, "rl") && recipe.rl.repairs > 0)
    impossible("rl.repairs", "rl.repairs are in the tasks' own language; it must be 0 with init.from");
}

// What an adapter can stand beside, and what can be learned with one.
void check_adapter(const Recipe& recipe) {
  if (!recipe.init.trains_adapter()) return;
  if (recipe.init.from.empty())
    impossible("init.lora.r", "init.lora.r asks for an adapter beside a real model; name one with init.from");
  if (recipe.init.lora.target_modules.empty())
    impossible("init.lora.target_modules", "init.lora.target_modules is empty; leave it out for all linear layers");
  for (const char* stage : {"critic", "critic_rl"})
    if (contains(recipe.stages, stage) && recipe.critic.kind == "value_head")
      impossible("critic.kind stages init.lora.r",
                 base::cat("stage ", stage,
                           " with critic.kind=value_head trains all weights of a second model, and "
                           "init.lora.r trains an adapter alone; use critic.kind=confidence"));
}

// A harder split says something only where nothing was trained on it.
void check_harder_tasks(const Recipe& recipe) {
  for (const std::string& task : recipe.search.harder_tasks) {
    for (const auto& [where, tasks] :
         {std::pair{"sft.demos.tasks", &recipe.sft.demos.tasks},
          std::pair{"critic.mix.tasks", &recipe.critic.mix.tasks}, std::pair{"rl.mix.tasks", &recipe.rl.mix.tasks}})
      if (contains(*tasks, task))
        impossible(
            base::cat("search.harder_tasks ", where),
            base::cat("search.harder_tasks names ", task, ", which ", where, " trains on; take it out of one of them"));
  }
}

void check_demos(const craft::DemoOptions& o) {
  if (o.tasks.empty()) impossible("sft.demos.tasks", "sft.demos.tasks is empty; name at least one task");
  if (o.tasks.size() != o.shares.size())
    impossible("sft.demos.shares sft.demos.tasks", base::cat("sft.demos.shares has ", o.shares.size(), " numbers for ",
                                                             o.tasks.size(), " tasks; give one share a task"));
  if (std::ranges::none_of(o.shares, [](double share) { return share > 0; }))
    impossible("sft.demos.shares", "sft.demos.shares are all 0; at least one must be positive");
}

// It becomes a directory's name.
void check_name(const std::string& name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    impossible("name", base::cat("name = \"", name,
                                 "\" cannot name a directory; it must not be empty, . or .. and must "
                                 "hold no /"));
}

// Whether the device is there is the run's question; a directory may be read on another machine.
void check_device(const std::string& device) {
  const bool is_numbered = device.size() == 6 && device.starts_with("cuda:") && device[5] >= '0' && device[5] <= '9';
  if (device != "auto" && device != "cpu" && device != "cuda" && !is_numbered)
    impossible("device",
               base::cat("device = \"", device, "\" is not known; it must be auto, cpu, cuda or cuda:0 … cuda:9"));
}

// Prompt and longest completion of each stage that is run.
void check_context(const Recipe& recipe) {
  const auto check = [&](std::initializer_list<const char*> stages, const char* options, int64_t max_tokens) {
    const bool runs = std::ranges::any_of(stages, [&](const char* stage) { return contains(recipe.stages, stage); });
    if (!runs || recipe.model.context >= max_tokens + longest_prompt(recipe)) return;
    impossible(base::cat("model.context ", options, ".max_tokens"),
               base::cat("model.context = ", recipe.model.context, " is shorter than prompt and completion together (",
                         max_tokens + longest_prompt(recipe), " tokens); raise it or lower ", options, ".max_tokens"));
  };
  check({"rl"}, "rl", recipe.rl.max_tokens);
  if (recipe.sft.eval_problems > 0) check({"sft"}, "rl", recipe.rl.max_tokens);  // its greedy answers have rl's length
  check({"search"}, "search", recipe.search.max_tokens);
  check({"critic", "critic_rl"}, "critic", recipe.critic.max_tokens);
  check({"probe"}, "probe", recipe.probe.max_tokens);
  check({"base"}, "base", recipe.base.max_tokens);
}

// A confidence knows the log-probs of one policy at one temperature.
void check_confidence(const Recipe& recipe) {
  const auto place = [&](const char* stage) { return std::ranges::find(recipe.stages, stage) - recipe.stages.begin(); };
  const auto search = place("search"), count = std::ssize(recipe.stages);
  if (recipe.critic.kind != "confidence" || search == count) return;
  if (recipe.critic.temperature != recipe.search.temperature)
    impossible("critic.temperature search.temperature",
               base::cat("critic.kind=confidence judges samples drawn like those that it was fitted to, and "
                         "critic.temperature is ",
                         recipe.critic.temperature, " where search.temperature is ", recipe.search.temperature,
                         "; make them equal"));
  if (place("critic") < place("rl") && place("rl") < search && place("critic_rl") > search)
    impossible(
        "stages",
        "critic.kind=confidence is fitted to one policy, and rl makes another of it before search; put critic_rl "
        "behind rl");
}

void check_recipe(const Recipe& recipe) {
  check_name(recipe.name);
  check_device(recipe.device);
  if (recipe.sft.solutions.empty()) check_demos(recipe.sft.demos);
  check_stages(recipe.stages, !recipe.init.from.empty());
  check_start(recipe);
  check_adapter(recipe);
  check_harder_tasks(recipe);
  recipe.critic.mix.check("critic.mix");
  recipe.rl.mix.check("rl.mix");
  check_confidence(recipe);
  if (recipe.search.tasks.size() != recipe.search.problems.size())
    impossible("search.problems search.tasks",
               base::cat("search.problems has ", recipe.search.problems.size(), " numbers for ",
                         recipe.search.tasks.size(), " tasks; give one number a task"));
  if (recipe.search.budgets.empty())
    impossible("search.budgets", "search.budgets is empty; name at least one budget, in tokens");
  for (size_t i = 1; i < recipe.search.budgets.size(); ++i)
    if (recipe.search.budgets[i] <= recipe.search.budgets[i - 1])
      impossible("search.budgets", "search.budgets must be ascending");
  if (recipe.rl.group < 2 && recipe.rl.advantage.estimator != "reinforce")
    impossible("rl.group rl.advantage.estimator",
               "rl.group = 1 leaves nothing to compare; give at least 2 samples a problem");
  check_context(recipe);
}

constexpr const char* kCommandLine = "command line";

// Where a knob is set: "command line", "file:line", or "" when it has its default.
std::string place_of(const std::string& key, const base::Yaml& yaml, const std::string& path,
                     const std::vector<std::string>& overrides) {
  for (const std::string& o : overrides)
    if (o.starts_with(key + "=")) return kCommandLine;
  const base::Yaml* at = &yaml;
  for (size_t begin = 0; at && begin <= key.size();) {
    const size_t end = std::min(key.find('.', begin), key.size());
    at = at->find(key.substr(begin, end - begin));
    begin = end + 1;
  }
  return at ? base::cat(path, ":", at->key_line > 0 ? at->key_line : at->line) : "";
}

// keys: separated by spaces, the likeliest culprit first; one that the command line sets comes before all others. A
// file that sets none of them is named without a line.
std::string place_of_any(const std::string& keys, const base::Yaml& yaml, const std::string& path,
                         const std::vector<std::string>& overrides) {
  std::string first;
  for (size_t begin = 0; begin <= keys.size();) {
    const size_t end = std::min(keys.find(' ', begin), keys.size());
    const std::string place = place_of(keys.substr(begin, end - begin), yaml, path, overrides);
    if (place == kCommandLine) return place;  // what the file says was fine without it
    if (first.empty()) first = place;
    begin = end + 1;
  }
  return first.empty() ? path : first;
}

// A real model says its shape itself; `shape`: a directory that is asked in place of init.from.
void take_real_shape(Recipe& recipe, const std::string& shape) {
  const base::Json given = base::to_json(recipe.model);
  model::DecoderConfig plain;
  const base::Json defaults = base::to_json(plain);
  for (const auto& [key, value] : given.as_object())
    if (key != "compute" && value.dump() != defaults.at(key).dump())
      impossible("model." + key, base::cat("model.", key, " is what init.from says; leave it out"));
  const std::string compute = recipe.model.compute;
  if (shape.empty() && recipe.init.trains_adapter() && is_adapter_model(recipe.init.from))
    impossible("init.from init.lora.r",
               base::cat("init.from names an adapter, and init.lora.r asks for another beside it; merge the first: "
                         "ponder convert --from ",
                         recipe.init.from, " --to DIR"));
  recipe.model = read_model_config(shape.empty() ? recipe.init.from : shape);
  recipe.model.compute = compute;
}

// The model's own checks say "width = 100 …", for they know nothing of recipes.
void resolve_model(Recipe& recipe, const std::string& shape) {
  if (!recipe.init.from.empty()) {
    take_real_shape(recipe, shape);
  } else {
    recipe.model.vocab = static_cast<int64_t>(text::task_tokenizer().size());
    recipe.model.pad_id = text::kPad;
    recipe.model.eos_ids = {text::kEnd};
  }
  try {
    recipe.model.resolve();
  } catch (const Error& e) {
    const std::string key = "model." + e.message().substr(0, e.message().find(' '));
    if (!base::has_field(recipe, key)) throw;
    throw Error(e.code(), "model." + e.message(), key + " model");
  }
}

Recipe load(const std::string& path, const std::vector<std::string>& overrides, const std::string& shape) {
  Recipe recipe;
  const base::Yaml yaml = base::load_yaml(path);
  base::read_fields(recipe, yaml, path);
  for (const std::string& o : overrides) base::override_field(recipe, o);
  try {
    resolve_model(recipe, shape);
    check_recipe(recipe);
  } catch (const Error& e) {
    if (e.code() != ErrorCode::kUsage) throw;
    throw Error(e.code(), e.message(), place_of_any(e.where(), yaml, path, overrides));
  }
  if (!recipe.data.empty()) tasks::set_data_folder(recipe.data);
  return recipe;
}

}  // namespace

Recipe as_written(Recipe recipe) {
  if (recipe.init.from.empty()) return recipe;
  const std::string compute = recipe.model.compute;
  recipe.model = {};
  recipe.model.compute = compute;
  return recipe;
}

int64_t longest_prompt(const Recipe& recipe) { return recipe.init.from.empty() ? kLongestPrompt : kLongestWordPrompt; }

bool has_stage(const Recipe& recipe, const std::string& stage) { return contains(recipe.stages, stage); }

tasks::Split evaluation_split(const Recipe& recipe) {
  return recipe.evaluate == "dev" ? tasks::Split::kDev : tasks::Split::kTest;
}

Recipe load_recipe(const std::string& path, const std::vector<std::string>& overrides) {
  return load(path, overrides, "");
}

Recipe recipe_of_run(const std::string& run_dir) {
  const std::string path = base::join_path(run_dir, "config.yaml");
  if (!base::is_directory(run_dir)) throw Error(ErrorCode::kInput, "no such run directory", run_dir);
  if (!base::file_exists(path)) throw Error(ErrorCode::kInput, "is missing; a run writes it first of all", path);
  return load(path, {}, newest_policy(run_dir));  // what it started from need not be there any more
}

}  // namespace ponder::recipes
