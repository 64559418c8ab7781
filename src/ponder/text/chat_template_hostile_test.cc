// tokenizer_config.json and chat templates that are none: each is an Error(kInput) that names the file and the key, and
// none crashes, hangs or takes memory without bound.
#include <gtest/gtest.h>

#include <vector>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/text/chat_template.h"
#include "ponder/text/tokenizer_json.h"

namespace ponder::text {
namespace {

using base::Json;

struct Bad {
  std::string json;
  const char* message;  // must be in what is said, place included
};

template <class F>
void expect_refused(const F& read, const std::string& shown, const std::string& file, const std::string& message) {
  try {
    read();
    ADD_FAILURE() << "was read: " << shown.substr(0, 200);
  } catch (const Error& e) {
    const std::string said = e.what();
    EXPECT_EQ(e.code(), ErrorCode::kInput) << said;
    EXPECT_TRUE(said.starts_with(file)) << said.substr(0, 300);
    EXPECT_NE(said.find(message), std::string::npos) << said.substr(0, 300) << "\nwanted: " << message;
    EXPECT_LT(said.size(), 2000u);
  }
}

std::string nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(HostileChatTemplate, TokenizerConfigsThatAreNone) {
  const std::vector<Bad> cases = {
      {"", "t.json"},
      {"[]", "expected an object, found array"},
      {"null", "expected an object, found null"},
      {"\"chat_template\"", "expected an object, found string"},
      {R"({"chat_template":"x",})", "t.json"},
      {R"({"chat_template":NaN})", "t.json"},
      {R"({"chat_template":"x","chat_template":"y"})", "chat_template"},
      {"{\"chat_template\":\"\xC3(\"}", "t.json"},
      {R"({"chat_template":"\ud800"})", "t.json"},
      {R"({"x":)" + nested(300) + "}", "t.json"},
      {R"({"chat_template":7})",
       "t.json:chat_template: expected a text or a list of {\"name\", \"template\"}, found integer"},
      {R"({"chat_template":true})", "t.json:chat_template: expected a text or a list"},
      {R"({"chat_template":{"default":"x"}})", "t.json:chat_template: expected a text or a list"},
      {R"({"chat_template":["x"]})", "t.json:chat_template[0]: expected {\"name\": a text, \"template\": a text}"},
      {R"({"chat_template":[{"name":"default","template":"x"},null]})", "t.json:chat_template[1]: expected"},
      {R"({"chat_template":[{"name":"default"}]})", "t.json:chat_template[0]: expected"},
      {R"({"chat_template":[{"template":"x"}]})", "t.json:chat_template[0]: expected"},
      {R"({"chat_template":[{"name":7,"template":"x"}]})", "t.json:chat_template[0]: expected"},
      {R"({"chat_template":[{"name":"default","template":null}]})", "t.json:chat_template[0]: expected"},
      {R"({"chat_template":[{"name":"default","template":["x"]}]})", "t.json:chat_template[0]: expected"},
      {R"({"chat_template":[[{"name":"default","template":"x"}]]})", "t.json:chat_template[0]: expected"},
      {R"({"chat_template":[{"name":"a","template":"x"},{"name":"a","template":"y"}]})", "the name \"a\" stands twice"},
      {R"({"bos_token":7})", "t.json:bos_token: expected a text or {\"content\": a text}, found integer"},
      {R"({"eos_token":["</s>"]})", "t.json:eos_token: expected a text or {\"content\": a text}, found array"},
      {R"({"eos_token":true})", "t.json:eos_token: expected"},
      {R"({"pad_token":{}})",
       "t.json:pad_token: expected a text or {\"content\": a text}, found an object without content"},
      {R"({"unk_token":{"id":0}})", "t.json:unk_token: expected"},
      {R"({"bos_token":{"content":1}})", "t.json:bos_token: expected a text or {\"content\": a text}, found integer"},
      {R"({"bos_token":{"content":null}})", "t.json:bos_token: expected"},
      {R"({"x":")" + std::string(65 << 20, 'x') + "\"}", "the file has 65 MiB; at most 64 are read"}};
  for (const Bad& bad : cases)
    expect_refused([&] { parse_tokenizer_config(bad.json, "t.json"); }, bad.json, "t.json", bad.message);
  const std::string good = R"({"bos_token":"<s>","chat_template":[{"name":"default","template":"{{ messages }}"}]})";
  EXPECT_EQ(parse_tokenizer_config(good, "t.json").templates.size(), 1u);
  for (size_t n = 0; n < good.size(); ++n)
    expect_refused([&] { parse_tokenizer_config(good.substr(0, n), "t.json"); }, good.substr(0, n), "t.json", "");
}

TEST(HostileChatTemplate, SpecialTokensThatTheVocabularyLacks) {
  const char* tokenizer = R"({"added_tokens":[{"id":2,"content":"</s>","special":true}],)"
                          R"("model":{"type":"BPE","vocab":{"a":0,"b":1},"merges":[]}})";
  EXPECT_EQ(read_tokenizer_json(tokenizer, "v.json", R"({"eos_token":"</s>"})", "t.json")->special_ids().eos, 2);
  const std::vector<Bad> cases = {
      {R"({"eos_token":"<end>"})", "t.json: eos_token: \"<end>\" is not a token of this tokenizer"},
      {R"({"bos_token":""})", "bos_token: \"\" is not a token"},
      {R"({"pad_token":{"content":"<pad>"}})", "pad_token: \"<pad>\" is not a token"},
      {R"({"unk_token":"ab"})", "unk_token: \"ab\" is not a token"},
      {R"({"eos_token":2})", "eos_token: must be a token or null"},
      {R"({"eos_token":["</s>"]})", "eos_token: must be a token or null"},
      {R"({"eos_token":{}})", "eos_token: must be a token or null"},
      {R"({"eos_token":{"content":2}})", "eos_token: must be a token or null"},
      {R"({"eos_token":")" + std::string(10 << 20, 'a') + "\"}", "is not a token of this tokenizer"},
      {"{\"eos_token\":\"\xFF\"}", "t.json"},
      {"7", "must be an object, found integer"},
      {"{", "t.json"}};
  for (const Bad& bad : cases)
    expect_refused([&] { read_tokenizer_json(tokenizer, "v.json", bad.json, "t.json"); }, bad.json, "t.json",
                   bad.message);
}

TEST(HostileChatTemplate, TemplatesThatAreMissingOrNone) {
  const auto open = [](const std::string& json, const std::string& name = "", bool has_tools = false) {
    return [=] { ChatTemplate(parse_tokenizer_config(json, "t.json"), "m", name, has_tools); };
  };
  expect_refused(open("{}"), "{}", "m: ", "the model has no chat template; it would be in chat_template.jinja");
  expect_refused(open(R"({"chat_template":[]})"), "[]", "m: ", "the model has no chat template");
  expect_refused(open(R"({"chat_template":null})"), "null", "m: ", "the model has no chat template");
  const std::string named = R"({"chat_template":[{"name":"a","template":"x"},{"name":"b","template":"{% if %}"}]})";
  expect_refused(open(named), named, "m: ", "no chat template named default; it has a, b");
  expect_refused(open(named, "c"), named, "m: ", "no chat template named c; it has a, b");
  expect_refused(open(named, "", true), named, "m: ", "no chat template named default; it has a, b");
  expect_refused(open(named, "b"), named, "t.json:chat_template[1]:1:", "expected an expression");
  expect_refused(open(R"({"chat_template":"{% for m in messages %}"})"), "for",
                 "t.json:chat_template:1:", "{% endfor %}");
  expect_refused(open(R"({"chat_template":"{{ '"})"), "{{ '", "t.json:chat_template:1:", "");
  const std::string large = R"({"chat_template":")" + std::string(3 << 20, 'x') + "\"}";
  expect_refused(open(large), large, "t.json:chat_template: ", "the template has 3 MiB; at most 2 are read");
}

TEST(HostileChatTemplate, FilesOfAModelThatAreNone) {
  const std::string directory = base::join_path(testing::TempDir(), "hostile_chat");
  const auto refuse = [&](const std::string& file, const std::string& bytes, const std::string& message) {
    base::remove_all(directory);
    base::make_directories(base::join_path(directory, "additional_chat_templates"));
    const std::string path = base::join_path(directory, file);
    base::write_file_atomic(path, bytes);
    expect_refused([&] { ChatTemplate(read_chat_template_source(directory), "m"); }, bytes, path, message);
  };
  refuse("chat_template.jinja", "{{ messages \xFF }}", "the template is not valid UTF-8 here");
  refuse("chat_template.jinja", "a\n{% endif %}", ":2:");
  refuse("chat_template.jinja", std::string(3 << 20, 'x'), "at most 2 are read");
  refuse("additional_chat_templates/default.jinja", "{% block x %}", ":1:");
  refuse("chat_template.json", "[]", "expected an object, found array");
  refuse("chat_template.json", R"({"chat_template":1})", "chat_template: expected a text or a list");
  refuse("chat_template.json", R"({"chat_template":"{{"})", "chat_template:1:");
  refuse("tokenizer_config.json", "", "");
  refuse("special_tokens_map.json", "3", "expected an object, found integer");
  refuse("special_tokens_map.json", R"({"eos_token":{}})", "eos_token: expected a text");
  base::remove_all(directory);
}

// With the limits that programs use, through a conversation; jinja_test.cc has more with small ones.
TEST(HostileChatTemplate, BombsEnd) {
  const std::pair<const char*, const char*> bombs[] = {
      {"{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "too many steps"},
      {"{% for a in range(10000000000) %}x{% endfor %}", "a range of more than 100000 numbers"},
      {"{{ messages[0].content * 10000000000 }}", "too many steps"},
      {"{{ ('x' * 1000000) * 1000000 }}", "more than 256 MiB of memory"},
      {"{% set n = namespace(x=messages[0].content) %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
       "more than 256 MiB of memory"},
      {"{% for i in range(99999) %}{{ 'x' * 100000 }}{% endfor %}", "too many steps"},
      {"{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}", "deeper than is supported"},
      {"{{ '%0999999999d' % 1 }}", "a width beyond 10000"},
      {"{{ messages | tojson(indent=1000000000) }}", "the indent of tojson goes up to 1000"}};
  Chat chat;
  chat.messages = Json::parse(R"([{"role":"user","content":"hello"}])");
  for (const auto& [bomb, message] : bombs) {
    ChatTemplateSource source;
    source.templates.push_back({"default", bomb, "t.jinja"});
    expect_refused([&] { ChatTemplate(source, "m").render(chat, std::tm{}); }, bomb, "t.jinja:1:", message);
  }
}

}  // namespace
}  // namespace ponder::text
