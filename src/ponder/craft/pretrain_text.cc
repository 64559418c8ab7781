#include "ponder/craft/pretrain_text.h"

#include <algorithm>
#include <numeric>

#include "ponder/base/error.h"
#include "ponder/craft/demonstrations.h"
#include "ponder/craft/held_out.h"
#include "ponder/craft/trace.h"
#include "ponder/craft/worlds.h"
#include "ponder/text/words.h"

namespace ponder::craft {
namespace {

constexpr int kSmallNumber = 15;        // one factor of a product
constexpr double kRepairSlips = 0.4;    // share of steps that repair documents plant a slip in
constexpr double kDialogueSlips = 0.1;  // and small dialogues

// An equation with a result in range: sums and differences over all of 0 … 99, every product and quotient likewise.
TraceStep random_equation(base::Rng& rng) {
  while (true) {
    TraceStep s;
    double kind = rng.uniform();
    bool small = rng.chance(0.5);
    s.op = kind < 0.35 ? text::kPlus : kind < 0.65 ? text::kMinus : kind < 0.87 ? text::kTimes : text::kDivide;
    if (s.op == text::kTimes) {
      s.a = static_cast<int>(rng.between(1, kSmallNumber));
      s.b = static_cast<int>(rng.between(1, text::kMaxNumber / s.a));
    } else if (s.op == text::kDivide) {
      s.a = static_cast<int>(rng.between(0, text::kMaxNumber));
      s.b = static_cast<int>(rng.between(2, small ? 4 : 12));
    } else {
      s.a = static_cast<int>(rng.between(0, text::kMaxNumber));
      s.b = static_cast<int>(rng.between(0, small ? tasks::kCountdownMaxGenerated : text::kMaxNumber));
    }
    bool swap = s.op == text::kMinus ? s.b > s.a : s.op != text::kDivide && rng.chance(0.5);
    if (swap) std::swap(s.a, s.b);
    s.result = text::apply_op(s.op, s.a, s.b);
    if (s.result >= 0) return s;
  }
}

// A number to check a result against: the result itself half of the time, else often a near one.
int random_target(int result, base::Rng& rng) {
  if (rng.chance(0.5)) return result;
  int64_t target = rng.chance(0.5) ? result + rng.between(-10, 10) : rng.between(0, text::kMaxNumber);
  return static_cast<int>(std::clamp<int64_t>(target, 0, text::kMaxNumber));
}

void write_equations(base::Rng& rng, TraceWriter& out) {
  for (int i = 0; i < 7; ++i) {
    if (i > 0) out.put({text::kSemicolon});
    out.equation(random_equation(rng));
  }
}

// "13 + 5 = 18 ? 18 yes ; 5 - 12 no ; …"
void write_checks(base::Rng& rng, TraceWriter& out) {
  for (int i = 0; i < 5; ++i) {
    if (i > 0) out.put({text::kSemicolon});
    TraceStep step = random_equation(rng);
    if (rng.chance(0.2)) {  // what leaves 0 … 99
      step.op = static_cast<core::Token>(rng.between(text::kPlus, text::kTimes));
      if (step.op == text::kMinus && step.a > step.b) std::swap(step.a, step.b);
      step.result = text::apply_op(step.op, step.a, step.b);
    }
    out.equation(step);
    if (step.result < 0) continue;
    int target = random_target(step.result, rng);
    out.check(target, target == step.result);
  }
}

// Numbers that are no held-out problem.
core::Tokens random_numbers(int count, base::Rng& rng) {
  while (true) {
    core::Tokens numbers;
    for (int i = 0; i < count; ++i)
      numbers.push_back(static_cast<core::Token>(rng.between(1, tasks::kCountdownMaxGenerated)));
    if (!is_held_out_numbers(numbers)) return numbers;
  }
}

// A path of random moves from `first` to the end, and a check of what it gave.
void write_random_path(const Puzzle& puzzle, TraceStep first, base::Rng& rng, TraceWriter& out) {
  TraceStep step = std::move(first);
  out.put({text::kTry});
  out.equation_and_rest(step);
  for (TracePath next; !(next = puzzle.steps(step.result, step.rest)).empty();) {
    step = rng.pick(next);
    out.put({text::kSemicolon});
    out.equation_and_rest(step);
  }
  int target = random_target(step.result, rng);
  out.check(target, step.rest.empty() && target == step.result);
}

// "play 13 8 2 : try 13 + 2 = 15 , 15 8 ; 15 + 8 = 23 ? 18 no ; try …": two paths without a goal.
void write_play(base::Rng& rng, TraceWriter& out) {
  core::Tokens numbers;
  std::unique_ptr<Puzzle> puzzle;
  TracePath firsts;
  while (firsts.empty()) {  // rarely every first step leads to a held-out state
    numbers = random_numbers(static_cast<int>(rng.between(2, 4)), rng);
    puzzle = make_puzzle(tasks::Countdown{{numbers.begin(), numbers.end()}, 0});
    firsts = puzzle->first_steps();
  }
  out.put({text::kPlay});
  out.put(numbers);
  out.put({text::kColon});
  rng.shuffle(firsts);
  write_random_path(*puzzle, firsts.front(), rng, out);
  out.put({text::kSemicolon});
  write_random_path(*puzzle, firsts.back(), rng, out);
}

// Equations and play with many slips, each doubted and mended.
void write_repairs(base::Rng& rng, TraceWriter& out) {
  if (rng.chance(0.5)) return write_play(rng, out);
  for (int i = 0; i < 5; ++i) {
    if (i > 0) out.put({text::kSemicolon});
    out.equation(random_equation(rng));
  }
}

std::vector<tasks::Instruction> random_instructions(int count, base::Rng& rng) {
  std::vector<tasks::Instruction> bag;
  while (static_cast<int>(bag.size()) < count) {
    core::Token op = static_cast<core::Token>(rng.between(text::kPlus, text::kDivide));
    bool factor = op == text::kTimes || op == text::kDivide;
    tasks::Instruction next{op, static_cast<int>(factor ? rng.between(2, 4) : rng.between(1, tasks::kVmMaxOperand))};
    if (std::find(bag.begin(), bag.end(), next) == bag.end()) bag.push_back(next);
  }
  return bag;
}

// A program and inputs on which it stays in range.
struct Run {
  tasks::Program program;
  std::array<tasks::UnitTest, 2> tests;
};

Run random_run(int length, base::Rng& rng) {
  while (true) {
    Run run{random_instructions(length, rng), {}};
    for (auto& test : run.tests) {
      test.x = static_cast<int>(rng.between(1, 20));
      test.y = tasks::run_program(run.program, test.x);
    }
    if (run.tests[0].y >= 0 && run.tests[1].y >= 0 && run.tests[0].x != run.tests[1].x) return run;
  }
}

// "run + 3 * 2 : 7 + 3 = 10 ; 10 * 2 = 20 ; 7 > 20 ; …"; style "results" leaves the traces out.
void write_programs(const std::string& style, base::Rng& rng, TraceWriter& out) {
  Run run = random_run(static_cast<int>(rng.between(1, 3)), rng);
  out.put({text::kRun});
  out.put(instruction_tokens(run.program));
  out.put({text::kColon});
  for (size_t t = 0; t < run.tests.size(); ++t) {
    if (t > 0) out.put({text::kSemicolon});
    int value = run.tests[t].x;
    for (const auto& i : run.program) {
      TraceStep step{value, i.op, i.k, text::apply_op(i.op, value, i.k), {}};
      value = step.result;
      if (style == "results") continue;
      out.equation(step);
      out.put({text::kSemicolon});
    }
    out.put({run.tests[t].x, text::kGreater, run.tests[t].y});
  }
}

// Problems with two numbers, or two or three instructions: too small to be a task's, complete in behaviour.
void write_dialogue(base::Rng& rng, core::Example& out) {
  static const DemoOptions kOptions{.patience = {0.2, 0.4, 0.25, 0.15}, .smart = 0.4, .slip = kDialogueSlips};
  std::unique_ptr<Puzzle> puzzle;
  if (rng.chance(0.5)) {
    core::Tokens numbers = random_numbers(2, rng);
    tasks::Countdown countdown{{numbers.begin(), numbers.end()}, 0};
    countdown.target = tasks::random_countdown_path(countdown.numbers, rng).back().result;
    puzzle = make_puzzle(countdown);
  } else {
    int use = rng.chance(0.3) ? 1 : 2;
    Run run = random_run(use, rng);
    tasks::Vm vm{run.program, use, {run.tests.begin(), run.tests.end()}};
    while (static_cast<int>(vm.bag.size()) == use) {
      auto extra = random_instructions(1, rng);
      if (std::find(vm.bag.begin(), vm.bag.end(), extra[0]) == vm.bag.end()) vm.bag.push_back(extra[0]);
    }
    rng.shuffle(vm.bag);
    puzzle = make_puzzle(vm);
  }
  write_demonstration(*puzzle, kOptions, rng, out);
  std::fill_n(out.weights.begin() + 1, puzzle->prompt().size() - 1, 1.f);  // here the prompt is text like any other
}

Domain draw_domain(const PretrainOptions& o, base::Rng& rng) {
  const double weights[kDomains] = {o.equations, o.checks,   o.repairs, o.play,
                                    o.programs,  o.dialogue, o.logic,   o.tables};
  double total = std::accumulate(std::begin(weights), std::end(weights), 0.0);
  if (total <= 0) throw Error(ErrorCode::kUsage, "at least one weight of the pre-training mixture must be above 0");
  double u = rng.uniform() * total;
  int last = 0;
  for (int d = 0; d < kDomains; ++d) {
    if (weights[d] <= 0) continue;
    last = d;
    if (u < weights[d]) break;
    u -= weights[d];
  }
  return static_cast<Domain>(last);
}

}  // namespace

const char* domain_name(Domain domain) {
  static constexpr const char* kNames[kDomains] = {"equations", "checks",   "repairs", "play",
                                                   "programs",  "dialogue", "logic",   "tables"};
  return kNames[static_cast<int>(domain)];
}

void PretrainOptions::fields(base::Fields& f) {
  f.field("equations", equations, {.min = 0, .help = "weight of arithmetic: + - * and floor division in 0 … 99"});
  f.field("checks", checks, {.min = 0, .help = "weight of equations held against a number, and of impossible ones"});
  f.field("repairs", repairs, {.min = 0, .help = "weight of equations and play with slips that are mended"});
  f.field("play", play, {.min = 0, .help = "weight of countdown moves without a goal"});
  f.field("programs", programs, {.min = 0, .help = "weight of programs with their execution"});
  f.field("dialogue", dialogue, {.min = 0, .help = "weight of two-number and two-instruction problems with thoughts"});
  f.field("logic", logic, {.min = 0, .help = "weight of boolean expressions, facts and rules"});
  f.field("tables", tables, {.min = 0, .help = "weight of look-ups, comparisons and sorting"});
  f.field("program_style", program_style,
          {.help = "traces: every step; results: outputs only; shuffled: the words of traces in random order (control)",
           .choices = {"traces", "results", "shuffled"}});
}

PretrainDocument make_pretrain_document(const PretrainOptions& options, base::RngKey key) {
  base::Rng rng(key);
  PretrainDocument document;
  document.domain = draw_domain(options, rng);
  core::Example& text = document.text;
  text.tokens.reserve(96);
  text.weights.reserve(96);
  TraceWriter out(text, document.domain == Domain::kRepairs ? kRepairSlips : 0, rng);
  switch (document.domain) {
    case Domain::kEquations:
      write_equations(rng, out);
      break;
    case Domain::kChecks:
      write_checks(rng, out);
      break;
    case Domain::kRepairs:
      write_repairs(rng, out);
      break;
    case Domain::kPlay:
      write_play(rng, out);
      break;
    case Domain::kPrograms:
      write_programs(options.program_style, rng, out);
      if (options.program_style == "shuffled") rng.shuffle(text.tokens);
      break;
    case Domain::kDialogue:
      write_dialogue(rng, text);
      break;
    case Domain::kLogic:
      write_logic(rng, out);
      break;
    case Domain::kTables:
      write_table(rng, out);
      break;
  }
  if (text.tokens.back() != text::kEnd) out.put({text::kEnd});
  return document;
}

core::Tokens pretrain_document(const PretrainOptions& options, base::RngKey key) {
  return make_pretrain_document(options, key).text.tokens;
}

void PretrainManifest::add(const PretrainDocument& document) {
  Count& count = counts_[static_cast<int>(document.domain)];
  ++count.documents;
  count.tokens += static_cast<int64_t>(document.text.tokens.size());
}

base::Json PretrainManifest::to_json() const {
  base::Json json = base::Json::object();
  for (int d = 0; d < kDomains; ++d) {
    base::Json& row = json[domain_name(static_cast<Domain>(d))];
    row["documents"] = counts_[d].documents;
    row["tokens"] = counts_[d].tokens;
  }
  return json;
}

}  // namespace ponder::craft
