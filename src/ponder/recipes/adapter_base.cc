#include "ponder/recipes/adapter_base.h"

#include <filesystem>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/base/rng.h"
#include "ponder/recipes/open_model.h"
#include "ponder/store/gguf.h"
#include "ponder/store/shards.h"
#include "ponder/store/xxh64.h"

namespace ponder::recipes {
namespace {

constexpr const char* kElse = "; or give the model itself as MODEL and this directory as --adapter";

std::string weights_hash(const std::string& path) {
  const std::vector<std::string> files =
      is_gguf_file(path) ? store::GgufFile(path).paths() : store::SafetensorsDirectory(path).paths();
  std::string hashes;
  for (const std::string& file : files) hashes += store::file_hash(file);
  return files.size() == 1 ? hashes : base::hex64(store::xxh64(hashes));
}

// From /, without . and ..: a checkpoint is opened from other places than the run was started in.
std::string absolute(const std::string& path) {
  const std::filesystem::path normal = std::filesystem::absolute(path).lexically_normal();
  return normal.has_filename() ? normal.string() : normal.parent_path().string();
}

}  // namespace

AdapterBase adapter_base_of(const std::string& model) {
  const std::string path = absolute(is_gguf_file(model) ? model : policy_directory(model));
  return {path, weights_hash(path)};
}

std::string find_adapter_base(const std::string& directory) {
  const std::string name = model::adapter_base_model(directory);
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::kInput, what + kElse, base::join_path(directory, "adapter_config.json"));
  };
  if (name.empty()) refuse("base_model_name_or_path does not say which model this adapter belongs to");
  if (is_gguf_file(name)) return name;
  if (!base::is_directory(name))
    refuse(base::cat("base_model_name_or_path is ", name, ", which is neither a directory nor a GGUF file here"));
  const std::string base = policy_directory(name);
  if (model::is_adapter(base))
    refuse(base::cat("base_model_name_or_path is ", name, ", an adapter too; merge that one with `ponder convert`"));
  return base;
}

std::string adapter_directory(const std::string& path) {
  if (model::is_adapter(path) || !base::is_directory(path)) return path;
  const std::string newest = newest_policy(path);
  return newest.empty() ? path : newest;
}

std::shared_ptr<model::Adapter> open_adapter(const std::string& directory, AdapterBase base,
                                             const model::DecoderConfig& config) {
  verify_files(directory);
  const std::string path = base::join_path(directory, "trainer.json");
  if (base::file_exists(path)) {
    const base::Json state = base::Json::parse(base::read_file(path), path);
    if (state.find(kBaseHashKey)) {
      if (base.hash.empty()) base.hash = weights_hash(base.path);
      if (state.string_at(kBaseHashKey) != base.hash)
        throw Error(ErrorCode::kInput,
                    base::cat("was trained beside other weights than ", base.path, " holds; bring those back"),
                    directory);
    }
  }
  return model::load_adapter(directory, config);
}

}  // namespace ponder::recipes
