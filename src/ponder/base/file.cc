#include "ponder/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/base/file_faults.h"

namespace ponder::base {
namespace {

FileFaults* g_faults = nullptr;

constexpr size_t kWriteBuffer = 256 * 1024;
constexpr size_t kMaxWrite = 1 << 30;  // Linux writes at most 2 GiB a call

std::string cause(int error) { return std::generic_category().message(error); }

// True when a test wants this operation to fail; errno is then set.
bool is_faulted(FileOp op, const std::string& path, size_t& bytes) {
  if (!g_faults) [[likely]]
    return false;
  errno = g_faults->before(op, path, bytes);
  return errno != 0;
}
bool is_faulted(FileOp op, const std::string& path) {
  size_t none = 0;
  return is_faulted(op, path, none);
}

[[noreturn]] void fail_resource(const std::string& what, const std::string& path, int error) {
  std::string message = cat("cannot ", what, ": ", cause(error));
  if (error == ENOSPC || error == EDQUOT) message += "; free some space or choose another directory";
  throw Error(ErrorCode::kResource, message, path);
}

[[noreturn]] void fail_input(const std::string& what, const std::string& path, int error) {
  throw Error(ErrorCode::kInput, cat("cannot ", what, ": ", cause(error)), path);
}

int open_retrying(const std::string& path, int flags, mode_t mode = 0) {
  int fd;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  return fd;
}

// Closes on every way out.
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int d) : fd(d) {}
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
};

int open_for_writing(const std::string& path, int flags) {
  const int fd = is_faulted(FileOp::kOpen, path) ? -1 : open_retrying(path, O_WRONLY | O_CREAT | flags, 0644);
  if (fd < 0) fail_resource("open for writing", path, errno);
  return fd;
}

void write_fully(int fd, const std::string& path, const char* data, size_t bytes) {
  for (size_t done = 0; done < bytes;) {
    size_t chunk = std::min(bytes - done, kMaxWrite);
    const ssize_t n = is_faulted(FileOp::kWrite, path, chunk) ? -1 : ::write(fd, data + done, chunk);
    if (n > 0) {
      done += static_cast<size_t>(n);
    } else if (n == 0 || errno != EINTR) {
      fail_resource(cat("write ", bytes - done, " bytes"), path, n == 0 ? ENOSPC : errno);
    }
  }
}

void sync_descriptor(int fd, const std::string& path) {
  if (is_faulted(FileOp::kSync, path) || ::fsync(fd) != 0) fail_resource("sync to disk", path, errno);
}

}  // namespace

void set_file_faults(FileFaults* faults) { g_faults = faults; }

std::string read_file(const std::string& path) {
  Descriptor file(open_retrying(path, O_RDONLY));
  struct stat info;
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) fail_input("read the file", path, errno);
  std::string text;
  // The size is a hint only: pipes and /proc have none, and a file may grow. One byte more lets a read see the end.
  size_t room = S_ISREG(info.st_mode) ? static_cast<size_t>(info.st_size) + 1 : kWriteBuffer;
  for (size_t used = 0;;) {
    text.resize(used + room);
    const ssize_t n = ::read(file.fd, text.data() + used, room);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_input("read the file", path, errno);
    used += static_cast<size_t>(n);
    text.resize(used);
    if (n == 0) return text;
    room = std::max<size_t>(room - static_cast<size_t>(n), kWriteBuffer);
  }
}

bool file_exists(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0;
}

bool is_directory(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

int64_t file_size(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) fail_input("find the file", path, errno);
  return info.st_size;
}

void make_directories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail_resource("make the directory", path, error.value());
}

std::vector<std::string> list_directory(const std::string& path) {
  std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
  if (!dir) fail_input("list the directory", path, errno);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void remove_all(const std::string& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) fail_resource("remove", path, error.value());
}

std::string join_path(std::string_view a, std::string_view b) {
  if (a.empty() || (!b.empty() && b[0] == '/')) return std::string(b);
  if (b.empty()) return std::string(a);
  return cat(a, a.back() == '/' ? "" : "/", b);
}

std::string file_name(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1));
}

std::string parent_path(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : std::string(path.substr(0, slash));
}

void write_file_atomic(const std::string& path, std::string_view bytes) {
  const std::string aside = path + ".tmp";
  try {
    Descriptor file(open_for_writing(aside, O_TRUNC));
    write_fully(file.fd, aside, bytes.data(), bytes.size());
    sync_descriptor(file.fd, aside);
  } catch (...) {
    ::unlink(aside.c_str());
    throw;
  }
  try {
    rename_path(aside, path);
  } catch (...) {
    ::unlink(aside.c_str());
    throw;
  }
  sync_directory(parent_path(path));
}

void check_output_file(const std::string& path) {
  if (!is_directory(parent_path(path)))
    throw Error(ErrorCode::kUsage, "the folder of this file does not exist; make it first", path);
  struct stat info;
  if (::lstat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode))
    throw Error(ErrorCode::kUsage,
                cat("is a ",
                    S_ISDIR(info.st_mode)   ? "directory"
                    : S_ISLNK(info.st_mode) ? "link"
                                            : "device or pipe",
                    " and stays as it is; name a regular file, or one that is not there yet"),
                path);
}

void sync_directory(const std::string& path) {
  Descriptor dir(open_retrying(path, O_RDONLY | O_DIRECTORY));
  if (dir.fd < 0) fail_resource("open the directory", path, errno);
  sync_descriptor(dir.fd, path);
}

void sync_file(const std::string& path) {
  Descriptor file(open_retrying(path, O_RDONLY));
  if (file.fd < 0) fail_resource("open to sync", path, errno);
  sync_descriptor(file.fd, path);
}

void truncate_file(const std::string& path, int64_t bytes) {
  if (::truncate(path.c_str(), bytes) != 0) fail_resource(cat("cut to ", bytes, " bytes"), path, errno);
}

void rename_path(const std::string& from, const std::string& to) {
  if (is_faulted(FileOp::kRename, to) || ::rename(from.c_str(), to.c_str()) != 0)
    fail_resource("rename " + file_name(from), to, errno);
}

FileWriter::FileWriter(std::string path, bool append) : path_(std::move(path)) {
  fd_ = open_for_writing(path_, append ? O_APPEND : O_TRUNC);
  if (append) offset_ = std::max<int64_t>(::lseek(fd_, 0, SEEK_END), 0);
}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void FileWriter::write(const void* data, size_t bytes) {
  PONDER_CHECK(fd_ >= 0, "the file is closed: ", path_);
  if (buffer_.size() + bytes > kWriteBuffer) flush();
  if (bytes >= kWriteBuffer) {
    write_fully(fd_, path_, static_cast<const char*>(data), bytes);
  } else {
    buffer_.append(static_cast<const char*>(data), bytes);
  }
  offset_ += static_cast<int64_t>(bytes);
}

void FileWriter::flush() {
  if (buffer_.empty()) return;
  const std::string bytes = std::exchange(buffer_, {});  // a failed write is not tried a second time
  write_fully(fd_, path_, bytes.data(), bytes.size());
}

void FileWriter::sync() {
  flush();
  sync_descriptor(fd_, path_);
}

void FileWriter::close(bool sync) {
  if (fd_ < 0) return;
  flush();
  if (sync) sync_descriptor(fd_, path_);
  const int fd = fd_;
  fd_ = -1;
  if (::close(fd) != 0 && errno != EINTR) fail_resource("close", path_, errno);  // network disks report failures here
}

LineReader::LineReader(std::string path) : path_(std::move(path)) {
  file_ = std::fopen(path_.c_str(), "re");
  if (!file_) fail_input("read the file", path_, errno);
}

LineReader::~LineReader() {
  std::free(buffer_);
  std::fclose(file_);
}

bool LineReader::next(std::string& line) {
  errno = 0;
  const ssize_t n = ::getline(&buffer_, &capacity_, file_);
  if (n < 0) {
    if (!std::feof(file_)) fail_input("read the file", path_, errno);
    return false;
  }
  ended_in_newline_ = buffer_[n - 1] == '\n';
  line.assign(buffer_, static_cast<size_t>(n) - ended_in_newline_);
  return true;
}

MappedFile::MappedFile(const std::string& path) {
  Descriptor file(open_retrying(path, O_RDONLY));
  struct stat info;
  if (file.fd < 0 || ::fstat(file.fd, &info) != 0) fail_input("read the file", path, errno);
  if (!S_ISREG(info.st_mode)) throw Error(ErrorCode::kInput, "is not a regular file", path);
  size_ = static_cast<size_t>(info.st_size);
  if (size_ == 0) return;  // mmap refuses length 0
  data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.fd, 0);
  if (data_ == MAP_FAILED) {
    data_ = nullptr;
    fail_resource(cat("map ", size_, " bytes into memory"), path, errno);
  }
}

void MappedFile::forget(size_t offset, size_t bytes) const {
  // Whole pages only: the others may hold a neighbour that is in use.
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t end = std::min(offset + bytes, size_) / page * page, begin = (offset + page - 1) / page * page;
  if (data_ && begin < end) ::madvise(static_cast<char*>(data_) + begin, end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (data_) ::munmap(data_, size_);
}

}  // namespace ponder::base
