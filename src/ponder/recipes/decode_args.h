// How a command's engines decode: what the command line says, for solve, eval and generate.
#pragma once
#include <optional>

#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/rollout.h"

namespace ponder::recipes {

// A model that stands beside another, opened as that one was but for its adapter. Error(kUsage) where the two do not
// have the same tokens. role: what it is there for, which the option --role says too.
OpenedModel open_beside(const std::string& path, const std::string& role, const OpenedModel& model,
                        OpenOptions options);

// The model that guesses for another, opened as that one was; nothing where none is asked for. Error(kUsage) where the
// options do not fit one another or the two models do not have the same tokens.
std::optional<OpenedModel> open_draft(const DecodeArgs& args, const OpenedModel& model, const OpenOptions& options);

// The options into `models`; borrows the draft.
void set_decoding(const DecodeArgs& args, const std::optional<OpenedModel>& draft, Models& models);

}  // namespace ponder::recipes
