// Programs with unit tests: choose `use` instructions of a bag, each at most once, and order them so that the program
// turns every test's input into its output. An instruction is "op k" on one accumulator; / is floor division; values
// stay in 0 … 99. The rules here serve the verifier, the generator and craft's demonstrations.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/core/token.h"
#include "ponder/tasks/task.h"

namespace ponder::tasks {

struct Instruction {
  core::Token op = 0;  // text::kPlus, kMinus, kTimes, kDivide
  int k = 0;           // 1 … 12
  auto operator<=>(const Instruction&) const = default;
};
using Program = std::vector<Instruction>;

struct UnitTest {
  int x = 0, y = 0;
  auto operator<=>(const UnitTest&) const = default;
};

struct Vm {
  std::vector<Instruction> bag;
  int use = 0;
  std::vector<UnitTest> tests;  // the two visible ones
};

inline constexpr int kVmTests = 2;  // visible unit tests of a problem
inline constexpr int kVmMaxOperand = 12;

// The output for input x; −1 when a value leaves 0 … 99.
int run_program(const Program& program, int x);
// All programs that pass every visible test, in the bag's order. Exact: looks at every program.
std::vector<Program> solve_vm(const Vm& vm);

std::string vm_canonical(std::vector<Instruction> bag);  // the sorted bag
Vm vm_of(const core::Problem& problem);
std::string instructions_text(const std::vector<Instruction>& instructions, std::string_view separator);

class VmTask : public Task {
 public:
  explicit VmTask(int use) : use_(use) {}
  std::string name() const override;
  std::string family() const override { return "vm"; }
  std::string description() const override;
  core::Item generate(base::RngKey key, Split split) const override;
  core::Item parse(const base::Json& row, const std::string& default_id) const override;
  base::Json to_row(const core::Item& item) const override;
  std::string canonical(const core::Problem& problem) const override;
  std::string instance(const core::Problem& problem) const override;
  core::Verdict verify(const core::Item& item, const std::string& answer) const override;
  std::vector<StepVerdict> check_steps(const core::Problem& problem, const std::string& thought) const override;
  // Passes the visible tests; generated problems are made so that it then passes the hidden ones too.
  std::optional<std::string> solve(const core::Problem& problem) const override;

 private:
  core::Item make_item(std::string id, const Vm& vm, const std::vector<UnitTest>& hidden) const;
  int bag_size() const { return use_ + 1; }
  int use_;  // instructions in a program; the bag holds one more
};

}  // namespace ponder::tasks
