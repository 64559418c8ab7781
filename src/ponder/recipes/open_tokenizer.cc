#include "ponder/recipes/open_tokenizer.h"

#include "ponder/base/file.h"
#include "ponder/recipes/open_model.h"
#include "ponder/text/open_tokenizer.h"

namespace ponder::recipes {

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
