// How a command's engines decode: what the command line says, for solve, eval and generate.
#pragma once
#include <optional>

#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/rollout.h"

namespace ponder::recipes {

// The model that guesses for another, opened as that one was; nothing where none is asked for. Error(kUsage) where the
// options do not fit one another or the two models do not have the same tokens.
std::optional<OpenedModel> open_draft(const DecodeArgs& args, const OpenedModel& model, const OpenOptions& options);

// The options into `models`; borrows the draft.
void set_decoding(const DecodeArgs& args, const std::optional<OpenedModel>& draft, Models& models);

}  // namespace ponder::recipes
