// Files: whole reads, atomic writes, appended lines. Every error names the file and the cause.
#pragma once
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace ponder::base {

std::string read_file(const std::string& path);  // Error(kInput) when it cannot be read
bool file_exists(const std::string& path);
bool is_directory(const std::string& path);
int64_t file_size(const std::string& path);
void make_directories(const std::string& path);               // Error(kResource)
std::vector<std::string> list_directory(const std::string&);  // names, sorted, without . and ..
void remove_all(const std::string& path);                     // nothing there is fine
std::string join_path(std::string_view a, std::string_view b);
std::string file_name(std::string_view path);    // behind the last /
std::string parent_path(std::string_view path);  // before the last /, "." when there is none

// Writes aside (path + ".tmp"), syncs, renames, syncs the directory: a reader sees the old file or the new one.
// Error(kResource) names the file, the bytes that were to be written and the cause (disk full, …).
void write_file_atomic(const std::string& path, std::string_view bytes);
// Error(kUsage) when a result cannot be put there: the folder is missing, or the path is a directory, a link or a
// device, which a rename would replace.
void check_output_file(const std::string& path);
void sync_directory(const std::string& path);
void sync_file(const std::string& path);
void truncate_file(const std::string& path, int64_t bytes);
void rename_path(const std::string& from, const std::string& to);

// A file that is written front to back (safetensors, records); errors as above. Nothing is promised before close().
class FileWriter {
 public:
  explicit FileWriter(std::string path, bool append = false);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  void flush();           // to the kernel
  void sync();            // to the disk
  void close(bool sync);  // throws; the destructor closes without throwing
  int64_t offset() const { return offset_; }

 private:
  std::string path_;
  int fd_ = -1;
  int64_t offset_ = 0;
  std::string buffer_;
};

// Reads a text file line by line; lines may be many MB long. Error(kInput) when it cannot be read.
class LineReader {
 public:
  explicit LineReader(std::string path);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  bool next(std::string& line);                                // without its newline; false at the end
  bool ended_in_newline() const { return ended_in_newline_; }  // of the line that next() gave last

 private:
  std::string path_;
  std::FILE* file_ = nullptr;
  char* buffer_ = nullptr;  // getline(3) owns and grows it
  size_t capacity_ = 0;
  bool ended_in_newline_ = true;
};

// Read-only memory map of a whole file.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  std::string_view bytes() const { return {static_cast<const char*>(data_), size_}; }
  // These bytes were read and may leave memory; they come back from the file when they are read again.
  void forget(size_t offset, size_t bytes) const;

 private:
  void* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace ponder::base
