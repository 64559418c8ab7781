#include "ponder/text/bpe_builder.h"

#include "ponder/base/error.h"
#include "ponder/text/byte_alphabet.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

std::string shown(std::string_view token) {
  return base::cat("\"", replace_invalid_utf8(token.substr(0, 60)), token.size() > 60 ? "…" : "", "\"");
}

bool is_fallback(std::string_view token) { return token.size() == 6 && token.starts_with("<0x") && token[5] == '>'; }

}  // namespace

BpeBuilder::BpeBuilder(bool byte_level, size_t tokens, size_t merges) : byte_level_(byte_level), tokens_(tokens) {
  vocabulary_.reserve(tokens);
  merges_.reserve(merges);
}

void BpeBuilder::add_token(std::string_view spelled, int64_t id) {
  const int64_t most = Vocabulary::max_id_of(tokens_);
  if (id < 0 || id > most)
    throw Error(ErrorCode::kInput, base::cat("token ", shown(spelled), " has id ", id, "; with ", tokens_,
                                             " tokens ids must be 0 … ", most));
  const auto token = static_cast<core::Token>(id);
  if (has_id(token))
    throw Error(ErrorCode::kInput,
                base::cat("token ", shown(spelled), " has id ", id, ", which another token has already"));
  bool added = false;
  if (const auto bytes = byte_level_ ? spelled_bytes(spelled) : std::nullopt) {
    added = vocabulary_.add(*bytes, token);
  } else {
    added = (byte_level_ ? unreachable_ : vocabulary_).add(spelled, token);
  }
  if (!added) throw Error(ErrorCode::kInput, base::cat("token ", shown(spelled), " stands twice in the vocabulary"));
}

core::Token BpeBuilder::find(std::string_view spelled) const {
  if (!byte_level_) return vocabulary_.find(spelled);
  const auto bytes = spelled_bytes(spelled);
  return bytes ? vocabulary_.find(*bytes) : unreachable_.find(spelled);
}

void BpeBuilder::add_merge(std::string_view left, std::string_view right) {
  const auto known = [&](std::string_view part) {
    const core::Token id = find(part);
    if (id == Vocabulary::kNone)
      throw Error(ErrorCode::kInput, base::cat("merge ", rank_, " (", shown(left), " and ", shown(right), ") needs ",
                                               shown(part), ", which is not in the vocabulary"));
    return id;
  };
  const core::Token left_id = known(left), right_id = known(right);
  const core::Token to = known(base::cat(left, right));
  note_join(left, right);
  merges_.set(left_id, right_id, {rank_, to});
  ++rank_;
}

void BpeBuilder::add_merge(core::Token left, core::Token right, uint32_t rank, core::Token to) {
  note_join(vocabulary_.bytes(left), vocabulary_.bytes(right));
  merges_.set(left, right, {rank, to});
}

void BpeBuilder::note_join(std::string_view left, std::string_view right) {
  if (byte_level_ || left.empty()) return;
  merges_fallback_ |= is_fallback(left) || is_fallback(right);
  if (right.starts_with(kWordMark)) joins_mark_.insert(code_point_before(left, left.size()).value);
}

Bpe BpeBuilder::build(BpeOptions options) {
  options.byte_level = byte_level_;
  Bpe model(std::move(vocabulary_), std::move(merges_), options);
  if (!merges_fallback_) model.allow_cuts({joins_mark_.begin(), joins_mark_.end()});
  return model;
}

}  // namespace ponder::text
