#include "ponder/craft/training_rows.h"

#include <algorithm>
#include <string_view>

#include "ponder/base/error.h"
#include "ponder/base/fields.h"
#include "ponder/store/parquet.h"
#include "ponder/store/text_lines.h"

namespace ponder::craft {
namespace {

using base::Json;

struct TypeLine {
  RowType type;
  const char* name;
  const char* needs;
};
constexpr TypeLine kTypes[] = {
    {RowType::kText, "text", "text, messages or conversations"},
    {RowType::kPromptOnly, "prompt-only", "prompt"},
    {RowType::kPromptCompletion, "prompt-completion", "prompt and completion"},
    {RowType::kPreference, "preference", "chosen and rejected"},
    {RowType::kUnpaired, "unpaired", "prompt, completion and label"},
    {RowType::kStepwise, "stepwise", "prompt, completions and labels"},
    {RowType::kVerl, "verl", "data_source, prompt and reward_model"},
};

[[noreturn]] void fail(const std::string& where, std::string_view key, const std::string& message) {
  throw Error(ErrorCode::kInput, base::cat(key.empty() ? "" : "\"", key, key.empty() ? "" : "\": ", message), where);
}

// A number as it stands, the kind of everything else.
std::string shown(const Json& v) { return v.is_number() ? v.dump() : v.type_name(); }

// Files that were merged of several, and Parquet, write null for what a row does not have.
const Json* find_value(const Json& object, std::string_view key) {
  const Json* v = object.find(key);
  return v && !v->is_null() ? v : nullptr;
}

// Reads one row; keeps which keys were used, so that the others can be handed on.
class RowReader {
 public:
  RowReader(const Json& row, const std::string& where) : row_(row), where_(where) {
    if (!row.is_object()) fail(where, "", base::cat("expected an object, found ", row.type_name()));
  }

  TrainingRow read(RowType type) {
    TrainingRow out;
    out.type = type;
    out.where = where_;
    switch (type) {
      case RowType::kText:
        out.completion = text_or_messages();
        break;
      case RowType::kPromptOnly:
        out.prompt = content("prompt", false);
        break;
      case RowType::kPromptCompletion:
      case RowType::kUnpaired:
        out.prompt = content("prompt", false);
        out.completion = content("completion", true);
        same_kind(out.prompt, out.completion, "completion");
        if (type == RowType::kUnpaired) out.label = truth("label", need("label"));
        break;
      case RowType::kPreference:
        preference(out);
        break;
      case RowType::kStepwise:
        stepwise(out);
        break;
      case RowType::kVerl:
        verl(out);
        break;
    }
    common(out);
    return out;
  }

 private:
  const Json* find(const char* key) {
    const Json* v = find_value(row_, key);
    if (v) used_.push_back(key);
    return v;
  }
  const Json& need(const char* key) {
    if (const Json* v = find(key)) return *v;
    fail(where_, key, "the key is missing");
  }
  const std::string& text(const char* key) { return text_in(key, need(key)); }
  const std::string& text_in(const char* key, const Json& v) const {
    if (!v.is_string()) fail(where_, key, base::cat("expected a text, found ", v.type_name()));
    return v.as_string();
  }
  bool truth(const std::string& key, const Json& v) const {
    if (v.is_bool()) return v.as_bool();
    if (v.is_int() && (v.as_int() == 0 || v.as_int() == 1)) return v.as_int() == 1;
    fail(where_, key, base::cat("expected true or false, found ", v.dump()));
  }

  // A text, or a list of messages; one message counts as a list of one where `single` says so.
  RowContent content(const char* key, bool single) {
    const Json& v = need(key);
    RowContent out;
    if (v.is_string()) {
      out.text = v.as_string();
      return out;
    }
    out.is_chat = true;
    out.messages = single && v.is_object() ? Json(Json::Array{v}) : v;
    check_messages(key, out.messages);
    return out;
  }

  void check_messages(const std::string& key, const Json& messages) const {
    if (!messages.is_array())
      fail(where_, key, base::cat("expected a text or a list of messages, found ", messages.type_name()));
    if (messages.size() == 0) fail(where_, key, "the list of messages is empty");
    for (size_t i = 0; i < messages.size(); ++i) {
      const Json& m = messages.as_array()[i];
      const std::string here = base::cat(key, "[", i, "]");
      if (!m.is_object())
        fail(where_, here, base::cat("expected a message {\"role\", \"content\"}, found ", m.type_name()));
      const Json* role = m.find("role");
      if (!role || !role->is_string()) fail(where_, here, "the message has no \"role\" that is a text");
      const Json* said = find_value(m, "content");
      if (said && !said->is_string() && !said->is_array())
        fail(where_, here + ".content", base::cat("expected a text or a list of parts, found ", said->type_name()));
      if (!said && !find_value(m, "tool_calls"))
        fail(where_, here, "the message has neither \"content\" nor \"tool_calls\"");
    }
  }

  void same_kind(const RowContent& a, const RowContent& b, const char* key) const {
    if (a.is_chat != b.is_chat)
      fail(where_, key,
           base::cat("expected ", a.is_chat ? "messages" : "a text", " as in \"prompt\", found ",
                     b.is_chat ? "messages" : "a text"));
  }

  RowContent text_or_messages() {
    const char* held = nullptr;
    for (const char* key : {"text", "messages", "conversations"}) {
      if (!find(key)) continue;
      if (held)
        fail(where_, key, base::cat("the row has \"", held, "\" too, and one of them is learned; take the other out"));
      held = key;
    }
    if (!held) fail(where_, "", "the row has none of text, messages and conversations");
    const std::string_view key = held;
    RowContent out;
    out.is_chat = key != "text";
    if (key == "text") {
      out.text = text(held);
    } else if (key == "messages") {
      out.messages = need(held);
      check_messages("messages", out.messages);
    } else {
      out.messages = sharegpt(need(held));
    }
    return out;
  }

  // [{"from": "human", "value": …}, …]; a list of ordinary messages under the same key is taken too.
  Json sharegpt(const Json& turns) {
    static constexpr std::pair<std::string_view, const char*> kRoles[] = {{"human", "user"},
                                                                          {"user", "user"},
                                                                          {"gpt", "assistant"},
                                                                          {"assistant", "assistant"},
                                                                          {"chatgpt", "assistant"},
                                                                          {"model", "assistant"},
                                                                          {"bot", "assistant"},
                                                                          {"system", "system"},
                                                                          {"tool", "tool"},
                                                                          {"observation", "tool"},
                                                                          {"function_response", "tool"},
                                                                          {"function_call", "assistant"}};
    const std::string key = "conversations";
    if (!turns.is_array() || turns.size() == 0) fail(where_, key, "expected a list of turns that is not empty");
    if (find_value(turns.as_array()[0], "role")) {
      check_messages(key, turns);
      return turns;
    }
    Json out = Json::array();
    if (const Json* system = find("system"); system && !text_in("system", *system).empty())
      out.push_back(Json::Object{{"role", "system"}, {"content", *system}});
    for (size_t i = 0; i < turns.size(); ++i) {
      const Json& turn = turns.as_array()[i];
      const std::string here = base::cat(key, "[", i, "]");
      const Json *from = turn.find("from"), *value = turn.find("value");
      if (!from || !from->is_string() || !value || !value->is_string())
        fail(where_, here, "expected {\"from\": a text, \"value\": a text}");
      const auto* role = std::find_if(std::begin(kRoles), std::end(kRoles),
                                      [&](const auto& r) { return r.first == from->as_string(); });
      if (role == std::end(kRoles))
        fail(where_, here + ".from",
             base::cat("\"", from->as_string(),
                       "\" is no speaker; known are human, gpt, system, tool, "
                       "observation, function_call"));
      if (from->as_string() != "function_call") {
        out.push_back(Json::Object{{"role", role->second}, {"content", *value}});
        continue;
      }
      const Json call = Json::parse(value->as_string(), base::cat(where_, ":", here, ".value"));
      if (!call.find("name") || !call.find("arguments"))
        fail(where_, here + ".value", "expected the JSON of a call with \"name\" and \"arguments\"");
      out.push_back(Json::Object{{"role", "assistant"},
                                 {"content", ""},
                                 {"tool_calls", Json::Array{Json::Object{{"type", "function"}, {"function", call}}}}});
    }
    return out;
  }

  void preference(TrainingRow& out) {
    out.chosen = content("chosen", true);
    out.rejected = content("rejected", true);
    if (out.chosen.is_chat != out.rejected.is_chat)
      fail(where_, "rejected", "expected the kind of \"chosen\": both texts or both messages");
    if (find("prompt")) {
      out.prompt = content("prompt", false);
      same_kind(out.prompt, out.chosen, "chosen");
    } else {
      split_prompt(out);
    }
  }

  // Without a prompt it is what both answers begin with.
  void split_prompt(TrainingRow& out) const {
    out.prompt.is_chat = out.chosen.is_chat;
    if (!out.chosen.is_chat) {
      std::string &a = out.chosen.text, &b = out.rejected.text;
      if (a == b) fail(where_, "rejected", "it is the same as \"chosen\"");
      auto same = static_cast<size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
      while (same > 0 && same < a.size() && (static_cast<unsigned char>(a[same]) & 0xC0) == 0x80) --same;
      if (same > 0 && a[same - 1] == ' ') --same;  // the space belongs to the answer, where tokens have it
      out.prompt.text = a.substr(0, same);
      a.erase(0, same);
      b.erase(0, same);
      return;
    }
    Json::Array &a = out.chosen.messages.as_array(), &b = out.rejected.messages.as_array();
    size_t same = 0;
    while (same < a.size() && same < b.size() && a[same] == b[same]) ++same;
    if (same == a.size() || same == b.size())
      fail(where_, "rejected", "\"chosen\" and \"rejected\" must differ in a message that both have");
    out.prompt.messages = Json(Json::Array(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(same)));
    a.erase(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(same));
    b.erase(b.begin(), b.begin() + static_cast<std::ptrdiff_t>(same));
  }

  void stepwise(TrainingRow& out) {
    out.prompt = content("prompt", false);
    const Json &steps = need("completions"), &labels = need("labels");
    if (!steps.is_array())
      fail(where_, "completions", base::cat("expected a list of texts, found ", steps.type_name()));
    if (!labels.is_array())
      fail(where_, "labels", base::cat("expected a list of true and false, found ", labels.type_name()));
    if (steps.size() != labels.size())
      fail(where_, "labels", base::cat("expected one a step: ", steps.size(), ", found ", labels.size()));
    for (size_t i = 0; i < steps.size(); ++i) {
      const Json& step = steps.as_array()[i];
      if (!step.is_string())
        fail(where_, base::cat("completions[", i, "]"), base::cat("expected a text, found ", step.type_name()));
      out.steps.push_back(step.as_string());
      out.step_labels.push_back(truth(base::cat("labels[", i, "]"), labels.as_array()[i]));
    }
  }

  void verl(TrainingRow& out) {
    out.data_source = text("data_source");
    out.prompt = content("prompt", false);
    if (const Json* ability = find("ability")) out.ability = text_in("ability", *ability);
    const Json& reward = need("reward_model");
    const Json *style = find_value(reward, "style"), *truth = find_value(reward, "ground_truth");
    if (!style || !style->is_string()) fail(where_, "reward_model.style", "expected a text, for example \"rule\"");
    if (!truth) fail(where_, "reward_model.ground_truth", "the key is missing");
    out.reward_style = style->as_string();
    out.ground_truth = *truth;
  }

  void common(TrainingRow& out) {
    if (const Json* tools = find("tools")) {
      // ShareGPT writes them as the text of a JSON list.
      out.tools =
          tools->is_string()
              ? tools->as_string().empty() ? Json() : Json::parse(tools->as_string(), base::cat(where_, ":tools"))
              : *tools;
      if (!out.tools.is_null() && !out.tools.is_array())
        fail(where_, "tools", base::cat("expected a list of tools, found ", out.tools.type_name()));
    }
    if (const Json* weight = find("weight")) {
      out.weight = weight->is_number() ? weight->as_double() : -1;
      if (!(out.weight >= 0 && out.weight <= 1e6))
        fail(where_, "weight", base::cat("expected a number from 0 to 1000000, found ", shown(*weight)));
    }
    for (const auto& [key, value] : row_.as_object())
      if (!value.is_null() && std::find(used_.begin(), used_.end(), key) == used_.end()) out.extra[key] = value;
    if (const Json* given = out.extra.find("chat_template_kwargs"); given && !given->is_object())
      fail(where_, "chat_template_kwargs", base::cat("expected an object, found ", given->type_name()));
  }

  const Json& row_;
  const std::string& where_;
  std::vector<std::string> used_;
};

}  // namespace

const char* row_type_name(RowType type) {
  for (const TypeLine& t : kTypes)
    if (t.type == type) return t.name;
  return "";
}

RowType row_type_of(const std::string& name) {
  std::vector<std::string> names;
  for (const TypeLine& t : kTypes) {
    if (name == t.name) return t.type;
    names.emplace_back(t.name);
  }
  const std::string near = base::nearest_name(name, names);
  std::string all;
  for (const std::string& n : names) all += base::cat(all.empty() ? "" : ", ", n);
  throw Error(ErrorCode::kUsage,
              base::cat("\"", name, "\" is no type of data; ",
                        near.empty() ? "" : base::cat("did you mean ", near, "? "), "known are ", all));
}

RowType recognize_row(const base::Json& row, const std::string& where) {
  if (!row.is_object()) fail(where, "", base::cat("expected an object, found ", row.type_name()));
  const auto has = [&](const char* key) { return find_value(row, key) != nullptr; };
  if (has("reward_model") && has("prompt")) return RowType::kVerl;
  if (has("chosen") && has("rejected")) return RowType::kPreference;
  if (has("prompt") && has("completions") && has("labels")) return RowType::kStepwise;
  if (has("prompt") && has("completion")) return has("label") ? RowType::kUnpaired : RowType::kPromptCompletion;
  if (has("text") || has("messages") || has("conversations")) return RowType::kText;
  if (has("prompt")) return RowType::kPromptOnly;
  std::string keys, nulls, needs;
  for (const auto& [key, value] : row.as_object()) {
    std::string& list = value.is_null() ? nulls : keys;
    list += base::cat(list.empty() ? "" : ", ", key);
  }
  if (!nulls.empty()) nulls = base::cat(" (null are ", nulls, ")");
  for (const TypeLine& t : kTypes) needs += base::cat(needs.empty() ? "" : "; ", t.name, " needs ", t.needs);
  fail(where, "", base::cat("no type of data has the keys ", keys.empty() ? "(none)" : keys, nulls, ": ", needs));
}

TrainingRow parse_training_row(const base::Json& row, const std::string& where, std::optional<RowType> stated) {
  return RowReader(row, where).read(stated ? *stated : recognize_row(row, where));
}

void read_training_rows(const std::string& path, std::optional<RowType> stated,
                        const std::function<void(TrainingRow&&)>& row,
                        const std::function<void(const std::string& message)>& bad) {
  const auto take = [&](const auto& value, const std::string& where) {
    TrainingRow parsed;
    try {
      parsed = parse_training_row(value(), where, stated);
    } catch (const Error& e) {
      if (!bad || e.code() != ErrorCode::kInput) throw;
      bad(e.what());
      return;
    }
    row(std::move(parsed));
  };
  if (store::is_parquet(path)) {
    store::ParquetRows rows(path);
    for (Json json; rows.next(json);) take([&]() -> const Json& { return json; }, base::cat(path, ":", rows.number()));
    return;
  }
  store::TextLines lines(path);
  for (std::string line; lines.next(line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = base::cat(path, ":", lines.number());
    take([&] { return Json::parse(line, where); }, where);
  }
}

}  // namespace ponder::craft
