// The command line: CLI11 here and nowhere else. Each subcommand fills a struct of recipes/commands.h and calls its
// function.
#include <CLI/CLI.hpp>
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include <charconv>
#include <functional>

#include "ponder/app/command_table.h"
#include "ponder/base/error.h"
#include "ponder/base/log.h"
#include "ponder/base/stop.h"
#include "ponder/recipes/commands.h"

namespace ponder::app {
namespace {

using namespace ponder::recipes;  // the argument structs

// Holds what the parser writes into; one of them is used by the subcommand that was named.
struct Arguments {
  RunArgs run;
  ReportArgs report;
  DoctorArgs doctor;
  ReplayArgs replay;
  SolveArgs solve, eval;
  ScalingArgs scaling;
  TreeArgs tree;
  GenerateArgs generate;
  ScoreArgs score, logits;
  TokenizeArgs tokenize;
  ChatTemplateArgs chat_template;
  InfoArgs info;
  ConvertArgs convert;
  VerifyArgs verify;
  ProblemsArgs problems;
  LossArgs loss;
  BenchArgs bench;
};

// CLI11's own range checks print the limits of a double; these say what would be right.
CLI::Validator at_least(double least) {
  return CLI::Validator(
      [least](std::string& text) -> std::string {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && value >= least) return "";
        return base::cat("\"", text, "\" does not fit; it must be a number of at least ", least);
      },
      "", "at least");
}

constexpr const char* kDataHelp =
    "folder of the tasks whose problems come from files: svamp/SVAMP.json, gsm8k/*.jsonl (default: what the "
    "environment "
    "variable PONDER_DATA names)";

CLI::Validator between(double least, double most) {
  return CLI::Validator(
      [=](std::string& text) -> std::string {
        double value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) return "";
        return base::cat("\"", text, "\" does not fit; it must be a number between ", least, " and ", most);
      },
      "", "between");
}

CLI::Validator between_0_and_1() { return between(0, 1); }

void add_weights(CLI::App* s, std::string& weights) {
  s->add_option(
       "--weights", weights,
       "how weights are kept: auto = as the files have them; f32, bf16; q8_0 = blocks of 32 numbers of 8 bits with one "
       "half-precision scale; q4_0 = such blocks of 4 bits for the layers' matrices, of 8 for embedding and head. With "
       "either, inputs of products are rounded to 8 bits: fast where few sequences are decoded, and less exact, q4_0 "
       "by much in small models")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "q8_0", "q4_0"}));
}

void add_special(CLI::App* s, bool& special) {
  s->add_flag("--special", special,
              "special tokens that are written in a text, such as <|im_end|>, are these tokens (else they are text); "
              "what the model wants around a text, such as <bos>, is added in any case");
}

void add_adapter(CLI::App* s, std::string& adapter) {
  s->add_option("--adapter", adapter, "a LoRA adapter of this model: a directory of PEFT's, or a run that trained one");
}

void add_decode(CLI::App* s, DecodeArgs& decode) {
  s->add_option(
       "--kv-memory", decode.kv_memory,
       "MiB that keys and values take in all workers together; where that is short, sequences wait or are read "
       "again, with the same results (default: at most 1 GiB a worker)")
      ->check(between(1, 1 << 30));
  s->add_option("--kv-dtype", decode.kv_dtype,
                "how keys and values are kept: auto = as the model computes, f32 or bf16; int8 takes half of bf16's "
                "memory, a quarter of f32's, and changes results a little")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}));
  s->add_option("--speculate", decode.speculate,
                "guess several tokens and read them in one pass; those that are right stay. lookup = what followed the "
                "last tokens where they stood before (the same results to the bit); draft = what --draft writes "
                "(greedy: the same; samples: the same distribution)")
      ->check(CLI::IsMember({"lookup", "draft"}));
  s->add_option("--draft", decode.draft, "a smaller MODEL with the same tokens, for --speculate draft");
  s->add_option("--draft-tokens", decode.draft_tokens, "most guesses of one round, 1 to 64 (default 4)")
      ->check(between(1, 64));
}

class Commands {
 public:
  explicit Commands(CLI::App& app) : app_(app) {
    app_.option_defaults()->always_capture_default();
    add_all();
  }
  int run() { return action_(); }

 private:
  CLI::App* add(const char* name, bool* json, std::function<int()> action) {
    const char* does = "";
    for (const CommandLine& c : kCommands)
      if (std::string(name) == c.name) does = c.does;
    CLI::App* sub = app_.add_subcommand(name, does);
    sub->add_flag("--json", *json, "results as JSON on standard output, nothing else there");
    sub->callback([this, action] { action_ = action; });
    return sub;
  }

  void add_run() {
    auto& a = args_.run;
    CLI::App* s = add("run", &a.json, [&a] { return command_run(a); });
    s->add_option("recipe", a.recipe, "RECIPE.yaml")->required();
    s->add_option("overrides", a.overrides, "knobs by their dotted name, for example rl.train.steps=40");
    s->add_option("--out", a.out, "run directory (default runs/<recipe name>); a run that is there is resumed")
        ->check([](const std::string& out) { return out.empty() ? "an empty name is no directory" : ""; });
    s->add_flag("--options", a.options, "list every knob with its value, range and meaning, and leave");
    s->add_flag("--dry-run", a.dry_run, "check the recipe, print what it needs (memory, disk, time), write nothing");
  }

  void add_run_readers() {
    auto& r = args_.report;
    CLI::App* s = add("report", &r.json, [&r] { return command_report(r); });
    s->add_option("dir", r.dir, "run directory")->required();
    auto& d = args_.doctor;
    s = add("doctor", &d.json, [&d] { return command_doctor(d); });
    s->add_option("dir", d.dir, "run directory; the run may still be going")->required();
    auto& p = args_.replay;
    s = add("replay", &p.json, [&p] { return command_replay(p); });
    s->add_option("dir", p.dir, "run directory")->required();
    s->add_option("--step", p.step, "RL step, from 1")->required()->check(at_least(1));
    s->add_option("--show", p.show, "print this many samples with their text")->check(at_least(0));
  }

  void add_search_options(CLI::App* s, SolveArgs& a) {
    s->add_option("--search", a.search, "a strategy of the list below");
    s->add_option("search_options", a.search_options, "options of the strategy, for example n=16 c_puct=1.5");
    s->add_option("--task", a.task, "task of the rows that name none");
    s->add_option("--budget-tokens", a.budget_tokens, "most tokens a problem (policy written + critic read)")
        ->check(at_least(0));
    s->add_option("--budget-nodes", a.budget_nodes, "most steps or samples a problem")->check(at_least(0));
    s->add_option("--budget-seconds", a.budget_seconds,
                  "most seconds a problem, from its start and beside the others in work; what comes of them depends on "
                  "the machine")
        ->check(CLI::NonNegativeNumber);
    s->add_option("--budget-flops", a.budget_flops,
                  "most FLOPs a problem, of all models; every token of prompt and search counts once")
        ->check(CLI::NonNegativeNumber);
    s->add_option(
        "--dump", a.dump,
        "write the first problem's search tree to this file (JSON), or with DIR/ every problem's to a file of "
        "its own; `ponder tree` shows them");
    add_solving_options(s, a);
  }

  // Who answers which problems, whatever the search.
  void add_solving_options(CLI::App* s, SolveArgs& a) {
    s->add_option("--model", a.model, "run directory, Hugging Face directory or GGUF file")->required();
    s->add_option("--seed", a.seed, "randomness; the same seed gives the same answers");
    s->add_option("--workers", a.workers, "worker threads; 0 = one a core")->check(at_least(0));
    s->add_option("--n", a.n, "how many problems (0: all of a file, 200 of a task)")->check(at_least(0));
    s->add_option("--data", a.data, kDataHelp);
    add_word_options(s, a.words);
    s->footer(base::cat("searches and their options:\n", search_help()));
    add_weights(s, a.weights);
    add_adapter(s, a.adapter);
    s->add_option("--discriminator", a.discriminator,
                  "rstar: another MODEL with the same tokens, which completes answers that are covered up in place of "
                  "the model itself; what it reads and writes counts in the budget");
    add_decode(s, a.decode);
  }

  // Options of models that write words; a run is asked as it was trained, others by the defaults.
  void add_word_options(CLI::App* s, WordArgs& w) {
    constexpr const char* kGroup = "Models that write words";
    s->add_option("--style", w.style,
                  "how a problem is put: few-shot (behind worked examples), chat (the model's chat template), plain "
                  "(\"Question: …\\nAnswer:\"); default: chat where the model has a template, else few-shot")
        ->check(CLI::IsMember({"auto", "plain", "few-shot", "chat"}))
        ->group(kGroup);
    s->add_option("--shots", w.shots, "few-shot: how many worked examples, at most (default 8)")
        ->check(at_least(0))
        ->group(kGroup);
    s->add_option("--examples", w.examples, "few-shot: FILE.jsonl with rows {\"question\", \"solution\"}")
        ->group(kGroup);
    s->add_option(
         "--answer", w.answer,
         "where the answer stands: boxed, hashes (#### 12), whole (either, or nothing but the answer), lenient "
         "(also a phrase, or the last number); default: as the task says")
        ->check(CLI::IsMember({"auto", "boxed", "hashes", "whole", "lenient"}))
        ->group(kGroup);
    s->add_option(
         "--ask", w.ask,
         "chat: what is said behind a question; none: nothing (default: for math tasks, where the answer should "
         "stand)")
        ->group(kGroup);
    s->add_option("--system", w.system, "chat: the system message")->group(kGroup);
    s->add_option("--stop", w.stop, "a text that ends a completion; several times for several texts")
        ->allow_extra_args(false)
        ->group(kGroup);
  }

  void add_solve_and_eval() {
    auto& a = args_.solve;
    CLI::App* s = add("solve", &a.json, [&a] { return command_solve(a); });
    add_search_options(s, a);
    auto* prompt = s->add_option("--prompt", a.prompt, "one prompt, in the model's own words");
    s->add_option("--problems", a.problems, "FILE.jsonl with a problem a row, or task:NAME[:train|dev|test]")
        ->excludes(prompt);
    s->add_flag("--stats", a.stats,
                "end with what all problems cost together: tokens written, processed, unique, discarded, run again and "
                "read to judge, FLOPs, time, tokens/s, memory of keys and values (with --json one more line, "
                "{\"stats\": …})");
    auto& e = args_.eval;
    s = add("eval", &e.json, [&e] { return command_eval(e); });
    add_search_options(s, e);
    s->add_option("--problems", e.problems, "FILE.jsonl or task:NAME[:train|dev|test]")->required();
    s->add_option("--rows", e.rows, "also write a row a problem to this file");
  }

  void add_scaling() {
    auto& a = args_.scaling;
    CLI::App* s = add("scaling", &a.search.json, [&a] { return command_scaling(a); });
    s->add_option("what", a.what, "search")->required();
    s->add_option(
        "strategies", a.strategies,
        "strategies of the list below, each with its options in one word for the shell: \"mcts width=3\"; none: "
        "all that the model can run");
    s->add_option("--task", a.search.task, "a task's test problems; or the task of rows that name none");
    s->add_option("--problems", a.search.problems, "FILE.jsonl or task:NAME[:train|dev|test]");
    s->add_option("--budget-tokens", a.search.budget_tokens, "the largest budget, tokens a problem")
        ->check(at_least(1));
    s->add_option("--budgets", a.budgets, "all budgets (default: an eighth, a quarter, a half of the largest, and it)")
        ->delimiter(',');
    s->add_option("--pool", a.pool,
                  "samples that the sampling family shares; 0 = 64, and more until the largest budget is spent")
        ->check(at_least(0));
    s->add_flag(
        "--anytime", a.anytime,
        "run each strategy with the largest budget alone and read the smaller ones off what it had found by then: "
        "half the work; such points are compared with nothing");
    s->add_option("--shift", a.shift,
                  "problems out of distribution: a task's test problems, task:NAME[:train|dev|test] or FILE.jsonl; of "
                  "these only a pool of samples is drawn, to see what the signals that search goes by have lost there");
    s->add_option("--out", a.out, "directory (default runs/scaling-TASK); a study that is there is gone on with");
    add_solving_options(s, a.search);
  }

  void add_tree() {
    auto& t = args_.tree;
    CLI::App* s = add("tree", &t.json, [&t] { return command_tree(t); });
    s->add_option("file", t.file, "what solve or eval --dump wrote")->required();
    s->add_option("--out", t.out, "write a page that draws the tree and replays the search: PAGE.html");
    s->add_option("--width", t.width, "columns of a line; 0 = the terminal's")->check(at_least(0));
    s->add_option("--depth", t.depth, "open every branch down to this level (default: the way to the answer)")
        ->check(at_least(0));
  }

  void add_model_commands() {
    auto& g = args_.generate;
    CLI::App* s = add("generate", &g.json, [&g] { return command_generate(g); });
    s->add_option("--model", g.model, "run directory, Hugging Face directory or GGUF file")->required();
    auto* prompt = s->add_option("--prompt", g.prompt, "text to go on from");
    s->add_option("--tokens", g.tokens, "ids to go on from, for example 1,2,3")->excludes(prompt);
    add_special(s, g.special);
    s->add_flag("--chat", g.chat,
                "the prompt is one message of a user, put as the model's own chat template has it; templates that tell "
                "the date are told 1 January 2025");
    s->add_option("--max-tokens", g.max_tokens, "most new tokens")->check(at_least(1));
    s->add_option("--temperature", g.temperature, "0 = greedy")->check(at_least(0));
    s->add_option("--top-p", g.top_p, "nucleus; 1 = off")->check(between_0_and_1());
    s->add_option("--top-k", g.top_k, "0 = off")->check(at_least(0));
    s->add_option("--min-p", g.min_p, "0 = off")->check(between_0_and_1());
    s->add_option("--seed", g.seed, "randomness");
    s->add_option("--n", g.n, "how many samples")->check(at_least(1));
    s->add_option("--stop", g.stop,
                  "a text that ends a sample, wherever its tokens begin and end; several times for several texts. The "
                  "text that is given ends before it, the tokens hold all that was written; $'\\n' is a line break");
    add_weights(s, g.weights);
    add_adapter(s, g.adapter);
    add_decode(s, g.decode);

    for (auto* a : {&args_.score, &args_.logits}) {
      const bool logits = a == &args_.logits;
      s = add(logits ? "logits" : "score", &a->json,
              [a, logits] { return logits ? command_logits(*a) : command_score(*a); });
      s->add_option("--model", a->model, "run directory, Hugging Face directory or GGUF file")->required();
      s->add_option("--text", a->text, "text");
      s->add_option("--tokens", a->tokens, "ids, for example 1,2,3");
      add_special(s, a->special);
      add_weights(s, a->weights);
      add_adapter(s, a->adapter);
      if (logits) {
        s->add_option("--out", a->out, "FILE.safetensors; tensor \"logits\", f32 [T,V]")->required();
      } else {
        s->add_option("--file", a->file, "FILE.jsonl with rows {\"text\"} or {\"tokens\"}");
      }
    }

    auto& t = args_.tokenize;
    s = add("tokenize", &t.json, [&t] { return command_tokenize(t); });
    s->add_option("--model", t.model, "run directory, GGUF file, or directory with a tokenizer.json")->required();
    s->add_option("--text", t.text, "text, or ids with --decode");
    s->add_option("--file", t.file, "FILE.jsonl with rows {\"text\"}, or {\"ids\"} with --decode");
    s->add_flag("--decode", t.decode, "ids to text");
    s->add_flag("--no-special", t.no_special,
                "no special tokens: --decode leaves them out, and none are added to a text");
    s->add_flag("--plain", t.plain, "special tokens that are written in the text, such as <|im_end|>, are text");

    auto& m = args_.chat_template;
    s = add("chat-template", &m.json, [&m] { return command_chat_template(m); });
    s->add_option("--model", m.model, "run directory, directory with tokenizer files, or GGUF file")->required();
    s->add_option("--messages", m.messages, "FILE.json: a list of messages, or an object with messages, tools, …")
        ->required();
    s->add_flag("--no-generation-prompt", m.no_generation_prompt, "end behind the last message");
    s->add_option("--set", m.set, "variables of the template, for example enable_thinking=false");
    s->add_option("--template", m.name, "which of the model's templates (default: tool_use with tools, else default)");
    s->add_option("--trust", m.trust, "roles whose text may hold special tokens, for example assistant");
    s->add_flag("--pieces", m.pieces, "with --json: also the pieces of the text and where each comes from");

    auto& i = args_.info;
    s = add("info", &i.json, [&i] { return command_info(i); });
    s->add_option("model", i.model, "run directory, model directory or GGUF file")->required();

    auto& c = args_.convert;
    s = add("convert", &c.json, [&c] { return command_convert(c); });
    s->add_option("--from", c.from, "run directory, model directory or GGUF file")->required();
    s->add_option("--to", c.to, "a new directory, or FILE.gguf")->required();
    s->add_option(
         "--dtype", c.dtype,
         "f32, f16, bf16, or q8_0 in a GGUF file (default: as most of the weights are; f32, which rounds none, "
         "where that type is only read, as q4_k is)")
        ->check(CLI::IsMember({"f32", "f16", "bf16", "q8_0"}));
    s->add_option("--adapter", c.adapter,
                  "a LoRA adapter that is merged into the weights: a directory of PEFT's, or a run that trained one. "
                  "f32 unless --dtype is given; the adapter of a run in --from is merged in any case");
  }

  void add_data_commands() {
    auto& v = args_.verify;
    CLI::App* s = add("verify", &v.json, [&v] { return command_verify(v); });
    s->add_option("--task", v.task, "task name; rows may name their own");
    s->add_option("--in", v.in, "FILE.jsonl: the task's problem fields and \"answer\"; for math tasks \"gold\" too")
        ->required();
    s->add_option("--math-verify", v.math_verify,
                  "math tasks: so many processes of math-verify judge what ponder cannot read")
        ->check(CLI::Range(0, 256));
    s->add_option("--math-verify-command", v.math_verify_command, "what starts one of them");
    s->add_flag("--math-verify-all", v.math_verify_all, "ask them about answers that ponder calls wrong, too");

    auto& p = args_.problems;
    s = add("problems", &p.json, [&p] { return command_problems(p); });
    s->add_option("--task", p.task, "task name")->required();
    s->add_option("--data", p.data, kDataHelp);
    s->add_option("--split", p.split, "train, dev or test")->check(CLI::IsMember({"train", "dev", "test"}));
    s->add_option("--n", p.n, "how many")->check(at_least(1));
    s->add_option("--seed", p.seed, "which ones");

    auto& l = args_.loss;
    s = add("loss", &l.json, [&l] { return command_loss(l); });
    s->add_option("--algo", l.algo, "sft, reinforce, rloo, ppo, grpo, dr_grpo, dapo, gspo, cispo, dpo, …")->required();
    s->add_option("--in", l.in, "FILE.json with logp, mask, rewards, …")->required();

    auto& b = args_.bench;
    s = add("bench", &b.json, [&b] { return command_bench(b); });
    s->add_option("names", b.names, "which benchmarks (default: all that need no --model)");
    s->add_option("--threads", b.threads, "worker threads; 0 = one a core")->check(at_least(0));
    s->add_option("--dtype", b.dtype, "what the model computes in")->check(CLI::IsMember({"f32", "bf16"}));
    s->add_option("--repeats", b.repeats, "timed runs of each; the median counts")->check(at_least(1));
    add_weights(s, b.weights);
    s->add_flag("!--no-warm-up", b.warm_up, "time the first run of each, too");
    s->add_option(
        "--model", b.model,
        "time this model (run directory, model directory or GGUF file), not a tiny one; train-large trains it");
    s->add_option("--save-model", b.save_model, "write the model that is timed as a Hugging Face directory, and leave");
    s->footer(base::cat("benchmarks:\n", bench_help()));
  }

  void add_all() {
    add_run();
    add_run_readers();
    add_solve_and_eval();
    add_scaling();
    add_tree();
    add_model_commands();
    add_data_commands();
  }

  CLI::App& app_;
  Arguments args_;
  std::function<int()> action_;
};

int parse_and_run(int argc, char** argv) {
  CLI::App app("ponder: from a language model to an o1-like reasoner in one program", "ponder");
  app.require_subcommand(1);
  Commands commands(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help
    base::log_error(
        base::cat(e.what(), "; `ponder ", argc > 1 ? base::cat(argv[1], " ") : "", "--help` says what there is"));
    return exit_status(ErrorCode::kUsage);
  }
  return commands.run();
}

// Each training step frees its activations and asks for as much again: memory that goes back to the system in between
// is cleared page by page, 4% of a step.
void keep_freed_memory() {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 256 << 20);
#endif
}

}  // namespace
}  // namespace ponder::app

extern "C" int ponder_command_main(int argc, char** argv) {
  using namespace ponder;
  try {
    app::keep_freed_memory();
    base::install_stop_handler();
    return app::parse_and_run(argc, argv);
  } catch (const Error& e) {
    base::log_error(e.what());
    return exit_status(e.code());
  } catch (const std::bad_alloc&) {
    base::log_error("not enough memory; smaller rl.prompts, workers or model need less");
    return exit_status(ErrorCode::kResource);
  } catch (const std::exception& e) {
    base::log_error(e.what());
    return exit_status(ErrorCode::kInternal);
  }
}
