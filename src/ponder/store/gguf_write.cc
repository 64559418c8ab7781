#include "ponder/store/gguf_write.h"

#include <unistd.h>

#include <utility>

#include "ponder/base/error.h"

namespace ponder::store {
namespace {

constexpr int64_t kAlignment = 32;      // what a file has that does not say otherwise
constexpr size_t kMaxWrittenName = 63;  // llama.cpp's limit for a tensor's name

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void append_string(std::string& out, std::string_view text) {
  append(out, uint64_t{text.size()});
  out += text;
}

std::vector<GgufTensor> laid_out(std::vector<GgufTensor> tensors) {
  std::unordered_set<std::string_view> names;
  int64_t offset = 0;
  for (GgufTensor& tensor : tensors) {
    PONDER_CHECK(tensor.type != nullptr, "tensor ", tensor.name, " has no type");
    PONDER_CHECK(!tensor.name.empty() && tensor.name.size() <= kMaxWrittenName, "tensor \"", tensor.name,
                 "\" needs a name of 1 to ", kMaxWrittenName, " bytes");
    PONDER_CHECK(names.insert(tensor.name).second, "tensor ", tensor.name, " stands twice");
    const GgmlTypeInfo& type = *tensor.type;
    const size_t dims = tensor.shape.size();
    bool is_fine = dims >= 1 && dims <= kMaxGgufDims && tensor.shape.back() % type.block_weights == 0;
    tensor.weights = 1;
    for (int64_t n : tensor.shape)
      is_fine = is_fine && n > 0 && !__builtin_mul_overflow(tensor.weights, n, &tensor.weights);
    is_fine = is_fine &&
              !__builtin_mul_overflow(tensor.weights / type.block_weights, type.block_bytes, &tensor.bytes) &&
              !__builtin_add_overflow(offset, tensor.bytes, &offset) &&
              !__builtin_add_overflow(offset, (kAlignment - offset % kAlignment) % kAlignment, &offset);
    PONDER_CHECK(is_fine, "tensor ", tensor.name, " has an impossible shape for ", type.name);
    tensor.offset = offset - (tensor.bytes + kAlignment - 1) / kAlignment * kAlignment;
  }
  return tensors;
}

std::string table_of(const GgufPairs& metadata, const std::vector<GgufTensor>& tensors) {
  std::string table = "GGUF";
  append(table, uint32_t{3});
  append(table, uint64_t{tensors.size()});
  append(table, metadata.count());
  table += metadata.bytes();
  for (const GgufTensor& tensor : tensors) {
    append_string(table, tensor.name);
    append(table, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t d = tensor.shape.size(); d-- > 0;) append(table, static_cast<uint64_t>(tensor.shape[d]));
    append(table, static_cast<uint32_t>(tensor.type->type));
    append(table, static_cast<uint64_t>(tensor.offset));
  }
  return table;
}

}  // namespace

void GgufPairs::begin(std::string_view key, GgufType type) {
  PONDER_CHECK(!key.empty() && key.size() <= kMaxGgufKeyBytes, "a key needs 1 to ", kMaxGgufKeyBytes, " bytes");
  PONDER_CHECK(key != "general.alignment", "files are aligned to ", kAlignment, ", which needs no key");
  PONDER_CHECK(keys_.size() < kMaxGgufKeys, "more than ", kMaxGgufKeys, " keys");
  PONDER_CHECK(keys_.emplace(key).second, "key ", key, " is added twice");
  append_string(bytes_, key);
  append(bytes_, static_cast<uint32_t>(type));
}

void GgufPairs::begin_list(std::string_view key, GgufType item, size_t count) {
  begin(key, GgufType::kList);
  append(bytes_, static_cast<uint32_t>(item));
  append(bytes_, uint64_t{count});
}

void GgufPairs::add_bool(std::string_view key, bool value) {
  begin(key, GgufType::kBool);
  append(bytes_, uint8_t{value});
}

void GgufPairs::add_u32(std::string_view key, int64_t value) {
  PONDER_CHECK(value >= 0 && value <= UINT32_MAX, "key ", key, " cannot be ", value);
  begin(key, GgufType::kU32);
  append(bytes_, static_cast<uint32_t>(value));
}

void GgufPairs::add_f32(std::string_view key, double value) {
  begin(key, GgufType::kF32);
  append(bytes_, static_cast<float>(value));
}

void GgufPairs::add_string(std::string_view key, std::string_view value) {
  begin(key, GgufType::kString);
  append_string(bytes_, value);
}

void GgufPairs::add_bools(std::string_view key, const std::vector<bool>& values) {
  begin_list(key, GgufType::kBool, values.size());
  for (bool value : values) append(bytes_, uint8_t{value});
}

void GgufPairs::add_i32s(std::string_view key, const std::vector<int32_t>& values) {
  begin_list(key, GgufType::kI32, values.size());
  for (int32_t value : values) append(bytes_, value);
}

void GgufPairs::add_f32s(std::string_view key, const std::vector<float>& values) {
  begin_list(key, GgufType::kF32, values.size());
  for (float value : values) append(bytes_, value);
}

void GgufPairs::add_strings(std::string_view key, const std::vector<std::string_view>& values) {
  begin_list(key, GgufType::kString, values.size());
  for (std::string_view value : values) append_string(bytes_, value);
}

void GgufPairs::add_strings(std::string_view key, const std::vector<std::string>& values) {
  add_strings(key, std::vector<std::string_view>(values.begin(), values.end()));
}

void GgufPairs::add_all(const GgufPairs& others) {
  for (const std::string& key : others.keys_) PONDER_CHECK(keys_.insert(key).second, "key ", key, " is added twice");
  bytes_ += others.bytes_;
}

std::string GgufPairs::file() const {
  std::string file = table_of(*this, {});
  file.resize((file.size() + kAlignment - 1) / kAlignment * kAlignment);
  return file;
}

void GgufPairs::copy(std::string_view key, const GgufValue& value) {
  if (value.is_list()) {
    begin_list(key, value.item, value.count);
  } else {
    begin(key, value.type);
    if (value.type == GgufType::kString) append(bytes_, uint64_t{value.bytes.size()});
  }
  bytes_ += value.bytes;
}

GgufWriter::GgufWriter(std::string path, const GgufPairs& metadata, std::vector<GgufTensor> tensors)
    : path_(std::move(path)), aside_(path_ + ".tmp"), tensors_(laid_out(std::move(tensors))), file_(aside_) {
  try {
    file_.write(table_of(metadata, tensors_));
    pad();
  } catch (...) {
    ::unlink(aside_.c_str());  // no destructor runs for a half-made object
    throw;
  }
}

GgufWriter::~GgufWriter() {
  if (!is_closed_) ::unlink(aside_.c_str());
}

void GgufWriter::pad() {
  static constexpr char kZeros[kAlignment] = {};
  file_.write(kZeros, static_cast<size_t>((kAlignment - file_.offset() % kAlignment) % kAlignment));
}

void GgufWriter::write(const GgufTensor& tensor, const void* data, size_t bytes) {
  PONDER_CHECK(next_ < tensors_.size() && tensors_[next_].name == tensor.name, "tensor ", tensor.name,
               " is not the next one; write them in the order of tensors()");
  const int64_t left = tensors_[next_].bytes - written_;
  PONDER_CHECK(static_cast<int64_t>(bytes) <= left, "tensor ", tensor.name, " lacks ", left, " bytes, got ", bytes);
  file_.write(data, bytes);
  written_ += static_cast<int64_t>(bytes);
  if (written_ < tensors_[next_].bytes) return;
  pad();
  written_ = 0;
  ++next_;
}

void GgufWriter::close() {
  PONDER_CHECK(next_ == tensors_.size(), "only ", next_, " of ", tensors_.size(), " tensors were written to ", path_);
  file_.close(true);
  base::rename_path(aside_, path_);
  is_closed_ = true;
  base::sync_directory(base::parent_path(path_));
}

}  // namespace ponder::store
