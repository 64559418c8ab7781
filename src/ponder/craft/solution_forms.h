// Ways of writing down the worked solution of a word problem. A model that has learned several has several roads to one
// answer, which is what votes over samples live from (self-consistency, Wang et al., arXiv 2203.11171). Called by
// supervised fine-tuning.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/core/problem.h"

namespace ponder::craft {

// steps:      worked_solution() alone, "9 - 4 = 5".
// operations: before it what will be done: "subtract".
// amounts:    before it the numbers it uses, with what they count: "9 nuts, 4 of them".
// question:   before it what is asked: "How many are left?".
// check:      behind it the inverse of its last step, "5 + 4 = 9".
const std::vector<std::string>& solution_forms();

// The item's worked solution in that form. The forms other than steps are for items with an equation: nothing where
// there is none, where nothing is done (operations), where a number of the equation is not in the text exactly as often
// (amounts), where the text has no last sentence that asks (question), or where the last step is not of whole or
// decimal numbers or its inverse is held out by the task arithmetic (check).
std::optional<std::string> solution_in_form(const core::Item& item, const std::string& form);

}  // namespace ponder::craft
