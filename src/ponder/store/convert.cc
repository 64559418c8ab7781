#include "ponder/store/convert.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/store/gguf_write.h"
#include "ponder/store/shards.h"

namespace ponder::store {
namespace {

using base::Json;

constexpr int64_t kWeightsAtOnce = 1 << 20;

// Brings n weights from read() to write() in pieces of whole blocks.
void convert_weights(const std::string& name, const std::string& where, int64_t n, int64_t from_block,
                     const GgmlTypeInfo& to, const std::function<void(int64_t first, int64_t n, float* out)>& read,
                     const std::function<void(const void* data, size_t bytes)>& write) {
  static_assert(kWeightsAtOnce % 256 == 0, "whole blocks of every type that is read");
  PONDER_CHECK(kWeightsAtOnce % from_block == 0, "blocks of ", from_block);
  std::vector<float> weights;
  std::string bytes;
  for (int64_t first = 0; first < n; first += kWeightsAtOnce) {
    const int64_t count = std::min(kWeightsAtOnce, n - first);
    weights.resize(static_cast<size_t>(count));
    bytes.resize(static_cast<size_t>(count / to.block_weights * to.block_bytes));
    read(first, count, weights.data());
    if (!quantize(to.type, weights.data(), bytes.data(), count))
      throw Error(
          ErrorCode::kInput,
          base::cat("tensor \"", name, "\" holds a weight beyond what ", to.name, " can hold; write bf16 or f32"),
          where);
    write(bytes.data(), bytes.size());
  }
}

std::string most_common(const std::map<std::string, int64_t>& weights) {
  std::string most = "F32";
  int64_t n = 0;
  for (const auto& [type, count] : weights)
    if (count > n) most = type, n = count;
  const GgmlTypeInfo* type = find_ggml_type(most);
  return type && type->can_write ? most : "F32";
}

void copy_small_files(const std::string& from, const std::string& to) {
  const auto copy = [&](const std::string& name) {
    if (const std::string path = base::join_path(from, name); base::file_exists(path))
      base::write_file_atomic(base::join_path(to, name), base::read_file(path));
  };
  for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer_config.json",
                           "special_tokens_map.json", "added_tokens.json", "tokenizer.model", "vocab.json",
                           "merges.txt", "chat_template.jinja", "chat_template.json"})
    copy(name);
  const std::string more = "additional_chat_templates";  // of transformers, one a name
  if (!base::is_directory(base::join_path(from, more))) return;
  base::make_directories(base::join_path(to, more));
  for (const std::string& name : base::list_directory(base::join_path(from, more)))
    if (name.ends_with(".jinja")) copy(base::join_path(more, name));
}

// F32 holds every number of every type that is read, any type its own.
bool holds(const std::string& from, const GgmlTypeInfo& to) { return to.type == GgmlType::kF32 || from == to.name; }

}  // namespace

void convert_gguf(const GgufFile& from, const std::string& path, GgmlType type) {
  constexpr std::pair<GgmlType, int64_t> kFileTypes[] = {
      {GgmlType::kF32, 0}, {GgmlType::kF16, 1}, {GgmlType::kQ8_0, 7}, {GgmlType::kBf16, 32}};  // llama.cpp's numbers
  GgufPairs pairs;
  for (const auto& [key, value] : from.metadata().entries())
    if (key != "general.alignment" && key != "general.file_type" && key != "general.quantization_version" &&
        !key.starts_with("split."))
      pairs.copy(key, value);
  for (const auto& [file_type, number] : kFileTypes)
    if (file_type == type) pairs.add_u32("general.file_type", number);
  pairs.add_u32("general.quantization_version", 2);
  std::vector<GgufTensor> tensors;
  for (const GgufTensor& tensor : from.tensors()) {
    GgufTensor& to = tensors.emplace_back();
    to.name = tensor.name, to.shape = tensor.shape;
    to.type = &info_of(tensor.shape.size() == 1 ? GgmlType::kF32 : type);
    if (tensor.shape.back() % to.type->block_weights != 0) to.type = &info_of(GgmlType::kF16);
  }
  GgufWriter writer(path, pairs, std::move(tensors));
  for (size_t i = 0; i < from.tensors().size(); ++i) {
    const GgufTensor &source = from.tensors()[i], &to = writer.tensors()[i];
    convert_weights(
        source.name, from.path(), source.weights, source.type->block_weights, *to.type,
        [&](int64_t first, int64_t n, float* out) { from.read(source, first, n, out); },
        [&](const void* data, size_t bytes) { writer.write(to, data, bytes); });
  }
  writer.close();
}

void convert_directory(const std::string& from, const std::string& to, const std::string& dtype) {
  const GgmlTypeInfo* type = find_ggml_type(dtype);
  PONDER_CHECK(type && type->can_write && type->block_weights == 1, "cannot write ", dtype);
  const SafetensorsDirectory source(from);
  const std::string config_path = base::join_path(from, "config.json");
  Json config = Json::parse(base::read_file(config_path), config_path);
  const char* name = dtype == "F32" ? "float32" : dtype == "F16" ? "float16" : "bfloat16";
  for (const char* key : {"torch_dtype", "dtype"})
    if (config.find(key)) config[key] = name;
  copy_small_files(from, to);
  base::write_file_atomic(base::join_path(to, "config.json"), config.dump(2) + "\n");
  std::vector<TensorEntry> entries;
  for (const ShardTensor& tensor : source.tensors())
    entries.push_back({tensor.entry->name, dtype, tensor.entry->shape, 0, 0});
  // Pieces of a tensor become one write here: the writer takes whole tensors.
  SafetensorsWriter writer(base::join_path(to, "model.safetensors"), std::move(entries), {{"format", "pt"}});
  std::string bytes;
  for (const TensorEntry& entry : writer.entries()) {
    const ShardTensor& tensor = source.at(entry.name);
    bytes.clear();
    convert_weights(
        entry.name, tensor.file->path(), tensor.weights, 1, *type,
        [&](int64_t first, int64_t n, float* out) { source.read(tensor, first, n, out); },
        [&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
    writer.write(entry, bytes.data(), bytes.size());
  }
  writer.close();
}

bool keeps_weights(const GgufFile& from, const GgmlTypeInfo& to, bool as_gguf) {
  return std::all_of(from.tensors().begin(), from.tensors().end(), [&](const GgufTensor& tensor) {
    return (as_gguf && tensor.shape.size() == 1) || holds(tensor.type->name, to);
  });
}

bool keeps_weights(const std::string& from, const GgmlTypeInfo& to, bool as_gguf) {
  const SafetensorsDirectory source(from);
  return std::all_of(source.tensors().begin(), source.tensors().end(), [&](const ShardTensor& tensor) {
    return (as_gguf && tensor.entry->shape.size() == 1) || holds(tensor.entry->dtype, to);
  });
}

std::string main_type(const GgufFile& file) {
  std::map<std::string, int64_t> weights;
  for (const GgufTensor& tensor : file.tensors()) weights[tensor.type->name] += tensor.weights;
  return most_common(weights);
}

std::string main_type(const std::string& directory) {
  const SafetensorsDirectory source(directory);
  std::map<std::string, int64_t> weights;
  for (const ShardTensor& tensor : source.tensors()) weights[tensor.entry->dtype] += tensor.weights;
  return most_common(weights);
}

}  // namespace ponder::store
