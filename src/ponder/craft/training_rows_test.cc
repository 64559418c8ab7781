#include "ponder/craft/training_rows.h"

#include <gtest/gtest.h>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/craft/chat_examples.h"
#include "ponder/store/parquet.h"

namespace ponder::craft {
namespace {

using base::Json;

TrainingRow row_of(const std::string& json, std::optional<RowType> stated = std::nullopt) {
  return parse_training_row(Json::parse(json), "f:1", stated);
}

std::string refusal(const std::string& json, std::optional<RowType> stated = std::nullopt) {
  try {
    row_of(json, stated);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(TrainingRows, TypesAreRecognizedByTheirKeys) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"text":"a"})", "text"},
      {R"({"messages":[{"role":"user","content":"a"}]})", "text"},
      {R"({"conversations":[{"from":"human","value":"a"}]})", "text"},
      {R"({"prompt":"a"})", "prompt-only"},
      {R"({"prompt":[{"role":"user","content":"a"}]})", "prompt-only"},
      {R"({"prompt":"a","completion":"b"})", "prompt-completion"},
      {R"({"prompt":"a","chosen":"b","rejected":"c"})", "preference"},
      {R"({"chosen":"b","rejected":"c"})", "preference"},
      {R"({"prompt":"a","completion":"b","label":true})", "unpaired"},
      {R"({"prompt":"a","completions":["b"],"labels":[true]})", "stepwise"},
      {R"({"data_source":"d","prompt":[{"role":"user","content":"a"}],"ability":"math",
           "reward_model":{"style":"rule","ground_truth":"4"},"extra_info":{"index":1}})",
       "verl"},
  };
  for (const auto& [json, name] : rows) {
    EXPECT_STREQ(row_type_name(recognize_row(Json::parse(json), "f:1")), name) << json;
    EXPECT_EQ(row_of(json).type, row_type_of(name)) << json;
  }
}

// Merged data sets and Parquet give each row the keys of all, those that it does not have as null.
TEST(TrainingRows, ANullIsNoKey) {
  const std::pair<const char*, const char*> rows[] = {
      {R"({"text":null,"messages":[{"role":"user","content":"a"}],"conversations":null})", "text"},
      {R"({"messages":null,"conversations":[{"from":"human","value":"a","role":null}],"system":null})", "text"},
      {R"({"text":"a","messages":null,"prompt":null,"weight":null,"tools":null,"chat_template_kwargs":null})", "text"},
      {R"({"prompt":"a","completion":"b","chosen":null,"rejected":null,"label":null})", "prompt-completion"},
      {R"({"prompt":"a","completion":null,"completions":null,"labels":null,"reward_model":null})", "prompt-only"},
      {R"({"prompt":null,"chosen":"b","rejected":"c","text":null})", "preference"},
      {R"({"prompt":"a","completions":["b"],"labels":[true],"completion":null})", "stepwise"},
      {R"({"data_source":"d","prompt":"a","ability":null,"reward_model":{"style":"rule","ground_truth":"4"}})", "verl"},
  };
  for (const auto& [json, name] : rows) {
    EXPECT_STREQ(row_type_name(recognize_row(Json::parse(json), "f:1")), name) << json;
    const TrainingRow row = row_of(json);
    EXPECT_EQ(row.type, row_type_of(name)) << json;
    EXPECT_EQ(row.extra.dump(), "{}") << json;
    EXPECT_EQ(row.weight, 1) << json;
  }
  EXPECT_NE(refusal(R"({"id":1,"text":null,"messages":null})")
                .find("f:1: no type of data has the keys id (null are text, messages): text needs text,"),
            std::string::npos);
  EXPECT_EQ(refusal(R"({"messages":[{"role":"assistant","content":null,"tool_calls":[{}]}]})"), "accepted");
  EXPECT_EQ(refusal(R"({"messages":[{"role":"user","content":null,"tool_calls":null}]})"),
            "f:1: \"messages[0]\": the message has neither \"content\" nor \"tool_calls\"");
  EXPECT_EQ(refusal(R"({"prompt":"a","reward_model":{"style":"rule","ground_truth":null},"data_source":"d"})"),
            "f:1: \"reward_model.ground_truth\": the key is missing");
}

TEST(TrainingRows, ARowSaysOneThing) {
  EXPECT_EQ(refusal(R"({"text":"t","messages":[{"role":"user","content":"q"}]})"),
            "f:1: \"messages\": the row has \"text\" too, and one of them is learned; take the other out");
  EXPECT_EQ(refusal(R"({"conversations":[{"from":"human","value":"a"}],"text":""})"),
            "f:1: \"conversations\": the row has \"text\" too, and one of them is learned; take the other out");
  EXPECT_EQ(refusal(R"({"foo":1})", RowType::kText), "f:1: the row has none of text, messages and conversations");
}

TEST(TrainingRows, ValuesOfAnotherTypeAreNotOverlooked) {
  EXPECT_EQ(refusal(R"({"text":"a","weight":"2"})"),
            "f:1: \"weight\": expected a number from 0 to 1000000, found string");
  EXPECT_EQ(refusal(R"({"text":"a","weight":true})"),
            "f:1: \"weight\": expected a number from 0 to 1000000, found true/false");
  EXPECT_EQ(refusal(R"({"text":"a","weight":-1.5})"),
            "f:1: \"weight\": expected a number from 0 to 1000000, found -1.5");
  EXPECT_EQ(refusal(R"({"data_source":"d","prompt":"a","ability":5,"reward_model":{"style":"r","ground_truth":4}})"),
            "f:1: \"ability\": expected a text, found integer");
  EXPECT_EQ(refusal(R"({"conversations":[{"from":"human","value":"a"}],"system":5})"),
            "f:1: \"system\": expected a text, found integer");
  EXPECT_EQ(refusal(R"({"messages":[{"role":"user","content":"a"}],"chat_template_kwargs":"x"})"),
            "f:1: \"chat_template_kwargs\": expected an object, found string");
}

TEST(TrainingRows, ValuesAreFound) {
  TrainingRow row = row_of(R"({"prompt":"a","completion":"b","label":0,"weight":0.5,"id":7,"tools":[{"x":1}]})");
  EXPECT_EQ(row.prompt.text, "a");
  EXPECT_EQ(row.completion.text, "b");
  EXPECT_FALSE(row.label);
  EXPECT_EQ(row.weight, 0.5);
  EXPECT_EQ(row.extra.dump(), R"({"id":7})");
  EXPECT_EQ(row.tools.size(), 1u);
  row = row_of(
      R"({"data_source":"d","prompt":"q","reward_model":{"style":"rule","ground_truth":4},"extra_info":{"i":1}})");
  EXPECT_EQ(row.data_source, "d");
  EXPECT_EQ(row.reward_style, "rule");
  EXPECT_EQ(row.ground_truth.as_int(), 4);
  EXPECT_EQ(row.extra.dump(), R"({"extra_info":{"i":1}})");
  row = row_of(R"({"prompt":"q","completions":["a","b"],"labels":[true,0]})");
  EXPECT_EQ(row.steps, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(row.step_labels, (std::vector<bool>{true, false}));
}

TEST(TrainingRows, ShareGptBecomesMessages) {
  const TrainingRow row = row_of(R"({"system":"s","tools":"[{\"name\":\"f\"}]","conversations":[
      {"from":"human","value":"q"},{"from":"function_call","value":"{\"name\":\"f\",\"arguments\":{}}"},
      {"from":"observation","value":"o"},{"from":"gpt","value":"a"}]})");
  EXPECT_EQ(row.completion.messages.dump(),
            R"([{"role":"system","content":"s"},{"role":"user","content":"q"},{"role":"assistant","content":"",)"
            R"("tool_calls":[{"type":"function","function":{"name":"f","arguments":{}}}]},)"
            R"({"role":"tool","content":"o"},{"role":"assistant","content":"a"}])");
  EXPECT_EQ(row.tools.dump(), R"([{"name":"f"}])");
}

TEST(TrainingRows, PromptIsWhatBothAnswersBeginWith) {
  TrainingRow row = row_of(R"({"chosen":"The sky is blue.","rejected":"The sky is green."})");
  EXPECT_EQ(row.prompt.text, "The sky is");
  EXPECT_EQ(row.chosen.text, " blue.");
  EXPECT_EQ(row.rejected.text, " green.");
  row = row_of(R"({"chosen":"aé","rejected":"aè"})");  // é and è share their first byte
  EXPECT_EQ(row.prompt.text, "a");
  EXPECT_EQ(row.chosen.text, "é");
  row = row_of(R"({"chosen":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}],
                   "rejected":[{"role":"user","content":"q"},{"role":"assistant","content":"b"}]})");
  EXPECT_EQ(row.prompt.messages.dump(), R"([{"role":"user","content":"q"}])");
  EXPECT_EQ(row.chosen.messages.dump(), R"([{"role":"assistant","content":"a"}])");
}

TEST(TrainingRows, ErrorsNameLineKeyAndWhatWouldBeRight) {
  EXPECT_NE(refusal(R"({"question":"a"})").find("f:1: no type of data has the keys question: text needs text,"),
            std::string::npos);
  EXPECT_EQ(refusal(R"({"text":1})"), "f:1: \"text\": expected a text, found integer");
  EXPECT_EQ(refusal(R"({"prompt":1})"), "f:1: \"prompt\": expected a text or a list of messages, found integer");
  EXPECT_EQ(refusal(R"({"text":"a"})", RowType::kPromptOnly), "f:1: \"prompt\": the key is missing");
  EXPECT_EQ(refusal(R"({"prompt":"a","completion":[{"role":"assistant","content":"b"}]})"),
            "f:1: \"completion\": expected a text as in \"prompt\", found messages");
  EXPECT_EQ(refusal(R"({"messages":[{"role":"user"}]})"),
            "f:1: \"messages[0]\": the message has neither \"content\" nor \"tool_calls\"");
  EXPECT_EQ(refusal(R"({"messages":[{"role":"user","content":3}]})"),
            "f:1: \"messages[0].content\": expected a text or a list of parts, found integer");
  EXPECT_EQ(refusal(R"({"prompt":"a","completions":["b"],"labels":[]})"),
            "f:1: \"labels\": expected one a step: 1, found 0");
  EXPECT_EQ(refusal(R"({"prompt":"a","completions":["b"],"labels":[2]})"),
            "f:1: \"labels[0]\": expected true or false, found 2");
  EXPECT_EQ(refusal(R"({"prompt":"a","reward_model":{"style":"rule"}, "data_source":"d"})"),
            "f:1: \"reward_model.ground_truth\": the key is missing");
  EXPECT_EQ(refusal(R"({"chosen":"a","rejected":"a"})"), "f:1: \"rejected\": it is the same as \"chosen\"");
  for (const char* json :
       {"[]", "1", R"({"messages":[]})", R"({"messages":{}})", R"({"messages":[1]})",
        R"({"messages":[{"content":"a"}]})", R"({"conversations":[]})",
        R"({"conversations":[{"from":"alien","value":"a"}]})", R"({"conversations":[{"from":"human"}]})",
        R"({"conversations":[{"from":"function_call","value":"{"}]})", R"({"chosen":"a","rejected":[]})",
        R"({"chosen":[{"role":"a","content":""}],"rejected":[{"role":"a","content":""}]})",
        R"({"prompt":"a","completion":"b","label":"yes"})", R"({"prompt":"a","completions":"b","labels":[true]})",
        R"({"text":"a","weight":-1})", R"({"text":"a","tools":{}})", R"({"text":"a","tools":"{"})",
        R"({"prompt":null})"})
    EXPECT_TRUE(refusal(json).starts_with("f:1")) << json << ": " << refusal(json);
  EXPECT_THROW(row_type_of("preferences"), Error);
}

std::string temporary(const char* name) { return base::join_path(testing::TempDir(), name); }

TEST(TrainingRows, BadRowsAreNamedAndTheRestIsRead) {
  const std::string path = temporary("bad.jsonl");
  base::write_file_atomic(path, "{\"text\":\"a\"}\n{\"text\":\n{\"text\":1}\n{\"text\":\"b\"}\n");
  std::vector<std::string> bad;
  int good = 0;
  read_training_rows(
      path, std::nullopt, [&](TrainingRow&&) { ++good; }, [&](const std::string& message) { bad.push_back(message); });
  EXPECT_EQ(good, 2);
  ASSERT_EQ(bad.size(), 2u);
  EXPECT_TRUE(bad[0].starts_with(path + ":2")) << bad[0];
  EXPECT_EQ(bad[1], path + ":3: \"text\": expected a text, found integer");
}

std::string shown(const TrainingRow& row) {
  std::string out = row_type_name(row.type);
  for (const RowContent* c : {&row.prompt, &row.completion, &row.chosen, &row.rejected})
    out += base::cat(" | ", c->is_chat, " ", c->text, " ", c->messages.dump());
  out += base::cat(" | ", row.label, " ", row.weight, " ", row.data_source, " ", row.ability, " ", row.reward_style,
                   " ", row.ground_truth.dump(), " ", row.tools.dump(), " ", row.extra.dump());
  for (size_t i = 0; i < row.steps.size(); ++i) out += base::cat(" | ", row.steps[i], " ", bool(row.step_labels[i]));
  return out;
}

TEST(TrainingRows, ParquetFilesGiveTheRowsOfJsonLines) {
  if (!store::has_parquet()) GTEST_SKIP() << "built without -DPONDER_PARQUET=ON";
  const std::pair<const char*, const char*> files[] = {{"text", "text"},
                                                       {"messages", "text"},
                                                       {"prompt-only", "prompt-only"},
                                                       {"prompt-completion", "prompt-completion"},
                                                       {"prompt-completion-chat", "prompt-completion"},
                                                       {"preference", "preference"},
                                                       {"preference-chat", "preference"},
                                                       {"unpaired", "unpaired"},
                                                       {"stepwise", "stepwise"},
                                                       {"verl", "verl"}};
  for (const auto& [name, type] : files) {
    std::vector<std::string> rows[2];
    std::string where[2];
    for (const int i : {0, 1})
      read_training_rows(base::cat("tests/data/parquet/", name, i == 0 ? ".jsonl" : ".parquet"), row_type_of(type),
                         [&](TrainingRow&& row) {
                           rows[i].push_back(shown(row));
                           where[i] = row.where;
                         });
    EXPECT_FALSE(rows[0].empty()) << name;
    EXPECT_EQ(rows[1], rows[0]) << name;
    EXPECT_EQ(where[1], base::cat("tests/data/parquet/", name, ".parquet:", rows[0].size()));
  }
}

TEST(TrainingRows, RowsOfParquetFilesAreNamedByTheirNumber) {
  if (!store::has_parquet()) GTEST_SKIP() << "built without -DPONDER_PARQUET=ON";
  std::vector<std::string> bad;
  const auto read = [&] {
    read_training_rows(
        "tests/data/parquet/unpaired.parquet", RowType::kPreference, [](TrainingRow&&) {},
        [&](const std::string& message) { bad.push_back(message); });
  };
  read();
  ASSERT_EQ(bad.size(), 2u);
  EXPECT_EQ(bad[1], "tests/data/parquet/unpaired.parquet:2: \"chosen\": the key is missing");
}

TEST(TrainingRows, WithoutTheModuleAParquetFileIsAnErrorThatIsThrown) {
  if (store::has_parquet()) GTEST_SKIP() << "this build has the module";
  try {
    read_training_rows(
        "tests/data/parquet/text.parquet", std::nullopt, [](TrainingRow&&) { FAIL(); },
        [](const std::string&) { FAIL(); });
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUsage);
    EXPECT_TRUE(std::string(e.what()).starts_with("tests/data/parquet/text.parquet: this build reads no Parquet files"))
        << e.what();
  }
}

// --- Rows as examples. A token a byte, but <e>, which is 1.

ExampleSetting setting_of(const text::ChatTemplate* chat_template) {
  ExampleSetting setting;
  setting.chat_template = chat_template;
  setting.encoder = {[](std::string_view text, bool special) {
                       text::ChatIds out;
                       for (size_t i = 0; i < text.size();) {
                         const bool is_end = special && text.substr(i).starts_with("<e>");
                         out.ids.push_back(is_end ? 1 : 100 + static_cast<unsigned char>(text[i]));
                         out.ranges.emplace_back(i, i + (is_end ? 3 : 1));
                         i += is_end ? 3 : 1;
                       }
                       return out;
                     },
                     [](core::Token id) { return id == 1; }};
  setting.eos = 1;
  return setting;
}

// What a row becomes where it is one example.
core::Example one_example(const TrainingRow& row, const ExampleSetting& setting) {
  const std::vector<core::Example> examples = training_examples(row, setting);
  EXPECT_EQ(examples.size(), 1u);
  return examples.at(0);
}

// The example as text, what is learned in brackets.
std::string shown(const core::Example& example) {
  std::string out;
  bool is_open = false;
  for (size_t i = 0; i < example.tokens.size(); ++i) {
    if ((example.weights[i] > 0) != is_open) {
      out += is_open ? "]" : "[";
      is_open = !is_open;
    }
    out += example.tokens[i] == 1 ? "<e>" : std::string(1, static_cast<char>(example.tokens[i] - 100));
  }
  return is_open ? out + "]" : out;
}

std::vector<std::string> shown(const std::vector<core::Example>& examples) {
  std::vector<std::string> out;
  for (const core::Example& example : examples) out.push_back(shown(example));
  return out;
}

text::ChatTemplate template_of(const char* source) {
  text::ChatTemplateSource files;
  files.templates.push_back({"default", source, "t"});
  return {files, "m"};
}
constexpr const char* kPlain =
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}<e>{% endfor %}{% if add_generation_prompt %}a:{% endif %}";
constexpr const char* kMarked =
    "{% for m in messages %}{{ m.role[0] }}:{% if m.role == 'assistant' %}{% generation %}{{ m.content }}<e>"
    "{% endgeneration %}{% else %}{{ m.content }}<e>{% endif %}{% endfor %}{% if add_generation_prompt %}a:{% endif %}";
constexpr const char* kForgetful =
    "{% for m in messages %}{% if loop.last or m.role == 'user' %}{{ m.role[0] }}:{{ m.content }}<e>{% endif %}{% "
    "endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}";
constexpr const char* kTurns =
    R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"x"},{"role":"user","content":"<e>"},
        {"role":"assistant","content":"y"}],"weight":0.5})";

TEST(ChatExamples, TheAssistantsTurnsAreLearned) {
  for (const char* source : {kPlain, kMarked}) {
    const text::ChatTemplate t = template_of(source);
    const core::Example example = one_example(row_of(kTurns), setting_of(&t));
    EXPECT_EQ(shown(example), "u:q<e>a:[x<e>]u:<e><e>a:[y<e>]") << source;
    // What the user typed is text, the template's own end is a token.
    EXPECT_EQ(std::count(example.tokens.begin(), example.tokens.end(), 1), 4) << source;
    EXPECT_EQ(example.weights[0], 0);
    EXPECT_EQ(*std::max_element(example.weights.begin(), example.weights.end()), 0.5F);
  }
}

TEST(ChatExamples, OfPromptAndCompletionTheCompletionIsLearned) {
  const TrainingRow row = row_of(R"({"prompt":[{"role":"user","content":"q"},{"role":"assistant","content":"x"},
      {"role":"user","content":"r"}],"completion":[{"role":"assistant","content":"y"}]})");
  for (const char* source : {kPlain, kMarked}) {
    const text::ChatTemplate t = template_of(source);
    EXPECT_EQ(shown(one_example(row, setting_of(&t))), "u:q<e>a:x<e>u:r<e>a:[y<e>]") << source;
  }
  EXPECT_EQ(shown(one_example(row_of(R"({"prompt":"ab","completion":"cd"})"), setting_of(nullptr))), "ab[cd<e>]");
  EXPECT_EQ(shown(one_example(row_of(R"({"text":"ab"})"), setting_of(nullptr))), "a[b<e>]");
}

// Qwen3's way: thoughts stand in the last turn alone.
constexpr const char* kThinksLast =
    "{% for m in messages %}{{ m.role[0] }}:{% if loop.last and m.role == 'assistant' %}[]{% endif %}{{ m.content }}<e>"
    "{% endfor %}{% if add_generation_prompt %}a:{% endif %}";

// Each turn is learned behind what the model is asked with, which the whole conversation does not hold.
TEST(ChatExamples, WhereTheTemplateChangesWhatCameBeforeEachTurnIsAnExample) {
  const text::ChatTemplate thinks = template_of(kThinksLast), forgets = template_of(kForgetful);
  const std::vector<core::Example> examples = training_examples(row_of(kTurns), setting_of(&thinks));
  EXPECT_EQ(shown(examples), (std::vector<std::string>{"u:q<e>a:[[]x<e>]", "u:q<e>a:x<e>u:<e><e>a:[[]y<e>]"}));
  for (const core::Example& example : examples)
    for (const float weight : example.weights) EXPECT_TRUE(weight == 0 || weight == 0.5F);
  EXPECT_EQ(shown(training_examples(row_of(kTurns), setting_of(&forgets))),
            (std::vector<std::string>{"u:q<e>a:[x<e>]", "u:q<e>u:<e><e>a:[y<e>]"}));
  // One turn, and turns of a prompt, are one example as ever.
  EXPECT_EQ(shown(training_examples(row_of(R"({"prompt":[{"role":"user","content":"q"},{"role":"assistant",
                "content":"x"},{"role":"user","content":"r"}],"completion":[{"role":"assistant","content":"y"}]})"),
                                    setting_of(&thinks))),
            (std::vector<std::string>{"u:q<e>a:x<e>u:r<e>a:[[]y<e>]"}));
  // The last message is the user's: the turn before it is learned as the model says it when it is the last one.
  EXPECT_EQ(shown(training_examples(row_of(R"({"messages":[{"role":"user","content":"q"},{"role":"assistant",
                "content":"x"},{"role":"user","content":"r"}]})"),
                                    setting_of(&thinks))),
            (std::vector<std::string>{"u:q<e>a:[[]x<e>]"}));
}

TEST(ChatExamples, MarksOfATemplateThatChangesWhatCameBeforeAreTakenTurnByTurn) {
  const text::ChatTemplate t = template_of(
      "{% for m in messages %}{{ m.role[0] }}:{% if m.role == 'assistant' %}{% generation %}{{ '[]' if loop.last }}"
      "{{ m.content }}<e>{% endgeneration %}{% else %}{{ m.content }}<e>{% endif %}{% endfor %}"
      "{% if add_generation_prompt %}a:{% endif %}");
  EXPECT_EQ(shown(training_examples(row_of(kTurns), setting_of(&t))),
            (std::vector<std::string>{"u:q<e>a:[x<e>]u:<e><e>a:[[]y<e>]"}));
  EXPECT_EQ(shown(training_examples(row_of(R"({"prompt":[{"role":"user","content":"q"},{"role":"assistant",
                "content":"x"}],"completion":[{"role":"user","content":"r"},{"role":"assistant","content":"y"}]})"),
                                    setting_of(&t))),
            (std::vector<std::string>{"u:q<e>a:x<e>u:r<e>a:[[]y<e>]"}));
}

TEST(ChatExamples, WhatCannotBeToldIsRefused) {
  const auto refusal = [](const TrainingRow& row, const text::ChatTemplate* t) -> std::string {
    try {
      training_examples(row, setting_of(t));
    } catch (const Error& e) {
      return e.what();
    }
    return "learned";
  };
  // It asks with "think:", and renders no turn so.
  const text::ChatTemplate asks = template_of(
      "{% for m in messages %}{{ m.content }}<e>{% endfor %}{% if add_generation_prompt %}think:{% endif %}");
  EXPECT_TRUE(refusal(row_of(kTurns), &asks).starts_with("f:1: the chat template asks for message 1 otherwise than"))
      << refusal(row_of(kTurns), &asks);
  EXPECT_NE(refusal(row_of(kTurns), nullptr).find("no chat template"), std::string::npos);
  EXPECT_NE(refusal(row_of(R"({"prompt":"a"})"), &asks).find("prompt-only is not learned"), std::string::npos);
}

TEST(ChatExamples, ATurnThatComesFirstIsLearnedWhereTheTemplateAsksForIt) {
  const TrainingRow alone = row_of(R"({"messages":[{"role":"assistant","content":"x"}]})");
  const TrainingRow first = row_of(R"({"messages":[{"role":"assistant","content":"x"},{"role":"user","content":"q"},
                                                   {"role":"assistant","content":"y"}]})");
  const text::ChatTemplate plain = template_of(kPlain);
  EXPECT_EQ(shown(one_example(alone, setting_of(&plain))), "a:[x<e>]");
  EXPECT_EQ(shown(one_example(first, setting_of(&plain))), "a:[x<e>]u:q<e>a:[y<e>]");
  // Neither a template that looks at the first message nor one that puts something in front of it has such a prompt.
  for (const char* begin : {"{{ messages[0].role[:0] }}", "{{ 's' if messages }}"}) {
    const text::ChatTemplate t = template_of((std::string(begin) + kPlain).c_str());
    const std::string s = begin[3] == '\'' ? "s" : "";
    EXPECT_EQ(shown(one_example(first, setting_of(&t))), s + "a:x<e>u:q<e>a:[y<e>]") << begin;
    try {
      training_examples(alone, setting_of(&t));
      ADD_FAILURE() << begin;
    } catch (const Error& e) {
      EXPECT_NE(e.message().find("the assistant's only turn is the first message"), std::string::npos) << e.what();
    }
  }
}

TEST(ChatExamples, PairsAndSteps) {
  const text::ChatTemplate t = template_of(kPlain);
  const PreferencePair pair = preference_examples(
      row_of(R"({"prompt":[{"role":"user","content":"q"}],"chosen":[{"role":"assistant","content":"x"}],
                 "rejected":[{"role":"assistant","content":"y"}]})"),
      setting_of(&t));
  EXPECT_EQ(shown(pair.chosen), std::vector<std::string>{"u:q<e>a:[x<e>]"});
  EXPECT_EQ(shown(pair.rejected), std::vector<std::string>{"u:q<e>a:[y<e>]"});
  const StepwiseExample steps =
      stepwise_example(row_of(R"({"prompt":"q","completions":["ab","c"],"labels":[true,false]})"), setting_of(nullptr));
  EXPECT_EQ(steps.tokens.size(), 7u);
  EXPECT_EQ(steps.step_ends, (std::vector<size_t>{5, 7}));
  EXPECT_EQ(steps.labels, (std::vector<bool>{true, false}));
}

}  // namespace
}  // namespace ponder::craft
