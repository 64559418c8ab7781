#include "ponder/store/text_lines.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "ponder/base/error.h"

namespace ponder::store {
namespace {

constexpr size_t kBlock = 256 << 10;

class File {
 public:
  explicit File(const std::string& path) : path_(path), file_(std::fopen(path.c_str(), "re")) {
    if (!file_) throw Error(ErrorCode::kInput, base::cat("cannot read the file: ", std::strerror(errno)), path);
  }
  ~File() { std::fclose(file_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  size_t read(char* data, size_t bytes) {  // 0 at the end
    const size_t n = std::fread(data, 1, bytes, file_);
    if (n == 0 && std::ferror(file_))
      throw Error(ErrorCode::kInput, base::cat("cannot read the file: ", std::strerror(errno)), path_);
    return n;
  }
  std::string first_bytes(size_t n) {
    std::string bytes(n, '\0');
    bytes.resize(read(bytes.data(), n));
    std::rewind(file_);
    return bytes;
  }

 private:
  const std::string& path_;
  std::FILE* file_;
};

}  // namespace

// Bytes of the text, a block at a time.
class TextLines::Source {
 public:
  explicit Source(const std::string& path) : path_(path), file_(path), in_(kBlock, '\0') {
    const std::string magic = file_.first_bytes(4);
    if (magic.starts_with("\x1F\x8B")) {
      is_gzip_ = true;
      if (inflateInit2(&gzip_, 15 + 16) != Z_OK) throw std::bad_alloc();
    } else if (magic == "\x28\xB5\x2F\xFD") {
      zstd_ = ZSTD_createDStream();
      if (!zstd_) throw std::bad_alloc();
    }
  }
  ~Source() {
    if (is_gzip_) inflateEnd(&gzip_);
    ZSTD_freeDStream(zstd_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  size_t read(char* out, size_t bytes) {  // 0 at the end
    if (is_gzip_) return read_gzip(out, bytes);
    return zstd_ ? read_zstd(out, bytes) : file_.read(out, bytes);
  }

 private:
  bool more() {
    if (at_ < end_) return true;
    at_ = 0;
    end_ = file_.read(in_.data(), in_.size());
    return end_ > 0;
  }
  [[noreturn]] void damaged(const char* what) const {
    throw Error(ErrorCode::kInput, base::cat("the ", what, " data is damaged"), path_);
  }
  [[noreturn]] void cut_off(const char* what) const {
    throw Error(ErrorCode::kInput, base::cat("the file is cut off inside of its ", what, " data"), path_);
  }

  size_t read_gzip(char* out, size_t bytes) {
    gzip_.next_out = reinterpret_cast<Bytef*>(out);
    gzip_.avail_out = static_cast<uInt>(bytes);
    while (gzip_.avail_out == bytes) {
      if (!more()) {
        if (is_inside_) cut_off("gzip");
        return 0;
      }
      if (!is_inside_ && inflateReset(&gzip_) != Z_OK) damaged("gzip");  // a file may hold several one behind the other
      is_inside_ = true;
      gzip_.next_in = reinterpret_cast<Bytef*>(in_.data() + at_);
      gzip_.avail_in = static_cast<uInt>(end_ - at_);
      const int status = inflate(&gzip_, Z_NO_FLUSH);
      at_ = end_ - gzip_.avail_in;
      if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) damaged("gzip");
      if (status == Z_STREAM_END) is_inside_ = false;
    }
    return bytes - gzip_.avail_out;
  }

  size_t read_zstd(char* out, size_t bytes) {
    ZSTD_outBuffer to{out, bytes, 0};
    while (to.pos == 0) {
      // What the decoder still holds comes out without new input.
      const bool has_input = more();
      if (!has_input && !is_inside_) return 0;
      ZSTD_inBuffer from{in_.data(), end_, at_};
      const size_t left = ZSTD_decompressStream(zstd_, &to, &from);
      if (ZSTD_isError(left)) damaged("zstd");
      at_ = from.pos;
      is_inside_ = left != 0;
      if (!has_input && to.pos == 0 && is_inside_) cut_off("zstd");
    }
    return to.pos;
  }

  const std::string& path_;
  File file_;
  std::string in_;
  size_t at_ = 0, end_ = 0;
  bool is_gzip_ = false, is_inside_ = false;
  z_stream gzip_{};
  ZSTD_DStream* zstd_ = nullptr;
};

TextLines::TextLines(const std::string& path, int64_t max_line_bytes)
    : path_(path), max_line_bytes_(max_line_bytes), source_(std::make_unique<Source>(path_)) {}
TextLines::~TextLines() = default;

bool TextLines::fill() {
  buffer_.resize(kBlock);
  buffer_.resize(source_->read(buffer_.data(), kBlock));
  at_ = 0;
  return !buffer_.empty();
}

bool TextLines::next(std::string& line) {
  line.clear();
  bool is_any = false;
  while (!is_ended_) {
    if (at_ == buffer_.size() && !fill()) {
      is_ended_ = true;
      break;
    }
    is_any = true;
    const size_t newline = std::min(buffer_.find('\n', at_), buffer_.size());
    if (line.size() + (newline - at_) > static_cast<size_t>(max_line_bytes_))
      throw Error(ErrorCode::kInput, base::cat("the line is longer than ", max_line_bytes_ >> 20, " MiB"),
                  base::cat(path_, ":", number_ + 1));
    line.append(buffer_, at_, newline - at_);
    at_ = std::min(newline + 1, buffer_.size());
    if (newline < buffer_.size()) {
      ++number_;
      return true;
    }
  }
  number_ += is_any;
  return is_any;
}

}  // namespace ponder::store
