// Opens what users call MODEL: a run directory (its newest policy and critic), a Hugging Face directory of any family
// of model/families.h, or a GGUF file. Where a run's checkpoint or a directory of PEFT's is an adapter, with its base.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "ponder/core/confidence.h"
#include "ponder/model/load.h"
#include "ponder/model/weights.h"
#include "ponder/recipes/commands.h"
#include "ponder/text/problem_codec.h"
#include "ponder/text/word_tokenizer.h"

namespace ponder::recipes {

struct OpenedModel {
  std::string policy_path, critic_path;  // a directory or GGUF file; critic_path "" = none
  std::string run = {};                  // the run directory that trained it, or its adapter; "" = none
  model::Parameters policy = {};
  std::optional<model::Parameters> critic = {};
  std::optional<core::Confidence> confidence = {};   // of a run whose last critic stage has fitted one
  std::shared_ptr<const text::Tokenizer> text = {};  // null: the model takes token ids alone
  std::string no_text = {};                          // why there is none
  // Error(kInput) says what is missing, and that token ids do without it.
  const text::Tokenizer& tokenizer() const;
  // The tokenizer of a model that writes in the tasks' own language (text/format.h); Error(kInput) for any other.
  const text::WordTokenizer& words() const;
};

// On the CPU the weights are only read, and take what the files take. Error(kInput) says what the path is not and what
// would be right.
struct OpenOptions {
  std::string device = "auto";
  std::string compute = "";      // f32 or bf16; "" = what the files say
  std::string weights = "auto";  // how the policy's are kept (model/load.h)
  std::string adapter = "";      // a directory with an adapter of the policy: PEFT's, or a run's
};
OpenedModel open_model(const std::string& path, const OpenOptions& options = {});
// The same without tokenizer and weights, but for those of an adapter: configurations, which the names and shapes in
// the files must fit. The same errors, but for what only a weight could say.
OpenedModel describe_model(const std::string& path);

// How a model meets problems: in the tasks' own language, or in words; a run's as it was trained, but for what `args`
// says otherwise. Borrows the model. Error(kUsage) where args do not fit the model, Error(kInput) for files that cannot
// be used.
std::shared_ptr<const text::ProblemCodec> open_codec(const OpenedModel& model, const WordArgs& args);

// A MODEL that is one file.
bool is_gguf_file(const std::string& path);

// The newest checkpoint of a run's policy; "" when there is none.
std::string newest_policy(const std::string& run_dir);

// Every byte of a checkpoint against its manifest, Error(kInput); a model from elsewhere has none.
void verify_files(const std::string& path);
// The weights of a MODEL without its critic. The same errors.
model::LoadedModel load_model(const std::string& path, const model::LoadOptions& options);
// All of them as ones that can be trained, in one f32 buffer: an adapter is merged into it.
model::LoadedModel load_trainable(const std::string& path);

// The Hugging Face or PEFT directory of a MODEL: itself, or the newest policy of a run directory. The same errors.
std::string policy_directory(const std::string& path);
// Is that an adapter, without weights of its own?
bool is_adapter_model(const std::string& path);
// The directory or GGUF file that has a MODEL's tokenizer: of an adapter without one, that of its base.
std::string tokenizer_home(const std::string& path);

}  // namespace ponder::recipes
