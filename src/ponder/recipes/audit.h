// What the model is shown, held against the held-out splits: by the stages as they go, and by the report stage once
// more, made again from the keys.
#pragma once
#include "ponder/recipes/run.h"

namespace ponder::recipes {

// The training text of one step of pretrain and of sft: pure functions of recipe, key and step, the same for training
// and for the audit.
std::vector<learn::Row> pretrain_batch(const Recipe& recipe, base::RngKey key, int64_t step);
std::vector<learn::Row> sft_batch(const Recipe& recipe, base::RngKey key, int64_t step);
// The training problems of sft.solutions whose worked solutions sft learns. Sheets of practice beside them are made
// without what the task arithmetic holds out (craft/solutions.h).
std::vector<core::Item> solved_problems(const Recipe& recipe);
// The problems of one step of rl.
std::vector<core::Item> rl_problems(const Recipe& recipe, base::RngKey key, int64_t step);
// All problems of a critic stage.
std::vector<core::Item> critic_problems(const Recipe& recipe, base::RngKey key, const std::string& stage);

// The tasks whose dev or test problems the run answers, each once.
std::vector<std::string> tested_tasks(const Recipe& recipe);
// The dev problems of a task that critics are measured on.
std::vector<core::Item> dev_problems(const Run& run, const std::string& task);

// The held-out instances among problems, or shown by training text (a superset of the test problems of a run): empty,
// or something is broken. The stages ask before they learn from them.
std::vector<std::string> held_out_instances(const std::vector<core::Item>& items);
std::vector<std::string> held_out_instances(const std::vector<learn::Row>& rows);

// A row a task: how many training problems there were, how many test problems, and how many held-out instances any
// training text or prompt has shown (0, or something is broken).
std::vector<eval::DataRow> audit_data(const Run& run);

}  // namespace ponder::recipes
