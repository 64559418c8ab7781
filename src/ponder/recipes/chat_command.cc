// ponder chat-template: a conversation as the model will read it.
#include <cstdio>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/recipes/commands.h"
#include "ponder/recipes/open_model.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/text/chat_encode.h"
#include "ponder/text/chat_template.h"
#include "ponder/text/tokenizer_json.h"

namespace ponder::recipes {
namespace {

using base::Json;

// What a model has for chats. No tokenizer: there are no ids.
struct ChatFiles {
  text::ChatTemplateSource source;
  std::unique_ptr<text::Tokenizer> tokenizer;
};

ChatFiles open_gguf(const std::string& path) {
  const store::GgufFile file(path);
  const text::GgufVocabulary vocabulary = gguf_vocabulary(file.metadata());
  return {gguf_chat_source(file.metadata(), vocabulary, path), text::make_gguf_tokenizer(vocabulary, path)};
}

ChatFiles open_directory(const std::string& directory) {
  ChatFiles out;
  out.source = text::read_chat_template_source(directory);
  const std::string tokenizer = base::join_path(directory, "tokenizer.json");
  const std::string config = base::join_path(directory, "tokenizer_config.json");
  if (base::file_exists(tokenizer))
    out.tokenizer = text::read_tokenizer_json(base::read_file(tokenizer), tokenizer,
                                              base::file_exists(config) ? base::read_file(config) : "", config);
  return out;
}

// A directory with a template or a tokenizer will do, weights are not asked for; of a run, its newest policy.
ChatFiles open_chat_files(const std::string& model) {
  if (model.ends_with(".gguf")) return open_gguf(model);
  for (const char* file : {"tokenizer_config.json", "chat_template.jinja", "tokenizer.json"})
    if (base::file_exists(base::join_path(model, file))) return open_directory(model);
  const std::string home = tokenizer_home(model);
  return is_gguf_file(home) ? open_gguf(home) : open_directory(home);
}

// "k=v": v as JSON where it is some, else as text.
void set_variable(text::Chat& chat, const std::string& assignment) {
  const size_t equals = assignment.find('=');
  if (equals == 0 || equals == std::string::npos)
    throw Error(ErrorCode::kUsage, base::cat("\"", assignment, "\" is no assignment; expected name=value"), "--set");
  const std::string value = assignment.substr(equals + 1);
  Json json(value);
  try {
    json = Json::parse(value);
  } catch (const Error&) {
    // Text then.
  }
  chat.extra[assignment.substr(0, equals)] = std::move(json);
}

Json pieces_json(const std::vector<text::JinjaPiece>& pieces) {
  Json out = Json::array();
  for (const text::JinjaPiece& piece : pieces) {
    Json json = Json::object();
    json["text"] = piece.text, json["input"] = piece.is_input, json["generation"] = piece.is_generation;
    out.push_back(std::move(json));
  }
  return out;
}

}  // namespace

int command_chat_template(const ChatTemplateArgs& args) {
  const ChatFiles files = open_chat_files(args.model);
  text::Chat chat = text::parse_chat(Json::parse(base::read_file(args.messages), args.messages), args.messages);
  if (args.no_generation_prompt) chat.add_generation_prompt = false;
  for (const std::string& assignment : args.set) set_variable(chat, assignment);
  const text::ChatTemplate chat_template(files.source, args.model, args.name, !chat.tools.is_null());
  const std::vector<text::JinjaPiece> pieces = chat_template.render(chat, text::local_time_now(), args.trust);
  const std::string rendered = text::joined_text(pieces);
  if (!args.json) {
    std::fwrite(rendered.data(), 1, rendered.size(), stdout);  // nothing behind it: these are the template's bytes
    return 0;
  }
  Json json = Json::object();
  json["text"] = rendered;
  json["ids"] = nullptr;
  if (files.tokenizer) {
    const text::ChatIds ids = text::encode_chat(pieces, text::chat_encoder(*files.tokenizer));
    json["ids"] = Json::list(ids.ids);
    Json mask = Json::array();
    for (const bool is_generation : ids.is_generation) mask.push_back(is_generation ? 1 : 0);
    if (chat_template.has_generation()) json["assistant_mask"] = std::move(mask);
  }
  if (args.pieces) json["pieces"] = pieces_json(pieces);
  std::printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace ponder::recipes
