#include "ponder/store/extent.h"

#include <algorithm>

#include "ponder/base/error.h"
#include "ponder/base/file.h"
#include "ponder/store/record_log.h"

namespace ponder::store {
namespace {

using base::cat;

constexpr const char* kWayOn = "restore the file from a copy, or run the recipe again in a new --out";

[[noreturn]] void fail(const std::string& path, const std::string& found, const std::string& expected) {
  throw Error(
      ErrorCode::kInput,
      cat(base::file_exists(path) ? found : "the file is missing", "; the run had saved ", expected, ". ", kWayOn),
      path);
}

// Whole rows; half a line at the end is none.
int64_t count_rows(const std::string& path) {
  return base::file_exists(path) ? std::ranges::count(base::MappedFile(path).bytes(), '\n') : 0;
}

void check_metrics(const std::string& path, int64_t rows) {
  if (const int64_t found = count_rows(path); found < rows)
    fail(path, cat("has ", found, " whole rows"), cat(rows, " rows"));
}

void check_records(const std::string& run_dir, const Extent& committed) {
  if (committed.record_blocks == 0) return;
  const std::string index = base::join_path(run_dir, cat(kRolloutLog, ".index.jsonl"));
  const std::string data = base::join_path(run_dir, cat(kRolloutLog, ".jsonl.zst"));
  const std::string expected = cat(committed.record_blocks, " blocks in ", committed.record_bytes, " bytes");
  if (!base::file_exists(index)) fail(index, "", expected);
  std::vector<RecordBlock> blocks = list_whole_records(run_dir, kRolloutLog);
  blocks.resize(std::min(blocks.size(), static_cast<size_t>(committed.record_blocks)));
  int64_t end = 0;
  for (const RecordBlock& block : blocks) end += block.bytes;
  if (static_cast<int64_t>(blocks.size()) < committed.record_blocks || end != committed.record_bytes)
    fail(index, cat("knows ", blocks.size(), " blocks in ", end, " bytes that follow one another"), expected);
  const int64_t found = base::file_exists(data) ? base::file_size(data) : 0;
  if (found < committed.record_bytes) fail(data, cat("has ", found, " bytes"), expected);
  verify_records(run_dir, kRolloutLog, blocks);
}

}  // namespace

Extent later(const Extent& a, const Extent& b) {
  return {std::max(a.metrics_rows, b.metrics_rows), std::max(a.record_blocks, b.record_blocks),
          std::max(a.record_bytes, b.record_bytes)};
}

Extent extent_of(const std::string& run_dir) {
  Extent extent;
  extent.metrics_rows = count_rows(base::join_path(run_dir, "metrics.jsonl"));
  for (const RecordBlock& block : list_whole_records(run_dir, kRolloutLog))
    ++extent.record_blocks, extent.record_bytes += block.bytes;
  return extent;
}

base::Json to_json(const Extent& e) {
  return base::Json::Object{
      {"metrics_rows", e.metrics_rows}, {"record_blocks", e.record_blocks}, {"record_bytes", e.record_bytes}};
}

Extent extent_from(const base::Json& saved) {
  const base::Json* json = saved.find("committed");
  if (!json) return {};
  return {json->int_at("metrics_rows"), json->int_at("record_blocks"), json->int_at("record_bytes")};
}

void check_extent(const std::string& run_dir, const Extent& committed) {
  check_metrics(base::join_path(run_dir, "metrics.jsonl"), committed.metrics_rows);
  check_records(run_dir, committed);
}

}  // namespace ponder::store
