// Lines of a text file that may be compressed (gzip or zstd, told by its first bytes), read as a stream: no more than
// one line and a buffer are in memory. Used for training and evaluation data.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

namespace ponder::store {

class TextLines {
 public:
  explicit TextLines(const std::string& path, int64_t max_line_bytes = int64_t{64} << 20);
  ~TextLines();
  TextLines(const TextLines&) = delete;
  TextLines& operator=(const TextLines&) = delete;
  // Without its newline; false at the end. Error(kInput, …, "path:line") for a line that is longer than allowed, for
  // damaged compression and for a file that is cut off inside of it.
  bool next(std::string& line);
  int64_t number() const { return number_; }  // of the line that next() gave last, from 1

 private:
  class Source;
  bool fill();
  std::string path_;
  int64_t max_line_bytes_, number_ = 0;
  std::unique_ptr<Source> source_;
  std::string buffer_;
  size_t at_ = 0;
  bool is_ended_ = false;
};

}  // namespace ponder::store
