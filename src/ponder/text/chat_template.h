// A model's chat template: where it is found, a conversation rendered by it, and the rendered pieces as ids. Used by
// the command chat-template, by prompts and by training data. Follows transformers' apply_chat_template.
#pragma once
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/base/json.h"
#include "ponder/text/jinja.h"

namespace ponder::text {

// What a model's files say about chats.
struct ChatTemplateSource {
  struct Named {
    std::string name;  // "default", "tool_use", …
    std::string source;
    std::string where;  // the file, for messages
  };
  std::vector<Named> templates;
  std::vector<std::pair<std::string, std::string>> special_tokens;  // "bos_token" -> "<s>"
};

// From a model's directory: chat_template.jinja and additional_chat_templates/*.jinja, else chat_template.json, else
// "chat_template" of tokenizer_config.json (a text, or a list of named ones); special tokens from tokenizer_config.json
// and special_tokens_map.json. No template is not an error yet: some callers do without.
ChatTemplateSource read_chat_template_source(const std::string& directory);
// The config alone: text of a tokenizer_config.json. Error(kInput) names the file and the key.
ChatTemplateSource parse_tokenizer_config(const std::string& json, const std::string& where);

// A conversation and what goes with it.
struct Chat {
  base::Json messages = base::Json::array();  // [{"role", "content", …}]
  base::Json tools, documents;                // null, or a list of objects
  base::Json extra = base::Json::object();    // further variables of the template, for example enable_thinking
  bool add_generation_prompt = true;
  std::string continue_final_message;  // "" = no; else the key of the last message that is to be continued: "content"
};

// A list of messages, or an object with "messages" and optionally "tools", "documents", "chat_template_kwargs",
// "add_generation_prompt", "continue_final_message" (true or a key). Error(kInput) names the place and what would be
// right.
Chat parse_chat(const base::Json& json, const std::string& where);

class ChatTemplate {
 public:
  // name: "" = as transformers chooses: tool_use for a chat with tools where there is one, else default. Error(kInput)
  // when the model has none, or none of that name; or at the place of a mistake in it.
  ChatTemplate(const ChatTemplateSource& source, const std::string& model, const std::string& name = "",
               bool has_tools = false);

  // Message texts, tools, documents and extra variables count as input. A role made of letters, digits, _ and - does
  // not: templates write "<|" + role + "|>". A conversation without messages is rendered with add_generation_prompt
  // alone, the prompt of a first turn of the assistant. trusted_roles: messages of these count as the template's own
  // text, so special tokens in them are special; for conversations that the model itself wrote.
  std::vector<JinjaPiece> render(const Chat& chat, const std::tm& now,
                                 const std::vector<std::string>& trusted_roles = {},
                                 const JinjaLimits& limits = {}) const;
  bool has_generation() const { return template_.has_generation(); }
  const std::string& where() const { return template_.where(); }

 private:
  JinjaTemplate template_;
  std::vector<std::pair<std::string, base::Json>> special_tokens_;
};

std::tm local_time_now();

}  // namespace ponder::text
