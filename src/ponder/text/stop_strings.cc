#include "ponder/text/stop_strings.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/text/unicode.h"

namespace ponder::text {

StopTexts::StopTexts(const Tokenizer& tokenizer, std::vector<std::string> texts)
    : tokenizer_(&tokenizer), texts_(std::move(texts)) {
  for (const std::string& text : texts_) {
    if (text.empty()) throw Error(ErrorCode::kUsage, "a stop text is empty; it would end every completion at once");
    if (text.size() > kMaxBytes)
      throw Error(ErrorCode::kUsage,
                  base::cat("a stop text has ", text.size(), " bytes; at most ", kMaxBytes, " are looked for"));
    if (valid_utf8_prefix(text) != text.size()) throw Error(ErrorCode::kUsage, "a stop text is not valid UTF-8");
    longest_ = std::max(longest_, text.size());
  }
}

bool StopTexts::ended(core::TokenSpan completion) const {
  return !texts_.empty() && !completion.empty() && (completes(completion, true) || completes(completion, false));
}

// Looks at the last token's bytes and at as many before them as a text can reach back.
bool StopTexts::completes(core::TokenSpan completion, bool with_special) const {
  if (!is_read(completion.back(), with_special)) return false;
  const std::string last = tokenizer_->token_bytes(completion.back());
  if (last.empty()) return false;
  std::vector<std::string> before;  // from the back
  size_t reach = 0;
  for (size_t i = completion.size() - 1; i-- > 0 && reach + 1 < longest_;) {
    if (!is_read(completion[i], with_special)) continue;
    before.push_back(tokenizer_->token_bytes(completion[i]));
    reach += before.back().size();
  }
  std::string bytes;
  for (size_t i = before.size(); i-- > 0;) bytes += before[i];
  bytes += last;
  return std::ranges::any_of(texts_, [&](const std::string& text) {
    // One that does not reach into the last token was there before it.
    return bytes.find(text, reach + 1 > text.size() ? reach + 1 - text.size() : 0) != std::string::npos;
  });
}

StopTexts::Place StopTexts::first_match(core::TokenSpan completion, bool with_special) const {
  std::string bytes;
  std::vector<std::pair<size_t, size_t>> begins;  // of each token that is read: in `bytes`, and its number
  for (size_t i = 0; i < completion.size(); ++i) {
    if (!is_read(completion[i], with_special)) continue;
    begins.emplace_back(bytes.size(), i);
    bytes += tokenizer_->token_bytes(completion[i]);
  }
  size_t first = std::string::npos;
  for (const std::string& text : texts_) first = std::min(first, bytes.find(text));
  if (first == std::string::npos) return {completion.size(), 0};
  const auto behind = std::ranges::upper_bound(begins, first, {}, &std::pair<size_t, size_t>::first);
  return {std::prev(behind)->second, first - std::prev(behind)->first};
}

std::string StopTexts::text_before(core::TokenSpan completion) const {
  const Place cut = std::min(first_match(completion, true), first_match(completion, false));
  const core::TokenSpan whole = completion.first(cut.token);
  if (cut.byte == 0 || tokenizer_->is_special(completion[cut.token])) return tokenizer_->decode_text(whole, true);
  // The beginning of a token stands before the text. A text's first token may lose a space when it is decoded.
  const core::Token id = completion[cut.token];
  std::string part = tokenizer_->token_bytes(id).substr(0, cut.byte);
  if (std::ranges::any_of(whole, [&](core::Token t) { return tokenizer_->has(t) && !tokenizer_->is_special(t); }))
    return replace_invalid_utf8(tokenizer_->decode(whole, true) + part);
  const size_t lost = tokenizer_->token_bytes(id).size() - tokenizer_->token_bytes(id, true).size();
  part.erase(0, lost);
  part.erase(0, std::min(part.find_first_not_of(' '), std::min(tokenizer_->leading_spaces_dropped(), part.size())));
  return replace_invalid_utf8(part);
}

}  // namespace ponder::text
