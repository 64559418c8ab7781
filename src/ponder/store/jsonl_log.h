// A file of JSON rows that grows: metrics.jsonl, rollouts.jsonl. A killed run leaves rows behind its last checkpoint
// and perhaps half a line; rewind() takes them back, so a resumed run writes the file that an unkilled one would have.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "ponder/base/file.h"
#include "ponder/base/json.h"

namespace ponder::store {

class JsonlLog {
 public:
  explicit JsonlLog(std::string path);  // makes the file, or drops its half-written last line
  void append(const base::Json& row);   // handed to the kernel at once: it survives a kill, not a power cut
  void sync();                          // survives a power cut; before a checkpoint that relies on the rows
  // Cuts the file at the first row whose "stage" is `stage` and whose "step" is above `step`, and all behind it.
  void rewind(const std::string& stage, int64_t step);
  // From now on rewind() throws Error(kInput) rather than taking back one of the first `rows`.
  void hold(int64_t rows) { held_ = rows; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::unique_ptr<base::FileWriter> file_;
  int64_t bytes_ = 0;  // that hold whole rows
  int64_t held_ = 0;   // rows that something saved relies on
};

}  // namespace ponder::store
