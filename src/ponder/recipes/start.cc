#include "ponder/recipes/start.h"

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/model/gguf.h"
#include "ponder/model/load.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/text/format.h"
#include "ponder/text/gguf_tokenizer_json.h"
#include "ponder/text/open_tokenizer.h"

namespace ponder::recipes {
namespace {

// What a directory may have; tokenizer.json it must.
constexpr const char* kTokenizerFiles[] = {"tokenizer.json",          "tokenizer_config.json", "special_tokens_map.json",
                                           "added_tokens.json",       "chat_template.jinja",   "chat_template.json",
                                           "generation_config.json"};

bool is_gguf(const std::string& path) { return path.ends_with(".gguf") && base::file_exists(path); }

TokenizerFiles files_of_directory(const std::string& directory) {
  TokenizerFiles files;
  for (const char* name : kTokenizerFiles) {
    const std::string path = base::join_path(directory, name);
    if (base::file_exists(path)) files[name] = base::read_file(path);
  }
  if (!files.contains("tokenizer.json"))
    throw Error(ErrorCode::kInput, "has no tokenizer.json, so it cannot be trained on texts", directory);
  return files;
}

TokenizerFiles files_of_gguf(const std::string& path) {
  const store::GgufFile file(path);
  const text::GgufVocabulary vocabulary = gguf_vocabulary(file.metadata());
  TokenizerFiles files;
  files["tokenizer.json"] = text::gguf_tokenizer_json(vocabulary, path);
  files["tokenizer_config.json"] = text::gguf_tokenizer_config(
      vocabulary, file.metadata().has("tokenizer.chat_template")
                      ? std::string(file.metadata().string_at("tokenizer.chat_template"))
                      : "");
  return files;
}

}  // namespace

model::DecoderConfig read_model_config(const std::string& path) {
  if (is_gguf(path)) return model::from_hf_json(model::gguf_config_json(store::GgufFile(path)), path);
  return model::read_hf_config(policy_directory(path));
}

model::Parameters load_start(const Recipe& recipe) {
  const std::string& path = recipe.init.from;
  model::Parameters parameters = is_gguf(path)
                                     ? model::load_gguf(path, model::Hold::kTrainable).parameters
                                     : model::load_hf(policy_directory(path), model::Hold::kTrainable).parameters;
  parameters.config.compute = recipe.model.compute;
  return parameters;
}

TokenizerFiles start_tokenizer_files(const Recipe& recipe) {
  const std::string& path = recipe.init.from;
  if (path.empty()) return {{"tokenizer.json", text::task_tokenizer().to_json()}};
  return is_gguf(path) ? files_of_gguf(path) : files_of_directory(policy_directory(path));
}

std::shared_ptr<const text::ProblemCodec> make_codec(const Recipe& recipe, const std::string& directory) {
  if (recipe.init.from.empty()) return std::make_shared<text::TaskCodec>(text::task_tokenizer());
  const std::string& from = directory.empty() ? recipe.init.from : directory;
  PONDER_CHECK(false, "no word codec for ", from);
  return nullptr;
}

std::shared_ptr<const text::ProblemCodec> make_base_codec(const Recipe& recipe) { return make_codec(recipe); }

std::shared_ptr<const text::ProblemCodec> codec_of_run(const std::string& run_dir, const Recipe& recipe) {
  if (recipe.init.from.empty()) return make_codec(recipe);
  return make_codec(recipe, newest_policy(run_dir));
}

}  // namespace ponder::recipes
