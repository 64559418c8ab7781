// Rows of a user's own files (sft.data) as rows to learn from. Called at the start of a run and by stage sft, and by
// the plan of a run, which says how many there are.
#pragma once
#include <string>
#include <vector>

#include "ponder/learn/pack.h"
#include "ponder/recipes/recipe.h"

namespace ponder::recipes {

struct TrainingFiles {
  // Rows that nothing is learned from, and where the first one stands: "file:line".
  struct LeftOut {
    int64_t count = 0;
    std::string first = {};
  };
  // In the order of the files, all of them in memory. A conversation may be several: one for each turn of the
  // assistant, where the chat template changes earlier turns (craft/chat_examples.h).
  std::vector<learn::Row> rows;
  int64_t read = 0;      // rows in the files, those that are left out among them
  int64_t kept = 0;      // of these, those that `rows` are made of
  int64_t tokens = 0;    // of `rows`
  int64_t learned = 0;   // tokens of these with a weight
  int64_t longest = 0;   // tokens that a row may have: longer ones are left out, never cut
  LeftOut bad;           // within sft.bad_rows
  LeftOut too_long;      // more than `longest` tokens, in one of its examples
  LeftOut held_out;      // show a dev or test question of a task that the run answers
  LeftOut unwanted;      // unpaired rows with label false, rows of weight 0
  std::string checksum;  // of ids and weights: what a run that goes on must find again
};

// Reads sft.data with the tokenizer and the chat template of init.from. What is learned of each type of row:
// - text: all of a text, the assistant's turns of a conversation (craft/chat_examples.h);
// - prompt-completion and unpaired with label true: the completion; preference: the chosen answer.
// Error(kInput, …, "file:line") for rows of problems and of labelled steps (verl, stepwise), for more bad rows than
// sft.bad_rows (it names ten), for files that cannot be read and when no row is left; Error(kStopped) after Ctrl-C.
TrainingFiles read_training_files(const Recipe& recipe);

// What the row of a run's metrics begins with that says what was read: a note, behind this summary_of() and the
// checksum.
inline constexpr const char* kFilesNote = "SFT read ";
// Of what was read, for people: "20 rows of rows.jsonl, 412 tokens, 160 of them learned; left out: 2 rows of …".
std::string summary_of(const TrainingFiles& files, const Recipe& recipe);
base::Json to_json(const TrainingFiles& files);

}  // namespace ponder::recipes
