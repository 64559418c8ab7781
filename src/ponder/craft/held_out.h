// Keeps test and dev problems out of every text that is made for a model to learn from; what it writes itself in
// reinforcement learning, on training problems, is its own. A held-out problem can leak as a prompt,
// and also as the state of another problem: "26 , 26 8 3" shows the numbers 26 8 3 with all that can be made of them.
#pragma once
#include <string>
#include <vector>

#include "ponder/core/token.h"

namespace ponder::craft {

// States with fewer numbers or instructions are no problem of any task.
inline constexpr size_t kMinProblemNumbers = 3;
inline constexpr size_t kMinProblemInstructions = 4;

// numbers: of a countdown state. False for states too small to be a problem.
bool is_held_out_numbers(core::TokenSpan numbers);
// instructions: "op k op k …".
bool is_held_out_bag(core::TokenSpan instructions);

// The canonical form of every held-out instance that a text shows: in prompts (Q, P, play, run) and in listed states
// (behind "," and "back"), after corrections. Empty = clean. For tests and for the report's overlap row.
std::vector<std::string> leaked_instances(core::TokenSpan tokens);

}  // namespace ponder::craft
