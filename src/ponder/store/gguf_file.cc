// One model as one file or as the parts that it is split over.
#include <algorithm>
#include <cstdio>

#include "ponder/base/error.h"
#include "ponder/base/json.h"
#include "ponder/store/gguf.h"

namespace ponder::store {
namespace {

constexpr const char* kPartKey = "split.no";
constexpr const char* kPartsKey = "split.count";
constexpr const char* kAllTensorsKey = "split.tensors.count";

[[noreturn]] void fail(const std::string& path, const std::string& message) {
  throw Error(ErrorCode::kInput, message, path);
}

// How many files the model is split over, as this one says.
int64_t parts_of(const GgufLayout& layout) {
  const int64_t parts = layout.metadata.int_or(kPartsKey, 1);
  if (parts < 0 || parts > kMaxGgufParts)
    fail(layout.metadata.where(),
         base::cat("key \"", kPartsKey, "\" is ", parts, "; 1 to ", kMaxGgufParts, " parts are read"));
  return std::max<int64_t>(parts, 1);
}

// "-00002-of-00003.gguf"
std::string part_suffix(int64_t part, int64_t parts) {
  char text[64];
  std::snprintf(text, sizeof text, "-%05d-of-%05d.gguf", static_cast<int>(part + 1), static_cast<int>(parts));
  return text;
}

}  // namespace

GgufFile::Part::Part(const std::string& part_path)
    : path(part_path), file(part_path), layout(read_gguf_layout(file.bytes(), path)) {}

GgufFile::GgufFile(const std::string& path) : path_(path) {
  parts_.push_back(std::make_unique<Part>(path));
  open_parts();
  size_t all = 0;
  for (const auto& part : parts_) all += part->layout.tensors.size();
  tensors_.reserve(all);
  for (int part = 0; part < parts(); ++part) add_tensors(part);
}

void GgufFile::open_parts() {
  const GgufMetadata& asked = metadata();
  const int64_t parts = parts_of(parts_[0]->layout);
  if (parts == 1) return;
  const int64_t number = asked.int_at(kPartKey);
  if (number < 0 || number >= parts)
    fail(path_, base::cat("key \"", kPartKey, "\" is ", number, ", but there are ", parts, " parts"));
  const std::string suffix = part_suffix(number, parts);
  if (!path_.ends_with(suffix))
    fail(path_, base::cat("is part ", number + 1, " of ", parts, " and must be named …", suffix,
                          ", so that the other parts can be found"));
  const std::string stem = path_.substr(0, path_.size() - suffix.size());
  std::vector<std::unique_ptr<Part>> opened;
  for (int64_t i = 0; i < parts; ++i) {
    opened.push_back(i == number ? std::move(parts_[0]) : std::make_unique<Part>(stem + part_suffix(i, parts)));
    const Part& part = *opened.back();
    if (parts_of(part.layout) != parts || part.layout.metadata.int_at(kPartKey) != i)
      fail(part.path,
           base::cat("does not say that it is part ", i + 1, " of ", parts, "; parts of two models are mixed"));
  }
  parts_ = std::move(opened);
  path_ = parts_[0]->path;
  int64_t tensors = 0;
  for (const auto& part : parts_) tensors += static_cast<int64_t>(part->layout.tensors.size());
  const int64_t expected = metadata().int_or(kAllTensorsKey, tensors);
  if (tensors != expected)
    fail(path_, base::cat("key \"", kAllTensorsKey, "\" is ", expected, ", but the parts hold ", tensors));
}

void GgufFile::add_tensors(int number) {
  Part& part = *parts_[number];
  for (GgufTensor& tensor : part.layout.tensors) {
    tensor.part = number;
    tensors_.push_back(std::move(tensor));
    if (!index_.emplace(tensors_.back().name, tensors_.size() - 1).second)
      fail(part.path, base::cat("tensor ", base::Json(tensors_.back().name).dump(), " stands in another part too"));
  }
  part.layout.tensors.clear();
}

std::vector<std::string> GgufFile::paths() const {
  std::vector<std::string> paths;
  for (const auto& part : parts_) paths.push_back(part->path);
  return paths;
}

const GgufTensor* GgufFile::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &tensors_[found->second];
}

const GgufTensor& GgufFile::at(std::string_view name) const {
  if (const GgufTensor* tensor = find(name)) return *tensor;
  fail(path_, base::cat("has no tensor \"", name, "\" among its ", tensors_.size()));
}

std::string_view GgufFile::bytes(const GgufTensor& tensor) const {
  return parts_[tensor.part]->layout.data.substr(tensor.offset, tensor.bytes);
}

void GgufFile::forget(const GgufTensor& tensor) const {
  const std::string_view bytes = this->bytes(tensor);
  const Part& part = *parts_[static_cast<size_t>(tensor.part)];
  part.file.forget(static_cast<size_t>(bytes.data() - part.file.bytes().data()), bytes.size());
}

void GgufFile::read(const GgufTensor& tensor, int64_t first, int64_t n, float* weights) const {
  const GgmlTypeInfo& type = *tensor.type;
  const auto fail_tensor = [&](const std::string& message) {
    fail(parts_[tensor.part]->path, base::cat("tensor \"", tensor.name, "\" ", message));
  };
  if (!type.can_read)
    fail_tensor(base::cat("is of type ", type.name, ", which is not read; ", readable_types(), " are"));
  PONDER_CHECK(first >= 0 && n >= 0 && first <= tensor.weights && n <= tensor.weights - first, "weights outside of ",
               tensor.name);
  PONDER_CHECK(first % type.block_weights == 0 && n % type.block_weights == 0, "not whole blocks of ", tensor.name);
  const std::string_view blocks = bytes(tensor).substr(first / type.block_weights * type.block_bytes);
  if (!dequantize(type.type, blocks.data(), weights, n)) fail_tensor("holds a weight that is NaN or infinite");
}

std::vector<float> GgufFile::read(const GgufTensor& tensor) const {
  PONDER_CHECK(tensor.type->block_bytes > 0, "a type without a size");
  std::vector<float> weights(tensor.type->can_read ? tensor.weights : 0);
  read(tensor, 0, tensor.weights, weights.data());
  return weights;
}

}  // namespace ponder::store
