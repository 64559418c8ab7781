#include "ponder/recipes/training_files.h"

#include <algorithm>
#include <optional>
#include <set>

#include "ponder/base/log.h"
#include "ponder/base/rng.h"
#include "ponder/base/stop.h"
#include "ponder/craft/chat_examples.h"
#include "ponder/craft/held_out_questions.h"
#include "ponder/recipes/audit.h"
#include "ponder/recipes/open_tokenizer.h"
#include "ponder/recipes/start.h"
#include "ponder/store/xxh64.h"

namespace ponder::recipes {
namespace {

using craft::RowType;
using craft::TrainingRow;

constexpr size_t kNamed = 10;  // bad rows that a message tells of

bool is_empty(const base::Json& value) { return value.is_string() ? value.as_string().empty() : value.size() == 0; }

// Does the assistant say anything in it: words, parts, thoughts, calls of tools?
bool says_something(const base::Json& messages) {
  return std::ranges::any_of(messages.as_array(), [](const base::Json& message) {
    return message.string_at("role") == "assistant" && std::ranges::any_of(message.as_object(), [](const auto& part) {
             return part.first != "role" && !is_empty(part.second);
           });
  });
}

class Reader {
 public:
  explicit Reader(const Recipe& recipe)
      : recipe_(recipe),
        model_(word_model(open_tokenizer(recipe.init.from), recipe.model, recipe.init.from)),
        progress_("sft.data", 0, "rows") {
    const text::Encoding around = model_.tokenizer->encode_with_ranges("x", {.add_special = true});
    const core::Token bos = model_.tokenizer->special_ids().bos;
    setting_.encoder = text::chat_encoder(*model_.tokenizer);
    setting_.bos = bos >= 0 && around.ids.front() == bos ? bos : -1;
    setting_.eos = tasks::end_token(model_);
    setting_.now = tasks::fixed_date();
    files_.longest = std::min(recipe.model.context, recipe.sft.train.learner.pack_tokens);
    for (const std::string& task : tested_tasks(recipe)) held_out_.add(tasks::find_dataset_task(task));
  }

  TrainingFiles read() {
    for (const std::string& path : recipe_.sft.data)
      craft::read_training_rows(
          path, std::nullopt, [&](TrainingRow&& row) { take(row); },
          [&](const std::string& message) { count_row(), reject(message, ""); });
    if (files_.bad.count > recipe_.sft.bad_rows) refuse();
    for (const std::string& message : named_) base::log_warning(base::cat("sft.data: left out ", message));
    if (files_.rows.empty())
      throw Error(ErrorCode::kInput, base::cat("there is nothing to learn from: ", summary_of(files_, recipe_)),
                  "sft.data");
    files_.checksum = base::hex64(checksum_);
    return std::move(files_);
  }

 private:
  void count_row() {
    if (base::stop_requested())
      throw Error(ErrorCode::kStopped,
                  "stopped while sft.data was read, before any step; the same command goes on from here");
    progress_.update(++files_.read, "");
  }

  // where: of the row, "" when the message has it.
  void reject(const std::string& message, const std::string& where) {
    add_to(files_.bad, where);
    if (named_.size() < kNamed) named_.push_back(where.empty() ? message : base::cat(where, ": ", message));
    if (files_.bad.count > recipe_.sft.bad_rows && named_.size() == kNamed) refuse();
  }
  [[noreturn]] void refuse() const {
    std::string list;
    for (const std::string& message : named_) base::append(list, base::cat("\n  ", message));
    throw Error(ErrorCode::kInput,
                base::cat("rows that cannot be learned from; mend them, or have some left out with sft.bad_rows (now ",
                          recipe_.sft.bad_rows, "):", list),
                "sft.data");
  }
  static void add_to(TrainingFiles::LeftOut& left_out, const std::string& where) {
    if (left_out.count++ == 0) left_out.first = where;
  }

  void take(TrainingRow& row) {
    count_row();
    check_type(row);
    if ((row.type == RowType::kUnpaired && !row.label) || row.weight == 0) return add_to(files_.unwanted, row.where);
    if (const std::string lacks = what_it_lacks(row); !lacks.empty())
      return reject(base::cat("nothing in it is learned: ", lacks), row.where);
    std::vector<core::Example> examples;
    try {
      examples = examples_of(row);
    } catch (const Error& e) {
      if (e.code() != ErrorCode::kInput) throw;
      return e.where() == row.where ? reject(e.message(), row.where) : reject(e.what(), row.where);
    }
    std::erase_if(examples, [](const core::Example& example) { return learned_tokens(example) == 0; });
    if (examples.empty())
      return reject(base::cat("nothing in it is learned: ",
                              answer_of(row).is_chat ? "the chat template writes nothing of it that can be learned"
                                                     : "nothing stands before its only token"),
                    row.where);
    // A row is kept as a whole or left out as a whole, however many examples it becomes.
    for (const core::Example& example : examples) {
      const core::Token largest = std::ranges::max(example.tokens);
      if (largest >= recipe_.model.vocab)
        return reject(
            base::cat("token ", largest, " of the tokenizer is beyond the model's ", recipe_.model.vocab, " ones"),
            row.where);
    }
    for (const core::Example& example : examples)
      if (std::ssize(example.tokens) > files_.longest) return add_to(files_.too_long, row.where);
    for (const core::Example& example : examples)
      if (!held_out_.find(model_.tokenizer->decode(example.tokens)).empty()) return add_to(files_.held_out, row.where);
    ++files_.kept;
    for (core::Example& example : examples) keep(std::move(example));
  }

  // The part that is imitated.
  static const craft::RowContent& answer_of(const TrainingRow& row) {
    return row.type == RowType::kPreference ? row.chosen : row.completion;
  }
  static int64_t learned_tokens(const core::Example& example) {
    return std::ranges::count_if(example.weights, [](float w) { return w > 0; });
  }

  // Why there is nothing to learn, "" when there is: of an answer that says nothing the end alone would be learned.
  static std::string what_it_lacks(const TrainingRow& row) {
    const craft::RowContent& answer = answer_of(row);
    if (row.type == RowType::kPromptOnly) return "it has a prompt and no completion";
    if (answer.is_chat)
      return says_something(answer.messages) ? "" : "it has no turn of the assistant in which something is said";
    if (!answer.text.empty()) return "";
    if (row.type == RowType::kText) return "\"text\" is empty";
    return row.type == RowType::kPreference ? "behind the prompt \"chosen\" is empty" : "\"completion\" is empty";
  }

  // One row of a wrong type mostly means a whole file of them, so it ends the reading whatever sft.bad_rows says.
  static void check_type(const TrainingRow& row) {
    const char* lacks = nullptr;
    if (row.type == RowType::kVerl) lacks = "it has a problem and its answer, but no completion";
    if (row.type == RowType::kStepwise) lacks = "its labelled steps are for rewards";
    if (lacks)
      throw Error(ErrorCode::kInput,
                  base::cat("a row of type ", craft::row_type_name(row.type), " is nothing to imitate: ", lacks,
                            "; sft.data reads text, conversations, prompt-completion, preference (of which the chosen "
                            "answer is learned) and unpaired rows (those with label true)"),
                  row.where);
  }

  std::vector<core::Example> examples_of(const TrainingRow& row) {
    craft::ExampleSetting setting = setting_;
    if (answer_of(row).is_chat) setting.chat_template = chat_template(!row.tools.is_null());
    return row.type == RowType::kPreference ? craft::preference_examples(row, setting).chosen
                                            : craft::training_examples(row, setting);
  }

  // Null when the model has none. With tools it may be another one.
  const text::ChatTemplate* chat_template(bool has_tools) {
    if (model_.chat.templates.empty()) return nullptr;
    std::optional<text::ChatTemplate>& chosen = has_tools ? with_tools_ : without_tools_;
    if (!chosen) chosen.emplace(model_.chat, model_.path, "", has_tools);
    return &*chosen;
  }

  void keep(core::Example&& example) {
    const auto bytes = [](const auto& list) {
      return std::string_view(reinterpret_cast<const char*>(list.data()), list.size() * sizeof(list[0]));
    };
    checksum_ = store::xxh64(base::cat(base::hex64(checksum_), bytes(example.tokens), bytes(example.weights)));
    files_.tokens += std::ssize(example.tokens);
    files_.learned += learned_tokens(example);
    files_.rows.push_back({.tokens = std::move(example.tokens), .weights = std::move(example.weights)});
  }

  const Recipe& recipe_;
  const tasks::WordModel model_;
  std::optional<text::ChatTemplate> without_tools_, with_tools_;
  craft::ExampleSetting setting_;
  craft::HeldOutQuestions held_out_;
  TrainingFiles files_;
  std::vector<std::string> named_;
  uint64_t checksum_ = 0;
  base::Progress progress_;
};

}  // namespace

TrainingFiles read_training_files(const Recipe& recipe) { return Reader(recipe).read(); }

std::string summary_of(const TrainingFiles& files, const Recipe& recipe) {
  std::string paths, left_out;
  for (const std::string& path : recipe.sft.data) base::append(paths, base::cat(paths.empty() ? "" : ", ", path));
  const auto add = [&](const TrainingFiles::LeftOut& rows, const std::string& why) {
    if (rows.count > 0)
      base::append(left_out, base::cat(left_out.empty() ? "; left out: " : ", ", rows.count, " ", why,
                                       rows.first.empty() ? "" : base::cat(" (first ", rows.first, ")")));
  };
  const bool by_context = files.longest == recipe.model.context;
  add(files.too_long, base::cat("of more than ", files.longest, " tokens (",
                                by_context ? "the model's context" : "sft.train.learner.pack_tokens", ")"));
  add(files.held_out, "with a held-out question of a task that the run answers");
  add(files.unwanted, "with label false or weight 0");
  add(files.bad, "that cannot be learned from");
  const std::string examples =
      std::ssize(files.rows) == files.kept ? "" : base::cat(", as ", files.rows.size(), " examples");
  return base::cat(files.kept, " of ", files.read, " rows of ", paths, examples, ", ", files.tokens, " tokens, ",
                   files.learned, " of them learned", left_out);
}

base::Json to_json(const TrainingFiles& files) {
  base::Json json = base::Json::object();
  json["read"] = files.read, json["rows"] = files.kept;
  json["examples"] = static_cast<int64_t>(files.rows.size());
  json["tokens"] = files.tokens, json["learned_tokens"] = files.learned;
  json["longest_tokens"] = files.longest;
  json["too_long"] = files.too_long.count, json["held_out"] = files.held_out.count;
  json["unwanted"] = files.unwanted.count, json["bad"] = files.bad.count;
  json["checksum"] = files.checksum;
  return json;
}

}  // namespace ponder::recipes
