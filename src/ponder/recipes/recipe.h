// A recipe: everything that a run is made from, in one struct. recipes/*.yaml say it in YAML; config.yaml in the run
// directory holds it resolved.
#pragma once
#include <string>
#include <vector>

#include "ponder/base/fields.h"
#include "ponder/craft/demonstrations.h"
#include "ponder/craft/pretrain_text.h"
#include "ponder/engine/options.h"
#include "ponder/learn/learner.h"
#include "ponder/model/adapter.h"
#include "ponder/model/config.h"
#include "ponder/model/weights.h"
#include "ponder/reward/advantage.h"
#include "ponder/reward/outcome.h"
#include "ponder/search/options.h"
#include "ponder/tasks/task.h"
#include "ponder/tasks/word_options.h"

namespace ponder::recipes {

inline constexpr int64_t kLongestPrompt = 48;       // tokens; no procedural task's question is longer
inline constexpr int64_t kLongestWordPrompt = 512;  // tokens that are kept free for a problem in words

// Weights at the start: drawn, or those of a real model, which then gives the shape and the tokenizer too.
struct StartOptions : model::InitOptions {
  std::string from;  // MODEL: a Hugging Face directory, a run directory or a .gguf file; "" = drawn
  model::AdapterConfig lora{.r = 0, .lora_alpha = 32, .target_modules = model::adapter_modules()};
  bool trains_adapter() const { return lora.r > 0; }  // it alone is trained, and what checkpoints hold
  void fields(base::Fields& f);
};

// Tasks with their shares of the problems: tasks[i] is drawn with probability ∝ weights[i].
struct TaskMix {
  std::vector<std::string> tasks = {"countdown3", "countdown4", "vm3"};
  std::vector<double> weights = {1, 1, 1};
  void fields(base::Fields& f);
  void check(const std::string& where) const;  // Error(kUsage): unknown task, other number of weights
};

// What all learning stages have.
struct TrainOptions {
  int64_t steps = 400;
  int64_t batch_tokens = 8192;  // imitation and critics; rl has its prompts
  int64_t checkpoint_every = 200;
  double lr = 1e-3;
  learn::ScheduleOptions schedule;
  learn::LearnerOptions learner;
  void fields(base::Fields& f);
  double lr_at(int64_t step) const { return lr * learn::schedule_factor(schedule, step, steps); }
};

struct PretrainOptions {
  TrainOptions train;
  craft::PretrainOptions text;
  void fields(base::Fields& f);
};

struct SftOptions {
  TrainOptions train;
  double pretrain_share = 0.0;  // share of each batch that stays pre-training text
  craft::DemoOptions demos;
  std::vector<std::string> solutions = {};  // tasks whose worked solutions are learned in place of demonstrations
  std::vector<std::string> solution_forms = {"steps"};  // each problem once in each (craft/solution_forms.h)
  double practice_share = 0;           // of each batch, beside them: sheets of made-up sums (craft/solutions.h)
  std::vector<std::string> data = {};  // files of a user's own rows (training_files.h)
  double data_share = 0.5;             // of what practice leaves of each batch, where both data and solutions are named
  int64_t bad_rows = 0;                // of data that are left out; one more is an error
  int64_t eval_problems = 200;         // test problems a task, answered greedily at the end; 0: none
  void fields(base::Fields& f);
};

// What a real model can do before anything is learned: greedy answers behind worked examples.
struct BaseOptions {
  std::vector<std::string> tasks = {"svamp"};
  int64_t problems = 200;  // test problems of each
  int64_t max_tokens = 192;
  tasks::WordOptions prompt = {.style = "few-shot"};
  void fields(base::Fields& f);
};

// What judges answers in searches. value_head: a network of the policy's size, Math-Shepherd: prefixes of the
// policy's own completions, each labelled by the share of re-rollouts that are right. confidence: a few dozen numbers
// fitted to the log-probs and verdicts of such completions (core/confidence.h); it reads nothing and learns in seconds.
struct CriticOptions {
  std::string kind = "value_head";
  int64_t window = 48;        // confidence: log-probs at the end that have a weight of their own
  int64_t problems = 600;     // training problems
  int64_t completions = 4;    // a problem
  int64_t prefixes = 4;       // labelled step ends a completion; 0: answers alone
  double prefix_weight = 1;   // of such a label, when one in an answer weighs 1
  int64_t rollouts = 4;       // re-rollouts a prefix; 0: its own completion is the only one
  double spoiled = 0;         // share of right completions that are learned with a spoiled answer too
  int64_t dev_problems = 60;  // held-out problems that the critic's AUROC is measured on
  int64_t max_tokens = 192;
  double temperature = 1.0;
  TaskMix mix;
  TrainOptions train;
  void fields(base::Fields& f);
};

struct RlOptions {
  int64_t prompts = 32;  // a step
  int64_t group = 8;     // samples a prompt
  int64_t max_tokens = 192;
  double temperature = 1.0;
  std::string algo = "grpo";
  learn::LossOptions loss;  // clip, beta (the KL to the model that RL started from), …
  int64_t eval_every = 15;
  int64_t eval_problems = 200;         // test problems a task, always the same, answered greedily
  std::string shuffle_rewards = "no";  // control: rewards permuted over the batch carry no signal
  int64_t repairs = 0;                 // slips planted into the step's own thoughts, to learn to mend them (repairs.h)
  double repair_advantage = 0.5;
  TaskMix mix;
  reward::OutcomeOptions reward;
  reward::AdvantageOptions advantage;
  TrainOptions train;
  void fields(base::Fields& f);
};

struct SearchStageOptions {
  std::vector<std::string> tasks = {"countdown4", "vm3", "countdown3"};
  std::vector<int64_t> problems = {500, 200, 200};                // test problems of each task
  std::vector<std::string> harder_tasks = {"countdown5", "vm4"};  // never trained on
  int64_t harder_problems = 200;
  std::vector<int64_t> budgets = {128, 256, 512, 1024,
                                  2048};  // tokens a problem: written by the policy + read by the critic
  int64_t pool = 32;                      // samples a problem behind majority, best-of-N and pass@k
  double temperature = 0.8;               // of that pool
  int64_t max_tokens = 192;
  std::vector<std::string> tree_strategies = {"beam", "mcts"};
  std::vector<std::string> stopping_strategies = {};  // of the first task; they stop before their budget where they can
  std::vector<int64_t> stopping_budgets = {2048};     // theirs; what they spend on the mean is for comparisons
  std::string oracle = "no";                          // yes: a control, reject with the verifier in place of the critic
  bool before_rl = true;  // the sampling family on the model before RL too (SFT + search, the control)
  search::RejectOptions reject;
  search::FirstOptions first;
  search::AgreeOptions agree;
  search::BeamOptions beam;
  search::DvtsOptions dvts;
  search::MctsOptions mcts;
  search::BestFirstOptions best_first;
  void fields(base::Fields& f);
};

// Slips planted into greedy thoughts.
struct ProbeOptions {
  std::vector<std::string> tasks = {"countdown4", "countdown3", "vm3"};
  int64_t problems = 200;  // test problems of each
  int64_t max_tokens = 192;
  void fields(base::Fields& f);
};

struct ReportOptions {
  int64_t transcripts = 10;
  void fields(base::Fields& f);
};

struct Recipe {
  std::string name = "run";
  int64_t seed = 1;
  int64_t workers = 0;  // 0 = one a core; part of the same-bits promise
  std::string device = "auto";
  std::string evaluate = "test";  // "dev" while a recipe is being chosen, so that the test problems stay unseen
  std::vector<std::string> stages = {"pretrain", "sft", "critic", "rl", "critic_rl", "search", "report"};
  model::DecoderConfig model;
  StartOptions init;
  std::string data;  // folder of the tasks whose problems come from files; "" = what PONDER_DATA names
  engine::EngineOptions engine;
  tasks::WordOptions prompt = {.style = "plain"};
  PretrainOptions pretrain;
  BaseOptions base;
  SftOptions sft;
  CriticOptions critic;
  RlOptions rl;
  SearchStageOptions search;
  ProbeOptions probe;
  ReportOptions report;
  void fields(base::Fields& f);
};

// What config.yaml says: the shape of a real model is its file's to say.
Recipe as_written(Recipe recipe);
// Tokens that a prompt may have beside the longest completion.
int64_t longest_prompt(const Recipe& recipe);
bool has_stage(const Recipe& recipe, const std::string& stage);

// The split that `evaluate` names.
tasks::Split evaluation_split(const Recipe& recipe);

// Reads and checks a recipe file; overrides ("rl.train.steps=40") come last. Error(kUsage) names file, line and key.
Recipe load_recipe(const std::string& path, const std::vector<std::string>& overrides);
Recipe recipe_of_run(const std::string& run_dir);  // Error(kInput) when this is no run's directory

}  // namespace ponder::recipes
