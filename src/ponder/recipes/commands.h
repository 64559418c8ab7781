// What each command of the program does, behind plain argument structs; app/commands.cc fills them from the command
// line. Every function returns the exit status (0 fine, 1 some rows failed); errors that stop a command are thrown.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ponder::recipes {

struct RunArgs {
  std::string recipe;                  // RECIPE.yaml
  std::vector<std::string> overrides;  // "rl.train.steps=40"
  std::string out;                     // run directory; "" = runs/<recipe name>
  bool json = false;
  bool options = false;  // list every knob and leave
  bool dry_run = false;  // check, print the plan and leave
};
int command_run(const RunArgs& args);

struct ReportArgs {
  std::string dir;
  bool json = false;
};
int command_report(const ReportArgs& args);

struct DoctorArgs {
  std::string dir;
  bool json = false;
};
int command_doctor(const DoctorArgs& args);

struct ReplayArgs {
  std::string dir;
  int64_t step = 0;  // counted from 1
  int64_t show = 0;  // samples to print
  bool json = false;
};
int command_replay(const ReplayArgs& args);

// How a model that writes words is asked, where the command line says so (tasks/word_options.h).
struct WordArgs {
  std::optional<std::string> style, examples, answer, ask, system;
  std::optional<int64_t> shots;
  std::vector<std::string> stop;
};

// How a command's engines decode (engine/options.h).
struct DecodeArgs {
  int64_t kv_memory = 0;  // MiB of keys and values in all workers together; 0 = at most 1 GiB a worker
  std::string kv_dtype = "auto";
  std::string speculate;     // lookup or draft; "" = draft where one is named, else off
  std::string draft;         // MODEL with the same tokens
  int64_t draft_tokens = 0;  // most guesses of one round; 0 = the engine's default
};

// What solve and eval share: a model, problems, a search and its budget.
struct SolveArgs {
  std::string model;
  WordArgs words;
  std::string data;      // folder of the tasks whose problems come from files; "" = what PONDER_DATA names
  std::string prompt;    // one prompt as text (solve only)
  std::string problems;  // FILE.jsonl, or task:NAME[:train|dev|test] (eval)
  std::string task;      // task of rows that name none; "" = told by their fields
  std::string search = "greedy";
  std::vector<std::string> search_options;  // "n=16"
  int64_t budget_tokens = 0;                // 0 = no limit
  int64_t budget_nodes = 0;
  double budget_seconds = 0, budget_flops = 0;  // 0 = none
  int64_t n = 0;                                // how many problems; 0 = all of a file, 200 of a task
  int64_t seed = 1;
  int64_t workers = 0;           // 0 = one a core
  std::string rows;              // eval: also write a row a problem to this file
  std::string dump;              // FILE for the first problem's search tree, or DIR/ for one file a problem
  std::string weights = "auto";  // how they are kept (model/load.h)
  std::string adapter;           // a directory with an adapter, or ""
  std::string discriminator;     // MODEL with the same tokens that rstar's answers are held against; "" = the model
  DecodeArgs decode;
  bool stats = false;  // solve: what all problems cost together, behind the last of them
  bool json = false;
};
std::string search_help();  // a line a search and its options
int command_solve(const SolveArgs& args);
int command_eval(const SolveArgs& args);

struct ScalingArgs {
  ScalingArgs() { search.budget_tokens = 2048, search.n = 100; }
  std::string what;                     // "search"
  SolveArgs search;                     // model, problems, the largest budget
  std::vector<std::string> strategies;  // "mcts width=3"; empty: all that the model can run
  std::vector<int64_t> budgets;         // empty: an eighth, a quarter, a half of the largest, and it
  int64_t pool = 0;      // samples that the sampling family shares; 0 = 64, and until the budget is spent
  bool anytime = false;  // one search with the largest budget, the others read off it
  std::string shift;     // problems out of distribution: a task, task:NAME[:SPLIT] or FILE.jsonl; "" = none
  std::string out;       // directory; "" = runs/scaling-TASK
};
int command_scaling(const ScalingArgs& args);

struct TreeArgs {
  std::string file;              // what --dump wrote
  std::string out;               // PAGE.html; "" = to the terminal
  int64_t width = 0;             // columns; 0 = the terminal's
  std::optional<int64_t> depth;  // open every branch down to this level
  bool json = false;
};
int command_tree(const TreeArgs& args);

struct GenerateArgs {
  std::string model, prompt, tokens;  // one of the last two
  bool special = false;               // "<|im_end|>" in the prompt is that token
  bool chat = false;                  // the prompt is a user's message in the model's chat template
  std::string adapter;                // a directory with an adapter, or ""
  int64_t max_tokens = 256, top_k = 0, seed = 1, n = 1;
  double temperature = 1.0, top_p = 1.0, min_p = 0.0;
  std::vector<std::string> stop;  // texts that end a sample
  std::string weights = "auto";   // how they are kept (model/load.h)
  DecodeArgs decode;
  bool json = false;
};
int command_generate(const GenerateArgs& args);

struct ScoreArgs {
  std::string model, text, tokens, file;  // one of the last three; logits: of text and tokens
  bool special = false;                   // "<|im_end|>" in a text is that token
  std::string out;                        // logits only: FILE.safetensors
  std::string weights = "auto";           // how they are kept (model/load.h)
  std::string adapter;                    // a directory with an adapter, or ""
  bool json = false;
};
int command_score(const ScoreArgs& args);
int command_logits(const ScoreArgs& args);

struct TokenizeArgs {
  std::string model, text, file;
  bool decode = false, no_special = false, json = false;
  bool plain = false;  // "<|im_end|>" in the text is text
};
int command_tokenize(const TokenizeArgs& args);

struct ChatTemplateArgs {
  std::string model, messages;          // FILE.json: a list of messages, or an object with messages, tools, …
  std::string name;                     // which template; "" = as transformers chooses
  std::vector<std::string> set, trust;  // "enable_thinking=false"; roles whose text may hold special tokens
  bool no_generation_prompt = false, pieces = false, json = false;
};
int command_chat_template(const ChatTemplateArgs& args);

struct InfoArgs {
  std::string model;
  bool json = false;
};
int command_info(const InfoArgs& args);

struct ConvertArgs {
  std::string from, to;  // MODEL; a new directory, or FILE.gguf
  std::string dtype;     // f32, f16, bf16, q8_0 (GGUF only); "" = what most of the model's weights have
  std::string adapter;   // a directory with an adapter that is merged into the weights, or ""
  bool json = false;
};
int command_convert(const ConvertArgs& args);

struct VerifyArgs {
  std::string task, in;
  int64_t math_verify = 0;  // processes of math-verify beside ponder's own judge of math answers
  std::string math_verify_command = "python3 scripts/math_verify_worker.py";
  bool math_verify_all = false;  // ask them about wrong answers too
  bool json = false;
};
int command_verify(const VerifyArgs& args);

struct ProblemsArgs {
  std::string task, split = "test", data;
  int64_t n = 10, seed = 1;
  bool json = false;
};
int command_problems(const ProblemsArgs& args);

struct LossArgs {
  std::string algo, in;
  bool json = false;
};
int command_loss(const LossArgs& args);

struct BenchArgs {
  std::vector<std::string> names;
  int64_t threads = 0;  // 0 = one a core
  std::string dtype = "f32";
  int64_t repeats = 3;
  std::string model;             // time this one instead of the tiny one
  bool warm_up = true;           // one run of each before those that are timed
  std::string save_model;        // write the model that is timed to this directory and leave
  std::string weights = "auto";  // how they are kept (model/load.h)
  bool json = false;
};
std::string bench_help();  // a line a benchmark
int command_bench(const BenchArgs& args);

}  // namespace ponder::recipes
