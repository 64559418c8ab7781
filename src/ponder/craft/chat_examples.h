// Rows of conversations and texts as examples to learn from: ids by the model's tokenizer and chat template, weights on
// what the assistant wrote and nowhere else. Called by whoever trains on the rows of craft/training_rows.h.
#pragma once
#include <ctime>
#include <vector>

#include "ponder/core/example.h"
#include "ponder/craft/training_rows.h"
#include "ponder/text/chat_encode.h"
#include "ponder/text/chat_template.h"

namespace ponder::craft {

struct ExampleSetting {
  const text::ChatTemplate* chat_template = nullptr;  // null: rows of messages are an error
  text::ChatEncoder encoder;
  core::Token bos = -1, eos = -1;  // around plain texts; −1: none
  std::tm now{};                   // for templates that tell the date
  // Special tokens in the text of these roles are special: a model's own words, <think> among them, were such.
  std::vector<std::string> trusted_roles = {"assistant"};
};

// What a row becomes, and which tokens are learned, each with the row's weight:
// - texts: one example. All of kText is learned; of prompt + completion what stands behind the prompt. eos is put at
//   the end and learned.
// - messages: one example, in which is learned what stands in the template's {% generation %}; without that, each turn
//   of the assistant from the end of its prompt to the end of the turn, found by rendering the conversation's
//   beginnings. Of prompt + completion only turns of the completion count.
// - messages in a template that changes what came before (Qwen3's leaves thoughts out of all turns but the last): an
//   example for each of these turns, the conversation up to it and no further, which is what the model is asked. Error
//   (kInput) where even there the prompt is no beginning of what holds the turn.
// A turn that is the first message is left unlearned where the template makes no prompt of an empty conversation;
// Error(kInput) when there is no other one.
// kPreference and kStepwise rows go through preference_examples and stepwise_example.
std::vector<core::Example> training_examples(const TrainingRow& row, const ExampleSetting& setting);

struct PreferencePair {
  std::vector<core::Example> chosen, rejected;  // of one answer, as of one row: its log-prob is the sum over them
};
PreferencePair preference_examples(const TrainingRow& row, const ExampleSetting& setting);

struct StepwiseExample {
  core::Tokens tokens;            // prompt and steps, a line each
  std::vector<size_t> step_ends;  // behind the last token of each step
  std::vector<bool> labels;
};
StepwiseExample stepwise_example(const TrainingRow& row, const ExampleSetting& setting);

}  // namespace ponder::craft
