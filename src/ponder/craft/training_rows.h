// Training and evaluation data as users have them: rows of JSONL files (.gz and .zst too) and of Parquet files
// (store/parquet.h) in TRL's types, standard (text) and conversational (messages), verl's rows, OpenAI's and ShareGPT's
// conversations. Called by whoever trains on files.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ponder/base/json.h"

namespace ponder::craft {

enum class RowType {
  kText,              // text | messages | conversations
  kPromptOnly,        // prompt
  kPromptCompletion,  // prompt, completion
  kPreference,        // chosen, rejected; prompt, or what both begin with
  kUnpaired,          // prompt, completion, label
  kStepwise,          // prompt, completions, labels
  kVerl,              // data_source, prompt, reward_model {style, ground_truth}; ability, extra_info
};
const char* row_type_name(RowType type);       // "text", "prompt-only", …
RowType row_type_of(const std::string& name);  // Error(kUsage) lists the names
// The type that the row's keys tell. A key that is null is no key, here and in all that follows. Error(kInput, …,
// where) names the keys found and what the types need.
RowType recognize_row(const base::Json& row, const std::string& where);

// Text, or messages {"role", "content", …}.
struct RowContent {
  bool is_chat = false;
  std::string text;
  base::Json messages = base::Json::array();
};

struct TrainingRow {
  RowType type = RowType::kText;
  RowContent prompt;      // empty for kText
  RowContent completion;  // kText: all of it; kPromptCompletion, kUnpaired
  RowContent chosen, rejected;
  bool label = false;                       // kUnpaired: is the completion wanted?
  std::vector<std::string> steps;           // kStepwise
  std::vector<bool> step_labels;            // kStepwise: is this step right? One a step
  std::string data_source, ability;         // kVerl
  std::string reward_style;                 // kVerl
  base::Json ground_truth;                  // kVerl: for the verifier alone
  base::Json tools;                         // null or a list, for the chat template
  base::Json extra = base::Json::object();  // all other keys that have a value, for reward functions
  double weight = 1;                        // "weight" of the row
  std::string where;                        // "file:line"; of a Parquet file "file:row", from 1
};

// where: "file:line", in front of every message, which names the key. A type that is stated is held against the keys.
TrainingRow parse_training_row(const base::Json& row, const std::string& where,
                               std::optional<RowType> stated = std::nullopt);

// Calls row() for each line of the file that is not empty, or for each row of a Parquet file; no more than one line, or
// a batch of rows, is in memory. A row that is wrong goes to bad() when given (the rest is still read), else the error
// is thrown; a damaged file is an error in any case.
void read_training_rows(const std::string& path, std::optional<RowType> stated,
                        const std::function<void(TrainingRow&&)>& row,
                        const std::function<void(const std::string& message)>& bad = {});

}  // namespace ponder::craft
