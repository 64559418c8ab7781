#include "ponder/tasks/vm.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/tasks/answer.h"
#include "ponder/text/format.h"
#include "ponder/text/steps.h"

namespace ponder::tasks {
namespace {

constexpr int kMaxHiddenTests = 16;
constexpr int kMaxInput = 20;  // of generated tests

std::string instruction_text(const Instruction& i) { return base::cat(text::task_words()[i.op], " ", i.k); }

std::optional<Instruction> strict_instruction(const std::vector<std::string_view>& words) {
  if (words.size() != 2) return std::nullopt;
  auto op = strict_op(words[0]);
  auto k = strict_number(words[1]);
  if (!op || !k || *k < 1 || *k > kVmMaxOperand) return std::nullopt;
  return Instruction{*op, *k};
}

bool take(std::vector<Instruction>& bag, const Instruction& wanted) {
  auto it = std::find(bag.begin(), bag.end(), wanted);
  if (it == bag.end()) return false;
  bag.erase(it);
  return true;
}

bool passes(const Program& program, const std::vector<UnitTest>& tests) {
  return std::all_of(tests.begin(), tests.end(), [&](UnitTest t) { return run_program(program, t.x) == t.y; });
}

// Calls visit(program) for every order of every choice of `use` instructions.
template <class Visit>
void for_each_program(const std::vector<Instruction>& bag, int use, Program& program, unsigned used,
                      const Visit& visit) {
  if (static_cast<int>(program.size()) == use) return visit(program);
  for (size_t i = 0; i < bag.size(); ++i) {
    if (used >> i & 1) continue;
    program.push_back(bag[i]);
    for_each_program(bag, use, program, used | 1u << i, visit);
    program.pop_back();
  }
}

// Different instructions with at least one that grows or shrinks by a factor: else the order would hardly matter.
std::vector<Instruction> random_bag(int size, base::Rng& rng) {
  std::vector<Instruction> bag;
  while (static_cast<int>(bag.size()) < size) {
    bool factor = rng.chance(0.4);
    core::Token op =
        factor ? (rng.chance(0.5) ? text::kTimes : text::kDivide) : (rng.chance(0.5) ? text::kPlus : text::kMinus);
    Instruction next{op, static_cast<int>(factor ? rng.between(2, 4) : rng.between(1, kVmMaxOperand))};
    if (std::find(bag.begin(), bag.end(), next) == bag.end()) bag.push_back(next);
  }
  return bag;
}

bool mixes_sums_and_factors(const std::vector<Instruction>& bag) {
  auto factors = std::count_if(bag.begin(), bag.end(),
                               [](Instruction i) { return i.op == text::kTimes || i.op == text::kDivide; });
  return factors > 0 && factors < static_cast<int64_t>(bag.size());
}

// What the programs of a drawn problem make of its tests.
struct Census {
  int programs = 0, right = 0;  // right: pass both visible tests
  int decoys = 0;               // pass the first visible test only
  bool determined = true;       // every right program passes the hidden tests too
};

Census take_census(const Vm& vm, const std::vector<UnitTest>& hidden) {
  Census census;
  Program program;
  for_each_program(vm.bag, vm.use, program, 0, [&](const Program& p) {
    ++census.programs;
    if (run_program(p, vm.tests[0].x) != vm.tests[0].y) return;
    if (!passes(p, vm.tests)) {
      ++census.decoys;
      return;
    }
    ++census.right;
    census.determined = census.determined && passes(p, hidden);
  });
  return census;
}

// Neither trivial (an output that equals its input or the other output, every sixth program right or more) nor
// ambiguous.
bool is_fair(const Vm& vm, const Census& census) {
  for (const UnitTest& test : vm.tests)
    if (test.x == test.y) return false;
  return vm.tests[0].y != vm.tests[1].y && census.determined && 6 * census.right <= census.programs;
}

std::vector<UnitTest> parse_tests(const base::Json& rows, const std::string& row, const std::string& field) {
  if (!rows.is_array())
    throw Error(ErrorCode::kInput, base::cat(field, " must be a list of pairs [input, output], got ", rows.type_name()),
                row);
  std::vector<UnitTest> tests;
  for (const auto& pair : rows.as_array()) {
    if (!pair.is_array() || pair.size() != 2)
      throw Error(ErrorCode::kInput, base::cat("each of ", field, " must be [input, output]"), row);
    tests.push_back({int_field(pair.as_array()[0], 0, text::kMaxNumber, row, base::cat("each input of ", field)),
                     int_field(pair.as_array()[1], 0, text::kMaxNumber, row, base::cat("each output of ", field))});
  }
  return tests;
}

base::Json tests_json(const std::vector<UnitTest>& tests) {
  base::Json rows = base::Json::array();
  for (const UnitTest& t : tests) rows.push_back(base::Json::Array{t.x, t.y});
  return rows;
}

std::string tests_text(const std::vector<UnitTest>& tests) {
  std::string out;
  for (const UnitTest& t : tests) base::append(out, base::cat(out.empty() ? "" : " , ", t.x, " > ", t.y));
  return out;
}

// Replays a thought: the instructions run in the current try, the values they gave, and how far a test run has come.
class VmReplay {
 public:
  explicit VmReplay(Vm vm) : vm_(std::move(vm)) { values_.push_back(vm_.tests[0].x); }

  StepVerdict check(const text::ThoughtStep& step) {
    switch (step.kind) {
      case text::StepKind::kGoal:
        return check_goal(step);
      case text::StepKind::kBack:
        return check_back(step);
      case text::StepKind::kStop:
        return valid_step();
      case text::StepKind::kTry:
        begin_run(0);
        return check_move(step);
      case text::StepKind::kTest:
        if (!passed_first_) return invalid_step("no program has passed the first test yet");
        begin_run(1);
        return check_move(step);
      case text::StepKind::kMove:
        return check_move(step);
      case text::StepKind::kUnparsed:
        break;
    }
    return unreadable_step();
  }

 private:
  void begin_run(size_t test) {
    if (test == 0) program_.clear();
    test_ = test;
    values_.assign(1, vm_.tests[test].x);
    passed_first_ = false;
  }

  StepVerdict check_goal(const text::ThoughtStep& step) const {
    const UnitTest& first = vm_.tests[0];
    if (step.target != first.y) return invalid_step(base::cat("the goal of the first test is ", first.y));
    if (step.above != (first.y > first.x)) return invalid_step(base::cat("the first input is ", first.x));
    return valid_step();
  }

  // "back v , op k …": a value that the current try came by and the instructions not yet used there.
  StepVerdict check_back(const text::ThoughtStep& step) {
    if (step.left.size() < 4 || step.left.size() % 2 || !text::is_number(step.left[0]) || step.left[1] != text::kComma)
      return unreadable_step();
    std::vector<Instruction> rest;
    for (size_t i = 2; i < step.left.size(); i += 2) {
      if (!text::is_op(step.left[i]) || !text::is_number(step.left[i + 1])) return unreadable_step();
      rest.push_back({step.left[i], step.left[i + 1]});
    }
    std::sort(rest.begin(), rest.end());
    std::vector<Instruction> left = vm_.bag;
    for (size_t depth = 0; depth <= program_.size(); ++depth) {
      if (depth > 0) take(left, program_[depth - 1]);
      std::vector<Instruction> sorted = left;
      std::sort(sorted.begin(), sorted.end());
      Program prefix(program_.begin(), program_.begin() + depth);
      if (sorted != rest || run_program(prefix, vm_.tests[0].x) != step.left[0]) continue;
      begin_run(0);
      for (const Instruction& i : prefix) values_.push_back(text::apply_op(i.op, values_.back(), i.k));
      program_ = std::move(prefix);
      return valid_step();
    }
    return invalid_step("the last try did not come by that state");
  }

  StepVerdict check_move(const text::ThoughtStep& step) {
    Instruction instruction{step.op, step.b};
    if (!step.left.empty()) return invalid_step("programs list nothing behind a step");
    if (step.a != values_.back()) return invalid_step(base::cat("the accumulator holds ", values_.back()));
    size_t done = values_.size() - 1;
    if (test_ == 0) {
      std::vector<Instruction> left = vm_.bag;
      for (const Instruction& used : program_) take(left, used);
      if (static_cast<int>(done) == vm_.use) return invalid_step("the program is complete");
      if (!take(left, instruction)) return invalid_step(instruction_text(instruction) + " is not in the bag any more");
    } else if (done == program_.size() || program_[done] != instruction) {
      return invalid_step("a test runs the same program");
    }
    int result = text::apply_op(step.op, step.a, step.b);
    if (result != step.result)
      return invalid_step(result < 0 ? "the value leaves 0 … 99" : base::cat("the result is ", result));
    if (result < 0) return valid_step();
    values_.push_back(result);
    if (test_ == 0) program_.push_back(instruction);
    return step.checked ? check_verdict(step) : valid_step();
  }

  StepVerdict check_verdict(const text::ThoughtStep& step) {
    int wanted = vm_.tests[test_].y;
    if (step.check_target != wanted) return invalid_step(base::cat("the goal of this test is ", wanted));
    bool complete = static_cast<int>(values_.size()) - 1 == vm_.use;
    bool passed = complete && values_.back() == wanted;
    if (test_ == 0) passed_first_ = passed;
    return step.check_yes == passed ? valid_step()
                                    : invalid_step(passed ? "the test is passed" : "the test is not passed");
  }

  Vm vm_;
  Program program_;          // instructions of the current try
  size_t test_ = 0;          // which test it runs on
  std::vector<int> values_;  // the input, then the value after each instruction run on this test
  bool passed_first_ = false;
};

}  // namespace

int run_program(const Program& program, int x) {
  for (const Instruction& i : program) {
    x = text::apply_op(i.op, x, i.k);
    if (x < 0) return -1;
  }
  return x;
}

std::vector<Program> solve_vm(const Vm& vm) {
  std::vector<Program> right;
  Program program;
  for_each_program(vm.bag, vm.use, program, 0, [&](const Program& p) {
    if (passes(p, vm.tests)) right.push_back(p);
  });
  return right;
}

std::string instructions_text(const std::vector<Instruction>& instructions, std::string_view separator) {
  std::string out;
  for (const Instruction& i : instructions)
    base::append(out, base::cat(out.empty() ? std::string_view() : separator, instruction_text(i)));
  return out;
}

std::string vm_canonical(std::vector<Instruction> bag) {
  std::sort(bag.begin(), bag.end());
  return "vm " + instructions_text(bag, " ");
}

Vm vm_of(const core::Problem& problem) {
  Vm vm;
  for (const auto& text : problem.data.at("instructions").as_array()) {
    auto instruction = strict_instruction(text::split_words(text.as_string()));
    PONDER_CHECK(instruction.has_value(), "a parsed problem holds instructions \"op k\", got ", text.as_string());
    vm.bag.push_back(*instruction);
  }
  vm.use = static_cast<int>(problem.data.at("use").as_int());
  vm.tests = parse_tests(problem.data.at("tests"), problem.id, "tests");
  return vm;
}

std::string VmTask::name() const { return base::cat("vm", use_); }

std::string VmTask::description() const {
  return base::cat(
      "order ", use_, " of ", bag_size(),
      " instructions (+ - * and floor division on one accumulator, values 0 … 99) into a program that passes all "
      "unit tests, hidden ones too");
}

core::Item VmTask::make_item(std::string id, const Vm& vm, const std::vector<UnitTest>& hidden) const {
  core::Item item;
  item.problem.id = std::move(id);
  item.problem.task = name();
  item.problem.question =
      base::cat("P ", instructions_text(vm.bag, " "), " use ", vm.use, " : ", tests_text(vm.tests), " :");
  base::Json instructions = base::Json::array();
  for (const Instruction& i : vm.bag) instructions.push_back(instruction_text(i));
  item.problem.data["instructions"] = std::move(instructions);
  item.problem.data["use"] = vm.use;
  item.problem.data["tests"] = tests_json(vm.tests);
  if (!hidden.empty()) item.gold["hidden"] = tests_json(hidden);
  return item;
}

core::Item VmTask::generate(base::RngKey key, Split split) const {
  base::Rng rng(key);
  Vm vm;
  vm.use = use_;
  // Without this, one problem in five would need its second test to tell programs apart.
  bool wants_decoy = rng.chance(0.4);
  while (true) {
    vm.bag = random_bag(bag_size(), rng);
    if (!mixes_sums_and_factors(vm.bag) || split_of_canonical(vm_canonical(vm.bag)) != split) continue;
    std::vector<Instruction> order = vm.bag;
    rng.shuffle(order);
    Program program(order.begin(), order.begin() + use_);
    std::vector<int> inputs(kMaxInput);
    for (int x = 0; x < kMaxInput; ++x) inputs[x] = x + 1;
    rng.shuffle(inputs);
    std::vector<UnitTest> tests;
    for (int i = 0; i < 2 * kVmTests; ++i) tests.push_back({inputs[i], run_program(program, inputs[i])});
    if (std::any_of(tests.begin(), tests.end(), [](UnitTest t) { return t.y < 0; })) continue;
    vm.tests.assign(tests.begin(), tests.begin() + kVmTests);
    std::vector<UnitTest> hidden(tests.begin() + kVmTests, tests.end());
    Census census = take_census(vm, hidden);
    if (!is_fair(vm, census) || (wants_decoy && census.decoys == 0)) continue;
    return make_item(base::cat(name(), "-", base::hex64(key.value)), vm, hidden);
  }
}

core::Item VmTask::parse(const base::Json& row, const std::string& default_id) const {
  Vm vm;
  std::string id = row_id(row, default_id);
  const base::Json& instructions = row.at("instructions");
  if (!instructions.is_array() || instructions.size() != static_cast<size_t>(bag_size()))
    throw Error(ErrorCode::kInput,
                base::cat("instructions must be a list of ", bag_size(), " strings for task ", name(), ", got ",
                          instructions.is_array() ? base::cat(instructions.size()) : instructions.type_name()),
                id);
  for (const auto& text : instructions.as_array()) {
    auto instruction = text.is_string() ? strict_instruction(text::split_words(text.as_string())) : std::nullopt;
    if (!instruction)
      throw Error(ErrorCode::kInput,
                  base::cat("each of instructions must be \"op k\" with op in + - * / and k from 1 to ", kVmMaxOperand,
                            ", got ", text.dump().substr(0, 40)),
                  id);
    vm.bag.push_back(*instruction);
  }
  vm.use = int_field(row.at("use"), use_, use_, id, "use");
  vm.tests = parse_tests(row.at("tests"), id, "tests");
  if (vm.tests.size() != kVmTests)
    throw Error(ErrorCode::kInput, base::cat("tests must hold ", kVmTests, " pairs, got ", vm.tests.size()), id);
  std::vector<UnitTest> hidden;
  if (const base::Json* rows = row.find("hidden"); rows && !rows->is_null()) hidden = parse_tests(*rows, id, "hidden");
  if (hidden.size() > kMaxHiddenTests)
    throw Error(ErrorCode::kInput,
                base::cat("hidden must hold at most ", kMaxHiddenTests, " pairs, got ", hidden.size()), id);
  return make_item(std::move(id), vm, hidden);
}

base::Json VmTask::to_row(const core::Item& item) const {
  base::Json row;
  row["id"] = item.problem.id;
  for (const auto& [key, value] : item.problem.data.as_object()) row[key] = value;
  if (const base::Json* hidden = item.gold.find("hidden")) row["hidden"] = *hidden;
  return row;
}

std::string VmTask::canonical(const core::Problem& problem) const { return vm_canonical(vm_of(problem).bag); }

std::string VmTask::instance(const core::Problem& problem) const {
  Vm vm = vm_of(problem);
  std::sort(vm.tests.begin(), vm.tests.end());
  return base::cat(vm_canonical(vm.bag), " use ", vm.use, " : ", tests_text(vm.tests));
}

core::Verdict VmTask::verify(const core::Item& item, const std::string& answer) const {
  auto lines = answer_lines(answer);
  if (!lines) return unparsable("the answer must be instructions \"op k\" joined by \" ; \"");
  Program program;
  for (const auto& line : *lines) {
    auto instruction = strict_instruction(line);
    if (!instruction)
      return unparsable(base::cat("line ", program.size() + 1, " of the answer is not an instruction \"op k\""));
    program.push_back(*instruction);
  }
  Vm vm = vm_of(item.problem);
  std::string extracted = instructions_text(program, " ; ");
  if (static_cast<int>(program.size()) != vm.use)
    return wrong(extracted, base::cat("uses ", program.size(), " instructions instead of ", vm.use));
  std::vector<Instruction> left = vm.bag;
  for (const Instruction& i : program)
    if (!take(left, i)) return wrong(extracted, instruction_text(i) + " is not in the bag, or used too often");
  for (const UnitTest& test : vm.tests) {
    int y = run_program(program, test.x);
    if (y != test.y)
      return wrong(extracted, base::cat("test ", test.x, " > ", test.y, ": the program ",
                                        y < 0 ? std::string("leaves 0 … 99") : base::cat("gives ", y)));
  }
  const base::Json* hidden = item.gold.find("hidden");
  if (hidden && !passes(program, parse_tests(*hidden, item.problem.id, "hidden")))
    return wrong(extracted, "fails a hidden test");
  return {core::VerdictKind::kCorrect, extracted, ""};
}

std::vector<StepVerdict> VmTask::check_steps(const core::Problem& problem, const std::string& thought) const {
  VmReplay replay(vm_of(problem));
  std::vector<StepVerdict> verdicts;
  for (const auto& step : text::parse_thought(thought)) verdicts.push_back(replay.check(step));
  return verdicts;
}

std::optional<std::string> VmTask::solve(const core::Problem& problem) const {
  auto right = solve_vm(vm_of(problem));
  if (right.empty()) return std::nullopt;
  return instructions_text(right[0], " ; ");
}

}  // namespace ponder::tasks
