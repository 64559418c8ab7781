#include "ponder/recipes/open_tokenizer.h"

#include <algorithm>
#include <cstdint>

#include "ponder/base/file.h"
#include "ponder/recipes/open_model.h"
#include "ponder/text/open_tokenizer.h"

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

std::shared_ptr<const text::Tokenizer> open_tokenizer(const std::string& model) {
  if (base::file_exists(base::join_path(model, "tokenizer.json"))) return text::open_tokenizer(model);
  const std::string home = tokenizer_home(model);
  if (!is_gguf_file(home)) return text::open_tokenizer(home);
  const store::GgufFile file(home);
  return text::make_gguf_tokenizer(gguf_vocabulary(file.metadata()), home);
}

text::ChatTemplateSource gguf_chat_source(const store::GgufMetadata& m, const text::GgufVocabulary& vocabulary,
                                          const std::string& where) {
  text::ChatTemplateSource source;
  constexpr std::string_view kTemplate = "tokenizer.chat_template";
  const auto add = [&](std::string_view name, const std::string& key) {
    source.templates.push_back({std::string(name), std::string(m.string_at(key)), base::cat(where, ":", key)});
  };
  if (!m.string_or(kTemplate, "").empty()) add("default", std::string(kTemplate));
  if (m.has("tokenizer.chat_templates"))
    for (const std::string_view name : m.strings_at("tokenizer.chat_templates"))
      add(name, base::cat(kTemplate, ".", name));
  for (const auto& [name, id] : {std::pair{"bos_token", vocabulary.bos}, std::pair{"eos_token", vocabulary.eos},
                                 std::pair{"unk_token", vocabulary.unk}, std::pair{"pad_token", vocabulary.pad}})
    if (id >= 0 && static_cast<size_t>(id) < vocabulary.tokens.size())
      source.special_tokens.emplace_back(name, vocabulary.tokens[static_cast<size_t>(id)]);
  return source;
}

text::ChatTemplateSource open_chat_source(const std::string& model) {
  const std::string home = tokenizer_home(model);
  if (!is_gguf_file(home)) return text::read_chat_template_source(home);
  const store::GgufFile file(home);
  return gguf_chat_source(file.metadata(), gguf_vocabulary(file.metadata()), home);
}

}  // namespace ponder::recipes
