#include "ponder/craft/held_out.h"

#include "ponder/tasks/countdown.h"
#include "ponder/tasks/vm.h"
#include "ponder/text/steps.h"
#include "ponder/text/words.h"

namespace ponder::craft {
namespace {

std::string canonical_numbers(core::TokenSpan numbers) {
  return tasks::countdown_canonical({numbers.begin(), numbers.end()});
}

std::string canonical_bag(core::TokenSpan instructions) {
  std::vector<tasks::Instruction> bag;
  for (size_t i = 0; i + 1 < instructions.size(); i += 2) bag.push_back({instructions[i], instructions[i + 1]});
  return tasks::vm_canonical(std::move(bag));
}

bool is_held_out(const std::string& canonical) { return tasks::split_of_canonical(canonical) != tasks::Split::kTrain; }

bool opens_list(core::Token t) {
  return t == text::kQuestion || t == text::kProgram || t == text::kPlay || t == text::kRun || t == text::kComma ||
         t == text::kBack;
}

}  // namespace

bool is_held_out_numbers(core::TokenSpan numbers) {
  return numbers.size() >= kMinProblemNumbers && is_held_out(canonical_numbers(numbers));
}

bool is_held_out_bag(core::TokenSpan instructions) {
  return instructions.size() >= 2 * kMinProblemInstructions && is_held_out(canonical_bag(instructions));
}

std::vector<std::string> leaked_instances(core::TokenSpan text) {
  core::Tokens tokens = text::apply_corrections(text);
  std::vector<std::string> leaks;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (!opens_list(tokens[i])) continue;
    size_t begin = i + 1, end = begin;
    while (end < tokens.size() && text::is_number(tokens[end])) ++end;
    core::TokenSpan numbers(tokens.data() + begin, end - begin);
    if (is_held_out_numbers(numbers)) leaks.push_back(canonical_numbers(numbers));
    end = begin;
    while (end + 1 < tokens.size() && text::is_op(tokens[end]) && text::is_number(tokens[end + 1])) end += 2;
    core::TokenSpan bag(tokens.data() + begin, end - begin);
    if (is_held_out_bag(bag)) leaks.push_back(canonical_bag(bag));
  }
  return leaks;
}

}  // namespace ponder::craft
