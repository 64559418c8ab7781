// Safetensors files as bytes and as weights, without LibTorch: 8 bytes header length, a JSON header, the tensors one
// behind the other. Used by model (weights), learn (optimizer state), app (logits). Every rule of the format is checked
// before any byte of a tensor is given out, so a damaged or hostile file is an Error(kInput) and never a crash.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ponder/base/file.h"
#include "ponder/store/quant.h"

namespace ponder::store {

struct TensorEntry {
  std::string name;
  std::string dtype;           // "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL", …
  std::vector<int64_t> shape;  // [] is a scalar
  int64_t offset = 0;          // bytes from the start of the tensors' data
  int64_t bytes = 0;
};

using SafetensorsMetadata = std::map<std::string, std::string>;

int dtype_bits(std::string_view dtype);  // 0 for an unknown one

// A file's checked table of contents; `data` is the part of `file` behind the header. `where` starts each error
// message.
struct SafetensorsLayout {
  std::vector<TensorEntry> entries;  // in file order
  SafetensorsMetadata metadata;
  std::string_view data;
};
SafetensorsLayout read_safetensors_layout(std::string_view file, const std::string& where);

// A file that is mapped into memory. bytes() stays valid as long as this object; reading is thread-safe.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  const std::vector<TensorEntry>& entries() const { return layout_.entries; }
  const TensorEntry* find(const std::string& name) const;  // null: no such tensor
  const TensorEntry& at(const std::string& name) const;    // Error(kInput) naming file and tensor
  const SafetensorsMetadata& metadata() const { return layout_.metadata; }
  std::string_view bytes(const TensorEntry& entry) const { return layout_.data.substr(entry.offset, entry.bytes); }
  // Weights [first, first + n) of one of entries(), row by row as its shape says: as f32, or the bits of a BF16 tensor.
  // Error(kInput) names file and tensor, of another dtype, and of a weight that is NaN or infinite with its place.
  void read(const TensorEntry& entry, int64_t first, int64_t n, float* weights) const;
  void read_bf16(const TensorEntry& entry, int64_t first, int64_t n, void* halves) const;
  GgmlType weight_type(const TensorEntry& entry) const;  // F32, F16 or BF16; the same error for another dtype
  void forget(const TensorEntry& entry) const;           // its pages may leave memory until they are read again
  const std::string& path() const { return path_; }

 private:
  const char* weights_at(const TensorEntry& entry, GgmlType type, int64_t first, int64_t n) const;
  [[noreturn]] void fail_tensor(const TensorEntry& entry, const std::string& message) const;

  std::string path_;
  base::MappedFile file_;
  SafetensorsLayout layout_;
  std::unordered_map<std::string, size_t> index_;
};

// Writes a file tensor by tensor, so that no more than one need be in memory:
//
//   SafetensorsWriter writer(path, {{"w", "F32", {2, 3}}, {"b", "F32", {3}}});
//   for (const TensorEntry& entry : writer.entries()) writer.write(entry, data_of(entry.name), entry.bytes);
//   writer.close();
//
// entries() is the file's order: wide dtypes first, then by name, so that each tensor is aligned to its dtype and the
// same tensors give the same bytes. The file appears under its name at close(), whole and synced; without close()
// nothing is left.
class SafetensorsWriter {
 public:
  // `tensors` need name, dtype and shape; offset and bytes are worked out.
  SafetensorsWriter(std::string path, std::vector<TensorEntry> tensors, const SafetensorsMetadata& metadata = {});
  ~SafetensorsWriter();
  const std::vector<TensorEntry>& entries() const { return entries_; }
  void write(const TensorEntry& entry, const void* data, size_t bytes);  // in the order of entries()
  void close();

 private:
  std::string path_, aside_;
  std::vector<TensorEntry> entries_;
  base::FileWriter file_;
  size_t next_ = 0;
  bool is_closed_ = false;
};

struct TensorView {
  std::string name, dtype;
  std::vector<int64_t> shape;
  const void* data;  // borrowed, contiguous
};
void write_safetensors(const std::string& path, const std::vector<TensorView>& tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace ponder::store
