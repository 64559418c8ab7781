#include "ponder/text/gguf_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ponder/base/error.h"
#include "ponder/text/bpe_builder.h"
#include "ponder/text/bpe_tokenizer.h"
#include "ponder/text/gguf_kinds.h"
#include "ponder/text/unicode.h"

namespace ponder::text {
namespace {

class GgufReader {
 public:
  GgufReader(const GgufVocabulary& vocabulary, const std::string& where) : v_(vocabulary), where_(where) {}

  std::unique_ptr<Tokenizer> read() {
    check();
    if (v_.model == "llama") return read_llama();
    if (v_.model == "gpt2") return read_gpt2();
    fail("tokenizer.ggml.model", base::cat("\"", v_.model, "\" is not supported; known are llama and gpt2"));
  }

 private:
  [[noreturn]] void fail(const char* key, const std::string& what) const {
    throw Error(ErrorCode::kInput, base::cat(key, ": ", what), where_);
  }
  template <class F>
  void at_key(const char* key, F&& work) const {
    try {
      work();
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kInput || !e.where().empty()) throw;
      fail(key, e.message());
    }
  }
  int32_t type(size_t id) const { return v_.type(id); }

  void check() const {
    const size_t n = v_.tokens.size();
    if (n == 0 || n > INT32_MAX / 2) fail("tokenizer.ggml.tokens", base::cat("has ", n, " tokens"));
    if (!v_.types.empty() && v_.types.size() != n)
      fail("tokenizer.ggml.token_type", base::cat("has ", v_.types.size(), " items for ", n, " tokens"));
    if (v_.model == "llama" && v_.scores.size() != n)
      fail("tokenizer.ggml.scores", base::cat("has ", v_.scores.size(), " items for ", n, " tokens"));
    const std::pair<const char*, int64_t> ids[] = {{"tokenizer.ggml.bos_token_id", v_.bos},
                                                   {"tokenizer.ggml.eos_token_id", v_.eos},
                                                   {"tokenizer.ggml.unknown_token_id", v_.unk},
                                                   {"tokenizer.ggml.padding_token_id", v_.pad}};
    for (const auto& [key, id] : ids)
      if (id < -1 || id >= static_cast<int64_t>(n)) fail(key, base::cat("is ", id, "; ids are 0 … ", n - 1));
    for (size_t i = 0; i < n; ++i) {
      if (valid_utf8_prefix(v_.tokens[i]) != v_.tokens[i].size())
        fail("tokenizer.ggml.tokens", base::cat("token ", i, " is not valid UTF-8"));
      if (type(i) < 0 || type(i) > kByte)
        fail("tokenizer.ggml.token_type", base::cat("token ", i, " is of type ", type(i)));
    }
  }

  SpecialIds special_ids() const {
    return {static_cast<core::Token>(v_.bos), static_cast<core::Token>(v_.eos), static_cast<core::Token>(v_.pad),
            static_cast<core::Token>(v_.unk)};
  }

  void set_ends(BpeTokenizerParts& parts, bool add_bos) const {
    if (v_.add_bos.value_or(add_bos) && v_.bos >= 0) parts.before = {static_cast<core::Token>(v_.bos)};
    if (v_.add_eos.value_or(false) && v_.eos >= 0) parts.after = {static_cast<core::Token>(v_.eos)};
  }

  AddedToken added_token(size_t id, std::string content) const {
    AddedToken token;
    token.content = std::move(content);
    token.id = static_cast<core::Token>(id);
    token.special = type(id) == kControl || type(id) == kUnknown;
    return token;
  }

  // ---- SentencePiece ----

  // Any two tokens that together are a token can merge; the score of the result is the pair's rank.
  void add_merges_of(size_t id, uint32_t rank, BpeBuilder& builder) const {
    const Vocabulary& vocabulary = builder.vocabulary();
    const auto to = static_cast<core::Token>(id);
    const std::string text(vocabulary.bytes(to));
    const auto is_part = [&](core::Token part) {
      return part >= 0 &&
             (type(static_cast<size_t>(part)) == kNormal || type(static_cast<size_t>(part)) == kUserDefined);
    };
    for (size_t at = 0; at < text.size();) {
      at += code_point_at(text, at).length;
      const core::Token left = vocabulary.find(std::string_view(text).substr(0, at));
      const core::Token right = is_part(left) ? vocabulary.find(std::string_view(text).substr(at)) : -1;
      if (at < text.size() && is_part(right)) builder.add_merge(left, right, rank, to);
    }
  }

  void add_merges(BpeBuilder& builder) const {
    constexpr size_t kMaxToken = 1024;  // bytes; all ways to cut a token are tried
    std::vector<uint32_t> order;
    std::vector<uint32_t> runs;  // user-defined tokens of marks alone: no text has them before spaces become marks
    for (uint32_t i = 0; i < v_.tokens.size(); ++i) {
      if (std::isnan(v_.scores[i]))
        fail("tokenizer.ggml.scores", base::cat("token ", i, " has no number as its score"));
      const std::string text = spelled_token(v_, i);
      if (text.size() > kMaxToken || is_padding(v_, i)) continue;
      if (type(i) == kNormal || type(i) == kUnused) order.push_back(i);
      std::string marks;
      while (marks.size() < text.size()) marks += kWordMark;
      if (type(i) == kUserDefined && marks == text) runs.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return v_.scores[a] > v_.scores[b]; });
    std::stable_sort(runs.begin(), runs.end(),
                     [&](uint32_t a, uint32_t b) { return v_.tokens[a].size() > v_.tokens[b].size(); });
    uint32_t rank = 0;
    for (const uint32_t id : runs) add_merges_of(id, rank++, builder);
    for (size_t i = 0; i < order.size(); ++i) {
      if (i > 0 && v_.scores[order[i]] != v_.scores[order[i - 1]]) ++rank;
      add_merges_of(order[i], rank, builder);
    }
  }

  std::unique_ptr<Tokenizer> read_llama() const {
    BpeBuilder builder(false, v_.tokens.size(), 2 * v_.tokens.size());
    std::vector<AddedToken> added;
    bool has_bytes = false;
    at_key("tokenizer.ggml.tokens", [&] {
      for (size_t i = 0; i < v_.tokens.size(); ++i) {
        if (is_padding(v_, i)) continue;
        const std::string text = spelled_token(v_, i);
        builder.add_token(text, static_cast<int64_t>(i));
        has_bytes |= type(i) == kByte;
        if (type(i) >= kUnknown && type(i) <= kUserDefined && !text.empty()) added.push_back(added_token(i, text));
      }
    });
    add_merges(builder);
    BpeOptions options;
    options.byte_fallback = has_bytes;
    options.fuse_unk = true;
    options.unk = static_cast<core::Token>(v_.unk);
    options.unk_name = "unknown_token_id";
    const bool prefix = v_.add_space_prefix.value_or(true);
    DecodePlan decoder;
    decoder.byte_fallback = true;
    decoder.replaced.emplace_back(kWordMark, " ");
    decoder.spaces_dropped = prefix;
    BpeTokenizerParts parts{
        builder.build(options), {}, std::move(added), make_spaces_to_marks(prefix), {}, std::move(decoder), {}, {},
        special_ids()};
    set_ends(parts, true);
    return std::make_unique<BpeTokenizer>(std::move(parts));
  }

  // ---- byte-level ----

  std::unique_ptr<Tokenizer> read_gpt2() const {
    const PreKind& kind = find_pre_kind(v_.pre, where_);
    BpeBuilder builder(true, v_.tokens.size(), v_.merges.size());
    std::vector<AddedToken> added;
    at_key("tokenizer.ggml.tokens", [&] {
      for (size_t i = 0; i < v_.tokens.size(); ++i) {
        if (is_padding(v_, i)) continue;
        builder.add_token(v_.tokens[i], static_cast<int64_t>(i));
        if ((type(i) == kControl || type(i) == kUserDefined) && !v_.tokens[i].empty())
          added.push_back(added_token(i, v_.tokens[i]));
      }
    });
    at_key("tokenizer.ggml.merges", [&] {
      for (const std::string& merge : v_.merges) {
        const size_t space = merge.find(' ', 1);
        if (space == std::string::npos || valid_utf8_prefix(merge) != merge.size())
          throw Error(ErrorCode::kInput, "each merge must be \"left right\"");
        builder.add_merge(std::string_view(merge).substr(0, space), std::string_view(merge).substr(space + 1));
      }
    });
    BpeOptions options;
    options.ignore_merges = kind.ignore_merges;
    DecodePlan decoder;
    decoder.byte_level = true;
    PreTokenizers cuts;
    cuts.byte_level = true;
    for (const char* pattern : kind.patterns) cuts.steps.push_back(make_split(pattern));
    Bpe model = builder.build(options);
    BpeTokenizerParts parts{std::move(model),
                            builder.take_unreachable(),
                            std::move(added),
                            kind.nfc ? make_nfc() : nullptr,
                            std::move(cuts),
                            std::move(decoder),
                            {},
                            {},
                            special_ids()};
    set_ends(parts, kind.add_bos);
    return std::make_unique<BpeTokenizer>(std::move(parts));
  }

  const GgufVocabulary& v_;
  const std::string& where_;
};

}  // namespace

std::unique_ptr<Tokenizer> make_gguf_tokenizer(const GgufVocabulary& vocabulary, const std::string& where) {
  return GgufReader(vocabulary, where).read();
}

}  // namespace ponder::text
