#include "ponder/store/safetensors.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <tuple>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/base/json.h"

namespace ponder::store {
namespace {

using base::Json;

static_assert(std::endian::native == std::endian::little, "the format is little-endian");
constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit
constexpr const char* kMetadataKey = "__metadata__";

// Bytes that a tensor takes; nothing when the product overflows, a dimension is negative or bits are left over.
std::optional<int64_t> tensor_bytes(const std::string& dtype, const std::vector<int64_t>& shape) {
  int64_t bits = dtype_bits(dtype);
  for (int64_t n : shape)
    if (n < 0 || __builtin_mul_overflow(bits, n, &bits)) return std::nullopt;
  if (bits % 8 != 0) return std::nullopt;
  return bits / 8;
}

// Reads one header; every message starts with the file and, where there is one, the tensor.
class HeaderReader {
 public:
  HeaderReader(const std::string& path, std::string_view file) : path_(path), file_(file) {}

  SafetensorsLayout read() const {
    SafetensorsLayout layout;
    const std::string_view text = header_text();
    const Json header = Json::parse(text, path_ + " (header)");
    layout.data = file_.substr(kLengthBytes + text.size());
    for (const auto& [name, value] : header.as_object()) {
      if (name == kMetadataKey) {
        read_metadata(value, layout.metadata);
      } else {
        layout.entries.push_back(read_entry(name, value));
      }
    }
    // Ties come from empty tensors, which stand before the one that starts at the same place.
    std::sort(layout.entries.begin(), layout.entries.end(), [](const TensorEntry& a, const TensorEntry& b) {
      return std::tie(a.offset, a.bytes, a.name) < std::tie(b.offset, b.bytes, b.name);
    });
    check_tiling(layout.entries, static_cast<int64_t>(layout.data.size()));
    return layout;
  }

 private:
  std::string_view header_text() const {
    if (file_.size() < kLengthBytes)
      fail(base::cat("the file has ", file_.size(), " bytes; a safetensors file starts with an 8-byte header length"));
    uint64_t length;
    std::memcpy(&length, file_.data(), sizeof length);
    if (length > kMaxHeaderBytes)
      fail(base::cat("the header claims ", length, " bytes; the format allows ", kMaxHeaderBytes,
                     " (is this a safetensors file?)"));
    const uint64_t left = file_.size() - kLengthBytes;
    if (length > left)
      fail(base::cat("the header claims ", length, " bytes, but ", left, " follow; the file is cut off"));
    const std::string_view text = file_.substr(kLengthBytes, length);
    if (text.empty() || text[0] != '{') fail("the header must start with '{'");
    return text;
  }

  void read_metadata(const Json& value, SafetensorsMetadata& metadata) const {
    if (!value.is_object()) fail("__metadata__ must be an object of strings");
    for (const auto& [key, text] : value.as_object()) {
      if (!text.is_string()) fail(base::cat("__metadata__ \"", key, "\" must be a string, found ", text.type_name()));
      metadata.emplace(key, text.as_string());
    }
  }

  TensorEntry read_entry(const std::string& name, const Json& value) const {
    const Json& dtype = member(name, value, "dtype");
    const Json& shape = member(name, value, "shape");
    const Json& offsets = member(name, value, "data_offsets");
    if (!dtype.is_string() || dtype_bits(dtype.as_string()) == 0)
      fail_tensor(name, base::cat("has the unknown dtype ", dtype.dump()));
    TensorEntry entry{name, dtype.as_string(), whole_numbers(name, "shape", shape), 0, 0};
    const std::vector<int64_t> range = whole_numbers(name, "data_offsets", offsets);
    if (range.size() != 2 || range[0] > range[1])
      fail_tensor(name, "needs data_offsets [begin, end] with begin <= end");
    entry.offset = range[0];
    entry.bytes = range[1] - range[0];
    const std::optional<int64_t> expected = tensor_bytes(entry.dtype, entry.shape);
    if (!expected) fail_tensor(name, base::cat("has an impossible shape ", shape.dump(), " for ", entry.dtype));
    if (*expected != entry.bytes)
      fail_tensor(name, base::cat("takes ", entry.bytes, " bytes, but its shape ", shape.dump(), " of ", entry.dtype,
                                  " needs ", *expected));
    return entry;
  }

  const Json& member(const std::string& name, const Json& value, const char* key) const {
    const Json* found = value.find(key);
    if (!found) fail_tensor(name, base::cat("has no \"", key, "\""));
    return *found;
  }

  std::vector<int64_t> whole_numbers(const std::string& name, const char* key, const Json& list) const {
    std::vector<int64_t> numbers;
    bool is_fine = list.is_array();
    for (size_t i = 0; is_fine && i < list.size(); ++i) {
      const Json& item = list.as_array()[i];
      is_fine = item.is_int() && item.as_int() >= 0;
      if (is_fine) numbers.push_back(item.as_int());
    }
    if (!is_fine) fail_tensor(name, base::cat("needs a list of whole numbers as \"", key, "\""));
    return numbers;
  }

  // The tensors must cover the data exactly: an overlap would alias, a hole could hide something.
  void check_tiling(const std::vector<TensorEntry>& entries, int64_t data_bytes) const {
    int64_t expected = 0;
    for (const TensorEntry& entry : entries) {
      if (entry.offset != expected)
        fail_tensor(entry.name,
                    base::cat("starts at byte ", entry.offset, " of the data, expected ", expected,
                              entry.offset < expected ? "; tensors overlap" : "; there is a hole before it"));
      if (entry.bytes > data_bytes - expected)
        fail_tensor(entry.name, base::cat("ends at byte ", entry.offset + entry.bytes, " of the data, which has ",
                                          data_bytes, "; the file is cut off"));
      expected += entry.bytes;
    }
    if (expected != data_bytes) fail(base::cat(data_bytes - expected, " bytes behind the last tensor belong to none"));
  }

  [[noreturn]] void fail(const std::string& message) const { throw Error(ErrorCode::kInput, message, path_); }
  [[noreturn]] void fail_tensor(const std::string& name, const std::string& message) const {
    fail(base::cat("tensor ", Json(name).dump(), " ", message));
  }

  const std::string& path_;
  std::string_view file_;
};

// " at [row,column]" of the i-th number of a shape; "" of a scalar.
std::string place_text(const std::vector<int64_t>& shape, int64_t i) {
  std::string text;
  for (size_t d = shape.size(); d-- > 0; i /= shape[d]) text = base::cat(i % shape[d], text.empty() ? "" : ",", text);
  return text.empty() ? "" : base::cat(" at [", text, "]");
}

std::vector<TensorEntry> laid_out(std::vector<TensorEntry> tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    const int a_bits = dtype_bits(a.dtype), b_bits = dtype_bits(b.dtype);
    return std::tie(b_bits, a.name) < std::tie(a_bits, b.name);
  });
  int64_t offset = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    TensorEntry& entry = tensors[i];
    PONDER_CHECK(dtype_bits(entry.dtype) > 0, "safetensors knows no dtype ", entry.dtype, " (tensor ", entry.name, ")");
    PONDER_CHECK(entry.name != kMetadataKey, "no tensor may be named ", kMetadataKey);
    const std::optional<int64_t> bytes = tensor_bytes(entry.dtype, entry.shape);
    PONDER_CHECK(bytes.has_value(), "tensor ", entry.name, " has an impossible shape");
    entry.offset = offset;
    entry.bytes = *bytes;
    PONDER_CHECK(!__builtin_add_overflow(offset, *bytes, &offset), "the tensors are larger than a file can be");
  }
  return tensors;
}

std::string header_of(const std::vector<TensorEntry>& entries, const SafetensorsMetadata& metadata) {
  Json::Object header;
  if (!metadata.empty()) {
    Json::Object object;
    for (const auto& [key, value] : metadata) object.emplace_back(key, value);
    header.emplace_back(kMetadataKey, std::move(object));
  }
  for (const TensorEntry& entry : entries)
    header.emplace_back(entry.name,
                        Json::Object{{"dtype", entry.dtype},
                                     {"shape", Json::list(entry.shape)},
                                     {"data_offsets", Json::Array{entry.offset, entry.offset + entry.bytes}}});
  std::string text = Json(std::move(header)).dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the data starts 8-byte aligned
  return text;
}

}  // namespace

int dtype_bits(std::string_view dtype) {
  static constexpr std::pair<std::string_view, int> kBits[] = {
      {"BOOL", 8},    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},   {"I8", 8},    {"F8_E5M2", 8},
      {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},    {"U16", 16},    {"F16", 16}, {"BF16", 16}, {"I32", 32},
      {"U32", 32},    {"F32", 32},    {"C64", 64},    {"F64", 64},    {"I64", 64}, {"U64", 64}};
  for (const auto& [name, bits] : kBits)
    if (name == dtype) return bits;
  return 0;
}

SafetensorsLayout read_safetensors_layout(std::string_view file, const std::string& where) {
  return HeaderReader(where, file).read();
}

SafetensorsFile::SafetensorsFile(const std::string& path)
    : path_(path), file_(path), layout_(read_safetensors_layout(file_.bytes(), path_)) {
  index_.reserve(entries().size());
  for (size_t i = 0; i < entries().size(); ++i) index_.emplace(entries()[i].name, i);
}

const TensorEntry* SafetensorsFile::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries()[found->second];
}

const TensorEntry& SafetensorsFile::at(const std::string& name) const {
  if (const TensorEntry* entry = find(name)) return *entry;
  throw Error(ErrorCode::kInput, base::cat("has no tensor \"", name, "\" among its ", entries().size()), path_);
}

void SafetensorsFile::fail_tensor(const TensorEntry& entry, const std::string& message) const {
  throw Error(ErrorCode::kInput, base::cat("tensor ", Json(entry.name).dump(), " ", message), path_);
}

GgmlType SafetensorsFile::weight_type(const TensorEntry& entry) const {
  if (entry.dtype == "F32") return GgmlType::kF32;
  if (entry.dtype == "BF16") return GgmlType::kBf16;
  if (entry.dtype == "F16") return GgmlType::kF16;
  fail_tensor(entry, base::cat("has dtype ", entry.dtype, "; F32, F16 and BF16 can be read"));
}

const char* SafetensorsFile::weights_at(const TensorEntry& entry, GgmlType type, int64_t first, int64_t n) const {
  const int64_t width = type == GgmlType::kF32 ? 4 : 2,
                all = type == GgmlType::kF32 ? entry.bytes / 4 : entry.bytes / 2;
  PONDER_CHECK(first >= 0 && n >= 0 && first <= all && n <= all - first, "weights outside of ", entry.name);
  return bytes(entry).data() + first * width;
}

void SafetensorsFile::read(const TensorEntry& entry, int64_t first, int64_t n, float* weights) const {
  const GgmlType type = weight_type(entry);
  if (dequantize(type, weights_at(entry, type, first, n), weights, n)) return;
  int64_t i = 0;
  while (std::isfinite(weights[i])) ++i;
  fail_tensor(entry, base::cat("holds a weight that is NaN or infinite", place_text(entry.shape, first + i)));
}

void SafetensorsFile::read_bf16(const TensorEntry& entry, int64_t first, int64_t n, void* halves) const {
  PONDER_CHECK(entry.dtype == "BF16", entry.name, " is ", entry.dtype, ", not BF16");
  if (copy_bf16(weights_at(entry, GgmlType::kBf16, first, n), halves, n)) return;
  std::vector<float> weights(static_cast<size_t>(n));
  read(entry, first, n, weights.data());  // says which one is not
}

void SafetensorsFile::forget(const TensorEntry& entry) const {
  const auto header = static_cast<size_t>(layout_.data.data() - file_.bytes().data());
  file_.forget(header + static_cast<size_t>(entry.offset), static_cast<size_t>(entry.bytes));
}

SafetensorsWriter::SafetensorsWriter(std::string path, std::vector<TensorEntry> tensors,
                                     const SafetensorsMetadata& metadata)
    : path_(std::move(path)), aside_(path_ + ".tmp"), entries_(laid_out(std::move(tensors))), file_(aside_) {
  try {
    const std::string header = header_of(entries_, metadata);
    PONDER_CHECK(header.size() <= kMaxHeaderBytes, "a header of ", header.size(),
                 " bytes is more than the format allows");
    Json::parse(header);  // two tensors of one name would be caught by every reader; better here
    const uint64_t length = header.size();
    file_.write(&length, sizeof length);
    file_.write(header);
  } catch (...) {
    ::unlink(aside_.c_str());  // no destructor runs for a half-made object
    throw;
  }
}

SafetensorsWriter::~SafetensorsWriter() {
  if (!is_closed_) ::unlink(aside_.c_str());
}

void SafetensorsWriter::write(const TensorEntry& entry, const void* data, size_t bytes) {
  PONDER_CHECK(next_ < entries_.size() && entries_[next_].name == entry.name, "tensor ", entry.name,
               " is not the next one; write them in the order of entries()");
  PONDER_CHECK(static_cast<int64_t>(bytes) == entries_[next_].bytes, "tensor ", entry.name, " needs ",
               entries_[next_].bytes, " bytes, got ", bytes);
  file_.write(data, bytes);
  ++next_;
}

void SafetensorsWriter::close() {
  PONDER_CHECK(next_ == entries_.size(), "only ", next_, " of ", entries_.size(), " tensors were written to ", path_);
  file_.close(true);
  base::rename_path(aside_, path_);
  is_closed_ = true;
  base::sync_directory(base::parent_path(path_));
}

void write_safetensors(const std::string& path, const std::vector<TensorView>& tensors,
                       const SafetensorsMetadata& metadata) {
  std::vector<TensorEntry> entries;
  std::unordered_map<std::string_view, const void*> data;
  for (const TensorView& tensor : tensors) {
    entries.push_back({tensor.name, tensor.dtype, tensor.shape, 0, 0});
    data.emplace(tensor.name, tensor.data);
  }
  SafetensorsWriter writer(path, std::move(entries), metadata);
  for (const TensorEntry& entry : writer.entries())
    writer.write(entry, data.at(entry.name), static_cast<size_t>(entry.bytes));
  writer.close();
}

}  // namespace ponder::store
