// Rows of conversations and texts as examples to learn from: ids by the model's tokenizer and chat template, weights on
// what the assistant wrote and nowhere else. Called by whoever trains on the rows of craft/training_rows.h.
#pragma once
#include <ctime>

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

// Which tokens are learned, each with the row's weight:
// - messages: where the template has {% generation %}, what stands in it; else from the end of the prompt for each
//   assistant turn to the end of the turn, found by rendering the conversation's beginnings. That needs a template that
//   keeps its past: when a rendered beginning is no beginning of the whole, it is an Error(kInput) that says so.
//   Of prompt + completion only turns of the completion count.
// - texts: all of kText; of prompt + completion what stands behind the prompt. eos is put at the end and learned.
// kPreference and kStepwise rows, which are no single example, go through preference_examples and stepwise_example.
core::Example training_example(const TrainingRow& row, const ExampleSetting& setting);

struct PreferencePair {
  core::Example chosen, rejected;
};
PreferencePair preference_examples(const TrainingRow& row, const ExampleSetting& setting);

struct StepwiseExample {
  core::Tokens tokens;            // prompt and steps, a line each
  std::vector<size_t> step_ends;  // behind the last token of each step
  std::vector<bool> labels;
};
StepwiseExample stepwise_example(const TrainingRow& row, const ExampleSetting& setting);

}  // namespace ponder::craft
