#include "ponder/text/chat_template.h"

#include <algorithm>
#include <ctime>

#include "ponder/base/error.h"
#include "ponder/base/fields.h"
#include "ponder/base/file.h"

namespace ponder::text {
namespace {

using base::Json;

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorCode::kInput, message, where);
}

constexpr const char* kSpecialTokens[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                          "pad_token", "cls_token", "mask_token"};

// A special token is written as its text or as {"content": its text, …}.
void read_special_tokens(const Json& config, const std::string& where, ChatTemplateSource& source) {
  for (const char* name : kSpecialTokens) {
    const Json* v = config.find(name);
    if (!v || v->is_null()) continue;
    const Json* text = v->is_object() ? v->find("content") : v;
    if (!text || !text->is_string())
      fail(base::cat(where, ":", name), base::cat("expected a text or {\"content\": a text}, found ",
                                                  !text ? "an object without content" : text->type_name()));
    const auto known = std::find_if(source.special_tokens.begin(), source.special_tokens.end(),
                                    [&](const auto& token) { return token.first == name; });
    if (known == source.special_tokens.end()) source.special_tokens.emplace_back(name, text->as_string());
  }
}

void read_templates(const Json& json, const std::string& where, ChatTemplateSource& source) {
  const Json* v = json.find("chat_template");
  if (!v || v->is_null()) return;
  const std::string place = where + ":chat_template";
  if (v->is_string()) {
    source.templates.push_back({"default", v->as_string(), place});
    return;
  }
  if (!v->is_array())
    fail(place, base::cat("expected a text or a list of {\"name\", \"template\"}, found ", v->type_name()));
  for (size_t i = 0; i < v->size(); ++i) {
    const Json& item = v->as_array()[i];
    const std::string here = base::cat(place, "[", i, "]");
    const Json *name = item.find("name"), *text = item.find("template");
    if (!name || !name->is_string() || !text || !text->is_string())
      fail(here, "expected {\"name\": a text, \"template\": a text}");
    for (const auto& known : source.templates)
      if (known.name == name->as_string()) fail(here, base::cat("the name \"", known.name, "\" stands twice"));
    source.templates.push_back({name->as_string(), text->as_string(), here});
  }
}

// A hundred times what published files have; a tree of values takes many times the text's memory.
constexpr size_t kMaxConfigMib = 64;

Json parse_object(const std::string& text, const std::string& where) {
  if (text.size() > kMaxConfigMib << 20)
    fail(where, base::cat("the file has ", text.size() >> 20, " MiB; at most ", kMaxConfigMib, " are read"));
  Json json = Json::parse(text, where);
  if (!json.is_object()) fail(where, base::cat("expected an object, found ", json.type_name()));
  return json;
}

void read_jinja_files(const std::string& directory, ChatTemplateSource& source) {
  const std::string main = base::join_path(directory, "chat_template.jinja");
  if (base::file_exists(main)) source.templates.push_back({"default", base::read_file(main), main});
  const std::string more = base::join_path(directory, "additional_chat_templates");
  if (!base::is_directory(more)) return;
  constexpr std::string_view kEnd = ".jinja";
  for (const std::string& file : base::list_directory(more)) {
    if (!file.ends_with(kEnd)) continue;
    const std::string path = base::join_path(more, file);
    source.templates.push_back({file.substr(0, file.size() - kEnd.size()), base::read_file(path), path});
  }
}

const ChatTemplateSource::Named& choose(const ChatTemplateSource& source, const std::string& model,
                                        const std::string& name, bool has_tools) {
  if (source.templates.empty())
    fail(model,
         "the model has no chat template; it would be in chat_template.jinja or in \"chat_template\" of "
         "tokenizer_config.json (a base model has none: give it plain text instead of messages)");
  std::string names;
  for (const auto& t : source.templates) names += base::cat(names.empty() ? "" : ", ", t.name);
  const auto find = [&](const std::string& wanted) {
    return std::find_if(source.templates.begin(), source.templates.end(),
                        [&](const auto& t) { return t.name == wanted; });
  };
  auto found = find(name);
  if (name.empty()) {
    found = has_tools ? find("tool_use") : source.templates.end();
    if (found == source.templates.end()) found = find("default");
  }
  if (found == source.templates.end())
    fail(model,
         base::cat("the model has no chat template named ", name.empty() ? "default" : name, "; it has ", names));
  return *found;
}

// --- Chats.

const Json& expect_list_of_objects(const Json& v, const std::string& where, const char* what) {
  if (!v.is_array()) fail(where, base::cat("expected a list of ", what, ", found ", v.type_name()));
  for (size_t i = 0; i < v.size(); ++i)
    if (!v.as_array()[i].is_object())
      fail(base::cat(where, "[", i, "]"), base::cat("expected an object, found ", v.as_array()[i].type_name()));
  return v;
}

void check_messages(const Json& messages, const std::string& where) {
  expect_list_of_objects(messages, where, "messages {\"role\", \"content\"}");
  if (messages.size() == 0) fail(where, "the conversation is empty; it needs at least one message");
  for (size_t i = 0; i < messages.size(); ++i) {
    const Json* role = messages.as_array()[i].find("role");
    if (role && !role->is_string())
      fail(base::cat(where, "[", i, "].role"), base::cat("expected a text, found ", role->type_name()));
  }
}

void check_extra_name(const std::string& name, const std::string& where) {
  for (const char* taken : {"messages", "tools", "documents", "add_generation_prompt"})
    if (name == taken) fail(base::cat(where, ".", name), "this variable of the template has a place of its own");
}

void read_chat_key(const std::string& key, const Json& v, const std::string& where, Chat& chat) {
  const std::string here = base::cat(where, ":", key);
  if (key == "messages") {
    check_messages(v, here);
    chat.messages = v;
  } else if (key == "tools") {
    if (!v.is_null()) chat.tools = expect_list_of_objects(v, here, "tools");
  } else if (key == "documents") {
    if (!v.is_null()) chat.documents = expect_list_of_objects(v, here, "documents");
  } else if (key == "chat_template_kwargs") {
    if (!v.is_object()) fail(here, base::cat("expected an object, found ", v.type_name()));
    for (const auto& [name, unused] : v.as_object()) check_extra_name(name, here);
    chat.extra = v;
  } else if (key == "add_generation_prompt") {
    if (!v.is_bool()) fail(here, base::cat("expected true or false, found ", v.type_name()));
    chat.add_generation_prompt = v.as_bool();
  } else if (key == "continue_final_message") {
    if (!v.is_bool() && !v.is_string())
      fail(here, base::cat("expected true, false or a key of the last message, found ", v.type_name()));
    chat.continue_final_message = v.is_string() ? v.as_string() : v.as_bool() ? "content" : "";
  } else {
    const std::string near = base::nearest_name(key, {"messages", "tools", "documents", "chat_template_kwargs",
                                                      "add_generation_prompt", "continue_final_message"});
    fail(here, base::cat("unknown key", near.empty() ? "" : base::cat("; did you mean ", near, "?"),
                         " (variables of the template go into chat_template_kwargs)"));
  }
}

// --- Messages as the template sees them.

constexpr const char* kReasoningKeys[] = {"reasoning_content", "thinking", "reasoning"};

// Null stands for a missing key, and reasoning is found under the names that templates use.
Json normalized(const Json& message) {
  Json::Object out;
  const Json* reasoning = nullptr;
  for (const char* key : kReasoningKeys)
    if (const Json* v = message.find(key); v && !v->is_null() && !reasoning) reasoning = v;
  if (reasoning) {
    const Json* thinking = message.find("thinking");
    out.emplace_back("thinking", thinking && !thinking->is_null() ? *thinking : *reasoning);
  }
  for (const auto& [key, value] : message.as_object())
    if (!value.is_null() && !(reasoning && key == "thinking")) out.emplace_back(key, value);
  Json json(std::move(out));
  if (reasoning) {
    Json copy = *reasoning;
    json["reasoning_content"] = std::move(copy);
  }
  return json;
}

constexpr const char* kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n\v\f");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n\v\f") - first + 1);
}

// Puts a tag behind the text that is to be continued; returns that text.
std::string tag_final_message(Json& message, const std::string& key, const JinjaTemplate& t, const std::string& where) {
  const Json* text = message.find(key);
  if (!text) fail(where, base::cat("the last message has no \"", key, "\" to continue"));
  std::vector<std::string> keys = {key};
  if (std::find(std::begin(kReasoningKeys), std::end(kReasoningKeys), key) != std::end(kReasoningKeys)) {
    keys.clear();
    for (const char* k : kReasoningKeys)
      if (const Json* v = message.find(k); v && *v == *text) keys.emplace_back(k);
  }
  if (std::none_of(keys.begin(), keys.end(), [&](const std::string& k) { return t.mentions(k); }))
    fail(where, base::cat("the template does not use \"", key, "\" of messages, so it cannot be continued"));
  if (text->is_array()) {
    Json::Array& blocks = message[key].as_array();
    for (size_t i = blocks.size(); i-- > 0;) {
      const Json* block = blocks[i].find("text");
      if (!block || !block->is_string()) continue;
      std::string found = block->as_string();
      blocks[i]["text"] = found + kContinueTag;
      return found;
    }
    fail(where, "the last message has no text to continue");
  }
  if (!text->is_string())
    fail(where,
         base::cat("\"", key, "\" of the last message is ", text->type_name(), "; only a text can be continued"));
  std::string found = text->as_string();
  for (const std::string& k : keys) message[k] = found + kContinueTag;
  return found;
}

void cut_pieces(std::vector<JinjaPiece>& pieces, size_t bytes) {
  size_t begin = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const size_t size = pieces[i].text.size();
    if (begin + size >= bytes) {
      pieces[i].text.resize(bytes - begin);
      pieces.resize(pieces[i].text.empty() ? i : i + 1);
      return;
    }
    begin += size;
  }
}

// Ends the rendering where the tagged text ends.
void cut_at_tag(std::vector<JinjaPiece>& pieces, const std::string& final_text, const std::string& where) {
  const std::string text = joined_text(pieces);
  const std::string_view tag = trimmed(kContinueTag);
  const size_t at = text.rfind(tag);
  if (at == std::string::npos || text.find(trimmed(final_text)) == std::string::npos)
    fail(where, "the template leaves parts of the last message out, so it cannot be continued");
  if (text.compare(at, std::string_view(kContinueTag).size(), kContinueTag) == 0) return cut_pieces(pieces, at);
  // The template trimmed the message: so does what is to be continued.
  size_t end = at;
  while (end > 0 && std::string_view(" \t\r\n\v\f").find(text[end - 1]) != std::string_view::npos) --end;
  cut_pieces(pieces, end);
}

}  // namespace

ChatTemplateSource parse_tokenizer_config(const std::string& json, const std::string& where) {
  const Json config = parse_object(json, where);
  ChatTemplateSource source;
  read_templates(config, where, source);
  read_special_tokens(config, where, source);
  return source;
}

ChatTemplateSource read_chat_template_source(const std::string& directory) {
  const auto path = [&](const char* file) { return base::join_path(directory, file); };
  ChatTemplateSource source;
  read_jinja_files(directory, source);
  if (const std::string file = path("chat_template.json"); source.templates.empty() && base::file_exists(file))
    read_templates(parse_object(base::read_file(file), file), file, source);
  if (const std::string file = path("tokenizer_config.json"); base::file_exists(file)) {
    ChatTemplateSource config = parse_tokenizer_config(base::read_file(file), file);
    if (source.templates.empty()) source.templates = std::move(config.templates);
    source.special_tokens = std::move(config.special_tokens);
  }
  if (const std::string file = path("special_tokens_map.json"); base::file_exists(file))
    read_special_tokens(parse_object(base::read_file(file), file), file, source);
  return source;
}

Chat parse_chat(const base::Json& json, const std::string& where) {
  Chat chat;
  if (json.is_array()) {
    check_messages(json, where);
    chat.messages = json;
    return chat;
  }
  if (!json.is_object())
    fail(where, base::cat("expected a list of messages or an object with \"messages\", found ", json.type_name()));
  if (!json.find("messages")) fail(where, "the key \"messages\" is missing");
  for (const auto& [key, value] : json.as_object()) read_chat_key(key, value, where, chat);
  if (!chat.continue_final_message.empty()) {
    if (json.find("add_generation_prompt") && chat.add_generation_prompt)
      fail(where, "continue_final_message and add_generation_prompt exclude each other");
    chat.add_generation_prompt = false;
  }
  return chat;
}

ChatTemplate::ChatTemplate(const ChatTemplateSource& source, const std::string& model, const std::string& name,
                           bool has_tools)
    : template_(choose(source, model, name, has_tools).source, choose(source, model, name, has_tools).where) {
  for (const auto& [token, text] : source.special_tokens) special_tokens_.emplace_back(token, Json(text));
}

std::vector<JinjaPiece> ChatTemplate::render(const Chat& chat, const std::tm& now,
                                             const std::vector<std::string>& trusted_roles,
                                             const JinjaLimits& limits) const {
  const std::string where = base::cat(template_.where(), ": conversation");
  const bool asks_first = chat.messages == Json::array() && chat.add_generation_prompt;
  if (!asks_first || !chat.continue_final_message.empty()) check_messages(chat.messages, where);
  Json::Array messages;
  for (const Json& message : chat.messages.as_array()) messages.push_back(normalized(message));
  std::string final_text;
  if (!chat.continue_final_message.empty())
    final_text = tag_final_message(messages.back(), chat.continue_final_message, template_, where);
  const Json all(std::move(messages)), with_prompt(chat.add_generation_prompt);
  std::vector<JinjaVariable> variables;
  for (const auto& [name, text] : special_tokens_)
    if (!chat.extra.find(name)) variables.push_back({name, &text, false});
  for (const auto& [name, value] : chat.extra.as_object()) variables.push_back({name, &value, true});
  JinjaVariable conversation{"messages", &all, true, {}, "role"};
  for (const Json& message : all.as_array()) {
    const Json* role = message.find("role");
    const bool is_trusted =
        role && std::find(trusted_roles.begin(), trusted_roles.end(), role->as_string()) != trusted_roles.end();
    conversation.own_items.push_back(is_trusted);
  }
  variables.push_back(std::move(conversation));
  variables.push_back({"tools", &chat.tools, true});
  variables.push_back({"documents", &chat.documents, true});
  variables.push_back({"add_generation_prompt", &with_prompt, true});
  std::vector<JinjaPiece> pieces = template_.render(variables, now, limits);
  if (!chat.continue_final_message.empty()) cut_at_tag(pieces, final_text, where);
  return pieces;
}

std::tm local_time_now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm now{};
  localtime_r(&seconds, &now);
  return now;
}

}  // namespace ponder::text
