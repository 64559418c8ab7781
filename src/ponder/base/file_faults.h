// Lets a test fail the n-th write, sync or rename, or shorten a write: the seam behind the disk-full sweeps. Production
// code never sets it; it costs one load of a null pointer a system call.
#pragma once
#include <cstddef>
#include <string>

namespace ponder::base {

enum class FileOp { kOpen, kWrite, kSync, kRename };

class FileFaults {
 public:
  virtual ~FileFaults() = default;
  // Called before each operation. 0 lets it happen, anything else is the errno that it fails with. For kWrite, `bytes`
  // may be lowered to make a short write (at least 1).
  virtual int before(FileOp op, const std::string& path, size_t& bytes) = 0;
};

void set_file_faults(FileFaults* faults);  // null: none. Not thread-safe; borrowed.

}  // namespace ponder::base
