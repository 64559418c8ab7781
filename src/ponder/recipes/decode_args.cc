#include "ponder/recipes/decode_args.h"

#include "ponder/base/error.h"

namespace ponder::recipes {
namespace {

void check_same_tokens(const OpenedModel& other, const std::string& role, const OpenedModel& model) {
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kUsage, base::cat("a ", role, " must have the model's own tokens, and ", why), "--" + role);
  };
  const int64_t own = other.policy.config.vocab, wanted = model.policy.config.vocab;
  if (own != wanted) refuse(base::cat("this one has ", own, " where the model has ", wanted));
  if (!other.text || !model.text) return;  // token ids alone
  const auto end = static_cast<core::Token>(std::max(other.text->size(), model.text->size()));
  for (core::Token id = 0; id < end; ++id)
    if (other.text->has(id) != model.text->has(id) || other.text->token_bytes(id) != model.text->token_bytes(id))
      refuse(base::cat("token ", id, " is not the same in both"));
}

}  // namespace

OpenedModel open_beside(const std::string& path, const std::string& role, const OpenedModel& model,
                        OpenOptions options) {
  options.adapter.clear();
  OpenedModel other = open_model(path, options);
  check_same_tokens(other, role, model);
  return other;
}

std::optional<OpenedModel> open_draft(const DecodeArgs& args, const OpenedModel& model, const OpenOptions& options) {
  if (args.draft.empty()) {
    if (args.speculate == "draft")
      throw Error(ErrorCode::kUsage, "say with --draft which model guesses", "--speculate");
    return std::nullopt;
  }
  if (args.speculate == "lookup") throw Error(ErrorCode::kUsage, "a lookup needs no draft model", "--draft");
  return open_beside(args.draft, "draft", model, options);
}

void set_decoding(const DecodeArgs& args, const std::optional<OpenedModel>& draft, Models& models) {
  models.kv_memory = args.kv_memory;
  models.engine.kv_dtype = args.kv_dtype;
  if (args.speculate == "lookup") models.engine.speculate = "lookup";
  if (args.draft_tokens > 0) models.engine.draft_tokens = args.draft_tokens;
  models.draft = draft ? &draft->policy : nullptr;
}

}  // namespace ponder::recipes
