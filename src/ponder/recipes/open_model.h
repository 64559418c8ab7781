// Opens what users call MODEL: a run directory (its newest policy and critic) or a Hugging Face directory.
#pragma once
#include <optional>
#include <string>

#include "ponder/model/weights.h"
#include "ponder/text/word_tokenizer.h"

namespace ponder::recipes {

struct OpenedModel {
  std::string policy_path, critic_path;  // directories; critic_path "" = none
  model::Parameters policy;
  std::optional<model::Parameters> critic;
  text::WordTokenizer tokenizer;
};

// Error(kInput) says what the path is not and what would be right.
OpenedModel open_model(const std::string& path, const std::string& device = "auto");

// The Hugging Face directory of a MODEL: itself, or the newest policy of a run directory. The same errors.
std::string policy_directory(const std::string& path);

}  // namespace ponder::recipes
