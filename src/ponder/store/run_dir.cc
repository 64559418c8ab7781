#include "ponder/store/run_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "ponder/base/error.h"
#include "ponder/base/file.h"

namespace ponder::store {
namespace {

using base::cat;
using base::Json;

std::string holder_of(int lock_fd) {
  char text[32] = {};
  const ssize_t n = ::pread(lock_fd, text, sizeof text - 1, 0);
  std::string pid(text, n > 0 ? static_cast<size_t>(n) : 0);
  while (!pid.empty() && pid.back() == '\n') pid.pop_back();
  return pid.empty() ? "" : cat(" (pid ", pid, ")");
}

// The kernel drops the lock when the process ends, however it ends; the file itself stays and means nothing.
int lock(const std::string& dir) {
  const std::string path = base::join_path(dir, ".lock");
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) throw Error(ErrorCode::kResource, cat("cannot make the lock: ", std::strerror(errno)), path);
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    const std::string pid = cat(::getpid(), "\n");
    // The number is for a message only; without it the lock holds just as well.
    if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
    return fd;
  }
  const int error = errno;
  const std::string holder = holder_of(fd);
  ::close(fd);
  if (error != EWOULDBLOCK) throw Error(ErrorCode::kResource, cat("cannot lock: ", std::strerror(error)), path);
  throw Error(ErrorCode::kUsage,
              cat("another process", holder, " runs in this directory; wait for it or choose another with --out"), dir);
}

}  // namespace

RunDirectory::RunDirectory(std::string dir) : dir_(std::move(dir)) {
  if (base::file_exists(dir_) && !base::is_directory(dir_))
    throw Error(ErrorCode::kUsage, "is not a directory; choose another --out", dir_);
  base::make_directories(dir_);
  lock_fd_ = lock(dir_);
  try {
    const std::string state_path = file("state.json");
    if (!base::file_exists(state_path)) return;
    read_state(state_path);
  } catch (...) {
    ::close(lock_fd_);
    throw;
  }
}

void RunDirectory::read_state(const std::string& path) {
  const Json state = Json::parse(base::read_file(path), path);
  try {
    finished_ = state.at("finished");
    for (const auto& [stage, left] : finished_.as_object()) (void)left.as_object();
    ledger_ = Ledger::from_json(state.at("ledger"));
    (void)committed();
  } catch (const Error& e) {
    throw Error(ErrorCode::kInput,
                cat("is not the state of a run (", e.message(), "); restore it from a copy, or choose another --out"),
                path);
  }
}

RunDirectory::~RunDirectory() { ::close(lock_fd_); }

std::string RunDirectory::file(std::string_view name) const { return base::join_path(dir_, name); }

std::optional<std::string> RunDirectory::config() const {
  const std::string path = file("config.yaml");
  if (!base::file_exists(path)) return std::nullopt;
  return base::read_file(path);
}

void RunDirectory::write_config(const std::string& yaml) { base::write_file_atomic(file("config.yaml"), yaml); }

const Json* RunDirectory::finished(std::string_view stage) const { return finished_.find(stage); }

void RunDirectory::finish(const std::string& stage, Json result) {
  result["committed"] = to_json(extent_of(dir_));
  finished_[stage] = std::move(result);
  save();
}

Extent RunDirectory::committed() const {
  Extent extent;
  for (const auto& [stage, left] : finished_.as_object()) extent = later(extent, extent_from(left));
  return extent;
}

void RunDirectory::save() {
  const Json state = Json::Object{{"format", 1}, {"finished", finished_}, {"ledger", ledger_.to_json()}};
  base::write_file_atomic(file("state.json"), state.dump(1) + "\n");
}

}  // namespace ponder::store
