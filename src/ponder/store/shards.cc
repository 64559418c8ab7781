#include "ponder/store/shards.h"

#include <algorithm>
#include <unordered_set>

#include "ponder/base/error.h"
#include "ponder/base/json.h"

namespace ponder::store {
namespace {

using base::Json;

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::string_view kExtension = ".safetensors";

[[noreturn]] void fail(const std::string& where, const std::string& message) {
  throw Error(ErrorCode::kInput, message, where);
}

// A name that stays inside the directory.
bool is_shard_name(std::string_view name) {
  if (name.size() <= kExtension.size() || name.size() > 255 || !name.ends_with(kExtension) || name[0] == '.')
    return false;
  return std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return c > ' ' && c != '/' && c != '\\' && c != ':' && c != 0x7F; });
}

bool is_pickle(std::string_view name) {
  constexpr std::string_view kEndings[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".bin.index.json"};
  return std::any_of(std::begin(kEndings), std::end(kEndings), [&](std::string_view e) { return name.ends_with(e); });
}

// Says what a directory without safetensors has instead, and what to do.
[[noreturn]] void fail_without_weights(const std::string& directory) {
  for (const std::string& name : base::list_directory(directory)) {
    if (is_pickle(name))
      fail(directory,
           base::cat("holds its weights as pickles (", name,
                     "), which can run code when they are read, and are not read here. Convert them once with "
                     "transformers: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(NEW_DIR)"));
    if (name.ends_with(".gguf")) fail(directory, base::cat("holds no safetensors; name its file ", name, " instead"));
  }
  fail(directory, base::cat("holds neither ", kSingle, " nor ", kIndex));
}

int64_t product(const std::vector<int64_t>& shape) {  // the file's reader has seen that it does not overflow
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> read_weight_map(std::string_view json, const std::string& where) {
  if (static_cast<int64_t>(json.size()) > kMaxIndexBytes)
    fail(where, base::cat("has ", json.size(), " bytes; an index of at most ", kMaxIndexBytes, " is read"));
  const Json index = Json::parse(json, where);
  const Json* map = index.find("weight_map");
  if (!map || !map->is_object()) fail(where, "needs an object \"weight_map\" of tensor names and their files");
  if (map->size() == 0) fail(where, "\"weight_map\" names no tensor");
  std::vector<std::pair<std::string, std::string>> names;
  std::unordered_set<std::string_view> shards;
  for (const auto& [tensor, file] : map->as_object()) {
    const std::string what = base::cat("\"weight_map\": tensor ", Json(tensor).dump());
    if (!file.is_string()) fail(where, base::cat(what, " needs a file's name, found ", file.type_name()));
    if (!is_shard_name(file.as_string()))
      fail(where, base::cat(what, " names the file ", file.dump(), "; a plain NAME", kExtension,
                            " in the same directory is expected"));
    shards.insert(file.as_string());
    if (shards.size() > kMaxShards) fail(where, base::cat("\"weight_map\" names more than ", kMaxShards, " files"));
    names.emplace_back(tensor, file.as_string());
  }
  return names;
}

SafetensorsDirectory::SafetensorsDirectory(const std::string& directory) : directory_(directory) {
  if (!base::is_directory(directory)) fail(directory, "is not a directory");
  const std::string single = base::join_path(directory, kSingle), index = base::join_path(directory, kIndex);
  if (base::file_exists(single)) {
    open(single);
  } else if (base::file_exists(index)) {
    open_shards(index);
  } else {
    fail_without_weights(directory);
  }
}

void SafetensorsDirectory::open(const std::string& path) {
  const SafetensorsFile& file = *files_.emplace_back(std::make_unique<SafetensorsFile>(path));
  for (const TensorEntry& entry : file.entries()) {
    const auto [at, is_new] = index_.emplace(entry.name, tensors_.size());
    if (!is_new)
      fail(path, base::cat("tensor ", Json(entry.name).dump(), " stands in ",
                           base::file_name(tensors_[at->second].file->path()), " too"));
    tensors_.push_back({&entry, &file, product(entry.shape)});
  }
}

void SafetensorsDirectory::open_shards(const std::string& index) {
  if (base::file_size(index) > kMaxIndexBytes)
    fail(index, base::cat("has ", base::file_size(index), " bytes; an index of at most ", kMaxIndexBytes, " is read"));
  const auto map = read_weight_map(base::read_file(index), index);
  std::unordered_set<std::string_view> opened;
  for (const auto& [tensor, file] : map) {
    if (!opened.insert(file).second) continue;
    const std::string path = base::join_path(directory_, file);
    if (!base::file_exists(path))
      fail(index, base::cat("\"weight_map\" names the file ", file, ", which is not in ", directory_));
    open(path);
  }
  for (const auto& [tensor, file] : map) {
    const ShardTensor* found = find(tensor);
    if (!found || base::file_name(found->file->path()) != file)
      fail(index,
           base::cat("\"weight_map\" says that ", file, " holds the tensor ", Json(tensor).dump(), "; it does not"));
  }
}

const ShardTensor* SafetensorsDirectory::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const ShardTensor& SafetensorsDirectory::at(std::string_view name) const {
  if (const ShardTensor* tensor = find(name)) return *tensor;
  fail(directory_, base::cat("has no tensor \"", name, "\" among its ", tensors_.size()));
}

void SafetensorsDirectory::read(const ShardTensor& tensor, int64_t first, int64_t n, float* weights) const {
  tensor.file->read(*tensor.entry, first, n, weights);
}

std::vector<float> SafetensorsDirectory::read(const ShardTensor& tensor) const {
  std::vector<float> weights(tensor.weights);  // at most eight times the file
  read(tensor, 0, tensor.weights, weights.data());
  return weights;
}

std::vector<std::string> SafetensorsDirectory::paths() const {
  std::vector<std::string> paths;
  for (const auto& file : files_) paths.push_back(file->path());
  return paths;
}

}  // namespace ponder::store
