// Interventions on completions: a slip is planted in the middle of a thought, and what the model makes of it is
// compared with the untouched thought; an answer is spoiled, for critics to learn from. Called by the probe, by rl and
// by critics.
#pragma once
#include <optional>

#include "ponder/base/rng.h"
#include "ponder/core/problem.h"
#include "ponder/core/token.h"
#include "ponder/craft/slips.h"

namespace ponder::craft {

struct SlipProbe {
  core::Tokens prefix;    // prompt and completion up to the slip, which is its last token
  core::Token right = 0;  // what stood in its place; prefix with it as last token is the control
  bool doubted = false;   // the untouched completion went on with "wait": a false alarm
};

// Plants a slip of one kind in an equation or verdict that is right, uniformly among the places that have room for it,
// whatever followed there. Nothing when the completion has no such place. The completion is read up to "ans".
std::optional<SlipProbe> plant_slip(const core::Problem& problem, core::TokenSpan completion, SlipKind kind,
                                    base::RngKey key);

// The continuation of a probe starts with "wait" and the right word.
bool is_repaired(const SlipProbe& probe, core::TokenSpan continuation);

struct SpoiledAnswer {
  core::Tokens completion;
  int64_t at = 0;  // which token is another one now
};

// The completion with another number in the first step of its answer: half of the time one that stands beside it there,
// else one of the prompt's. What small policies do when they copy a thought into an answer; whether the result is wrong
// is for a verifier to say. Nothing when there is no answer or no other number.
std::optional<SpoiledAnswer> spoil_answer(core::TokenSpan prompt, core::TokenSpan completion, base::RngKey key);

}  // namespace ponder::craft
