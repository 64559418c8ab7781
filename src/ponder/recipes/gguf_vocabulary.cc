#include "ponder/recipes/gguf_vocabulary.h"

#include <algorithm>
#include <cstdint>

namespace ponder::recipes {

text::GgufVocabulary gguf_vocabulary(const store::GgufMetadata& m) {
  text::GgufVocabulary v;
  v.model = std::string(m.string_at("tokenizer.ggml.model"));
  v.pre = std::string(m.string_or("tokenizer.ggml.pre", ""));
  for (const std::string_view token : m.strings_at("tokenizer.ggml.tokens")) v.tokens.emplace_back(token);
  if (m.has("tokenizer.ggml.scores")) v.scores = m.floats_at("tokenizer.ggml.scores");
  if (m.has("tokenizer.ggml.token_type"))
    for (const int64_t type : m.ints_at("tokenizer.ggml.token_type"))
      v.types.push_back(static_cast<int32_t>(std::clamp<int64_t>(type, INT32_MIN, INT32_MAX)));
  if (v.model == "gpt2" || m.has("tokenizer.ggml.merges"))  // without them every text would be single bytes, in silence
    for (const std::string_view merge : m.strings_at("tokenizer.ggml.merges")) v.merges.emplace_back(merge);
  v.bos = m.int_or("tokenizer.ggml.bos_token_id", -1);
  v.eos = m.int_or("tokenizer.ggml.eos_token_id", -1);
  v.unk = m.int_or("tokenizer.ggml.unknown_token_id", -1);
  v.pad = m.int_or("tokenizer.ggml.padding_token_id", -1);
  if (m.has("tokenizer.ggml.add_bos_token")) v.add_bos = m.bool_at("tokenizer.ggml.add_bos_token");
  if (m.has("tokenizer.ggml.add_eos_token")) v.add_eos = m.bool_at("tokenizer.ggml.add_eos_token");
  if (m.has("tokenizer.ggml.add_space_prefix")) v.add_space_prefix = m.bool_at("tokenizer.ggml.add_space_prefix");
  return v;
}

}  // namespace ponder::recipes
