#include "ponder/tasks/vm.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ponder/base/error.h"
#include "ponder/text/format.h"

namespace ponder::tasks {
namespace {

using core::VerdictKind;

// (7+3)*2-5 = 15, (6+3)*2-5 = 13; hidden inputs 1 and 20.
const char* kRow = R"({"id":"v","instructions":["+ 3","* 2","- 5","/ 2"],"use":3,
  "tests":[[7,15],[6,13]],"hidden":[[1,3],[20,41]]})";

core::Item item() { return find_task("vm3").parse(base::Json::parse(kRow), "v"); }
VerdictKind verdict(const core::Item& item, const std::string& answer) {
  return find_task(item.problem.task).verify(item, answer).kind;
}

// Another way: permutations of bag positions, their first `use` run one character at a time.
std::set<std::string> right_programs(const Vm& vm) {
  std::vector<int> order(vm.bag.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  std::set<std::string> right;
  do {
    bool pass = true;
    for (const UnitTest& test : vm.tests) {
      int v = test.x;
      for (int i = 0; i < vm.use && pass; ++i) {
        const Instruction& step = vm.bag[order[i]];
        switch (text::task_words()[step.op][0]) {
          case '+':
            v += step.k;
            break;
          case '-':
            v -= step.k;
            break;
          case '*':
            v *= step.k;
            break;
          default:
            v = (v - v % step.k) / step.k;
        }
        pass = v >= 0 && v < 100;
      }
      pass = pass && v == test.y;
    }
    if (!pass) continue;
    std::vector<Instruction> program;
    for (int i = 0; i < vm.use; ++i) program.push_back(vm.bag[order[i]]);
    right.insert(instructions_text(program, " ; "));
  } while (std::next_permutation(order.begin(), order.end()));
  return right;
}

TEST(Vm, OracleAgreesWithPermutations) {
  base::Rng rng(base::RngKey(4));
  int solvable = 0, unsolvable = 0;
  for (int round = 0; round < 300; ++round)
    for (int use : {3, 4}) {
      const Task& task = find_task(base::cat("vm", use));
      core::Item made = task.generate(base::RngKey(9).child(round), Split::kTrain);
      Vm vm = vm_of(made.problem);
      if (rng.chance(0.5)) vm.tests[rng.below(2)].y = static_cast<int>(rng.below(60));  // often unsolvable
      std::set<std::string> right = right_programs(vm), oracle;
      for (const auto& program : solve_vm(vm)) oracle.insert(instructions_text(program, " ; "));
      EXPECT_EQ(oracle, right) << made.problem.question;
      ++(right.empty() ? unsolvable : solvable);
    }
  EXPECT_GT(solvable, 200);
  EXPECT_GT(unsolvable, 100);
}

TEST(Vm, AcceptsTheRightProgram) {
  EXPECT_EQ(item().problem.question, "P + 3 * 2 - 5 / 2 use 3 : 7 > 15 , 6 > 13 :");
  EXPECT_EQ(verdict(item(), "+ 3 ; * 2 ; - 5"), VerdictKind::kCorrect);
  EXPECT_EQ(find_task("vm3").verify(item(), "  + 3 ;  * 2 ; - 5 ").extracted, "+ 3 ; * 2 ; - 5");
}

TEST(Vm, RejectsEveryTrick) {
  const std::pair<const char*, VerdictKind> tricks[] = {
      {"+ 3 ; - 5 ; * 2", VerdictKind::kWrong},           // wrong order
      {"+ 3 ; * 2", VerdictKind::kWrong},                 // too short
      {"+ 3 ; * 2 ; - 5 ; / 2", VerdictKind::kWrong},     // too long
      {"+ 3 ; + 3 ; + 2", VerdictKind::kWrong},           // reused, and not in the bag
      {"* 2 ; * 2 ; - 5", VerdictKind::kWrong},           // reused
      {"+ 1 ; * 2 ; - 1", VerdictKind::kWrong},           // right values with instructions not in the bag
      {"15", VerdictKind::kUnparsable},                   // the first output
      {"15 ; 13", VerdictKind::kUnparsable},              // the outputs
      {"7 > 15 , 6 > 13", VerdictKind::kUnparsable},      // the tests as a table
      {"+ 3 ; * 2 ; - 5 ;", VerdictKind::kUnparsable},    // trailing separator
      {"+ 3 ; * 2 ; - 5 end", VerdictKind::kUnparsable},  // trailing text
      {"+ 3 ; * 2 ; - 5 ans + 3 ; * 2 ; / 2", VerdictKind::kUnparsable},
      {"+3 ; *2 ; -5", VerdictKind::kUnparsable},             // no words
      {"+ 03 ; * 2 ; - 5", VerdictKind::kUnparsable},         // leading zero
      {"+ ３ ; * 2 ; - 5", VerdictKind::kUnparsable},         // full-width digit
      {"+ 3 ; ** 2 ; - 5", VerdictKind::kUnparsable},         // power
      {"+ 3 ; * 2 ; // 5", VerdictKind::kUnparsable},         // Python's division
      {"+ 3 ; * 2 ; - 5.0", VerdictKind::kUnparsable},        // decimal
      {"+ 3 ; * 2 ; - 13", VerdictKind::kUnparsable},         // no instruction has k = 13
      {"7 + 3 ; 10 * 2 ; 20 - 5", VerdictKind::kUnparsable},  // equations instead of instructions
      {"", VerdictKind::kUnparsable},
      {"print 15", VerdictKind::kUnparsable},
  };
  for (const auto& [answer, kind] : tricks) {
    core::Verdict v = find_task("vm3").verify(item(), answer);
    EXPECT_EQ(v.kind, kind) << answer << ": " << v.reason;
    EXPECT_FALSE(v.reason.empty()) << answer;
  }
  EXPECT_EQ(verdict(item(), std::string(10 << 20, '+')), VerdictKind::kUnparsable);
}

TEST(Vm, EveryTestCounts) {
  auto parse = [](const char* row) { return find_task("vm3").parse(base::Json::parse(row), "v"); };
  // 4 + 4 = 8 and 4 * 2 = 8: passes the first test only.
  core::Item first = parse(R"({"instructions":["+ 4","* 2","+ 1","- 1"],"use":3,"tests":[[4,8],[5,10]]})");
  EXPECT_EQ(verdict(first, "+ 4 ; + 1 ; - 1"), VerdictKind::kWrong);
  EXPECT_EQ(verdict(first, "* 2 ; + 1 ; - 1"), VerdictKind::kCorrect);
  // Passes both visible tests, fails the hidden one, and the reason does not give it away.
  core::Item hidden =
      parse(R"({"instructions":["+ 4","* 2","+ 1","- 1"],"use":3,"tests":[[4,8],[5,10]],"hidden":[[6,77]]})");
  core::Verdict v = find_task("vm3").verify(hidden, "* 2 ; + 1 ; - 1");
  EXPECT_EQ(v.kind, VerdictKind::kWrong);
  EXPECT_EQ(v.reason.find("77"), std::string::npos);
  // A value outside 0 … 99 on the way is wrong even when the last one is right.
  core::Item low = parse(R"({"instructions":["- 5","+ 5","+ 1","+ 2"],"use":3,"tests":[[4,5],[7,8]]})");
  EXPECT_EQ(verdict(low, "- 5 ; + 5 ; + 1"), VerdictKind::kWrong);
  EXPECT_EQ(verdict(low, "+ 5 ; - 5 ; + 1"), VerdictKind::kCorrect);
  // The same instruction twice in the bag may be used twice.
  core::Item twice = parse(R"({"instructions":["+ 1","+ 1","+ 2","* 2"],"use":3,"tests":[[4,8],[5,9]]})");
  EXPECT_EQ(verdict(twice, "+ 1 ; + 1 ; + 2"), VerdictKind::kCorrect);
  EXPECT_EQ(verdict(twice, "+ 2 ; + 2 ; + 1"), VerdictKind::kWrong);
}

TEST(Vm, GeneratedProblemsAreFair) {
  for (const char* name : {"vm3", "vm4"}) {
    const Task& task = find_task(name);
    int decoys = 0, single_order = 0, n = 200;
    for (int i = 0; i < n; ++i) {
      Split split = static_cast<Split>(i % 3);
      base::RngKey key = base::RngKey(11).child(i);
      core::Item made = task.generate(key, split);
      Vm vm = vm_of(made.problem);
      EXPECT_EQ(split_of_canonical(task.canonical(made.problem)), split);
      ASSERT_EQ(made.gold.at("hidden").size(), 2u);
      auto right = solve_vm(vm);
      ASSERT_FALSE(right.empty());
      std::set<std::vector<Instruction>> choices;
      for (auto program : right) {  // visible evidence decides: whatever passes the visible tests is correct
        EXPECT_EQ(verdict(made, instructions_text(program, " ; ")), VerdictKind::kCorrect) << made.problem.question;
        std::sort(program.begin(), program.end());
        choices.insert(program);
      }
      Vm first = vm;
      first.tests.resize(1);
      decoys += solve_vm(first).size() > right.size();
      std::reverse(right[0].begin(), right[0].end());
      single_order += run_program(right[0], vm.tests[0].x) != vm.tests[0].y;
      EXPECT_EQ(task.generate(key, split).problem.question, made.problem.question);
      core::Item back = task.parse(task.to_row(made), "default");
      EXPECT_EQ(back.problem.question, made.problem.question);
      EXPECT_EQ(task.to_row(back), task.to_row(made));
      EXPECT_EQ(text::task_tokenizer().decode(text::render_prompt(text::task_tokenizer(), made.problem)),
                made.problem.question);
    }
    EXPECT_GT(decoys, n / 4) << name;             // some program passes the first test and fails the second
    EXPECT_GT(single_order, 6 * n / 10) << name;  // the order matters
    RecordProperty(std::string(name) + "_decoys", decoys);
    RecordProperty(std::string(name) + "_ordered", single_order);
  }
}

TEST(Vm, BadRowsAreExplained) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"instructions":["+ 3"],"use":3,"tests":[[1,2],[2,3]]})", "4 strings"},
      {R"({"instructions":["+ 3","* 2","- 5","^ 2"],"use":3,"tests":[[1,2],[2,3]]})", "op in + - * /"},
      {R"({"instructions":["+ 3","* 2","- 5","/ 0"],"use":3,"tests":[[1,2],[2,3]]})", "k from 1 to 12"},
      {R"({"instructions":["+ 3","* 2","- 5",4],"use":3,"tests":[[1,2],[2,3]]})", "op k"},
      {R"({"instructions":["+ 3","* 2","- 5","/ 2"],"use":4,"tests":[[1,2],[2,3]]})", "use"},
      {R"({"instructions":["+ 3","* 2","- 5","/ 2"],"use":3,"tests":[[1,2]]})", "tests must hold 2"},
      {R"({"instructions":["+ 3","* 2","- 5","/ 2"],"use":3,"tests":[[1,2],[2,100]]})", "each output of tests"},
      {R"({"instructions":["+ 3","* 2","- 5","/ 2"],"use":3,"tests":[[1,2],2]})", "[input, output]"},
      {R"({"instructions":["+ 3","* 2","- 5","/ 2"],"use":3,"tests":[[1,2],[2,3]],"hidden":5})", "hidden"},
      {R"({"use":3})", "instructions"},
  };
  for (const auto& [row, wanted] : rows) {
    try {
      find_task("vm3").parse(base::Json::parse(row), "r1");
      ADD_FAILURE() << row;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::kInput);
      EXPECT_NE(std::string(e.what()).find(wanted), std::string::npos) << e.what();
    }
  }
}

TEST(Vm, StepsAreChecked) {
  core::Item it = item();
  auto check = [&](const std::string& thought) {
    std::string pattern;  // v valid, i invalid, u unreadable
    for (const auto& step : find_task("vm3").check_steps(it.problem, thought))
      pattern += !step.parsed ? 'u' : step.valid ? 'v' : 'i';
    return pattern;
  };
  EXPECT_EQ(check("goal 15 above ; try 7 + 3 = 10 ; 10 - 5 = 5 ; 5 * 2 = 10 ? 15 no ; back 10 , * 2 / 2 - 5 ; "
                  "10 * 2 = 20 ; 20 - 5 = 15 ? 15 yes ; test 6 + 3 = 9 ; 9 * 2 = 18 ; 18 - 5 = 13 ? 13 yes ;"),
            "vvvvvvvvvv");
  EXPECT_EQ(check("goal 15 below"), "i");
  EXPECT_EQ(check("goal 13 above"), "i");
  EXPECT_EQ(check("try 6 + 3 = 9"), "i");                  // not the first input
  EXPECT_EQ(check("try 7 + 4 = 11"), "i");                 // not in the bag
  EXPECT_EQ(check("try 7 + 3 = 11"), "i");                 // wrong result
  EXPECT_EQ(check("try 7 + 3 = 11 wait 10"), "v");         // corrected
  EXPECT_EQ(check("try 7 + 3 = 10 ; 10 + 3 = 13"), "vi");  // used twice
  EXPECT_EQ(check("try 7 / 2 = 3 ; 3 - 5 no"), "vv");      // leaves 0 … 99
  EXPECT_EQ(check("try 7 - 5 no"), "i");
  EXPECT_EQ(check("try 7 + 3 = 10 , 1"), "i");
  EXPECT_EQ(check("try 7 + 3 = 10 ; 10 * 2 = 20 ; 20 - 5 = 15 ? 15 no"), "vvi");
  EXPECT_EQ(check("try 7 + 3 = 10 ; 10 * 2 = 20 ; 20 - 5 = 15 ? 13 no"), "vvi");
  EXPECT_EQ(check("try 7 + 3 = 10 ? 15 yes"), "i");  // not complete
  EXPECT_EQ(check("test 6 + 3 = 9"), "i");           // nothing to test yet
  EXPECT_EQ(check("try 7 + 3 = 10 ; 10 * 2 = 20 ; 20 - 5 = 15 ? 15 yes ; test 6 * 2 = 12"), "vvvi");
  EXPECT_EQ(check("try 7 + 3 = 10 ; back 10 , * 2 / 2"), "vi");  // an instruction is missing
  EXPECT_EQ(check("try 7 + 3 = 10 ; back 11 , * 2 / 2 - 5"), "vi");
  EXPECT_EQ(check("try 7 + 3 = 10 ; back 10"), "vu");
  EXPECT_EQ(check("stop end"), "v");
}

}  // namespace
}  // namespace ponder::tasks
