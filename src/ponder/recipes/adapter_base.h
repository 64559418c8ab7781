// The model that an adapter stands beside: where its weights lie, and that they are those that the adapter was trained
// on. Called by open_model and by runs that train an adapter.
#pragma once
#include <memory>
#include <string>

#include "ponder/model/adapter.h"

namespace ponder::recipes {

struct AdapterBase {
  std::string path;       // a Hugging Face directory or a GGUF file; adapter_config.json says it
  std::string hash = "";  // XXH64 of the files with its weights, which a checkpoint's trainer.json says; "" = not asked
};
inline constexpr const char* kBaseHashKey = "base_xxh64";

// The base that a run trains an adapter beside, with its hash: MODEL, or of a run's directory its newest policy.
AdapterBase adapter_base_of(const std::string& model);

// Where the base of an adapter's directory lies. Error(kInput) when it is not said, not there or an adapter itself.
std::string find_adapter_base(const std::string& directory);

// PEFT's directory, or the newest policy of a run that trains an adapter; any other path is given back.
std::string adapter_directory(const std::string& path);

// The adapter of a directory, beside that base. Error(kInput) when it is a checkpoint that was trained beside other
// weights.
std::shared_ptr<model::Adapter> open_adapter(const std::string& directory, AdapterBase base,
                                             const model::DecoderConfig& config);

}  // namespace ponder::recipes
