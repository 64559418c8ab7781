// What a run starts from: a model of its own shape, or a real one (init.from), with the tokenizer that goes with it.
// Called by the stages, by replay and by open_model for run directories.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "ponder/recipes/recipe.h"
#include "ponder/tasks/word_codec.h"

namespace ponder::recipes {

// The shape of a real model without its weights. Error(kInput) says what the path is not.
model::DecoderConfig read_model_config(const std::string& path);
// All its weights, to be trained; with init.lora only to be read, and beside them an adapter that changes nothing yet.
model::Parameters load_start(const Recipe& recipe);

// The files that a MODEL's tokenizer and chat template are made of, by name, as they lie beside its weights; those of a
// GGUF file as the tokenizer.json that its vocabulary stands for. Empty where a model takes ids alone.
using TokenizerFiles = std::map<std::string, std::string>;
TokenizerFiles tokenizer_files(const std::string& model);
// Those that a run writes into its checkpoints; Error(kInput) where its model has no tokenizer.
TokenizerFiles start_tokenizer_files(const Recipe& recipe);

// What a codec needs of the model in `path`: a directory, a run's, or a GGUF file.
tasks::WordModel word_model(std::shared_ptr<const text::Tokenizer> tokenizer, const model::DecoderConfig& config,
                            const std::string& path);

// How the recipe's model meets problems. `directory`: where the tokenizer's files lie; "" = those of init.from.
std::shared_ptr<const text::ProblemCodec> make_codec(const Recipe& recipe, const std::string& directory = "");
// How a model that has learned nothing yet is asked: behind worked examples of the training part, unless base.prompt
// names a file of others.
std::shared_ptr<const text::ProblemCodec> make_base_codec(const Recipe& recipe);
// The same for a run's directory, whose checkpoints have the files; before there is one, what the run starts from.
std::shared_ptr<const text::ProblemCodec> codec_of_run(const std::string& run_dir, const Recipe& recipe);

}  // namespace ponder::recipes
