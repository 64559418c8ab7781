// The weights of a Hugging Face directory as one table: model.safetensors, or the shards that
// model.safetensors.index.json lists. Used by model, and by the commands info and convert.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ponder/store/safetensors.h"

namespace ponder::store {

inline constexpr int64_t kMaxIndexBytes = 50'000'000;
inline constexpr size_t kMaxShards = 10'000;

struct ShardTensor {
  const TensorEntry* entry;
  const SafetensorsFile* file;
  int64_t weights;  // product of the shape
  std::string_view bytes() const { return file->bytes(*entry); }
};

// Error(kInput) when the index names a file or a tensor that is not there, a path instead of a file's name, or a tensor
// stands in two shards; also when there are only pickles, with what to do then. What the index says of the total size
// is not looked at, as elsewhere. Where both are there, model.safetensors is read. bytes() stays valid as long as this
// object; reading is thread-safe.
class SafetensorsDirectory {
 public:
  explicit SafetensorsDirectory(const std::string& directory);
  const std::vector<ShardTensor>& tensors() const { return tensors_; }  // shard by shard, in file order
  const ShardTensor* find(std::string_view name) const;                 // null: no such tensor
  const ShardTensor& at(std::string_view name) const;  // Error(kInput) naming the directory and the tensor
  // f32 weights [first, first + n), with the errors of SafetensorsFile::read.
  void read(const ShardTensor& tensor, int64_t first, int64_t n, float* weights) const;
  std::vector<float> read(const ShardTensor& tensor) const;
  std::vector<std::string> paths() const;  // of the files

 private:
  void open(const std::string& file);
  void open_shards(const std::string& index);

  std::string directory_;
  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::vector<ShardTensor> tensors_;
  std::unordered_map<std::string_view, size_t> index_;
};

// The names that an index maps to their shards, checked as far as that goes without the shards; in the index's order.
std::vector<std::pair<std::string, std::string>> read_weight_map(std::string_view json, const std::string& where);

}  // namespace ponder::store
