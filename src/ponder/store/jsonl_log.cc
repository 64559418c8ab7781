#include "ponder/store/jsonl_log.h"

#include <algorithm>
#include <utility>

#include "ponder/base/error.h"

namespace ponder::store {
namespace {

// Bytes up to and with the last newline; reads backwards, for logs grow long.
int64_t whole_lines_bytes(const std::string& path) {
  const base::MappedFile file(path);
  const size_t newline = file.bytes().rfind('\n');
  return newline == std::string_view::npos ? 0 : static_cast<int64_t>(newline) + 1;
}

bool is_after(const base::Json& row, const std::string& stage, int64_t step) {
  const base::Json *row_stage = row.find("stage"), *row_step = row.find("step");
  return row_stage && row_step && row_stage->is_string() && row_step->is_int() && row_stage->as_string() == stage &&
         row_step->as_int() > step;
}

}  // namespace

JsonlLog::JsonlLog(std::string path) : path_(std::move(path)) {
  file_ = std::make_unique<base::FileWriter>(path_, true);
  bytes_ = whole_lines_bytes(path_);
  if (bytes_ < file_->offset()) base::truncate_file(path_, bytes_);
}

void JsonlLog::append(const base::Json& row) {
  const std::string line = row.dump() + "\n";
  try {
    file_->write(line);
    file_->flush();
  } catch (...) {
    base::truncate_file(path_, bytes_);  // a disk that filled up within the row must not leave half of it
    throw;
  }
  bytes_ += static_cast<int64_t>(line.size());
}

void JsonlLog::sync() { file_->sync(); }

void JsonlLog::rewind(const std::string& stage, int64_t step) {
  base::LineReader lines(path_);
  std::string line;
  int64_t kept = 0;
  for (int64_t number = 1; lines.next(line); ++number) {
    const base::Json row = base::Json::parse(line, base::cat(path_, ":", number));
    if (is_after(row, stage, step)) {
      if (number <= held_)
        throw Error(ErrorCode::kInput,
                    base::cat("this row is of ", stage, " behind step ", step,
                              ", yet it stands before what the run had saved; the file was changed. Restore it from a "
                              "copy, or run the recipe again in a new --out"),
                    base::cat(path_, ":", number));
      base::truncate_file(path_, kept);
      bytes_ = kept;
      return;
    }
    kept += static_cast<int64_t>(line.size()) + 1;
  }
}

}  // namespace ponder::store
