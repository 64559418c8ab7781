// GGUF files (llama.cpp's format, versions 2 and 3, little-endian): typed metadata and tensors, mapped into memory.
// Used by model (weights, configuration), text's callers (the tokenizer in the metadata) and the commands info and
// convert. Every length is checked against the bytes that are left before it is used, so a damaged or hostile file is
// an Error(kInput) and never a crash; memory follows the number of keys and tensors, which kMaxKeys and kMaxTensors
// cap.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ponder/base/file.h"
#include "ponder/store/quant.h"

namespace ponder::store {

// What a file may have at most. Strings and lists may fill the file.
inline constexpr uint64_t kMaxGgufKeys = 1 << 16;
inline constexpr uint64_t kMaxGgufTensors = 1 << 17;
inline constexpr uint64_t kMaxGgufKeyBytes = (1 << 16) - 1;  // the specification's
inline constexpr uint64_t kMaxGgufNameBytes = 255;           // of a tensor
inline constexpr int kMaxGgufDims = 4;                       // the specification's
inline constexpr int kMaxGgufListDepth = 4;                  // lists in lists
inline constexpr uint64_t kMaxGgufAlignment = 1 << 20;
inline constexpr int64_t kMaxGgufParts = 1000;  // files that one model is split over

enum class GgufType : uint32_t {  // the numbers that stand in files
  kU8,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kList,
  kU64,
  kI64,
  kF64,
};
const char* gguf_type_name(GgufType type);  // "u8", …, "list"

// One value of the metadata, as it lies in the file: nothing is copied or parsed before it is asked for.
struct GgufValue {
  GgufType type = GgufType::kU8;
  GgufType item = GgufType::kU8;  // kList: the type of its items
  uint64_t count = 1;             // kList: how many
  std::string_view bytes;         // a string's text; a list's items one behind the other (strings with their lengths)
  bool is_list() const { return type == GgufType::kList; }
};

// The metadata of one file. The accessors throw Error(kInput) that names file and key when the key is missing, has
// another type or does not fit; those with a fallback throw only when it is there and wrong.
class GgufMetadata {
 public:
  using Entry = std::pair<std::string_view, GgufValue>;
  explicit GgufMetadata(std::string where) : where_(std::move(where)) {}
  const std::vector<Entry>& entries() const { return entries_; }  // in file order; keys are unique
  const GgufValue* find(std::string_view key) const;              // null: no such key
  bool has(std::string_view key) const { return find(key) != nullptr; }
  const GgufValue& at(std::string_view key) const;

  bool bool_at(std::string_view key) const;
  int64_t int_at(std::string_view key) const;    // any integer type
  double double_at(std::string_view key) const;  // any number, finite
  std::string_view string_at(std::string_view key) const;
  bool bool_or(std::string_view key, bool fallback) const { return has(key) ? bool_at(key) : fallback; }
  int64_t int_or(std::string_view key, int64_t fallback) const { return has(key) ? int_at(key) : fallback; }
  double double_or(std::string_view key, double fallback) const { return has(key) ? double_at(key) : fallback; }
  std::string_view string_or(std::string_view key, std::string_view fallback) const {
    return has(key) ? string_at(key) : fallback;
  }
  // Lists. A list of 262,144 tokens is one pass over its bytes; the views point into the file.
  std::vector<std::string_view> strings_at(std::string_view key) const;
  std::vector<int64_t> ints_at(std::string_view key) const;  // of any integer type
  std::vector<float> floats_at(std::string_view key) const;  // of f32
  std::vector<bool> bools_at(std::string_view key) const;

  const std::string& where() const { return where_; }
  bool add(std::string_view key, const GgufValue& value);  // false: the key is there already. For the reader.

 private:
  [[noreturn]] void fail(std::string_view key, const std::string& message) const;
  [[noreturn]] void wrong_type(std::string_view key, const GgufValue& found, const char* wanted) const;
  const GgufValue& list_at(std::string_view key, const char* wanted) const;

  std::string where_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, size_t> index_;
};

struct GgufTensor {
  std::string name;
  const GgmlTypeInfo* type = nullptr;
  std::vector<int64_t> shape;  // outermost first, as in safetensors: [rows, columns]. (The file has it the other way.)
  int64_t weights = 0;         // product of the shape
  int64_t offset = 0;          // bytes from the start of the tensors' data
  int64_t bytes = 0;
  int part = 0;  // the file that it lies in, where a model is split over several
};

// A file's checked table of contents; `data` is the part of `file` behind it. `where` starts each error message.
// Everything points into `file`.
struct GgufLayout {
  explicit GgufLayout(const std::string& where) : metadata(where) {}
  uint32_t version = 0;
  uint64_t alignment = 32;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  // in file order
  std::string_view data;
};
GgufLayout read_gguf_layout(std::string_view file, const std::string& where);

// A model's file that is mapped into memory; for one part of a split model ("NAME-00001-of-00003.gguf") the others,
// which must lie beside it, are opened as well. bytes() stays valid as long as this object; reading is thread-safe.
class GgufFile {
 public:
  explicit GgufFile(const std::string& path);
  const GgufMetadata& metadata() const { return parts_[0]->layout.metadata; }  // of the first part
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  const GgufTensor* find(std::string_view name) const;  // null: no such tensor
  const GgufTensor& at(std::string_view name) const;    // Error(kInput) naming file and tensor
  std::string_view bytes(const GgufTensor& tensor) const;
  void forget(const GgufTensor& tensor) const;  // its pages may leave memory until they are read again
  // f32 weights [first, first + n) of the tensor, counted along rows; whole blocks (whole rows always are).
  // Error(kInput) when the tensor's type cannot be read or a weight is NaN or infinite.
  void read(const GgufTensor& tensor, int64_t first, int64_t n, float* weights) const;
  std::vector<float> read(const GgufTensor& tensor) const;
  uint32_t version() const { return parts_[0]->layout.version; }
  int parts() const { return static_cast<int>(parts_.size()); }
  const std::string& path() const { return path_; }  // of the first part
  std::vector<std::string> paths() const;            // of all parts

 private:
  struct Part {
    explicit Part(const std::string& path);
    std::string path;
    base::MappedFile file;
    GgufLayout layout;
  };
  void open_parts();
  void add_tensors(int part);

  std::string path_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::vector<GgufTensor> tensors_;
  std::unordered_map<std::string_view, size_t> index_;  // into tensors_, whose names do not move once all are read
};

}  // namespace ponder::store
