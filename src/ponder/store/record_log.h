// Many large rows, compressed, found again by step: NAME.jsonl.zst holds one zstd frame a block (`zstdcat` prints all
// rows as JSON lines), NAME.index.jsonl one line a block: stage, step, rows, where the frame lies, its XXH64. Called by
// recipes, for rollouts.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ponder/base/file.h"
#include "ponder/base/json.h"
#include "ponder/store/jsonl_log.h"

namespace ponder::store {

struct RecordBlock {
  std::string stage;
  int64_t step = 0, rows = 0, offset = 0, bytes = 0;
  std::string hash;  // hex64(xxh64(frame))
};

// A block counts once its line of the index is written, so a process may be killed at any moment: what follows the last
// whole block is cut off by the next one. Nothing is made before the first append.
class RecordLog {
 public:
  RecordLog(const std::string& dir, const std::string& name);
  void append(const std::string& stage, int64_t step, std::span<const base::Json> rows);
  // Takes back the first block of `stage` whose step is above `step`, and all behind it (as JsonlLog does).
  void rewind(const std::string& stage, int64_t step);
  // From now on rewind() throws Error(kInput) rather than taking back one of the first `blocks`.
  void hold(int64_t blocks);
  void sync();

 private:
  void open();
  void cut_data();

  std::string data_path_, index_path_;
  std::unique_ptr<JsonlLog> index_;
  std::unique_ptr<base::FileWriter> data_;
  int64_t end_ = 0;  // bytes of data that the index knows
};

// The blocks in the order in which they were written; none where nothing was recorded. A reader needs no lock: it sees
// whole blocks or none.
std::vector<RecordBlock> list_records(const std::string& dir, const std::string& name);
// Those at the front that follow one another without a gap; the rest, a half-written line too, is left out.
std::vector<RecordBlock> list_whole_records(const std::string& dir, const std::string& name);
// Error(kInput) names the file and the block when its bytes are not those that were written.
void verify_records(const std::string& dir, const std::string& name, std::span<const RecordBlock> blocks);
std::vector<base::Json> read_records(const std::string& dir, const std::string& name, const RecordBlock& block);

}  // namespace ponder::store
