// GGUF files out (version 3, little-endian, aligned to 32). Used by the command convert.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "ponder/base/file.h"
#include "ponder/store/gguf.h"

namespace ponder::store {

// The metadata of a file that is to be written, in the order of the calls. A key that is added twice is an error of the
// caller.
class GgufPairs {
 public:
  void add_bool(std::string_view key, bool value);
  void add_u32(std::string_view key, int64_t value);  // what llama.cpp expects of counts and ids
  void add_f32(std::string_view key, double value);
  void add_string(std::string_view key, std::string_view value);
  void add_bools(std::string_view key, const std::vector<bool>& values);
  void add_i32s(std::string_view key, const std::vector<int32_t>& values);
  void add_f32s(std::string_view key, const std::vector<float>& values);
  void add_strings(std::string_view key, const std::vector<std::string_view>& values);
  void add_strings(std::string_view key, const std::vector<std::string>& values);
  void add_all(const GgufPairs& others);
  void copy(std::string_view key, const GgufValue& value);  // as it lies in another file
  const std::string& bytes() const { return bytes_; }
  uint64_t count() const { return keys_.size(); }
  std::string file() const;  // a GGUF file of these and no tensors

 private:
  void begin(std::string_view key, GgufType type);
  void begin_list(std::string_view key, GgufType item, size_t count);

  std::string bytes_;
  std::unordered_set<std::string> keys_;
};

// Writes a file tensor by tensor and each tensor in pieces, so that little need be in memory:
//
//   GgufWriter writer(path, pairs, {{.name = "w", .type = &info_of(GgmlType::kF32), .shape = {2, 3}}});
//   for (const GgufTensor& tensor : writer.tensors()) writer.write(tensor, data_of(tensor.name), tensor.bytes);
//   writer.close();
//
// The file appears under its name at close(), whole and synced; without close() nothing is left.
class GgufWriter {
 public:
  // `tensors` need name, type and shape; the rest is worked out. Their order is kept.
  GgufWriter(std::string path, const GgufPairs& metadata, std::vector<GgufTensor> tensors);
  ~GgufWriter();
  GgufWriter(const GgufWriter&) = delete;
  GgufWriter& operator=(const GgufWriter&) = delete;
  const std::vector<GgufTensor>& tensors() const { return tensors_; }
  // The next bytes of the tensor; tensors in the order of tensors(), each until its bytes are complete.
  void write(const GgufTensor& tensor, const void* data, size_t bytes);
  void close();

 private:
  void pad();

  std::string path_, aside_;
  std::vector<GgufTensor> tensors_;
  base::FileWriter file_;
  size_t next_ = 0;
  int64_t written_ = 0;  // of the next tensor
  bool is_closed_ = false;
};

}  // namespace ponder::store
