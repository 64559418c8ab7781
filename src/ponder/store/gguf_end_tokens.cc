#include "ponder/store/gguf_end_tokens.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "ponder/base/cat.h"

namespace ponder::store {

bool ends_turn(std::string_view token) {
  return std::find(std::begin(kTurnEnds), std::end(kTurnEnds), token) != std::end(kTurnEnds);
}

bool ends_text(std::string_view token) {
  return ends_turn(token) || std::find(std::begin(kOtherEnds), std::end(kOtherEnds), token) != std::end(kOtherEnds);
}

std::vector<int64_t> gguf_end_tokens(const GgufMetadata& metadata, int64_t vocab) {
  std::vector<int64_t> ends;
  const auto add = [&](int64_t id) {
    if (std::find(ends.begin(), ends.end(), id) == ends.end()) ends.push_back(id);
  };
  for (const char* name : {"eos", "eot", "eom"})
    if (const std::string key = base::cat("tokenizer.ggml.", name, "_token_id"); metadata.has(key))
      add(metadata.int_at(key));
  if (!metadata.has("tokenizer.ggml.tokens") || !metadata.has("tokenizer.ggml.token_type")) return ends;
  constexpr int64_t kControl = 3, kUserDefined = 4;
  const std::vector<std::string_view> tokens = metadata.strings_at("tokenizer.ggml.tokens");
  const std::vector<int64_t> types = metadata.ints_at("tokenizer.ggml.token_type");
  const size_t n = std::min({tokens.size(), types.size(), static_cast<size_t>(std::max<int64_t>(vocab, 0))});
  for (size_t id = 0; id < n; ++id)
    if ((types[id] == kControl || types[id] == kUserDefined) && ends_text(tokens[id])) add(static_cast<int64_t>(id));
  return ends;
}

}  // namespace ponder::store
