// The critic that reads nothing (critic.kind=confidence): fitted to completions of training problems, kept in the run's
// state. And what both kinds of critic are measured on.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "ponder/recipes/run.h"

namespace ponder::recipes {

core::SampleParams params_of(const CriticOptions& options);

// A critic stage of that kind. A kill begins it again.
void run_confidence(Run& run, const std::string& stage);

inline constexpr const char* kConfidenceKey = "confidence";  // in what a critic stage has left in state.json
base::Json to_json(const core::Confidence& confidence);
core::Confidence confidence_from(const base::Json& json);  // Error(kInput) when it is none
void set_confidence(Run& run, const std::string& stage, core::Confidence confidence);
// In a run's directory, for the policy that `stage` ("rl", "sft", "pretrain") left: log-probs of another policy are
// other numbers, so critic_rl's goes with rl, critic's with the others. Nothing when there is none. Error(kInput) names
// the file.
std::optional<core::Confidence> confidence_of_run(const std::string& run_dir, const std::string& stage);

inline constexpr int64_t kDevSamples = 4;  // a dev problem

// Completions of a task's dev problems, nothing was trained on them; only those that claim an answer.
struct DevAnswers {
  std::string task;
  std::vector<core::Tokens> prompts;
  std::vector<core::Completion> completions;
  std::vector<int> labels;  // 1 = right
  std::vector<std::string> clusters;
};
DevAnswers answer_dev_problems(const Run& run, const std::string& stage, const std::string& task);
// How well the values tell right answers from wrong ones.
void write_critic_row(Run& run, const std::string& stage, const DevAnswers& dev, const std::vector<double>& values);

}  // namespace ponder::recipes
