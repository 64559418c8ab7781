// TensorBoard's event files, written without TensorFlow or protobuf: TFRecord framing with masked CRC32C around the few
// protobuf fields that a scalar needs. Called by Metrics.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ponder/base/file.h"

namespace ponder::store {

uint32_t crc32c(std::string_view bytes);         // Castagnoli
uint32_t masked_crc32c(std::string_view bytes);  // as TFRecord stores it: rotated and offset

class TensorBoardWriter {
 public:
  // Makes dir and a new event file in it. Points at steps >= first_step that earlier files hold are taken back:
  // TensorBoard drops them when it reads the start mark of this file.
  TensorBoardWriter(const std::string& dir, int64_t first_step);
  void scalars(int64_t step, const std::vector<std::pair<std::string, double>>& values);
  const std::string& path() const { return path_; }

 private:
  void event(const std::string& fields);
  std::string path_;
  base::FileWriter file_;
};

}  // namespace ponder::store
