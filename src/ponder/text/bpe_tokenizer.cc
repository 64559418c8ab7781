#include "ponder/text/bpe_tokenizer.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/text/byte_alphabet.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

constexpr size_t kMaxText = size_t{1} << 30;  // bytes; positions are kept in 32 bits

// The text as it is, or with U+FFFD for what is not UTF-8.
Piece valid_text(const Piece& text, PieceArena& arena) {
  size_t valid = valid_utf8_prefix(text.text);
  if (valid == text.text.size()) return text;
  PieceWriter writer(text, arena);
  for (size_t at = 0;;) {
    writer.keep(at, at + valid);
    at += valid;
    if (at == text.text.size()) break;
    const size_t broken = invalid_utf8_length(text.text.substr(at));
    writer.put(kReplacement, at, at + broken);
    at += broken;
    valid = valid_utf8_prefix(text.text.substr(at));
  }
  return writer.finish();
}

}  // namespace

BpeTokenizer::BpeTokenizer(BpeTokenizerParts parts) : parts_(std::move(parts)) {
  special_ids_ = parts_.special_ids;
  add_decoded();
  for (const AddedToken& token : parts_.added) {
    added_ids_.emplace(token.content, token.id);
    std::string pattern = token.content;
    if (token.normalized && parts_.normalizer) {
      PieceArena arena;
      Piece piece;
      piece.text = token.content;
      pattern = parts_.normalizer->apply(piece, arena).text;
    }
    (token.normalized ? normalized_finder_ : raw_finder_).add(token, pattern);
    // The reference decodes such a token to its normalized form.
    Decoded& entry = decoded_[static_cast<size_t>(token.id)];
    entry = {static_cast<uint32_t>(decoded_bytes_.size()), 0, true, token.special, false};
    decoded_bytes_ += parts_.decoder.bytes_of(pattern, entry.is_byte);
    entry.length = static_cast<uint32_t>(decoded_bytes_.size() - entry.begin);
  }
}

// A token of the vocabulary as its file spells it; byte-level vocabularies are kept as bytes and need no spelling here.
std::string_view BpeTokenizer::spelling(core::Token id) const {
  const Vocabulary& vocabulary = parts_.model.vocabulary();
  return vocabulary.has(id) ? vocabulary.bytes(id) : parts_.unreachable.bytes(id);
}

void BpeTokenizer::add_decoded() {
  const Vocabulary& vocabulary = parts_.model.vocabulary();
  size_t size = std::max(vocabulary.size(), parts_.unreachable.size());
  for (const AddedToken& token : parts_.added) size = std::max(size, static_cast<size_t>(token.id) + 1);
  decoded_.resize(size);
  PONDER_CHECK(parts_.decoder.byte_level || !parts_.pre_tokenizers.byte_level,
               "a byte-level vocabulary decodes to bytes");
  for (size_t i = 0; i < size; ++i) {
    const auto id = static_cast<core::Token>(i);
    Decoded& entry = decoded_[i];
    entry.present = vocabulary.has(id) || parts_.unreachable.has(id);
    entry.begin = static_cast<uint32_t>(decoded_bytes_.size());
    if (parts_.pre_tokenizers.byte_level) {
      decoded_bytes_ += spelling(id);
    } else if (entry.present) {
      decoded_bytes_ += parts_.decoder.bytes_of(spelling(id), entry.is_byte);
    }
    if (decoded_bytes_.size() > UINT32_MAX / 2) throw Error(ErrorCode::kInput, "the tokens take more than 2 GiB");
    entry.length = static_cast<uint32_t>(decoded_bytes_.size() - entry.begin);
  }
}

const BpeTokenizer::Decoded* BpeTokenizer::entry_of(core::Token id) const {
  if (id < 0 || static_cast<size_t>(id) >= decoded_.size()) return nullptr;
  const Decoded& entry = decoded_[static_cast<size_t>(id)];
  return entry.present ? &entry : nullptr;
}

std::unique_ptr<BpeTokenizer::Scratch> BpeTokenizer::take_scratch() const {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Scratch>();
  std::unique_ptr<Scratch> scratch = std::move(idle_.back());
  idle_.pop_back();
  return scratch;
}

void BpeTokenizer::give_back(std::unique_ptr<Scratch> scratch) const {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(scratch));
}

void BpeTokenizer::encode_piece(const Piece& piece, bool parse_special, PieceArena& arena, Scratch& scratch,
                                core::Tokens& ids, std::vector<ByteRange>* ranges) const {
  scratch.pieces.clear();
  const Piece normalized = parts_.normalizer ? parts_.normalizer->apply(piece, arena) : piece;
  normalized_finder_.cut(normalized, !parse_special, scratch.pieces);
  for (const auto& step : parts_.pre_tokenizers.steps) {
    scratch.spare.clear();
    for (const Piece& part : scratch.pieces) {
      if (part.token >= 0) {
        scratch.spare.push_back(part);
      } else {
        step->cut(part, arena, scratch.spare);
      }
    }
    scratch.pieces.swap(scratch.spare);
  }
  for (const Piece& part : scratch.pieces) {
    if (part.token >= 0) {
      ids.push_back(part.token);
      if (ranges) ranges->push_back(part.origin(0, part.text.size()));
      continue;
    }
    scratch.symbols.clear();
    parts_.model.encode(part.text, scratch.bpe, scratch.symbols);
    size_t at = 0;
    for (const BpeScratch::Symbol& symbol : scratch.symbols) {
      ids.push_back(symbol.id);
      if (!ranges) continue;
      const size_t end = std::min<size_t>(at + symbol.bytes, part.text.size());
      ranges->push_back(at < end ? part.origin(at, end) : ByteRange{part.offset, part.offset});
      at = end;
    }
  }
}

void BpeTokenizer::encode_into(std::string_view text, const EncodeOptions& options, core::Tokens& ids,
                               std::vector<ByteRange>* ranges) const {
  if (text.size() > kMaxText)
    throw Error(ErrorCode::kInput,
                base::cat("the text has ", text.size(), " bytes; at most ", kMaxText, " are encoded at once"));
  std::unique_ptr<Scratch> scratch = take_scratch();
  PieceArena arena;
  arena.track_origins = ranges != nullptr;
  Piece whole;
  whole.text = text;
  whole = valid_text(whole, arena);
  if (options.add_special) ids = parts_.before;
  if (ranges) ranges->assign(ids.size(), {});
  scratch->raw.clear();
  raw_finder_.cut(whole, !options.parse_special, scratch->raw);
  for (const Piece& piece : scratch->raw) {
    if (piece.token < 0) {
      encode_piece(piece, options.parse_special, arena, *scratch, ids, ranges);
      continue;
    }
    ids.push_back(piece.token);
    if (ranges) ranges->push_back(piece.origin(0, piece.text.size()));
  }
  if (options.add_special) ids.insert(ids.end(), parts_.after.begin(), parts_.after.end());
  if (ranges) ranges->resize(ids.size(), {text.size(), text.size()});
  give_back(std::move(scratch));
}

core::Tokens BpeTokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  core::Tokens ids;
  encode_into(text, options, ids, nullptr);
  return ids;
}

Encoding BpeTokenizer::encode_with_ranges(std::string_view text, const EncodeOptions& options) const {
  Encoding encoding;
  encode_into(text, options, encoding.ids, &encoding.ranges);
  return encoding;
}

std::string BpeTokenizer::token_bytes(core::Token id, bool is_first) const {
  const Decoded* entry = entry_of(id);
  if (!entry) return "";
  std::string bytes(bytes_of(*entry));
  if (!is_first) return parts_.decoder.join_spaces ? " " + bytes : bytes;
  if (!parts_.decoder.mark_dropped.empty()) {
    // Every mark of the first token goes, and the others of its spaces stay.
    std::string kept;
    std::string_view left = spelling(id).empty() ? std::string_view(bytes) : spelling(id);
    for (size_t at; (at = left.find(parts_.decoder.mark_dropped)) != std::string_view::npos;) {
      kept += left.substr(0, at);
      left.remove_prefix(at + parts_.decoder.mark_dropped.size());
    }
    return kept.append(left);
  }
  return bytes;
}

// Fallback bytes that are no UTF-8 together become one U+FFFD each, as the reference writes them.
std::string BpeTokenizer::joined(core::TokenSpan ids, bool skip_special, bool replace_broken_bytes) const {
  std::string out;
  size_t run = std::string::npos;  // where a run of fallback bytes began
  const auto end_run = [&] {
    if (run == std::string::npos) return;
    const size_t bytes = out.size() - run;
    if (valid_utf8_prefix(std::string_view(out).substr(run)) != bytes) {
      out.resize(run);
      for (size_t i = 0; i < bytes; ++i) out += kReplacement;
    }
    run = std::string::npos;
  };
  bool is_first = true;
  for (const core::Token id : ids) {
    const Decoded* entry = entry_of(id);
    if (!entry || (skip_special && entry->special)) continue;
    if (!entry->is_byte) end_run();
    if (entry->is_byte && replace_broken_bytes && run == std::string::npos) run = out.size();
    if (is_first || parts_.decoder.join_spaces) {
      out += token_bytes(id, is_first);
    } else {
      out += bytes_of(*entry);
    }
    is_first = false;
  }
  end_run();
  size_t dropped = 0;
  while (dropped < std::min(parts_.decoder.spaces_dropped, out.size()) && out[dropped] == ' ') ++dropped;
  return out.erase(0, dropped);
}

std::string BpeTokenizer::decode(core::TokenSpan ids, bool skip_special) const {
  return joined(ids, skip_special, false);
}

std::string BpeTokenizer::decode_text(core::TokenSpan ids, bool skip_special) const {
  return replace_invalid_utf8(joined(ids, skip_special, true));
}

std::optional<core::Token> BpeTokenizer::find(std::string_view token) const {
  if (const auto added = added_ids_.find(std::string(token)); added != added_ids_.end()) return added->second;
  if (valid_utf8_prefix(token) != token.size()) return std::nullopt;
  core::Token id = Vocabulary::kNone;
  if (!parts_.pre_tokenizers.byte_level) {
    id = parts_.model.vocabulary().find(token);
  } else if (const auto bytes = spelled_bytes(token)) {
    id = parts_.model.vocabulary().find(*bytes);
  }
  if (id == Vocabulary::kNone) id = parts_.unreachable.find(token);
  return id == Vocabulary::kNone ? std::nullopt : std::optional(id);
}

bool BpeTokenizer::is_special(core::Token id) const {
  const Decoded* entry = entry_of(id);
  return entry && entry->special;
}

}  // namespace ponder::text
